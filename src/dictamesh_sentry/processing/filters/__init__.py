"""Inbound filters: which events a project does not want to see."""

from dictamesh_sentry.processing.filters.match import first_match
from dictamesh_sentry.processing.filters.messages import is_health_check
from dictamesh_sentry.processing.filters.validate import validate_filters

__all__ = ["first_match", "is_health_check", "validate_filters"]
