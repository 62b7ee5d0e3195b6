"""Storing profiles: samples first, then what names them; replaying a batch changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from dictamesh_sentry.blobs.interface import BlobStore
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.profiling.records import FUNCTION_COLUMNS, PROFILE_COLUMNS, ProfileRecord

_MARGIN = timedelta(days=2)
_CHUNK = 500
Origin = tuple[int, int]


@dataclass
class StoredProfiles:
    """``accepted`` are stored now, or were by an earlier attempt; ``duplicates`` came before with another message."""

    accepted: list[ProfileRecord] = field(default_factory=list)
    duplicates: list[ProfileRecord] = field(default_factory=list)


def store_profiles(records: Sequence[ProfileRecord], events: EventStore, blobs: BlobStore) -> StoredProfiles:
    """Write the samples, then the functions, then the rows that make a profile visible.

    Rows of a record whose origin (partition, offset) has them already are left out, so that a batch may be given
    again. A profile that another message stored is not stored again, but returned among the duplicates.
    """
    result = StoredProfiles()
    if not records:
        return result
    events.synchronize("profiles")
    events.synchronize("profile_functions")
    for start in range(0, len(records), _CHUNK):
        _store(records[start : start + _CHUNK], events, blobs, result)
    return result


def _store(records: Sequence[ProfileRecord], events: EventStore, blobs: BlobStore, result: StoredProfiles) -> None:
    present = _origins(events, "profiles", records)
    fresh: list[ProfileRecord] = []
    seen = {record.identity for record in result.accepted}
    for record in records:
        origin = (record.partition, record.offset)
        stored = present.get(record.identity)
        if record.identity in seen or (stored is not None and origin not in stored):
            result.duplicates.append(record)
            continue
        seen.add(record.identity)
        result.accepted.append(record)
        if stored is None:
            fresh.append(record)
    if not fresh:
        return
    for record in fresh:
        blobs.put(record.blob_key, record.blob)
    written = _origins(events, "profile_functions", fresh)
    functions = [
        row
        for record in fresh
        if (record.partition, record.offset) not in written.get(record.identity, ())
        for row in record.function_rows
    ]
    if functions:
        events.insert("profile_functions", FUNCTION_COLUMNS, functions)
    events.insert("profiles", PROFILE_COLUMNS, [record.row for record in fresh])


_PRESENT = {
    table: f"SELECT DISTINCT project_id, profile_id, origin_partition, origin_offset FROM {table}"
    " WHERE project_id IN {projects:Array(UInt64)} AND profile_id IN {ids:Array(UUID)}"
    " AND timestamp >= {first:DateTime64(6)} AND timestamp <= {last:DateTime64(6)}"
    for table in ("profiles", "profile_functions")
}


def _origins(events: EventStore, table: str, records: Sequence[ProfileRecord]) -> dict[tuple[int, str], set[Origin]]:
    """(project, profile id) → the messages that stored rows of it."""
    times = [record.timestamp for record in records]
    parameters: dict[str, Any] = {
        "projects": sorted({record.project_id for record in records}),
        "ids": [uuid.UUID(one) for one in sorted({record.profile_id for record in records})],
        "first": max(datetime.fromtimestamp(min(times), UTC) - _MARGIN, datetime(1970, 1, 1, tzinfo=UTC)),
        "last": datetime.fromtimestamp(max(times), UTC) + _MARGIN,
    }
    found: dict[tuple[int, str], set[Origin]] = {}
    for project_id, profile_id, partition, offset in events.rows(_PRESENT[table], parameters):
        found.setdefault((int(project_id), profile_id.hex), set()).add((int(partition), int(offset)))
    return found
