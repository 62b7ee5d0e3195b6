"""Caches: how often what is looked for is there."""

from __future__ import annotations

from dictamesh_sentry.tracing.insights.common import (
    COUNT,
    TOTAL,
    Breakdown,
    Filters,
    Sample,
    Sort,
    Spans,
    Table,
    breakdown,
    number,
    samples,
)

_COLUMNS = {
    "hit": "attributes_string['cache.hit']",
    **number("size", "cache.item_size"),
}
LOOKUPS = Spans(("cache",), "startsWith(op, 'cache.get')", _COLUMNS)
_METRICS = {
    "count": COUNT,
    "total": TOTAL,
    "known": "sumIf(sample_weight, hit IN ('true', 'false'))",
    "missed": "sumIf(sample_weight, hit = 'false')",
    "sized": "sumIf(sample_weight, has_size)",
    "bytes": "sumIf(size * sample_weight, has_size)",
}
ORDERS = {
    "time": "total",
    "miss": "missed / known",
    "count": "count",
    "size": "bytes / sized",
    "avg": "total / count",
}
_BY_TRANSACTION = Table(
    LOOKUPS, {"project": "project_id", "name": "transaction"}, _METRICS, ORDERS, ("project_id", "transaction")
)
_BY_PREFIX = Table(LOOKUPS, {"name": "domain"}, _METRICS, ORDERS, ("domain",))
_OVER_TIME = Table(LOOKUPS, {}, {name: _METRICS[name] for name in ("count", "known", "missed")}, {})


def transactions(filters: Filters, sort: Sort) -> Breakdown:
    """Lookups by project and transaction."""
    return breakdown(filters, _BY_TRANSACTION, sort)


def prefixes(filters: Filters, sort: Sort) -> Breakdown:
    """Lookups by what their keys begin with; empty where that is not the same for many."""
    return breakdown(filters, _BY_PREFIX, sort)


def over_time(filters: Filters) -> Breakdown:
    """Lookups and misses, without a table."""
    return breakdown(filters, _OVER_TIME)


def lookup_samples(filters: Filters) -> list[Sample]:
    """Lookups that found nothing, and some that did."""
    return samples(
        filters,
        LOOKUPS,
        {"miss": ("hit = 'false'", "timestamp DESC"), "hit": ("hit = 'true'", "timestamp DESC")},
        values=("size", "has_size"),
    )
