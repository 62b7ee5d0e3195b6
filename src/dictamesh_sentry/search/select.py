"""Running a query with columns: a table, the values over time, the top groups. The same for every table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.search.columns import Column
from dictamesh_sentry.search.period import Period

#: Start of a point in epoch seconds → a raw value for each axis.
Points = dict[int, Sequence[Any]]
OTHER = 255


@dataclass(frozen=True)
class Selection:
    """The rows a query is about. ``newest`` is the order of rows that are not grouped."""

    table: str
    where: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    having: str = ""
    newest: str = "timestamp DESC, event_id DESC"


def fetch(
    selection: Selection,
    columns: Sequence[Column],
    parameters: Mapping[str, Any],
    order: str,
    limit: int,
    offset: int = 0,
) -> Sequence[Sequence[Any]]:
    """Rows of raw values. Columns that are no functions are what rows are grouped by, once there is a function."""
    selected = ", ".join(f"{column.sql} AS c{position}" for position, column in enumerate(columns))
    grouped = [f"c{position}" for position, column in enumerate(columns) if not column.is_aggregate]
    has_aggregates = any(column.is_aggregate for column in columns)
    group = f" GROUP BY {', '.join(grouped)}" if grouped and (has_aggregates or selection.having) else ""
    having = f" HAVING {selection.having}" if selection.having else ""
    return get_store().rows(
        f"SELECT {selected} FROM {selection.table} WHERE {selection.where}{group}{having}{order} "
        "LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
        {**selection.parameters, **parameters, "limit": limit, "offset": offset},
    )


def series(
    selection: Selection,
    axes: Sequence[Column],
    parameters: Mapping[str, Any],
    width: int,
    label: str = "0",
) -> dict[int, Points]:
    """Label → point → a raw value for each axis. ``label`` is an SQL expression that gives a small number."""
    rows = get_store().rows(
        f"SELECT {label} AS label, intDiv(toUnixTimestamp(timestamp), {{width:UInt32}}) AS bucket, "
        f"{', '.join(axis.sql for axis in axes)} FROM {selection.table} WHERE {selection.where} GROUP BY label, bucket",
        {**selection.parameters, **parameters, "width": width},
    )
    result: dict[int, Points] = {}
    for name, bucket, *values in rows:
        result.setdefault(int(name), {})[int(bucket) * width] = values
    return result


def top_groups(
    selection: Selection,
    groups: Sequence[Column],
    ranking: Column,
    parameters: Mapping[str, Any],
    top: int,
    *,
    ascending: bool = False,
) -> tuple[list[Sequence[Any]], list[int]]:
    """The raw values of the groups that come first by ``ranking``, and a hash of each for ``label``."""
    selected = ", ".join(f"{column.sql} AS g{position}" for position, column in enumerate(groups))
    grouped = ", ".join(f"g{position}" for position in range(len(groups)))
    having = f" HAVING {selection.having}" if selection.having else ""
    rows = get_store().rows(
        f"SELECT {_hash([f'g{position}' for position in range(len(groups))])} AS h, {selected} "
        f"FROM {selection.table} WHERE {selection.where} GROUP BY {grouped}{having} "
        f"ORDER BY {ranking.sql} {'ASC' if ascending else 'DESC'} NULLS LAST, {grouped} LIMIT {{top:UInt8}}",
        {**selection.parameters, **parameters, "top": top},
    )
    return [row[1:] for row in rows], [int(row[0]) for row in rows]


def label(groups: Sequence[Column], hashes: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """An SQL expression: the position of a row's group among ``hashes``, else ``OTHER``; and its parameters."""
    expression = _hash([column.sql for column in groups])
    parameters = {"label_hashes": list(hashes), "label_positions": list(range(len(hashes)))}
    if not hashes:
        return str(OTHER), {}
    return (
        f"transform({expression}, {{label_hashes:Array(UInt64)}}, {{label_positions:Array(UInt8)}}, toUInt8({OTHER}))",
        parameters,
    )


def _hash(expressions: Sequence[str]) -> str:
    return f"cityHash64({', '.join(f'ifNull(toString({sql}), {chr(39) * 2})' for sql in expressions)})"


def buckets(period: Period, width: int) -> range:
    """Where the points of a chart start."""
    first, last = int(period.start.timestamp()) // width, int(period.end.timestamp() - 0.001) // width
    return range(first * width, (last + 1) * width, width)
