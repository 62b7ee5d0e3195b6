"""Reads of spans of a trace by id: all columns of one, those the API shows of many; and what the store counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.tracing.trace_store import OF_TRACE, Trace, parse_trace_id

_CHUNK = 2_000
MAX_TRANSACTIONS = 10_000
MAX_CHILDREN = 1_000


def span_details(
    project_ids: Sequence[int], trace_id: str, span_id: int, start: int | None = None
) -> dict[str, Any] | None:
    """Every column of one span, ``links`` and ``payload`` decoded; None when there is no such span.

    ``start`` (microseconds) tells spans of one id apart.
    """
    identifier = parse_trace_id(trace_id)
    if identifier is None or not project_ids:
        return None
    rows = get_store().query(
        f"SELECT * EXCEPT (origin_partition, origin_offset, retention_days) FROM spans WHERE {OF_TRACE}"
        " AND span_id = {span:UInt64}"
        " ORDER BY toUnixTimestamp64Micro(timestamp) != {start:Int64}, timestamp LIMIT 1",
        {"projects": list(project_ids), "trace": identifier, "span": span_id, "start": start or 0},
    )
    return _decoded(rows[0]) if rows else None


def _decoded(row: dict[str, Any]) -> dict[str, Any]:
    row["links"] = _json(row["links"], [])
    row["payload"] = _json(row["payload"], {})
    row["end_timestamp"] = row["timestamp"] + timedelta(milliseconds=row["duration"])
    return row


def _json(text: str, missing: Any) -> Any:
    try:
        found = orjson.loads(text) if text else missing
    except orjson.JSONDecodeError:
        return missing
    return found if isinstance(found, type(missing)) else missing


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


def transaction_row(project_ids: Sequence[int], event_id: str) -> dict[str, Any] | None:
    """Every column of a transaction's segment, decoded; None when there is none."""
    found = find_transaction(project_ids, event_id)
    return span_details([found[2]], found[0], found[1]) if found is not None else None


def spans_of_transaction(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The spans of a transaction without its segment, by start; at most a thousand."""
    return get_store().query(
        "SELECT span_id, parent_span_id, timestamp, duration, self_time, op, name, description, status, origin,"
        " group_hash, is_segment, attributes_string, attributes_number FROM spans WHERE is_segment = 0"
        " AND project_id IN {projects:Array(UInt64)} AND trace_id = {trace:UUID} AND event_id = {event:UUID}"
        f" ORDER BY timestamp, span_id LIMIT {MAX_CHILDREN}",
        {"projects": [row["project_id"]], "trace": row["trace_id"], "event": row["event_id"]},
    )


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
        f"SELECT event_id, op, count() FROM spans WHERE {OF_TRACE} GROUP BY event_id, op",
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
        " transaction, profile_id, profiler_id FROM spans WHERE is_segment = 1"
        " AND project_id IN {projects:Array(UInt64)} AND trace_id = {trace:UUID}"
        f" ORDER BY timestamp LIMIT {MAX_TRANSACTIONS}",
        {"projects": list(project_ids), "trace": identifier},
    )


def spans_of_trace(trace: Trace, nodes: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The columns that the API shows of some spans of a trace, by node."""
    tree = trace.tree
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for first in range(0, len(nodes), _CHUNK):
        rows = get_store().query(
            "SELECT span_id, parent_span_id, segment_id, event_id, project_id, timestamp, duration, self_time, op,"
            " name, description, status, is_segment, transaction, profile_id, profiler_id, sdk_name, attributes_string,"
            " attributes_number, toUnixTimestamp64Micro(timestamp) AS start"
            f" FROM spans WHERE {OF_TRACE} AND span_id IN {{spans:Array(UInt64)}}",
            {**trace.parameters, "spans": [tree.span_id[node] for node in nodes[first : first + _CHUNK]]},
        )
        found.update({(row["span_id"], row["start"]): row for row in rows})
    return {node: row for node in nodes if (row := found.get((tree.span_id[node], tree.start[node]))) is not None}


def issues_of(trace: Trace) -> Sequence[Issue]:
    """The issues of what is pinned to the trace, in one query."""
    ids = {pin.issue_id for pins in trace.pins.values() for pin in pins}
    return list(Issue.objects.filter(pk__in=ids, is_pending_deletion=False).select_related("project")) if ids else []
