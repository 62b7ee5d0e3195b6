"""Web vitals: how pages feel, measured where they are used. Scores are defined in docs/insights.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.statistics_queries import bucket_starts
from dictamesh_sentry.tracing.insights.common import (
    MOST_ROWS,
    Filters,
    Row,
    Sample,
    Sort,
    Spans,
    cleaned,
    ratio,
    samples,
)
from dictamesh_sentry.tracing.insights.mobile import REACT_NATIVE
from dictamesh_sentry.tracing.percentiles import Percentile, uneven


@dataclass(frozen=True)
class Vital:
    """A web vital: up to ``good`` it is good, above ``poor`` poor. ``weight``: its part of the performance score."""

    name: str
    label: str
    good: float
    poor: float
    weight: float

    def rating(self, value: float | None) -> str:
        """``good``, ``meh`` or ``poor``; empty without a value."""
        if value is None:
            return ""
        return "good" if value <= self.good else "poor" if value > self.poor else "meh"


VITALS = (
    Vital("lcp", "Largest Contentful Paint", 2500, 4000, 0.30),
    Vital("fcp", "First Contentful Paint", 1800, 3000, 0.15),
    Vital("inp", "Interaction to Next Paint", 200, 500, 0.30),
    Vital("cls", "Cumulative Layout Shift", 0.1, 0.25, 0.15),
    Vital("ttfb", "Time to First Byte", 800, 1800, 0.10),
)
_LOAD = f"(op IN ('pageload', 'navigation') AND NOT {REACT_NATIVE})"
_MEASURED = {vital.name: f"attributes_number['measurements.{vital.name}']" for vital in VITALS}
PAGES = Spans(
    ("pageload", "navigation", "ui"),
    f"transaction != '' AND ({_LOAD} OR startsWith(op, 'ui.interaction.') OR startsWith(op, 'ui.webvital.'))",
    {**_MEASURED, "score": "attributes_number['measurements.score.total']"},
)
_PAIRS = Spans(
    PAGES.categories,
    PAGES.condition,
    {"names": "attributes_number.keys", "amounts": "attributes_number.values", "is_load": _LOAD},
)
_TOTAL = "measurements.score.total"
_WANTED = [*(f"measurements.{part}{vital.name}" for vital in VITALS for part in ("", "score.")), _TOTAL]
_BUCKETS = 40


def _per_vital(template: str) -> str:
    return ", ".join(
        template.format(
            v=vital.name, value=f"k = 'measurements.{vital.name}'", score=f"k = 'measurements.score.{vital.name}'"
        )
        for vital in VITALS
    )


_PIVOT = f"sumIf(loaded, k = '{_TOTAL}') AS loads, " + _per_vital(
    "sumIf(n, {value}) AS {v}_count, maxIf(p75, {value}) AS {v}_p75, sumIf(good, {value}) AS {v}_good, "
    "sumIf(poor, {value}) AS {v}_poor, sumIf(amount, {score}) AS {v}_score, sumIf(n, {score}) AS {v}_scored"
)
# A vital without a score takes no part: its weight is left out below the line, too.
_SCORE = "({}) / ({})".format(
    " + ".join(f"if({v.name}_scored > 0, {v.weight} * {v.name}_score / {v.name}_scored, 0)" for v in VITALS),
    " + ".join(f"if({v.name}_scored > 0, {v.weight}, 0)" for v in VITALS),
)
ORDERS = {
    "opportunity": f"loads * (1 - {_SCORE})",
    "score": _SCORE,
    "count": "loads",
    **{vital.name: f"if({vital.name}_count > 0, {vital.name}_p75, nan)" for vital in VITALS},
}


@dataclass(frozen=True)
class PageFigures:
    """The figures of one page, of all pages, or of an interval of time. ``name`` is the transaction."""

    name: str
    loads: float
    values: Mapping[str, float | None]

    def p75(self, vital: str) -> float | None:
        return self.values[f"{vital}_p75"] if self.values[f"{vital}_count"] else None

    def count(self, vital: str) -> float:
        """How many measured the vital."""
        return self.values[f"{vital}_count"] or 0.0

    def shares(self, vital: str) -> tuple[float, float, float] | None:
        """Good, to be improved, poor; together 1."""
        count = self.count(vital)
        if not count:
            return None
        good, poor = (self.values[f"{vital}_{part}"] or 0.0 for part in ("good", "poor"))
        return good / count, max(0.0, count - good - poor) / count, poor / count

    def vital_score(self, vital: str) -> float | None:
        """Between 0 and 1."""
        return ratio(self.values[f"{vital}_score"], self.values[f"{vital}_scored"])

    @property
    def score(self) -> float | None:
        """The performance score between 0 and 1, of the vitals that have a score."""
        known = [(vital.weight, self.vital_score(vital.name)) for vital in VITALS]
        scored = [(weight, score) for weight, score in known if score is not None]
        return ratio(sum(weight * score for weight, score in scored), sum(weight for weight, _ in scored))


@dataclass(frozen=True)
class Pages:
    """One page of the table of pages, all pages together, and all pages over time."""

    rows: Sequence[PageFigures]
    found: int
    overall: PageFigures
    series: Sequence[tuple[int, PageFigures]]
    sampled: bool

    def opportunity(self, page: PageFigures) -> float | None:
        """How much the score of all page loads would rise were every load of this page perfect."""
        if page.score is None:
            return None
        return ratio(page.loads * (1 - page.score), self.overall.loads)


_NOTHING = PageFigures(
    "",
    0.0,
    {f"{vital.name}_{part}": None for vital in VITALS for part in ("count", "p75", "good", "poor", "score", "scored")},
)


def pages(filters: Filters, sort: Sort, *, over_time: bool = False) -> Pages:
    """Pages by transaction, and ``over_time`` all together. One query; a second where the weights of rows differ."""
    if not filters.project_ids:
        return Pages([], 0, _NOTHING, [], sampled=False)
    records = _read(filters, sort, over_time=over_time, weighted=False)
    least = min((record["least"] for record in records), default=1.0)
    most = max((record["most"] for record in records), default=1.0)
    if uneven(least, most):
        records = _read(filters, sort, over_time=over_time, weighted=True)
    found = next((record["found"] for record in records if record["kind"] == "page"), 0)
    rows = [_figures(record) for record in records if record["kind"] == "page"]
    overall = next((_figures(record) for record in records if record["kind"] == "all"), _NOTHING)
    times = {record["bucket"]: _figures(record) for record in records if record["kind"] == "time"}
    starts = bucket_starts(filters.period, filters.period.rollup) if over_time else []
    series = [(start, times.get(start, _NOTHING)) for start in starts]
    sampled = uneven(1.0, most) or uneven(least, 1.0)
    return Pages(rows[sort.offset :], found, overall, series, sampled)


def _figures(record: Row) -> PageFigures:
    return PageFigures(record["name"], record["loads"], cleaned(record, _NOTHING.values))


def _read(filters: Filters, sort: Sort, *, over_time: bool, weighted: bool) -> list[Row]:
    """Of every page, of all and of every interval: the measurements as rows, then as columns."""
    source, parameters = _PAIRS.source(filters, "timestamp, transaction, sample_weight")
    limits = [(f"measurements.{vital.name}", vital.good, vital.poor) for vital in VITALS]
    order = ORDERS.get(sort.column, ORDERS["opportunity"])
    bucket = "intDiv(toUnixTimestamp(timestamp), {rollup:UInt32}) * {rollup:UInt32}" if over_time else "toUInt32(0)"
    rows = (
        f"SELECT transaction AS name, {bucket} AS bucket, "
        "k, multiIf(name != '', 'page', bucket != 0, 'time', 'all') AS kind, sum(sample_weight) AS n, "
        "sumIf(sample_weight, is_load) AS loaded, "
        f"sum(v * sample_weight) AS amount, {Percentile(0.75, 'v').sql(weighted=weighted)} AS p75, "
        "sumIf(sample_weight, v <= transform(toString(k), {names:Array(String)}, {good:Array(Float64)}, 0.)) AS good, "
        "sumIf(sample_weight, v > transform(toString(k), {names:Array(String)}, {poor:Array(Float64)}, 0.)) AS poor, "
        "min(sample_weight) AS least, max(sample_weight) AS most "
        f"FROM {source} ARRAY JOIN names AS k, amounts AS v WHERE k IN {{wanted:Array(String)}} "
        f"GROUP BY GROUPING SETS ((name, k), {'(bucket, k), ' if over_time else ''}(k))"
    )
    return get_store().query(
        f"SELECT kind, name, bucket, {_PIVOT}, min(least) AS least, max(most) AS most, "
        f"count() OVER (PARTITION BY kind) AS found FROM ({rows}) GROUP BY kind, name, bucket "
        f"ORDER BY {order} {'DESC' if sort.descending else 'ASC'} NULLS LAST, name "
        "LIMIT {limit:UInt32} BY kind, bucket",
        {
            **parameters,
            "rollup": filters.period.rollup,
            "names": [name for name, _, _ in limits],
            "good": [float(good) for _, good, _ in limits],
            "poor": [float(poor) for _, _, poor in limits],
            "wanted": _WANTED,
            "limit": min(MOST_ROWS, sort.offset + sort.limit),
        },
    )


def distribution(filters: Filters, vital: Vital) -> list[tuple[float, float]]:
    """How often a vital had which value: (start of the interval, count), equally wide, the last without an end.

    The intervals end at twice the value above which the vital is poor.
    """
    width = vital.poor * 2 / _BUCKETS
    counts: dict[int, float] = {}
    if filters.project_ids:
        source, parameters = PAGES.source(
            filters, "sample_weight", f"mapContains(attributes_number, 'measurements.{vital.name}')"
        )
        rows: Any = get_store().rows(
            f"SELECT least(toUInt32(floor({vital.name} / {{width:Float64}})), {{last:UInt32}}) AS position, "
            f"sum(sample_weight) FROM {source} GROUP BY position",
            {**parameters, "width": width, "last": _BUCKETS},
        )
        counts = dict(rows)
    return [(position * width, counts.get(position, 0.0)) for position in range(_BUCKETS + 1)]


def browsers(filters: Filters) -> list[str]:
    """Names of browsers that loaded pages, most frequent first."""
    if not filters.project_ids:
        return []
    where, parameters = filters.where(("pageload",))
    rows: Any = get_store().rows(
        f"SELECT browser_name FROM spans WHERE {where} AND browser_name != '' "
        "GROUP BY browser_name ORDER BY count() DESC LIMIT 30",
        parameters,
    )
    return [name for (name,) in rows]


def page_samples(filters: Filters, vital: Vital) -> list[Sample]:
    """Where a vital of a page was worst, and where it was good."""
    has = f"mapContains(attributes_number, 'measurements.{vital.name}')"
    spans = Spans(PAGES.categories, f"{PAGES.condition} AND {has}", PAGES.columns)
    return samples(
        filters,
        spans,
        {"worst": ("1", f"{vital.name} DESC"), "good": (f"{vital.name} <= {vital.good}", "timestamp DESC")},
        values=(*_MEASURED, "score"),
    )
