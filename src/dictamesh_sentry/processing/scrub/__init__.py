"""Data scrubbing: what is sensitive leaves the event before it is stored."""

from dictamesh_sentry.processing.scrub.event import scrub_event
from dictamesh_sentry.processing.scrub.validate import (
    PiiConfigError,
    SelectorError,
    validate_pii_config,
    validate_scrub,
    validate_selector,
)

__all__ = [
    "PiiConfigError",
    "SelectorError",
    "scrub_event",
    "validate_pii_config",
    "validate_scrub",
    "validate_selector",
]
