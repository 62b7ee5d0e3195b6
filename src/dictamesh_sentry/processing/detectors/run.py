"""Runs the detectors a project has switched on over one transaction."""

from __future__ import annotations

from collections.abc import Sequence

from dictamesh_sentry.processing.detectors.problem import Detector, Problem, Segment
from dictamesh_sentry.processing.detectors.registry import DETECTORS
from dictamesh_sentry.processing.spans.span import Span
from dictamesh_sentry.projects.options import PerformanceOptions

MOST_SPANS = 10_000
MOST_PROBLEMS = 25


def detect_problems(segment: Span, spans: Sequence[Span], options: PerformanceOptions) -> list[Problem]:
    """What is wrong with a transaction; each pattern once. ``spans`` are its children in the order of their starts."""
    if not spans:
        return []
    seen = Segment.of(segment, spans[:MOST_SPANS])
    found: dict[str, Problem] = {}
    for detector in DETECTORS:
        chosen = options.detectors.get(detector.name)
        if chosen is not None and not chosen.enabled:
            continue
        for problem in detector.detect(seen, limits_of(detector, options)):
            if problem.fingerprint not in found and len(found) < MOST_PROBLEMS:
                found[problem.fingerprint] = problem
    return list(found.values())


def limits_of(detector: Detector, options: PerformanceOptions) -> dict[str, float]:
    """The thresholds in force: the project's where it has its own, within what the detector allows."""
    chosen = options.detectors.get(detector.name)
    own = chosen.thresholds if chosen is not None else {}
    return {
        name: min(max(float(own.get(name, limit.default)), limit.minimum), limit.maximum)
        for name, limit in detector.thresholds.items()
    }
