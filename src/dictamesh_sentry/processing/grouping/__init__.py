"""Grouping: from a normalized event to the issue it belongs to. See docs/grouping.md."""

from __future__ import annotations

from dictamesh_sentry.processing.grouping.engine import ALGORITHM, GroupingResult, group_event

__all__ = ["ALGORITHM", "GroupingResult", "group_event"]
