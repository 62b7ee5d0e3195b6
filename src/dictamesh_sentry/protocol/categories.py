"""Data categories (what quotas and statistics count) and outcomes (what became of an item).

Numbers and names are the field's: SDK rate-limiting and client-report documentation.
"""

from __future__ import annotations

from enum import IntEnum


class DataCategory(IntEnum):
    """A kind of data; ``name.lower()`` is the name SDKs use in rate-limit headers and client reports."""

    DEFAULT = 0
    ERROR = 1
    TRANSACTION = 2
    SECURITY = 3
    ATTACHMENT = 4
    SESSION = 5
    PROFILE = 6
    REPLAY = 7
    TRANSACTION_PROCESSED = 8
    TRANSACTION_INDEXED = 9
    MONITOR = 10
    PROFILE_INDEXED = 11
    SPAN = 12
    MONITOR_SEAT = 13
    FEEDBACK = 14
    METRIC_BUCKET = 15
    SPAN_INDEXED = 16
    PROFILE_DURATION = 17
    PROFILE_CHUNK = 18
    METRIC_SECOND = 19
    REPLAY_VIDEO = 20
    UPTIME = 21
    ATTACHMENT_ITEM = 22
    LOG_ITEM = 23
    LOG_BYTE = 24
    PROFILE_DURATION_UI = 25
    PROFILE_CHUNK_UI = 26
    TRACE_METRIC = 33
    PROFILE_BACKEND = 35
    PROFILE_UI = 36
    TRACE_METRIC_BYTE = 37

    @property
    def api_name(self) -> str:
        """The name in headers, client reports and ``/stats_v2/``."""
        return self.name.lower()

    @classmethod
    def from_name(cls, name: str) -> DataCategory | None:
        """The category of an SDK's name for it; None when the name is unknown."""
        return _BY_NAME.get(name)


_BY_NAME = {category.api_name: category for category in DataCategory}
_BY_NAME["user_report_v2"] = DataCategory.FEEDBACK


class Outcome(IntEnum):
    """What became of an item."""

    ACCEPTED = 0
    FILTERED = 1
    RATE_LIMITED = 2
    INVALID = 3
    ABUSE = 4
    CLIENT_DISCARD = 5
    CARDINALITY_LIMITED = 6

    @property
    def api_name(self) -> str:
        return self.name.lower()
