"""What is stored of a profile. Plain data, so that it can cross a process boundary."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PROFILE_COLUMNS = (
    "project_id", "kind", "timestamp", "received", "retention_days", "origin_partition", "origin_offset",
    "profile_id", "profiler_id", "event_id", "trace_id", "span_id", "thread_id", "duration", "transaction",
    "environment", "release", "platform", "sdk_name", "sdk_version", "runtime", "os_name", "os_version",
    "device_model", "sample_count", "thread_count", "blob_key", "blob_bytes",
)  # fmt: skip
FUNCTION_COLUMNS = (
    "project_id", "timestamp", "received", "retention_days", "origin_partition", "origin_offset", "profile_id",
    "profiler_id", "fingerprint", "function", "package", "file", "in_app", "platform", "transaction", "environment",
    "release", "self_ns", "total_ns", "samples",
)  # fmt: skip
BLOBS = "profiles/"


@dataclass(slots=True)
class ProfileRecord:
    """A profile that passed every step. ``row`` and ``function_rows`` follow the columns above.

    ``timestamp`` is the start in epoch seconds; ``quantities`` is what the profile is counted as.
    """

    project_id: int
    organization_id: int
    key_id: int
    profile_id: str
    received: float
    timestamp: float
    partition: int
    offset: int
    environment: str
    release: str
    row: list[Any]
    function_rows: list[list[Any]]
    blob_key: str
    blob: bytes = field(repr=False)
    quantities: list[tuple[int, int]] = field(default_factory=list)

    @property
    def identity(self) -> tuple[int, str]:
        """What makes two messages the same profile."""
        return (self.project_id, self.profile_id)


def blob_key(project_id: int, start: datetime, retention_days: int, profile_id: str, origin: tuple[int, int]) -> str:
    """Where a profile's samples are kept: ``profiles/<project>/<day of start>-<days kept>/<id>-<origin>``.

    The key says by itself when it expires: the row that names it may be gone by then. The origin keeps a second
    profile with the same id from replacing the first one's samples.
    """
    day = start.strftime("%Y%m%d")
    return f"{BLOBS}{project_id}/{day}-{retention_days}/{profile_id}-{origin[0]}-{origin[1]}"
