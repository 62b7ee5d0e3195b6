"""Reads of stored profiles: one of them, lists of them, the chunks of a time range, transactions that have any."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.blobs.filesystem import BlobNotFoundError
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.profiling.model import Profile, decode
from dictamesh_sentry.search.conditions import without_surrogates
from dictamesh_sentry.search.period import Period

MAX_CHUNKS = 60
# No chunk is longer; those that began earlier cannot reach into a range.
_LONGEST_CHUNK = timedelta(seconds=70)
COLUMNS = (
    "project_id, kind, timestamp, profile_id, profiler_id, event_id, trace_id, span_id, thread_id, duration,"
    " transaction, environment, release, platform, runtime, os_name, os_version, device_model, sample_count,"
    " thread_count, blob_key, blob_bytes"
)


class ProfileMissingError(Exception):
    """The row of the profile is there, its samples are not."""


@dataclass(frozen=True)
class StoredProfile:
    """A row of a profile. Ids are hex, empty where there is none; ``duration`` is in milliseconds."""

    project_id: int
    kind: str
    timestamp: datetime
    profile_id: str
    profiler_id: str
    event_id: str
    trace_id: str
    span_id: str
    thread_id: str
    duration: float
    transaction: str
    environment: str
    release: str
    platform: str
    runtime: str
    os_name: str
    os_version: str
    device_model: str
    sample_count: int
    thread_count: int
    blob_key: str
    blob_bytes: int

    @property
    def start(self) -> float:
        """Epoch seconds."""
        return self.timestamp.timestamp()

    @property
    def end(self) -> datetime:
        """The last sample's moment."""
        return self.timestamp + timedelta(milliseconds=self.duration)

    @property
    def system(self) -> str:
        """Operating system and its version."""
        return f"{self.os_name} {self.os_version}".strip()


@dataclass(frozen=True)
class Filters:
    """Which profiles are looked at; empty lists and texts do not restrict. The empty environment is "none"."""

    project_ids: Sequence[int]
    period: Period
    environments: Sequence[str] = ()
    transaction: str = ""
    release: str = ""

    def where(self) -> tuple[str, dict[str, Any]]:
        """The conditions, which fit ``profiles``, ``profile_functions`` and ``spans``, and their parameters."""
        conditions = [
            "project_id IN {projects:Array(UInt64)}",
            "timestamp >= {start:DateTime64(6, 'UTC')}",
            "timestamp < {end:DateTime64(6, 'UTC')}",
        ]
        parameters: dict[str, Any] = {
            "projects": list(self.project_ids),
            "start": self.period.start,
            "end": self.period.end,
        }
        if self.environments:
            conditions.append("environment IN {environments:Array(String)}")
            parameters["environments"] = list(map(without_surrogates, self.environments))
        for name in ("transaction", "release"):
            if value := getattr(self, name):
                conditions.append(f"{name} = {{{name}:String}}")
                parameters[name] = without_surrogates(value)
        return " AND ".join(conditions), parameters


@dataclass(frozen=True)
class SpanWindow:
    """When a span ran, and in which thread of which profiler."""

    span_id: str
    trace_id: str
    start: datetime
    duration: float
    profiler_id: str
    thread_id: str
    label: str

    @property
    def end(self) -> datetime:
        return self.start + timedelta(milliseconds=self.duration)


def read_profile(row: StoredProfile) -> Profile:
    """The samples of a profile. Raises ProfileMissingError."""
    try:
        return decode(get_blob_store().read(row.blob_key))
    except (BlobNotFoundError, FileNotFoundError, ValueError) as error:
        raise ProfileMissingError(row.blob_key) from error


# One profile


def find_profile(project_ids: Sequence[int], profile_id: str) -> StoredProfile | None:
    """A profile, or a chunk, by its id."""
    return _find(project_ids, "profile_id", profile_id)


def profile_of_transaction(project_ids: Sequence[int], event_id: str) -> StoredProfile | None:
    """The profile that was sent with a transaction."""
    return _find(project_ids, "event_id", event_id)


def _find(project_ids: Sequence[int], column: str, value: str) -> StoredProfile | None:
    identifier = uuid_of(value)
    if identifier is None or not project_ids:
        return None
    rows = get_store().query(
        f"SELECT {COLUMNS} FROM profiles WHERE project_id IN {{projects:Array(UInt64)}}"
        f" AND {column} = {{id:UUID}} ORDER BY timestamp DESC LIMIT 1",
        {"projects": list(project_ids), "id": identifier},
    )
    return row_of(rows[0]) if rows else None


def uuid_of(text: str) -> uuid.UUID | None:
    """A UUID other than zero, with or without dashes."""
    try:
        found = uuid.UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None
    return found if found is not None and found.int else None


# Chunks


def chunks_between(
    project_ids: Sequence[int], profiler_id: str, start: datetime, end: datetime, *, limit: int = MAX_CHUNKS
) -> list[StoredProfile]:
    """The chunks of a profiler that have samples between two moments, the earliest first."""
    identifier = uuid_of(profiler_id)
    if identifier is None or not project_ids:
        return []
    rows = get_store().query(
        f"SELECT {COLUMNS} FROM profiles WHERE project_id IN {{projects:Array(UInt64)}} AND kind = 'chunk'"
        " AND profiler_id = {profiler:UUID} AND timestamp >= {earliest:DateTime64(6, 'UTC')}"
        " AND timestamp < {end:DateTime64(6, 'UTC')}"
        " AND timestamp + toIntervalMicrosecond(toInt64(duration * 1000)) > {start:DateTime64(6, 'UTC')}"
        " ORDER BY timestamp, profile_id LIMIT {limit:UInt32}",
        {
            "projects": list(project_ids),
            "profiler": identifier,
            "earliest": start - _LONGEST_CHUNK,
            "start": start,
            "end": end,
            "limit": limit,
        },
    )
    return [row_of(row) for row in rows]


def latest_chunk(project_ids: Sequence[int], profiler_id: str) -> StoredProfile | None:
    """The newest chunk of a profiler."""
    return _find(project_ids, "profiler_id", profiler_id)


def has_chunks(project_ids: Sequence[int], period: Period) -> bool:
    """Whether these projects sent any continuous profile in the window."""
    if not project_ids:
        return False
    where, parameters = Filters(project_ids, period).where()
    return bool(get_store().rows(f"SELECT 1 FROM profiles WHERE {where} AND kind = 'chunk' LIMIT 1", parameters))


def has_profiles(project_ids: Sequence[int]) -> bool:
    """Whether these projects ever sent a profile that is still kept."""
    if not project_ids:
        return False
    sql = "SELECT 1 FROM profiles WHERE project_id IN {projects:Array(UInt64)} LIMIT 1"
    return bool(get_store().rows(sql, {"projects": list(project_ids)}))


def span_window(
    project_ids: Sequence[int], span_id: str, around: tuple[datetime, datetime] | None = None
) -> SpanWindow | None:
    """When a span ran; ``around`` bounds where it is looked for, at its start."""
    try:
        number = int(span_id, 16) if len(span_id) == 16 else 0
    except ValueError:
        return None
    if not number or not project_ids:
        return None
    now = datetime.now(UTC)
    first, last = around or (now - timedelta(days=90), now + timedelta(minutes=1))
    rows = get_store().query(
        "SELECT span_id, trace_id, timestamp, duration, profiler_id, thread_id, op,"
        " if(description = '', name, description) AS label FROM spans WHERE is_segment IN (0, 1)"
        " AND project_id IN {projects:Array(UInt64)} AND span_id = {span:UInt64}"
        " AND timestamp >= {first:DateTime64(6, 'UTC')} AND timestamp <= {last:DateTime64(6, 'UTC')} LIMIT 1",
        {"projects": list(project_ids), "span": number, "first": first, "last": last},
    )
    if not rows:
        return None
    row = rows[0]
    return SpanWindow(
        span_id=f"{row['span_id']:016x}",
        trace_id=row["trace_id"].hex,
        start=row["timestamp"],
        duration=row["duration"],
        profiler_id=row["profiler_id"],
        thread_id=row["thread_id"],
        label=" ".join(part for part in (row["op"], row["label"]) if part),
    )


# Lists


def recent_profiles(filters: Filters, *, limit: int = 20, offset: int = 0) -> list[StoredProfile]:
    """Profiles of transactions, the newest first."""
    if not filters.project_ids:
        return []
    where, parameters = filters.where()
    rows = get_store().query(
        f"SELECT {COLUMNS} FROM profiles WHERE {where} AND kind = 'transaction'"
        " ORDER BY timestamp DESC, profile_id LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
        {**parameters, "limit": limit, "offset": offset},
    )
    return [row_of(row) for row in rows]


@dataclass(frozen=True)
class Profiler:
    """A process that is profiled continuously."""

    project_id: int
    profiler_id: str
    platform: str
    environment: str
    release: str
    first: datetime
    last: datetime
    chunks: int
    seconds: float


def recent_profilers(filters: Filters, *, limit: int = 20) -> list[Profiler]:
    """Continuous profiles, the ones with the newest chunk first."""
    if not filters.project_ids:
        return []
    where, parameters = filters.where()
    rows = get_store().rows(
        "SELECT project_id, profiler_id, any(platform), any(environment), any(release), min(timestamp) AS first,"
        " max(timestamp + toIntervalMicrosecond(toInt64(duration * 1000))) AS last, count(), sum(duration) / 1000"
        f" FROM profiles WHERE {where} AND kind = 'chunk' GROUP BY project_id, profiler_id"
        " ORDER BY last DESC, profiler_id LIMIT {limit:UInt32}",
        {**parameters, "limit": limit},
    )
    return [Profiler(row[0], row[1].hex, *row[2:]) for row in rows]


@dataclass(frozen=True)
class ProfiledTransaction:
    """A transaction some of which have a profile. Durations are milliseconds of the profiled ones."""

    project_id: int
    transaction: str
    profiles: int
    p50: float
    p95: float
    last: datetime


def profiled_transactions(filters: Filters, *, limit: int = 25) -> list[ProfiledTransaction]:
    """Transactions with profiles of their own or of a profiler that ran meanwhile, those with most profiles first."""
    if not filters.project_ids:
        return []
    where, parameters = filters.where()
    quantiles = "quantileExact(0.5)(duration), quantileExact(0.95)(duration), max(timestamp)"
    rows = get_store().rows(
        f"SELECT project_id, transaction, count() AS profiles, {quantiles} FROM ("
        " SELECT project_id, transaction, duration, timestamp FROM profiles"
        f" WHERE {where} AND kind = 'transaction' AND transaction != ''"
        " UNION ALL SELECT project_id, transaction, duration, timestamp FROM spans"
        f" WHERE is_segment = 1 AND {where} AND profiler_id != '' AND transaction != '')"
        " GROUP BY project_id, transaction ORDER BY profiles DESC, transaction LIMIT {limit:UInt32}",
        {**parameters, "limit": limit},
    )
    return [ProfiledTransaction(int(row[0]), *row[1:]) for row in rows]


def row_of(row: Mapping[str, Any]) -> StoredProfile:
    """A row of ``COLUMNS``."""
    values = dict(row)
    for name in ("profile_id", "profiler_id", "event_id", "trace_id"):
        values[name] = values[name].hex if values[name].int else ""
    values["span_id"] = f"{values['span_id']:016x}" if values["span_id"] else ""
    return StoredProfile(**values)
