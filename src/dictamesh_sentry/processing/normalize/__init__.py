"""Normalization: from whatever a client sent to a valid event."""

from dictamesh_sentry.processing.normalize.event import normalize_event
from dictamesh_sentry.processing.normalize.feedback import is_valid_feedback
from dictamesh_sentry.processing.normalize.parse import InvalidEventError, parse_event
from dictamesh_sentry.processing.normalize.types import NormalizedEvent, RequestInfo

__all__ = [
    "InvalidEventError",
    "NormalizedEvent",
    "RequestInfo",
    "is_valid_feedback",
    "normalize_event",
    "parse_event",
]
