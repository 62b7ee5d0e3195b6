"""Web vitals: how pages feel, measured where they are used. Scores are defined in docs/insights.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.tracing.insights.common import (
    Filters,
    Row,
    Sample,
    Sort,
    Spans,
    Table,
    breakdown,
    number,
    ratio,
    samples,
)
from dictamesh_sentry.tracing.insights.mobile import REACT_NATIVE
from dictamesh_sentry.tracing.percentiles import Percentile


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
PAGES = Spans(
    ("pageload", "navigation", "ui"),
    f"transaction != '' AND ({_LOAD} OR startsWith(op, 'ui.interaction.') OR startsWith(op, 'ui.webvital.'))",
    {
        "is_load": f"{_LOAD} AND has(attributes_number.keys, 'measurements.score.total')",
        **{
            name: sql
            for vital in VITALS
            for prefix, attribute in (("", "measurements."), ("score_", "measurements.score."))
            for name, sql in number(f"{prefix}{vital.name}", f"{attribute}{vital.name}").items()
        },
    },
)
_BUCKETS = 40


def _metrics(vital: Vital) -> dict[str, str | Percentile]:
    value, has, score = vital.name, f"has_{vital.name}", f"score_{vital.name}"
    return {
        f"{value}_count": f"sumIf(sample_weight, {has})",
        f"{value}_good": f"sumIf(sample_weight, {has} AND {value} <= {vital.good})",
        f"{value}_poor": f"sumIf(sample_weight, {value} > {vital.poor})",
        f"{value}_score": f"sum({score} * sample_weight)",
        f"{value}_scored": f"sumIf(sample_weight, has_{score})",
        f"{value}_p75": Percentile(0.75, value, has),
    }


# A vital without a score takes no part: its weight is left out below the line, too.
_SCORE = "({}) / ({})".format(
    " + ".join(f"if({v.name}_scored > 0, {v.weight} * {v.name}_score / {v.name}_scored, 0)" for v in VITALS),
    " + ".join(f"if({v.name}_scored > 0, {v.weight}, 0)" for v in VITALS),
)
ORDERS = {
    "opportunity": f"loads * (1 - {_SCORE})",
    "score": _SCORE,
    "count": "loads",
    **{vital.name: f"{vital.name}_p75" for vital in VITALS},
}
_BY_PAGE = Table(
    PAGES,
    {"name": "transaction"},
    {
        "loads": "sumIf(sample_weight, is_load)",
        **{name: metric for vital in VITALS for name, metric in _metrics(vital).items()},
    },
    ORDERS,
    ("transaction",),
    has_whole=True,
)


@dataclass(frozen=True)
class PageFigures:
    """The figures of one page, of all pages, or of an interval of time. ``name`` is the transaction."""

    name: str
    values: Row

    @property
    def loads(self) -> float:
        """Page loads and navigations that measured something."""
        return self.values.get("loads") or 0.0

    def p75(self, vital: str) -> float | None:
        return self.values.get(f"{vital}_p75")

    def count(self, vital: str) -> float:
        """How many measured the vital."""
        return self.values.get(f"{vital}_count") or 0.0

    def shares(self, vital: str) -> tuple[float, float, float] | None:
        """Good, to be improved, poor; together 1."""
        count = self.count(vital)
        if not count:
            return None
        good, poor = (self.values[f"{vital}_{part}"] for part in ("good", "poor"))
        return good / count, max(0.0, count - good - poor) / count, poor / count

    def vital_score(self, vital: str) -> float | None:
        """Between 0 and 1."""
        return ratio(self.values.get(f"{vital}_score"), self.values.get(f"{vital}_scored"))

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


def pages(filters: Filters, sort: Sort, *, by_page: bool = True, over_time: bool = False) -> Pages:
    """All pages together, ``by_page`` and ``over_time``. One query; a second where the weights of rows differ."""
    table = replace(_BY_PAGE, keys=_BY_PAGE.keys if by_page else {}, is_charted=over_time)
    found = breakdown(filters, table, sort)
    return Pages(
        [PageFigures(row["name"], row) for row in found.rows],
        found.found,
        PageFigures("", found.whole or {}),
        [(row["start"], PageFigures("", row)) for row in found.series],
        found.sampled,
    )


def distribution(filters: Filters, vital: Vital) -> list[tuple[float, float]]:
    """How often a vital had which value: (start of the interval, count), equally wide, the last without an end.

    The intervals end at twice the value above which the vital is poor.
    """
    width = vital.poor * 2 / _BUCKETS
    counts: dict[int, float] = {}
    if filters.project_ids:
        source, parameters = PAGES.source(filters, "sample_weight")
        rows: Any = get_store().rows(
            f"SELECT least(toUInt32(floor({vital.name} / {{width:Float64}})), {{last:UInt32}}) AS position, "
            f"sum(sample_weight) FROM {source} WHERE has_{vital.name} GROUP BY position",
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
    has = f"has_{vital.name}"
    return samples(
        filters,
        PAGES,
        {
            "worst": (has, f"{vital.name} DESC"),
            "good": (f"{has} AND {vital.name} <= {vital.good}", "timestamp DESC"),
        },
        values=(vital.name,),
    )
