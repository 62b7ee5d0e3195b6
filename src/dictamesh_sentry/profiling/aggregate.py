"""One flame graph of many profiles, a bounded number of them taken evenly over the window."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.profiling.functions import Chain, Functions, relevant_threads, weighted_chains
from dictamesh_sentry.profiling.model import Profile
from dictamesh_sentry.profiling.queries import (
    COLUMNS,
    Filters,
    ProfileMissingError,
    StoredProfile,
    read_profile,
    row_of,
    uuid_of,
)
from dictamesh_sentry.profiling.windows import between

MAX_PROFILES = 40
MAX_SAMPLES = 100_000
"""Of all profiles together: fewer are taken where they are large, so that a page is never slow."""
LEAST_PROFILES = 5


@dataclass(frozen=True)
class Source:
    """A profile, or the part of a chunk during which a transaction ran in ``thread_id`` (empty: in any)."""

    row: StoredProfile
    start: datetime | None = None
    end: datetime | None = None
    thread_id: str = ""


@dataclass
class Aggregate:
    """Chains of several profiles, and for each chain the positions in ``used`` of the profiles that have it.

    ``available``: how many profiles the window has; ``used``: those that were read.
    """

    functions: Functions = field(default_factory=Functions)
    chains: list[Chain] = field(default_factory=list)
    origins: list[list[int]] = field(default_factory=list)
    used: list[Source] = field(default_factory=list)
    available: int = 0


def aggregate(filters: Filters, *, in_app_only: bool = False, limit: int = MAX_PROFILES) -> Aggregate:
    """The chains of at most ``limit`` profiles of the window, in equal steps over it.

    With a transaction: its own profiles, and what profilers saw of its thread while it ran. Without: every profile of
    a transaction and every chunk.
    """
    sources, available = _sources(filters, limit)
    result = Aggregate(available=available)
    sums: dict[tuple[int, ...], Chain] = {}
    origins: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for source in sources:
        try:
            profile = read_profile(source.row)
        except ProfileMissingError:
            continue
        for chain in chains_of(profile, source, result.functions, in_app_only=in_app_only):
            known = sums.get(chain.functions, Chain(chain.functions, 0, 0))
            sums[chain.functions] = Chain(
                chain.functions, known.nanoseconds + chain.nanoseconds, known.samples + chain.samples
            )
            origins[chain.functions].append(len(result.used))
        result.used.append(source)
    result.chains = list(sums.values())
    result.origins = [origins[chain.functions] for chain in result.chains]
    return result


def chains_of(profile: Profile, source: Source, functions: Functions, *, in_app_only: bool = False) -> Iterable[Chain]:
    """What a source says."""
    if source.start is not None and source.end is not None:
        profile = between(profile, source.start.timestamp(), source.end.timestamp())
    threads = relevant_threads(profile)
    if source.thread_id:
        index = profile.thread_index(source.thread_id)
        threads = [index] if index is not None else []
    return weighted_chains(profile, functions, threads, in_app_only=in_app_only)


def _sources(filters: Filters, limit: int) -> tuple[list[Source], int]:
    if not filters.project_ids:
        return [], 0
    kind = "kind = 'transaction'" if filters.transaction else "1"
    rows, available = _evenly(filters, "profiles", COLUMNS, kind, limit)
    sources = [Source(row_of(row)) for row in rows]
    if filters.transaction:
        columns = "project_id, profiler_id, thread_id, timestamp, duration"
        segments, more = _evenly(filters, "spans", columns, "is_segment = 1 AND profiler_id != ''", limit)
        available += more
        sources += _chunks_of(filters, segments)
    sources.sort(key=lambda source: source.row.timestamp)
    samples = sum(source.row.sample_count for source in sources)
    if samples > MAX_SAMPLES:
        limit = min(limit, max(LEAST_PROFILES, len(sources) * MAX_SAMPLES // samples))
    if len(sources) > limit:
        sources = [sources[index * len(sources) // limit] for index in range(limit)]
    return sources, available


def _evenly(
    filters: Filters, table: str, columns: str, condition: str, limit: int
) -> tuple[Sequence[dict[str, Any]], int]:
    """At most ``limit`` rows in equal steps over those that match, and how many do."""
    where, parameters = filters.where()
    rows = get_store().query(
        f"SELECT {columns}, available FROM (SELECT {columns}, count() OVER () AS available,"
        f" row_number() OVER (ORDER BY timestamp) - 1 AS position FROM {table} WHERE {where} AND {condition})"
        " WHERE position = 0 OR intDiv(position * {limit:UInt32}, available)"
        " != intDiv((position - 1) * {limit:UInt32}, available) ORDER BY timestamp LIMIT {limit:UInt32}",
        {**parameters, "limit": limit},
    )
    available = int(rows[0]["available"]) if rows else 0
    for row in rows:
        del row["available"]
    return rows, available


def _chunks_of(filters: Filters, segments: Sequence[dict[str, Any]]) -> list[Source]:
    """The chunks during which transactions ran, one source for each pair."""
    known = [(segment, identifier) for segment in segments if (identifier := uuid_of(segment["profiler_id"]))]
    if not known:
        return []
    starts = [segment["timestamp"] for segment, _ in known]
    ends = [segment["timestamp"].timestamp() + segment["duration"] / 1000 for segment, _ in known]
    rows = get_store().query(
        f"SELECT {COLUMNS} FROM profiles WHERE project_id IN {{projects:Array(UInt64)}} AND kind = 'chunk'"
        " AND profiler_id IN {profilers:Array(UUID)}"
        " AND arrayExists((p, s, e) -> profiler_id = p AND toUnixTimestamp64Micro(timestamp) < e"
        " AND toUnixTimestamp64Micro(timestamp) + duration * 1000 > s, {profilers_of:Array(UUID)},"
        " {starts:Array(Int64)}, {ends:Array(Int64)}) LIMIT 1000",
        {
            "projects": list(filters.project_ids),
            "profilers": sorted({identifier for _, identifier in known}),
            "profilers_of": [identifier for _, identifier in known],
            "starts": [int(start.timestamp() * 1e6) for start in starts],
            "ends": [int(end * 1e6) for end in ends],
        },
    )
    chunks: dict[uuid.UUID, list[StoredProfile]] = defaultdict(list)
    for row in rows:
        chunks[row["profiler_id"]].append(row_of(row))
    return [
        Source(
            chunk, segment["timestamp"], datetime.fromtimestamp(end, segment["timestamp"].tzinfo), segment["thread_id"]
        )
        for (segment, identifier), end in zip(known, ends, strict=True)
        for chunk in chunks.get(identifier, ())
        if chunk.start < end and chunk.end > segment["timestamp"]
    ]
