"""What a span's description looks like once everything that varies from call to call is taken out of it. Pure."""

from __future__ import annotations

from dictamesh_sentry.processing.spans.descriptions.describe import Facts, describe
from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described

__all__ = ["NOTHING", "Described", "Facts", "describe"]
