"""Insights: web vitals and mobile apps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.http import Http404, HttpResponse
from django.views.decorators.http import require_safe

from dictamesh_sentry.tracing.insights import mobile as apps
from dictamesh_sentry.tracing.insights import vitals as pages
from dictamesh_sentry.tracing.insights.common import Breakdown, Filters, Row, Sample, Sort, ratio
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.presenters import figures
from dictamesh_sentry.web.presenters.timeseries import Series
from dictamesh_sentry.web.views.insights_scope import (
    Asked,
    Cell,
    Column,
    Examples,
    Field,
    insights_page,
    known_order,
    read_insights,
    table,
)
from dictamesh_sentry.web.views.performance_scope import chart

_BROWSER = Field("browser", "Browser", "browser_name", is_choice=True)
_RATINGS = {"good": "good", "poor": "bad"}
_PAGE_SPANS = {"span.op": "pageload"}
_SCREEN_SPANS = {"span.op": "ui.load"}
_COLOURS = ("s1", "s2", "s3", "s4", "s5")


@require_safe
@organization_page
def vitals(request: PageRequest) -> HttpResponse:
    """Pages by what could be gained, and the vitals of all of them."""
    fields = (_BROWSER, Field("transaction", "Page", "transaction"))
    asked = known_order(read_insights(request, fields, "-opportunity"), pages.ORDERS)

    def read() -> dict[str, Any]:
        found = pages.pages(asked.spans, asked.sort)
        columns = (
            Column("Page", is_text=True), Column("Loads", "count", "Loads that measured something"),
            *(Column(vital.name.upper(), vital.name, f"{vital.label}, 75th percentile") for vital in pages.VITALS),
            Column("Score", "score", "Performance score, from 0 to 100"),
            Column("Opportunity", "opportunity", "Points the score of all pages would gain were this one perfect"),
        )  # fmt: skip
        rows = [_page_row(asked, found, page) for page in found.rows]
        return {
            "vitals": _tiles(found.overall) if rows else [],
            "score": figures.points(found.overall.score),
            "table": table(asked, "Pages", columns, rows, found.found),
            "sampled": found.sampled,
            "fields": _with_browsers(asked),
            "explore_url": asked.explorer(_PAGE_SPANS),
        }

    return insights_page(request, asked, "vitals", "insights/vitals.html", read)


def _with_browsers(asked: Asked) -> list[Field]:
    """The fields of the page; the browsers to choose from are those of all pages."""
    everywhere = Filters(asked.spans.project_ids, asked.spans.period, asked.spans.environments, asked.spans.release)
    known = pages.browsers(everywhere)
    return [replace(field, options=known) if field.is_choice else field for field in asked.fields]


def _page_row(asked: Asked, found: pages.Pages, page: pages.PageFigures) -> list[Cell]:
    chance = found.opportunity(page)
    kept = {field.name: field.value for field in asked.fields if field.value and field.name != "transaction"}
    return [
        Cell(page.name, asked.page("vitals/page/", transaction=page.name, **kept)),
        Cell(figures.quantity(page.loads)),
        *(
            Cell(
                figures.vital_value(vital.name, page.p75(vital.name)),
                css=_RATINGS.get(vital.rating(page.p75(vital.name)), ""),
            )
            for vital in pages.VITALS
        ),
        Cell(figures.points(page.score)),
        Cell(figures.NOTHING if chance is None else f"{chance * 100:.2f}"),
    ]


def _tiles(page: pages.PageFigures, chosen: str = "") -> list[dict[str, Any]]:
    """A vital's 75th percentile with its shares of good, fair and poor."""
    tiles = []
    for vital in pages.VITALS:
        shares = page.shares(vital.name)
        rating = vital.rating(page.p75(vital.name))
        tiles.append(
            {
                "vital": vital,
                "value": figures.vital_value(vital.name, page.p75(vital.name)),
                "rating": {"good": "Good", "meh": "Needs improvement", "poor": "Poor"}.get(rating, ""),
                "css": _RATINGS.get(rating, ""),
                "score": figures.points(page.vital_score(vital.name)),
                "count": figures.quantity(page.count(vital.name)),
                "shares": shares,
                "current": vital.name == chosen,
            }
        )
    return tiles


@require_safe
@organization_page
def vitals_page(request: PageRequest) -> HttpResponse:
    """One page: its vitals over time; of one vital the distribution and examples."""
    name = request.GET.get("transaction", "")
    if not name:
        raise Http404
    vital = next((one for one in pages.VITALS if one.name == request.GET.get("vital")), pages.VITALS[0])
    asked = read_insights(request, (_BROWSER,))
    spans = asked.spans.narrowed(transaction=name)

    def read() -> dict[str, Any]:
        found = pages.pages(spans, Sort(limit=1), by_page=False, over_time=True)
        if not any(found.overall.count(one.name) for one in pages.VITALS):
            return {"title": name, "fields": _with_browsers(asked)}
        starts = [start for start, _ in found.series]
        rollup = spans.period.rollup
        score = Series("score", [one.score for _, one in found.series], "s3")
        colour = _COLOURS[pages.VITALS.index(vital)]
        p75 = Series("p75", [one.p75(vital.name) for _, one in found.series], colour)
        unit = "count" if vital.name == "cls" else "ms"
        return {
            "title": name,
            "vital": vital,
            "good": figures.vital_value(vital.name, vital.good),
            "poor": figures.vital_value(vital.name, vital.poor),
            "explore_url": asked.explorer({**_PAGE_SPANS, "transaction": name}),
            "vitals": _tiles(found.overall, vital.name),
            "score": figures.points(found.overall.score),
            "loads": figures.quantity(found.overall.loads),
            "charts": [
                chart(starts, [p75], rollup, f"{vital.name.upper()}, 75th percentile", unit),
                chart(starts, [score], rollup, "Performance score", "share", least_top=1.0),
            ],
            "bars": _bars(pages.distribution(spans, vital), vital),
            "sampled": found.sampled,
            "fields": _with_browsers(asked),
        }  # fmt: skip

    examples = Examples(
        lambda: pages.page_samples(spans, vital),
        {"worst": "Worst", "good": "Good"},
        vital.name.upper(),
        lambda one: figures.vital_value(vital.name, one.values[vital.name]),
    )
    return insights_page(request, asked, "vitals", "insights/vitals_page.html", read, examples)


def _bars(distribution: list[tuple[float, float]], vital: pages.Vital) -> list[dict[str, str]]:
    """The distribution as bars of an SVG of 640 by 120; the last one has everything beyond."""
    most = max(count for _, count in distribution) or 1.0
    step = 640 / len(distribution)
    bars = []
    for index, (start, count) in enumerate(distribution):
        tall = max(1.5, 118 * count / most) if count else 0.0
        end = distribution[index + 1][0] if index + 1 < len(distribution) else None
        span = figures.vital_value(vital.name, start)
        span += " or more" if end is None else f" to {figures.vital_value(vital.name, end)}"
        middle = start if end is None else (start + end) / 2
        bars.append(
            {
                "title": f"{span}: {figures.quantity(count)}",
                "css": {"good": "share-good", "poor": "share-poor"}.get(vital.rating(middle), "share-fair"),
                "x": f"{index * step + 0.5:.1f}", "hit_x": f"{index * step:.1f}", "step": f"{step:.1f}",
                "width": f"{step - 1:.1f}", "y": f"{120 - tall:.1f}", "height": f"{tall:.1f}",
            }
        )  # fmt: skip
    return bars


_BY = (("screen", "Screens"), ("release", "Releases"), ("device", "Device classes"), ("os", "Systems"))
_HEADS = {"screen": "Screen", "release": "Release", "device": "Device class", "os": "Operating system"}
_UNNAMED = {"screen": "(no name)", "release": "(no release)", "device": "(unknown class)", "os": "(unknown system)"}
_LOADS = (
    Column("Loads", "count"),
    Column("Cold start", "cold", "Median; p95 below"),
    Column("Warm start", "warm", "Median; p95 below"),
    Column("Slow frames", "slow", "Share of all frames"),
    Column("Frozen frames", "frozen", "Share of all frames"),
    Column("Initial display", "ttid", "Average; p95 below"),
    Column("Full display", "ttfd", "Average; p95 below"),
)


@require_safe
@organization_page
def mobile(request: PageRequest) -> HttpResponse:
    """Starts and screens, by screen, release, device class or operating system."""
    fields = (Field("device", "Device class", "device_class"), Field("os", "System", "os_name"))
    asked = known_order(read_insights(request, fields, "-count"), apps.ORDERS)
    by = request.GET.get("by", "") if request.GET.get("by") in apps.GROUPINGS else "screen"

    def read() -> dict[str, Any]:
        found = apps.screens(asked.spans, by, asked.sort)
        rows = [[_load_name(asked, by, row), *_load(asked, row)] for row in found.rows]
        return {
            "by": by,
            "tabs": _BY,
            "facts": _load_facts(found.totals) if rows else [],
            "table": table(asked, dict(_BY)[by], (Column(_HEADS[by], is_text=True), *_LOADS), rows, found.found),
            "charts": _load_charts(found) if rows else [],
            "sampled": found.sampled,
            "explore_url": asked.explorer(_SCREEN_SPANS),
        }

    return insights_page(request, asked, "mobile", "insights/section.html", read)


@require_safe
@organization_page
def screen(request: PageRequest) -> HttpResponse:
    """One screen, by release, device class or operating system."""
    name = request.GET.get("transaction", "")
    if not name:
        raise Http404
    fields = (Field("device", "Device class", "device_class"), Field("os", "System", "os_name"))
    asked = known_order(read_insights(request, fields, "-count"), apps.ORDERS)
    by = request.GET.get("by", "") if request.GET.get("by") in ("device", "os") else "release"
    spans = asked.spans.narrowed(transaction=name)

    def read() -> dict[str, Any]:
        found = apps.screens(spans, by, asked.sort)
        rows = [[_load_name(asked, by, row), *_load(asked, row)] for row in found.rows]
        return {
            "title": name,
            "by": by,
            "tabs": [one for one in _BY if one[0] != "screen"],
            "facts": _load_facts(found.totals),
            "table": table(asked, dict(_BY)[by], (Column(_HEADS[by], is_text=True), *_LOADS), rows, found.found),
            "charts": _load_charts(found) if rows else [],
            "sampled": found.sampled,
            "explore_url": asked.explorer({**_SCREEN_SPANS, "transaction": name}),
        }

    examples = Examples(
        lambda: apps.load_samples(spans),
        {"cold": "Slowest cold start", "warm": "Slowest warm start", "slow": "Slowest"},
        "Measured",
        _measured,
    )
    return insights_page(request, asked, "mobile", "insights/detail.html", read, examples)


def _load_name(asked: Asked, by: str, row: Row) -> Cell:
    name = row["name"] or _UNNAMED[by]
    if by != "screen":
        return Cell(name)
    url = asked.page("mobile/screen/", transaction=row["name"]) if row["name"] else ""
    return Cell(name, url, asked.slug(row["project"]))


def _load(asked: Asked, row: Row) -> list[Cell]:
    return [
        Cell(figures.quantity(row["count"]), note=figures.per_minute(row["count"], asked.minutes)),
        *(Cell(figures.length(row[f"{name}_p50"]), note=_p95(row, name)) for name in ("cold", "warm")),
        Cell(figures.share(ratio(row["frames_slow"], row["frames_all"]))),
        Cell(figures.share(ratio(row["frames_frozen"], row["frames_all"]))),
        *(
            Cell(figures.length(ratio(row[f"{name}_total"], row[f"{name}_count"])), note=_p95(row, name))
            for name in ("ttid", "ttfd")
        ),
    ]


def _p95(row: Row, name: str) -> str:
    value = row[f"{name}_p95"]
    return "" if value is None else figures.length(value)


def _load_facts(sums: dict[str, float]) -> list[tuple[str, str]]:
    averages = (("Cold start, average", "cold"), ("Warm start, average", "warm"), ("Initial display, average", "ttid"))
    return [
        ("Loads", figures.quantity(sums["count"])),
        *((label, figures.length(ratio(sums[f"{name}_total"], sums[f"{name}_count"]))) for label, name in averages),
        ("Slow frames", figures.share(ratio(sums["frames_slow"], sums["frames_all"]))),
        ("Frozen frames", figures.share(ratio(sums["frames_frozen"], sums["frames_all"]))),
    ]


def _load_charts(found: Breakdown) -> list[dict[str, Any]]:
    starts = [row["start"] for row in found.series]

    def line(name: str, key: str, css: str) -> Series:
        return Series(name, [row[key] for row in found.series], css)

    def frames(name: str, key: str, css: str) -> Series:
        return Series(name, [ratio(row[key], row["frames_all"]) for row in found.series], css)

    return [
        chart(starts, [line("cold, median", "cold_p50", "s1"), line("cold, p95", "cold_p95", "s2"),
                       line("warm, median", "warm_p50", "s3"), line("warm, p95", "warm_p95", "s5")],
              found.rollup, "App starts", "ms"),
        chart(starts, [frames("slow", "frames_slow", "s5"), frames("frozen", "frames_frozen", "s4")], found.rollup,
              "Frames", "share", least_top=0.01),
        chart(starts, [line("initial, p95", "ttid_p95", "s1"), line("full, p95", "ttfd_p95", "s2")], found.rollup,
              "Time to display", "ms"),
    ]  # fmt: skip


def _measured(sample: Sample) -> str:
    for kind, label in (("cold", "cold start"), ("warm", "warm start"), ("ttid", "initial display")):
        if sample.values[f"has_{kind}"] and (sample.kind == kind or kind == "ttid"):
            return f"{label} {figures.length(sample.values[kind])}"
    return figures.NOTHING
