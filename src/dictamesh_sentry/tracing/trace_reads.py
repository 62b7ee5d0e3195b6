"""Reads of one trace: its structure, the texts of some of its spans, one span whole, and what is pinned to spans."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.tracing.logs import logs_per_span
from dictamesh_sentry.tracing.waterfall import Spans, Tree, build_tree

MAX_SPANS = 250_000
MAX_ERRORS = 1_000
_KEPT_TRACES = 8
_KEPT_SPANS = 500_000
_OF_TRACE = "is_segment IN (0, 1) AND project_id IN {projects:Array(UInt64)} AND trace_id = {trace:UUID}"
_LABEL = 200
_CHUNK = 2_000


@dataclass(frozen=True)
class Label:
    """What a span is called."""

    op: str
    text: str
    category: str
    status: str
    transaction: str
    platform: str
    profile_id: str
    replay_id: str


@dataclass(frozen=True)
class Pin:
    """An error, or a problem of performance, that happened during a span. Ids as hex."""

    event_id: str
    issue_id: int
    project_id: int
    span_id: int
    timestamp: datetime
    title: str
    level: str
    type: str
    culprit: str = ""

    @property
    def is_performance(self) -> bool:
        """Whether it is a problem found in the spans rather than an error."""
        return self.type == "transaction"


@dataclass
class Trace:
    """A trace as far as it is in the given projects."""

    id: str
    tree: Tree
    texts: Sequence[Sequence[str]]
    truncated: bool
    project_ids: frozenset[int]
    pins: dict[int, list[Pin]] = field(default_factory=dict)
    logs: dict[int, int] = field(default_factory=dict)

    def label(self, node: int) -> Label:
        """What a span's node is called."""
        return Label(*(column[node] for column in self.texts))

    @property
    def span_count(self) -> int:
        return len(self.tree.spans)


def parse_trace_id(text: str) -> uuid.UUID | None:
    """The id of 32 hex digits, dashes allowed; None for anything else."""
    try:
        return uuid.UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None


def load_trace(project_ids: Sequence[int], trace_id: str) -> Trace | None:
    """The trace's tree with what is pinned to it; None when these projects have nothing of it.

    The tree is built once and kept for the next window, until a span of the trace arrives.
    """
    identifier = parse_trace_id(trace_id)
    if identifier is None or not project_ids:
        return None
    parameters = {"projects": sorted(project_ids), "trace": identifier}
    pins = _pins(parameters)
    logs = logs_per_span(project_ids, identifier.hex)
    (count, newest) = get_store().rows(f"SELECT count(), max(received) FROM spans WHERE {_OF_TRACE}", parameters)[0]
    if not count and not pins and not logs:
        return None
    key = (identifier.hex, tuple(parameters["projects"]), int(count), newest)
    found = _cache.get(key)
    if found is None:
        found = _read(identifier.hex, parameters)
        _cache.put(key, found)
    by_span: dict[int, list[Pin]] = {}
    for pin in pins:
        by_span.setdefault(pin.span_id, []).append(pin)
    numbered = {int(span_id, 16) if span_id else 0: number for span_id, number in logs.items()}
    return Trace(found.id, found.tree, found.texts, found.truncated, found.project_ids, by_span, numbered)


def _read(trace_id: str, parameters: Mapping[str, Any]) -> Trace:
    columns = get_store().columns(
        "SELECT span_id, parent_span_id, project_id, toUnixTimestamp64Micro(timestamp) / 1000, duration, is_segment,"
        " cityHash64(op, if(normalized_description = '', description, normalized_description)),"
        f" op, substringUTF8(if(is_segment = 1, transaction, description), 1, {_LABEL}), category, status, transaction,"
        f" platform, profile_id, replay_id FROM spans WHERE {_OF_TRACE} ORDER BY timestamp LIMIT {MAX_SPANS + 1}",
        parameters,
    )
    truncated = len(columns[0]) > MAX_SPANS
    if truncated:
        columns = [column[:MAX_SPANS] for column in columns]
    tree = build_tree(Spans(*columns[:7]))
    return Trace(trace_id, tree, columns[7:], truncated, frozenset(columns[2]))


def _pins(parameters: Mapping[str, Any]) -> list[Pin]:
    trace: uuid.UUID = parameters["trace"]
    rows = get_store().rows(
        "SELECT event_id, issue_id, project_id, span_id, timestamp, title, level, type, culprit FROM events"
        " WHERE project_id IN {projects:Array(UInt64)} AND trace_id = {trace_text:String}"
        f" ORDER BY timestamp LIMIT {MAX_ERRORS}",
        {"projects": parameters["projects"], "trace_text": trace.hex},
    )
    return [
        Pin(row[0].hex, int(row[1]), int(row[2]), int(row[3], 16) if _is_hex(row[3]) else 0, *row[4:]) for row in rows
    ]


def _is_hex(text: str) -> bool:
    return len(text) == 16 and all(char in "0123456789abcdef" for char in text)


def span_details(project_ids: Sequence[int], trace_id: str, span_id: int) -> dict[str, Any] | None:
    """Every column of one span, ``links`` and ``payload`` decoded; None when there is no such span."""
    identifier = parse_trace_id(trace_id)
    if identifier is None or not project_ids:
        return None
    rows = get_store().query(
        f"SELECT * EXCEPT (origin_partition, origin_offset, retention_days) FROM spans WHERE {_OF_TRACE}"
        " AND span_id = {span:UInt64} LIMIT 1",
        {"projects": list(project_ids), "trace": identifier, "span": span_id},
    )
    if not rows:
        return None
    row = rows[0]
    row["links"] = orjson.loads(row["links"]) if row["links"] else []
    row["payload"] = orjson.loads(row["payload"]) if row["payload"] else {}
    row["end_timestamp"] = row["timestamp"] + timedelta(milliseconds=row["duration"])
    return row


def find_transaction(project_ids: Sequence[int], event_id: str) -> tuple[str, int, int] | None:
    """(trace id, span id, project id) of a transaction by its event id; None when there is none."""
    identifier = parse_trace_id(event_id)
    if identifier is None or not project_ids or not identifier.int:
        return None
    rows = get_store().rows(
        "SELECT trace_id, span_id, project_id FROM spans WHERE is_segment = 1"
        " AND project_id IN {projects:Array(UInt64)} AND event_id = {event:UUID} LIMIT 1",
        {"projects": list(project_ids), "event": identifier},
    )
    return (rows[0][0].hex, int(rows[0][1]), int(rows[0][2])) if rows else None


class _Cache:
    """The traces looked at last: a bounded number of them, and of their spans."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._traces: OrderedDict[Any, Trace] = OrderedDict()

    def get(self, key: Any) -> Trace | None:
        with self._lock:
            found = self._traces.get(key)
            if found is not None:
                self._traces.move_to_end(key)
            return found

    def put(self, key: Any, trace: Trace) -> None:
        with self._lock:
            self._traces[key] = trace
            while len(self._traces) > 1 and (len(self._traces) > _KEPT_TRACES or self._spans() > _KEPT_SPANS):
                self._traces.popitem(last=False)

    def _spans(self) -> int:
        return sum(trace.span_count for trace in self._traces.values())

    def clear(self) -> None:
        with self._lock:
            self._traces.clear()


_cache = _Cache()


def forget_traces() -> None:
    """Empty the cache; for tests."""
    _cache.clear()


@dataclass(frozen=True)
class Counts:
    """How many spans a trace has, by operation and by transaction (its event id, empty for spans sent alone)."""

    spans: int
    by_op: dict[str, int]
    by_transaction: list[tuple[str, int]]


def trace_counts(project_ids: Sequence[int], trace_id: str) -> Counts:
    """Counted by the store, so that a trace of any size is counted whole."""
    identifier = parse_trace_id(trace_id)
    if identifier is None or not project_ids:
        return Counts(0, {}, [])
    rows = get_store().rows(
        f"SELECT event_id, op, count() FROM spans WHERE {_OF_TRACE} GROUP BY event_id, op",
        {"projects": list(project_ids), "trace": identifier},
    )
    by_op: dict[str, int] = {}
    by_transaction: dict[str, int] = {}
    for event_id, op, count in rows:
        by_op[op] = by_op.get(op, 0) + count
        name = event_id.hex if event_id.int else ""
        by_transaction[name] = by_transaction.get(name, 0) + count
    return Counts(sum(by_op.values()), by_op, sorted(by_transaction.items()))


def transactions_of_trace(project_ids: Sequence[int], trace_id: str) -> list[dict[str, Any]]:
    """The segments of a trace by time; at most ten thousand."""
    identifier = parse_trace_id(trace_id)
    if identifier is None or not project_ids:
        return []
    return get_store().query(
        "SELECT span_id, parent_span_id, segment_id, event_id, project_id, timestamp, duration, op, status,"
        " transaction, profiler_id FROM spans WHERE is_segment = 1 AND project_id IN {projects:Array(UInt64)}"
        " AND trace_id = {trace:UUID} ORDER BY timestamp LIMIT 10000",
        {"projects": list(project_ids), "trace": identifier},
    )


def spans_of_trace(trace: Trace, span_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Span id → columns, for some spans of a trace."""
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(span_ids), _CHUNK):
        rows = get_store().query(
            "SELECT span_id, parent_span_id, segment_id, event_id, project_id, timestamp, duration, self_time, op,"
            " name, description, status, is_segment, transaction, profile_id, profiler_id, sdk_name, attributes_string,"
            f" attributes_number FROM spans WHERE {_OF_TRACE} AND span_id IN {{spans:Array(UInt64)}}",
            {
                "projects": sorted(trace.project_ids),
                "trace": uuid.UUID(trace.id),
                "spans": list(span_ids[start : start + _CHUNK]),
            },
        )
        found.update({row["span_id"]: row for row in rows})
    return found


def issues_of(trace: Trace) -> Sequence[Issue]:
    """The issues of what is pinned to the trace, in one query."""
    ids = {pin.issue_id for pins in trace.pins.values() for pin in pins}
    return list(Issue.objects.filter(pk__in=ids, is_pending_deletion=False).select_related("project")) if ids else []
