"""Figures of spans by one or more columns, and over time: one query gives both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.statistics_queries import bucket_starts
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.tracing.percentiles import Percentile, uneven

COUNT = "sum(sample_weight)"
TOTAL = "sum(duration * sample_weight)"
FAILED = "sumIf(sample_weight, status NOT IN ('', 'ok', 'cancelled', 'unknown'))"
MOST_ROWS = 1000

Row = dict[str, Any]


@dataclass(frozen=True)
class Filters:
    """Which spans are looked at. ``equal``: column → value it must have; the columns are named by code, not by users.

    Queries name their ``categories`` wherever they can: with project and time they are what the table is sorted by.
    """

    project_ids: Sequence[int]
    period: Period
    environments: Sequence[str] = ()
    release: str = ""
    equal: Mapping[str, str | int] = field(default_factory=dict)

    def where(self, categories: Sequence[str], segments: Sequence[int] = (0, 1)) -> tuple[str, dict[str, Any]]:
        """The conditions and their parameters."""
        conditions = [
            "is_segment IN {f_segments:Array(UInt8)}",
            "project_id IN {f_projects:Array(UInt64)}",
            *(["category IN {f_categories:Array(String)}"] if categories else []),
            "timestamp >= {f_start:DateTime64(6, 'UTC')}",
            "timestamp < {f_end:DateTime64(6, 'UTC')}",
        ]
        parameters: dict[str, Any] = {
            "f_segments": list(segments),
            "f_projects": list(self.project_ids),
            "f_categories": list(categories),
            "f_start": self.period.start,
            "f_end": self.period.end,
        }
        if self.environments:
            conditions.append("environment IN {f_environments:Array(String)}")
            parameters["f_environments"] = list(self.environments)
        for column, value in {**({"release": self.release} if self.release else {}), **self.equal}.items():
            kind = "UInt64" if isinstance(value, int) else "String"
            conditions.append(f"{column} = {{f_{column}:{kind}}}")
            parameters[f"f_{column}"] = value
        return " AND ".join(conditions), parameters

    def narrowed(self, **equal: str | int) -> Filters:
        """These filters and more columns that must be equal to something."""
        return replace(self, equal={**self.equal, **equal})


@dataclass(frozen=True)
class Spans:
    """Which spans a section is about: their categories, and a condition that may need computed columns.

    ``columns``: name → SQL, computed once per row before anything is grouped.
    """

    categories: Sequence[str]
    condition: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    segments: Sequence[int] = (0, 1)

    def source(self, filters: Filters, stored: str, also: str = "") -> tuple[str, dict[str, Any]]:
        """The rows as a subquery; ``stored`` names the columns of the table that are used outside of it."""
        where, parameters = filters.where(self.categories, self.segments)
        if also:
            where += f" AND {also}"
        if self.condition:
            where += f" AND {self.condition}"
        computed = "".join(f", {sql} AS {name}" for name, sql in self.columns.items())
        return f"(SELECT {stored}{computed} FROM spans WHERE {where})", parameters


@dataclass(frozen=True)
class Table:
    """How to group: ``keys`` (name → SQL) and ``metrics`` (name → SQL or Percentile), all of them sums but percentiles.

    ``orders``: what a table may be sorted by → SQL over the metrics; the first is the default.
    """

    spans: Spans
    keys: Mapping[str, str]
    metrics: Mapping[str, str | Percentile]
    orders: Mapping[str, str]
    stored: Sequence[str] = ()
    """Columns of the table that keys and metrics use beside those of ``_STORED``."""
    is_charted: bool = True
    """Whether there is a chart."""
    has_whole: bool = False
    """Whether the metrics of all rows together are wanted, percentiles included."""


def number(name: str, attribute: str) -> dict[str, str]:
    """Columns ``name`` and ``has_name`` of a numeric attribute, 0 where it is not. Cheaper than asking the map."""
    place = f"indexOf(attributes_number.keys, '{attribute}')"
    return {name: f"attributes_number.values[{place}]", f"has_{name}": f"{place} > 0"}


_STORED = ("project_id", "timestamp", "duration", "status", "sample_weight")


@dataclass(frozen=True)
class Sort:
    """The column of a table it is sorted by, and which rows of it are wanted."""

    column: str = ""
    descending: bool = True
    offset: int = 0
    limit: int = 25


@dataclass(frozen=True)
class Breakdown:
    """``rows`` of one page of a table, the number of all rows, and the same metrics per interval of the period.

    ``whole``: the metrics of everything, of tables that have it.
    """

    rows: Sequence[Row]
    found: int
    series: Sequence[Row]
    rollup: int
    minutes: float
    sampled: bool
    summed: Sequence[str] = ()
    whole: Row | None = None

    @cached_property
    def totals(self) -> dict[str, float]:
        """The sums over all rows, also over those on other pages. Percentiles cannot be summed and are not in it."""
        return {name: sum(row[name] or 0.0 for row in self.series) for name in self.summed}


def ratio(part: float | None, whole: float | None) -> float | None:
    """None where there is nothing to divide by."""
    return None if part is None or not whole else part / whole


def breakdown(filters: Filters, table: Table, sort: Sort | None = None) -> Breakdown:
    """One query; a second one where the weights of rows differ, since percentiles then need them."""
    sort = sort or Sort()
    rollup = filters.period.rollup
    starts = bucket_starts(filters.period, rollup)
    minutes = filters.period.seconds / 60
    summed = [name for name, metric in table.metrics.items() if not isinstance(metric, Percentile)]
    if not filters.project_ids:
        return Breakdown([], 0, [], rollup, minutes, False, summed)
    records = _read(filters, table, sort, rollup, weighted=False)
    least = min((record["least"] for record in records), default=1.0)
    most = max((record["most"] for record in records), default=1.0)
    if uneven(least, most) and len(summed) < len(table.metrics):
        records = _read(filters, table, sort, rollup, weighted=True)
    rows = [cleaned(record, (*table.keys, *table.metrics)) for record in records if record["one"]]
    times = {record["bucket"]: cleaned(record, table.metrics) for record in records if record["bucket"]}
    found = next((record["found"] for record in records if record["one"]), 0)
    whole = next((cleaned(one, table.metrics) for one in records if not one["one"] and not one["bucket"]), None)
    nothing = {name: None if isinstance(metric, Percentile) else 0.0 for name, metric in table.metrics.items()}
    series = [{**times.get(start, nothing), "start": start} for start in starts] if table.is_charted else []
    sampled = uneven(1.0, most) or uneven(least, 1.0)
    return Breakdown(rows[sort.offset :], found, series, rollup, minutes, sampled, summed, whole)


def _read(filters: Filters, table: Table, sort: Sort, rollup: int, *, weighted: bool) -> list[Row]:
    """Rows of the table (``one``), of its chart (``bucket``) and of everything (neither), from one scan."""
    source, parameters = table.spans.source(filters, ", ".join(dict.fromkeys((*_STORED, *table.stored))))
    metrics = ", ".join(
        f"{metric.sql(weighted=weighted) if isinstance(metric, Percentile) else metric} AS {name}"
        for name, metric in table.metrics.items()
    )
    keys = "".join(f"{sql} AS {name}, " for name, sql in table.keys.items())
    names = ", ".join(table.keys)
    # ``one`` tells rows of the table from the others, which have empty keys. It is a key itself, true of every span,
    # where rows without an interval need not be of the table.
    one = "project_id > 0" if table.has_whole and names else "bucket = 0" if names else "toUInt8(0)"
    row_keys = f"(one, {names})" if table.has_whole else f"({names})"
    wanted = ((row_keys, bool(names)), ("(bucket)", table.is_charted), ("()", table.has_whole))
    bucket = (
        "intDiv(toUnixTimestamp(timestamp), {rollup:UInt32}) * {rollup:UInt32}" if table.is_charted else "toUInt32(0)"
    )
    order = table.orders.get(sort.column) or next(iter(table.orders.values()), "bucket")
    return get_store().query(
        f"SELECT {keys}{bucket} AS bucket, {one} AS one, {metrics}, "
        "min(sample_weight) AS least, max(sample_weight) AS most, count() OVER (PARTITION BY one, bucket) AS found "
        f"FROM {source} GROUP BY GROUPING SETS ({', '.join(set_ for set_, is_wanted in wanted if is_wanted)}) "
        f"ORDER BY {order} {'DESC' if sort.descending else 'ASC'} NULLS LAST{', ' + names if names else ''} "
        "LIMIT {most:UInt32} BY one, bucket",
        {**parameters, "rollup": rollup, "most": min(MOST_ROWS, sort.offset + sort.limit)},
    )


def cleaned(record: Row, names: Sequence[str] | Mapping[str, Any]) -> Row:
    """The named values; what could not be computed is None."""
    return {name: None if _missing(record[name]) else record[name] for name in names}


def _missing(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


@dataclass(frozen=True)
class Sample:
    """One span that shows what a row of a table is made of."""

    project_id: int
    trace_id: str
    span_id: str
    timestamp: datetime
    duration: float
    transaction: str
    description: str
    release: str
    environment: str
    status: str
    status_code: str
    values: Mapping[str, float | None]
    kind: str


_SAMPLE = (
    "project_id, trace_id, span_id, timestamp, duration, transaction, description, release, environment, status, "
    "status_code"
)


def samples(
    filters: Filters,
    spans: Spans,
    kinds: Mapping[str, tuple[str, str]],
    values: Sequence[str] = (),
    parameters: Mapping[str, Any] | None = None,
    each: int = 5,
) -> list[Sample]:
    """A few spans of each kind, no span twice. ``kinds``: its name → (which spans are of it, what they are sorted by).

    ``values`` names computed columns of ``spans`` to be handed on.
    """
    if not filters.project_ids:
        return []
    picked = _pick(filters, spans, kinds, parameters or {}, each)
    if not picked:
        return []
    # The times find the few granules to read.
    source, bound = spans.source(filters, _SAMPLE, "timestamp IN {times:Array(DateTime64(6, 'UTC'))}")
    extra = "".join(f", {name}" for name in values)
    records = get_store().query(
        f"SELECT {_SAMPLE}{extra} FROM {source}",
        {**bound, **(parameters or {}), "times": sorted({moment for _, moment, _ in picked})},
    )
    by_place = {(record["timestamp"], record["span_id"]): record for record in records}
    found: dict[tuple[datetime, int], Sample] = {}
    for kind, moment, span_id in picked:
        record = by_place.get((moment, span_id))
        if record is not None and (moment, span_id) not in found:
            found[moment, span_id] = _sample({**record, "kind": kind}, values)
    return list(found.values())


def _pick(
    filters: Filters,
    spans: Spans,
    kinds: Mapping[str, tuple[str, str]],
    parameters: Mapping[str, Any],
    each: int,
) -> list[tuple[str, datetime, int]]:
    """Kind, time and id of the spans to show, without reading what else is shown of them."""
    source, bound = spans.source(filters, "timestamp, span_id, duration, status, status_code")
    parts = [
        f"(SELECT '{kind}' AS kind, timestamp, span_id FROM {source} WHERE {condition} ORDER BY {order} "
        "LIMIT {each:UInt32})"
        for kind, (condition, order) in kinds.items()
    ]
    rows = get_store().rows(" UNION ALL ".join(parts), {**bound, **parameters, "each": each})
    position = {kind: number for number, kind in enumerate(kinds)}
    return sorted(((kind, moment, span_id) for kind, moment, span_id in rows), key=lambda row: position[row[0]])


def _sample(record: Row, values: Sequence[str]) -> Sample:
    given = {name: value for name, value in record.items() if name not in values}
    return Sample(
        **{
            **given,
            "trace_id": record["trace_id"].hex,
            "span_id": format(record["span_id"], "016x"),
            "values": cleaned(record, values),
        }
    )
