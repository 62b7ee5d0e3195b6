"""The latest traces that have a matching span, with what can be said of each."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.search.period import Period

# The newest traces are mostly found in the first of these windows; a larger one is read only when they are too few.
_WINDOWS = (timedelta(hours=1), timedelta(hours=12), timedelta(days=3))
# A trace is listed where its last matching span is. One that goes on for longer may be listed twice.
_LONGEST = timedelta(days=1)
_TIME = "DateTime64(6, 'UTC')"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class TraceRow:
    """A trace as far as it is in the given projects. ``duration`` in milliseconds; ``root_*`` of its first segment."""

    trace_id: str
    start: datetime
    duration: float
    spans: int
    failures: int
    project_ids: list[int]
    root_project: int
    root_name: str
    root_op: str
    root_is_missing: bool
    errors: int = 0
    problems: int = 0


@dataclass(frozen=True)
class TracePage:
    """Some traces, newest first; ``next_cursor`` where there are more."""

    rows: list[TraceRow]
    next_cursor: str | None


def find_traces(
    project_ids: Sequence[int],
    where: str,
    parameters: Mapping[str, Any],
    period: Period,
    *,
    cursor: str = "",
    limit: int = 50,
) -> TracePage:
    """Traces with a span that fulfils ``where``, a condition on spans of these projects with bound parameters.

    Raises ValueError for a cursor that is none.
    """
    if not project_ids:
        return TracePage([], None)
    before = read_cursor(cursor)
    found = _newest(where, parameters, period, before, limit + 1)
    page = found[:limit]
    if not page:
        return TracePage([], None)
    rows = _summaries(project_ids, [trace for trace, _ in page], [last for _, last in page])
    errors = _errors(project_ids, [trace for trace, _ in page])
    listed = [
        replace(rows[trace], errors=count, problems=problems)
        for trace, _ in page
        if trace in rows
        for count, problems in (errors.get(trace.hex, (0, 0)),)
    ]
    more = len(found) > limit
    return TracePage(listed, f"{_micros(page[-1][1])}-{page[-1][0].hex}" if more else None)


def read_cursor(text: str) -> tuple[datetime, uuid.UUID] | None:
    """Where a page begins: after this time and trace. Raises ValueError."""
    if not text:
        return None
    micros, _, trace = text.partition("-")
    try:
        return _EPOCH + timedelta(microseconds=int(micros)), uuid.UUID(trace)
    except (ValueError, OverflowError):
        raise ValueError("Invalid cursor parameter.") from None


def _micros(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _newest(
    where: str, parameters: Mapping[str, Any], period: Period, before: tuple[datetime, uuid.UUID] | None, limit: int
) -> list[tuple[uuid.UUID, datetime]]:
    """Trace and time of its last matching span, newest first."""
    end = min(period.end, before[0] + timedelta(microseconds=1)) if before else period.end
    having = f" HAVING (last, trace_id) < ({{before:{_TIME}}}, {{after:UUID}})" if before else ""
    bound: dict[str, Any] = {"before": before[0], "after": before[1]} if before else {}
    rows: Sequence[Sequence[Any]] = []
    for length in (*_WINDOWS, None):
        start = max(period.start, end - length) if length is not None else period.start
        rows = get_store().rows(
            f"SELECT trace_id, max(timestamp) AS last FROM spans WHERE {where}"
            f" AND timestamp >= {{window_start:{_TIME}}} AND timestamp < {{window_end:{_TIME}}}"
            f" GROUP BY trace_id{having} ORDER BY last DESC, trace_id DESC LIMIT {{limit:UInt32}}",
            {
                **parameters,
                **bound,
                "window_start": start,
                "window_end": min(period.end, end + _LONGEST),
                "limit": limit,
            },
        )
        if len(rows) >= limit or start <= period.start:
            break
    return [(trace, last) for trace, last in rows]


def _summaries(
    project_ids: Sequence[int], traces: Sequence[uuid.UUID], times: Sequence[datetime]
) -> dict[uuid.UUID, TraceRow]:
    rows = get_store().rows(
        "SELECT trace_id, min(timestamp) AS start,"
        " max(toUnixTimestamp64Micro(timestamp) / 1000 + duration) - toUnixTimestamp64Micro(start) / 1000, count(),"
        " countIf(status NOT IN ('', 'ok', 'cancelled', 'unknown')), arraySort(groupUniqArray(project_id)),"
        " argMin((project_id, if(is_segment = 1, transaction, if(description = '', name, description)), op,"
        " parent_span_id != 0), (is_segment = 0, parent_span_id != 0, timestamp)) AS root"
        " FROM spans WHERE is_segment IN (0, 1) AND project_id IN {projects:Array(UInt64)}"
        f" AND trace_id IN {{traces:Array(UUID)}} AND timestamp >= {{low:{_TIME}}} AND timestamp < {{high:{_TIME}}}"
        " GROUP BY trace_id",
        {
            "projects": list(project_ids),
            "traces": list(traces),
            "low": min(times) - _LONGEST,
            "high": max(times) + _LONGEST,
        },
    )
    return {
        trace: TraceRow(
            trace_id=trace.hex, start=start, duration=lasted, spans=spans, failures=failures, project_ids=projects,
            root_project=root[0], root_name=root[1], root_op=root[2], root_is_missing=bool(root[3]),
        )
        for trace, start, lasted, spans, failures, projects, root in rows
    }  # fmt: skip


def _errors(project_ids: Sequence[int], traces: Sequence[uuid.UUID]) -> dict[str, tuple[int, int]]:
    rows = get_store().rows(
        "SELECT trace_id, countIf(type != 'transaction'), countIf(type = 'transaction') FROM events"
        " WHERE project_id IN {projects:Array(UInt64)} AND trace_id IN {traces:Array(String)} GROUP BY trace_id",
        {"projects": list(project_ids), "traces": [trace.hex for trace in traces]},
    )
    return {trace: (errors, problems) for trace, errors, problems in rows}
