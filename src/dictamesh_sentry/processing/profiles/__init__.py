"""Profiles: reading every format SDKs send into one form. Pure."""

from __future__ import annotations

from dictamesh_sentry.processing.profiles.errors import InvalidProfileError
from dictamesh_sentry.processing.profiles.parse import parse_profile
from dictamesh_sentry.processing.profiles.record import process_profile_item
from dictamesh_sentry.profiling.records import ProfileRecord

__all__ = ["InvalidProfileError", "ProfileRecord", "parse_profile", "process_profile_item"]
