"""Insights: the overview, databases, and requests to other services."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.search.ast import Value
from dictamesh_sentry.tracing.insights import caches, mobile, queues, vitals
from dictamesh_sentry.tracing.insights import databases as queries
from dictamesh_sentry.tracing.insights import http as requests
from dictamesh_sentry.tracing.insights.common import Breakdown, Row, Sort, ratio
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.presenters import figures
from dictamesh_sentry.web.presenters.statements import on_lines
from dictamesh_sentry.web.presenters.timeseries import Series
from dictamesh_sentry.web.views.insights_scope import (
    SECTIONS,
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

_HASH = re.compile(r"[0-9a-f]{16}\Z")
_TIMES = (
    Column("Per minute", "count", "How many, by the length of the period"),
    Column("Average", "avg"),
    Column("p95", "p95", "19 of 20 are faster"),
    Column("Time spent", "time", "All of them together, and their share"),
)
_STATUSES = (
    Column("3xx", "3xx", "Redirected, of those whose status is known"),
    Column("4xx", "4xx", "Refused, of those whose status is known"),
    Column("5xx", "5xx", "Failed at the other side, of those whose status is known"),
)


@require_safe
@organization_page
def overview(request: PageRequest) -> HttpResponse:
    """A card for each section; what is on them is read card by card, after the page is there."""
    asked = read_insights(request)
    kept = request.GET.urlencode()
    cards = [
        {"section": one, "url": asked.page(f"{one.key}/"), "load": f"{asked.base}card/?section={one.key}&{kept}"}
        for one in SECTIONS
    ]
    return insights_page(request, asked, "", "insights/overview.html", lambda: {"cards": cards})


@require_safe
@organization_page
def card(request: PageRequest) -> HttpResponse:
    """The figures of one section."""
    asked = read_insights(request)
    read = _CARDS.get(request.GET.get("section", ""))
    if read is None:
        raise Http404
    try:
        context = read(asked)
    except (StoreUnavailableError, QueryTimeoutError):
        context = {"down": True}
    return render(request, "insights/card.html", context)


def _card(facts: list[tuple[str, str]], points: list[tuple[int, float]], label: str, sampled: bool) -> dict[str, Any]:
    if not any(count for _, count in points):
        return {"facts": []}
    return {"facts": facts, "points": [(at, round(count)) for at, count in points], "label": label, "sampled": sampled}


def _points(found: Breakdown, name: str) -> list[tuple[int, float]]:
    return [(row["start"], row[name]) for row in found.series]


def _databases_card(asked: Asked) -> dict[str, Any]:
    found = queries.over_time(asked.spans)
    count, total = found.totals["count"], found.totals["total"]
    facts = [
        ("Queries", figures.per_minute(count, asked.minutes)),
        ("Average", figures.length(ratio(total, count))),
        ("Time spent", figures.length(total)),
    ]
    return _card(facts, _points(found, "count"), "Queries", found.sampled)


def _http_card(asked: Asked) -> dict[str, Any]:
    found = requests.over_time(asked.spans)
    sums = found.totals
    facts = [
        ("Requests", figures.per_minute(sums["count"], asked.minutes)),
        ("Average", figures.length(ratio(sums["total"], sums["count"]))),
        ("5xx", figures.share(ratio(sums["broken"], sums["answered"]))),
    ]
    return _card(facts, _points(found, "count"), "Requests", found.sampled)


def _caches_card(asked: Asked) -> dict[str, Any]:
    found = caches.over_time(asked.spans)
    sums = found.totals
    facts = [
        ("Lookups", figures.per_minute(sums["count"], asked.minutes)),
        ("Misses", figures.share(ratio(sums["missed"], sums["known"]))),
    ]
    return _card(facts, _points(found, "count"), "Lookups", found.sampled)


def _queues_card(asked: Asked) -> dict[str, Any]:
    found = queues.over_time(asked.spans)
    sums = found.totals
    facts = [
        ("Published", figures.per_minute(sums["published"], asked.minutes)),
        ("Processed", figures.per_minute(sums["processed"], asked.minutes)),
        ("Time in queue", figures.length(ratio(sums["waiting"], sums["waits"]))),
    ]
    return _card(facts, _points(found, "count"), "Messages", found.sampled)


def _vitals_card(asked: Asked) -> dict[str, Any]:
    found = vitals.pages(asked.spans, Sort(limit=1), by_page=False, over_time=True)
    facts = [("Performance score", figures.points(found.overall.score))]
    facts += [
        (vital.name.upper(), figures.vital_value(vital.name, found.overall.p75(vital.name)))
        for vital in vitals.VITALS
        if vital.name in ("lcp", "inp")
    ]
    points = [(start, max(page.count(vital.name) for vital in vitals.VITALS)) for start, page in found.series]
    return _card(facts, points, "Measurements", found.sampled)


def _mobile_card(asked: Asked) -> dict[str, Any]:
    found = mobile.over_time(asked.spans)
    sums = found.totals
    facts = [
        ("Screens", figures.per_minute(sums["count"], asked.minutes)),
        ("Cold start", figures.length(ratio(sums["cold_total"], sums["cold_count"]))),
        ("Warm start", figures.length(ratio(sums["warm_total"], sums["warm_count"]))),
    ]
    return _card(facts, _points(found, "count"), "Screens", found.sampled)


_CARDS: Mapping[str, Callable[[Asked], dict[str, Any]]] = {
    "databases": _databases_card,
    "http": _http_card,
    "caches": _caches_card,
    "queues": _queues_card,
    "vitals": _vitals_card,
    "mobile": _mobile_card,
}


def _times(asked: Asked, row: Row, total: float | None) -> list[Cell]:
    """The cells of ``_TIMES``."""
    part = ratio(row["total"], total)
    return [
        Cell(figures.per_minute(row["count"], asked.minutes), note=figures.quantity(row["count"])),
        Cell(figures.length(ratio(row["total"], row["count"]))),
        Cell(figures.length(row["p95"])),
        Cell(figures.length(row["total"]), note=figures.share(part), share=part),
    ]


def _statuses(row: Row) -> list[Cell]:
    """The cells of ``_STATUSES``."""
    cells = []
    for name in requests.STATUS_CLASSES:
        rate = ratio(row[name], row["answered"])
        cells.append(Cell(figures.share(rate), css="bad" if name == "broken" and (rate or 0) > 0.05 else ""))
    return cells


def duration_charts(found: Breakdown, noun: str) -> list[dict[str, Any]]:
    """Throughput and durations over time."""
    starts = [row["start"] for row in found.series]
    minutes = found.rollup / 60
    return [
        chart(starts, [Series("per minute", [row["count"] / minutes for row in found.series], "s3")], found.rollup,
              f"{noun} per minute", "count"),
        chart(starts, [Series("average", [ratio(row["total"], row["count"]) for row in found.series], "s1"),
                       Series("p95", [row["p95"] for row in found.series], "s2")], found.rollup, "Duration", "ms"),
    ]  # fmt: skip


def _status_chart(found: Breakdown) -> dict[str, Any]:
    labels = (("redirected", "3xx", "s1"), ("refused", "4xx", "s5"), ("broken", "5xx", "s4"))
    series = [Series(label, [ratio(row[name], row["answered"]) for row in found.series], css)
              for name, label, css in labels]  # fmt: skip
    return chart([row["start"] for row in found.series], series, found.rollup, "Answers", "share", least_top=0.01)


@require_safe
@organization_page
def databases(request: PageRequest) -> HttpResponse:
    """Normalized queries, by the time they take together unless asked otherwise."""
    fields = (
        Field("system", "System", "system"), Field("action", "Command", "action"), Field("table", "Table", "domain"),
        Field("transaction", "Transaction", "transaction"),
    )  # fmt: skip
    asked = known_order(read_insights(request, fields, "-time"), queries.ORDERS)

    def read() -> dict[str, Any]:
        found = queries.queries(asked.spans, asked.sort)
        known = queries.describe(asked.spans, [row["query_hash"] for row in found.rows])
        rows = []
        for row in found.rows:
            one = known.get(row["query_hash"])
            note = " · ".join(part for part in (one.system, one.domain) if part) if one else ""
            url = asked.page("databases/query/", hash=format(row["query_hash"], "016x"))
            name = Cell(one.statement if one else "(unknown)", url, note, "code")
            rows.append([name, *_times(asked, row, found.totals["total"])])
        return {
            "table": table(asked, "Queries", (Column("Query", is_text=True), *_TIMES), rows, found.found),
            "charts": duration_charts(found, "Queries") if rows else [],
            "sampled": found.sampled,
            "explore_url": asked.explorer({"span.category": "db"}),
            "fields": [replace(field, options=_suggestions(field, known.values())) for field in asked.fields],
        }

    return insights_page(request, asked, "databases", "insights/section.html", read)


def _suggestions(field: Field, known: Any) -> list[str]:
    """Values of a field among the queries on the page."""
    if field.column == "transaction":
        return []
    return sorted({getattr(one, field.column) for one in known} - {""})


@require_safe
@organization_page
def query(request: PageRequest) -> HttpResponse:
    """One normalized query: over time, by caller, with examples."""
    text = request.GET.get("hash", "")
    if not _HASH.match(text):
        raise Http404
    group_hash = int(text, 16)
    asked = known_order(read_insights(request, (), "-time"), queries.ORDERS)

    def read() -> dict[str, Any]:
        found = queries.callers(asked.spans, group_hash, asked.sort)
        known = queries.describe(asked.spans, [group_hash]).get(group_hash)
        if known is None:
            return {"missing": True}
        count, total = found.totals["count"], found.totals["total"]
        rows = [
            [Cell(row["name"] or "(no name)", asked.transaction(row["project"], row["name"]),
                  asked.slug(row["project"])), *_times(asked, row, total)]
            for row in found.rows
        ]  # fmt: skip
        return {
            "query": known,
            "statement": on_lines(known.example or known.statement),
            "normalized": on_lines(known.statement),
            "facts": [
                ("Per minute", figures.per_minute(count, asked.minutes)), ("Queries", figures.quantity(count)),
                ("Average", figures.length(ratio(total, count))), ("Time spent", figures.length(total)),
                ("Failed", figures.share(ratio(found.totals["failed"], count))),
            ],
            "charts": duration_charts(found, "Queries"),
            "table": table(asked, "Callers", (Column("Transaction", is_text=True), *_TIMES), rows, found.found),
            "average": f"{ratio(total, count) or 0:.6g}",
            "sampled": found.sampled,
            "explore_url": asked.explorer({"span.group": text}),
        }  # fmt: skip

    average = _number(request.GET.get("average", ""))
    examples = Examples(
        lambda: queries.query_samples(asked.spans, group_hash, average), {"slow": "Slowest", "typical": "Typical"}
    )
    return insights_page(request, asked, "databases", "insights/query.html", read, examples)


def _number(text: str) -> float | None:
    """A number of the URL; None for what is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e12 else None


@require_safe
@organization_page
def http(request: PageRequest) -> HttpResponse:
    """Requests by the host they go to."""
    fields = (Field("method", "Method", "action"), Field("transaction", "Transaction", "transaction"))
    asked = known_order(read_insights(request, fields, "-time"), requests.ORDERS)

    def read() -> dict[str, Any]:
        found = requests.domains(asked.spans, asked.sort)
        rows = []
        for row in found.rows:
            name = Cell(row["name"] or "(unknown host)", asked.page("http/domain/", domain=row["name"]))
            times = _times(asked, row, found.totals["total"])
            rows.append([name, times[0], *_statuses(row), *times[1:]])
        columns = (Column("Host", is_text=True), _TIMES[0], *_STATUSES, *_TIMES[1:])
        return {
            "table": table(asked, "Hosts", columns, rows, found.found),
            "charts": [*duration_charts(found, "Requests"), _status_chart(found)] if rows else [],
            "sampled": found.sampled,
            "explore_url": asked.explorer({"span.op": Value(("http.client", ""))}),
        }

    return insights_page(request, asked, "http", "insights/section.html", read)


@require_safe
@organization_page
def domain(request: PageRequest) -> HttpResponse:
    """Requests to one host, by what is requested and by whom."""
    host = request.GET.get("domain", "")[:500]
    asked = known_order(read_insights(request, (), "-time"), requests.ORDERS)

    def read() -> dict[str, Any]:
        found = requests.requests_to(asked.spans, host, asked.sort)
        rows = []
        for row in found.rows:
            name = Cell(f"{row['method']} {row['name'].removeprefix(row['method'])}".strip() or "(no description)",
                        css="code")  # fmt: skip
            caller = Cell(row["caller"] or "(no name)", asked.transaction(row["project"], row["caller"]),
                          asked.slug(row["project"]))  # fmt: skip
            times = _times(asked, row, found.totals["total"])
            rows.append([name, caller, times[0], *_statuses(row), *times[1:]])
        columns = (
            Column("Request", is_text=True), Column("Transaction", is_text=True), _TIMES[0], *_STATUSES, *_TIMES[1:]
        )  # fmt: skip
        return {
            "title": host or "(unknown host)",
            "table": table(asked, "Requests", columns, rows, found.found),
            "charts": [*duration_charts(found, "Requests"), _status_chart(found)] if rows else [],
            "sampled": found.sampled,
            "explore_url": asked.explorer({"span.op": Value(("http.client", "")), "span.domain": host}),
        }  # fmt: skip

    examples = Examples(
        lambda: requests.request_samples(asked.spans, host),
        {"failed": "Failed", "slow": "Slowest"},
        "Status",
        lambda one: one.status_code or figures.NOTHING,
    )
    return insights_page(request, asked, "http", "insights/detail.html", read, examples)
