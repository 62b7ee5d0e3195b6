"""Every detector, by the name its options have."""

from __future__ import annotations

from dictamesh_sentry.processing.detectors import databases, frontend, requests
from dictamesh_sentry.processing.detectors.problem import Detector

DETECTORS: tuple[Detector, ...] = (*databases.DETECTORS, *requests.DETECTORS, *frontend.DETECTORS)
