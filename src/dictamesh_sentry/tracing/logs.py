"""Reads of log records: those of a trace, one of them, and how many hang on each span."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.search.period import Period

_COLUMNS = (
    "project_id, item_id, toUnixTimestamp64Nano(timestamp) AS nanoseconds, timestamp, received, trace_id, span_id,"
    " severity, severity_number, message, environment, release, platform, sdk_name, sdk_version, origin, user,"
    " replay_id, payload_size, attributes_string, attributes_number"
)


@dataclass(frozen=True)
class Log:
    """A stored record. ``nanoseconds`` since the epoch; ids as hex, ``span_id`` empty when it has none."""

    project_id: int
    id: str
    nanoseconds: int
    timestamp: datetime
    received: datetime
    trace_id: str
    span_id: str
    severity: str
    severity_number: int
    message: str
    environment: str
    release: str
    platform: str
    sdk_name: str
    sdk_version: str
    origin: str
    user: str
    replay_id: str
    size: int
    strings: Mapping[str, str]
    numbers: Mapping[str, float]


def logs_of_trace(
    project_ids: Sequence[int],
    trace_id: str,
    *,
    period: Period | None = None,
    text: str = "",
    limit: int = 100,
    offset: int = 0,
    newest_first: bool = False,
) -> list[Log]:
    """The records of a trace in these projects; ``text`` is looked for in the message, case ignored."""
    if not project_ids:
        return []
    where, parameters = _of_trace(project_ids, trace_id, period)
    if text:
        where += " AND positionCaseInsensitiveUTF8(message, {text:String}) > 0"
    direction = "DESC" if newest_first else "ASC"
    rows = get_store().query(
        f"SELECT {_COLUMNS} FROM logs WHERE {where} ORDER BY timestamp {direction}, item_id {direction}"
        " LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
        {**parameters, "text": text, "limit": limit, "offset": offset},
    )
    return [_log(row) for row in rows]


def logs_per_span(project_ids: Sequence[int], trace_id: str) -> dict[str, int]:
    """How many records each span of a trace has; those of no span under the empty id."""
    if not project_ids:
        return {}
    where, parameters = _of_trace(project_ids, trace_id, None)
    rows = get_store().rows(f"SELECT span_id, count() FROM logs WHERE {where} GROUP BY span_id", parameters)
    return {_span(span_id): int(count) for span_id, count in rows}


def get_log(project_ids: Sequence[int], item_id: str) -> Log | None:
    """A record by its id; None when there is none, or its project is not among these."""
    try:
        identifier = uuid.UUID(item_id)
    except ValueError:
        return None
    if not project_ids:
        return None
    rows = get_store().query(
        f"SELECT {_COLUMNS} FROM logs WHERE project_id IN {{projects:Array(UInt64)}}"
        " AND item_id = {item:UUID} LIMIT 1",
        {"projects": list(project_ids), "item": identifier},
    )
    return _log(rows[0]) if rows else None


def _of_trace(project_ids: Sequence[int], trace_id: str, period: Period | None) -> tuple[str, dict[str, Any]]:
    where = "project_id IN {projects:Array(UInt64)} AND trace_id = {trace:UUID}"
    parameters: dict[str, Any] = {"projects": list(project_ids), "trace": uuid.UUID(trace_id)}
    if period is not None:
        where += " AND timestamp >= {start:DateTime64(9)} AND timestamp < {end:DateTime64(9)}"
        parameters |= {"start": period.start, "end": period.end}
    return where, parameters


def _span(number: int) -> str:
    return f"{number:016x}" if number else ""


def _log(row: Mapping[str, Any]) -> Log:
    return Log(
        project_id=int(row["project_id"]),
        id=row["item_id"].hex,
        nanoseconds=int(row["nanoseconds"]),
        timestamp=row["timestamp"],
        received=row["received"],
        trace_id=row["trace_id"].hex,
        span_id=_span(row["span_id"]),
        severity=row["severity"],
        severity_number=int(row["severity_number"]),
        message=row["message"],
        environment=row["environment"],
        release=row["release"],
        platform=row["platform"],
        sdk_name=row["sdk_name"],
        sdk_version=row["sdk_version"],
        origin=row["origin"],
        user=row["user"],
        replay_id=row["replay_id"],
        size=int(row["payload_size"]),
        strings=row["attributes_string"],
        numbers=row["attributes_number"],
    )
