"""Insights: caches and queues."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dictamesh_sentry.search.ast import Value
from dictamesh_sentry.tracing.insights import caches as lookups
from dictamesh_sentry.tracing.insights import queues as messages
from dictamesh_sentry.tracing.insights.common import Breakdown, Row, Sample, ratio
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

_BY = (("transaction", "By transaction"), ("prefix", "By key"))
_LOOKUPS = (
    Column("Per minute", "count"),
    Column("Misses", "miss", "Share of lookups that found nothing, of those that tell"),
    Column("Value size", "size", "Average size of what was found"),
    Column("Average", "avg"),
    Column("Time spent", "time", "All of them together, and their share"),
)
_MESSAGES = (
    Column("Published", "publish", "Messages per minute"),
    Column("Processed", "process", "Messages per minute"),
    Column("Time in queue", "latency", "Average time between publishing and receiving"),
    Column("Processing", "avg", "Average time of processing"),
    Column("Errors", "errors", "Share of processed messages that failed"),
    Column("Time spent", "time", "All processing together, and its share"),
)


@require_safe
@organization_page
def caches(request: PageRequest) -> HttpResponse:
    """Lookups by transaction, or by what the keys begin with."""
    fields = (Field("transaction", "Transaction", "transaction"), Field("prefix", "Key begins with", "domain"))
    asked = known_order(read_insights(request, fields, "-time"), lookups.ORDERS)
    by = request.GET.get("by", "") if request.GET.get("by") in dict(_BY) else "transaction"

    def read() -> dict[str, Any]:
        by_key = by == "prefix"
        found = (lookups.prefixes if by_key else lookups.transactions)(asked.spans, asked.sort)
        rows = [[_lookup_name(asked, row, by_key), *_lookup(asked, row, found.totals["total"])] for row in found.rows]
        first = Column("Key begins with" if by_key else "Transaction", is_text=True)
        return {
            "by": by,
            "tabs": _BY,
            "table": table(asked, "Lookups", (first, *_LOOKUPS), rows, found.found),
            "charts": _lookup_charts(found) if rows else [],
            "sampled": found.sampled,
            "explore_url": asked.explorer({"span.op": Value(("cache.get", ""))}),
        }

    examples = Examples(
        lambda: lookups.lookup_samples(asked.spans), {"miss": "Miss", "hit": "Hit"}, "Size", _value_size
    )
    narrowed = any(field.value for field in asked.fields)
    return insights_page(request, asked, "caches", "insights/section.html", read, examples if narrowed else None)


def _lookup_name(asked: Asked, row: Row, by_key: bool) -> Cell:
    if by_key:
        return Cell(row["name"] or "(keys of their own)", asked.page("caches/", prefix=row["name"]) if row["name"]
                    else "", css="code")  # fmt: skip
    url = asked.page("caches/", by="prefix", transaction=row["name"]) if row["name"] else ""
    return Cell(row["name"] or "(no name)", url, asked.slug(row["project"]))


def _lookup(asked: Asked, row: Row, total: float) -> list[Cell]:
    part = ratio(row["total"], total)
    return [
        Cell(figures.per_minute(row["count"], asked.minutes), note=figures.quantity(row["count"])),
        Cell(figures.share(ratio(row["missed"], row["known"]))),
        Cell(figures.size(ratio(row["bytes"], row["sized"]))),
        Cell(figures.length(ratio(row["total"], row["count"]))),
        Cell(figures.length(row["total"]), note=figures.share(part), share=part),
    ]


def _value_size(sample: Sample) -> str:
    return figures.size(sample.values["size"] if sample.values["has_size"] else None)


def _lookup_charts(found: Breakdown) -> list[dict[str, Any]]:
    starts = [row["start"] for row in found.series]
    minutes = found.rollup / 60
    return [
        chart(starts, [Series("misses", [ratio(row["missed"], row["known"]) for row in found.series], "s4")],
              found.rollup, "Miss rate", "share", least_top=0.01),
        chart(starts, [Series("per minute", [row["count"] / minutes for row in found.series], "s3")],
              found.rollup, "Lookups per minute", "count"),
    ]  # fmt: skip


@require_safe
@organization_page
def queues(request: PageRequest) -> HttpResponse:
    """Destinations of messages."""
    fields = (Field("system", "System", "system"), Field("transaction", "Transaction", "transaction"))
    asked = known_order(read_insights(request, fields, "-time"), messages.ORDERS)

    def read() -> dict[str, Any]:
        found = messages.destinations(asked.spans, asked.sort)
        rows = []
        for row in found.rows:
            url = asked.page("queues/destination/", destination=row["name"])
            name = Cell(row["name"] or "(no name)", url, row["system"])
            rows.append([name, *_message(asked, row, found.totals["processing"])])
        return {
            "table": table(asked, "Destinations", (Column("Destination", is_text=True), *_MESSAGES), rows, found.found),
            "charts": _message_charts(found) if rows else [],
            "sampled": found.sampled,
            "explore_url": asked.explorer({"span.category": "queue"}),
        }

    return insights_page(request, asked, "queues", "insights/section.html", read)


@require_safe
@organization_page
def destination(request: PageRequest) -> HttpResponse:
    """Who publishes to a destination, and who processes what is published."""
    name = request.GET.get("destination", "")[:500]
    asked = known_order(read_insights(request, (), "-time"), messages.ORDERS)

    def read() -> dict[str, Any]:
        found = messages.producers_and_consumers(asked.spans, name, asked.sort)
        rows = []
        for row in found.rows:
            parts = [
                text for text, count in (("publishes", row["published"]), ("processes", row["processed"])) if count
            ]
            note = f"{asked.slug(row['project'])} · {' and '.join(parts)}"
            first = Cell(row["name"] or "(no name)", asked.transaction(row["project"], row["name"]), note)
            rows.append([first, *_message(asked, row, found.totals["processing"])])
        return {
            "title": name or "(no name)",
            "table": table(asked, "Producers and consumers", (Column("Transaction", is_text=True), *_MESSAGES), rows,
                           found.found),
            "charts": _message_charts(found) if rows else [],
            "sampled": found.sampled,
            "explore_url": asked.explorer({"span.category": "queue", "span.domain": name}),
        }  # fmt: skip

    examples = Examples(
        lambda: messages.message_samples(asked.spans, name),
        {"failed": "Failed", "slow": "Slowest", "waited": "Waited longest"},
        "In queue",
        _time_in_queue,
    )
    return insights_page(request, asked, "queues", "insights/detail.html", read, examples)


def _message(asked: Asked, row: Row, total: float) -> list[Cell]:
    """Where nothing is published, or nothing processed, that is missing rather than zero."""
    part = ratio(row["processing"], total)
    errors = ratio(row["failed"], row["processed"])
    return [
        Cell(figures.per_minute(row["published"] or None, asked.minutes)),
        Cell(figures.per_minute(row["processed"] or None, asked.minutes)),
        Cell(figures.length(ratio(row["waiting"], row["waits"]))),
        Cell(figures.length(ratio(row["processing"], row["processed"]))),
        Cell(figures.share(errors), css="bad" if (errors or 0) > 0.05 else ""),
        Cell(figures.length(row["processing"] if row["processed"] else None),
             note=figures.share(part) if row["processed"] else "", share=part if row["processed"] else None),
    ]  # fmt: skip


def _time_in_queue(sample: Sample) -> str:
    return figures.length(sample.values["latency"] if sample.values["has_latency"] else None)


def _message_charts(found: Breakdown) -> list[dict[str, Any]]:
    starts = [row["start"] for row in found.series]
    minutes = found.rollup / 60
    series = found.series
    return [
        chart(starts, [Series("published", [row["published"] / minutes for row in series], "s1"),
                       Series("processed", [row["processed"] / minutes for row in series], "s3")],
              found.rollup, "Messages per minute", "count"),
        chart(starts, [Series("in queue", [ratio(row["waiting"], row["waits"]) for row in series], "s5"),
                       Series("processing", [ratio(row["processing"], row["processed"]) for row in series], "s2")],
              found.rollup, "Average time", "ms"),
    ]  # fmt: skip
