"""Database queries: which ones take the time, and who runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.tracing.insights.common import (
    COUNT,
    FAILED,
    TOTAL,
    Breakdown,
    Filters,
    Sample,
    Sort,
    Spans,
    Table,
    breakdown,
    ratio,
    samples,
)
from dictamesh_sentry.tracing.percentiles import Percentile

QUERIES = Spans(("db",), "group_hash != 0")
_METRICS = {"count": COUNT, "total": TOTAL, "p95": Percentile(0.95)}
ORDERS = {"time": "total", "avg": "total / count", "p95": "p95", "count": "count"}
_BY_QUERY = Table(QUERIES, {"query_hash": "group_hash"}, _METRICS, ORDERS, ("group_hash",))
_BY_CALLER = Table(
    QUERIES,
    {"project": "project_id", "name": "transaction"},
    {**_METRICS, "failed": FAILED},
    ORDERS,
    ("project_id", "transaction"),
)
_OVER_TIME = Table(QUERIES, {}, {"count": COUNT, "total": TOTAL}, {})


@dataclass(frozen=True)
class Query:
    """A normalized statement and what is known about it."""

    group_hash: int
    statement: str
    system: str
    action: str
    domain: str
    example: str
    """As one span had it, with its values."""


def queries(filters: Filters, sort: Sort) -> Breakdown:
    """Queries by hash (``query_hash``), with count, total and p95. Those without a hash are left out."""
    return breakdown(filters, _BY_QUERY, sort)


def over_time(filters: Filters) -> Breakdown:
    """Number and time of queries, without a table."""
    return breakdown(filters, _OVER_TIME)


def describe(filters: Filters, hashes: Sequence[int]) -> dict[int, Query]:
    """The statements of some hashes. The query ends as soon as each was met once."""
    if not hashes or not filters.project_ids:
        return {}
    where, parameters = filters.where(QUERIES.categories)
    records = get_store().query(
        "SELECT group_hash, normalized_description AS statement, system, action, domain, description AS example "
        f"FROM spans WHERE {where} AND group_hash IN {{hashes:Array(UInt64)}} "
        "LIMIT 1 BY group_hash LIMIT {most:UInt32}",
        {**parameters, "hashes": list(hashes), "most": len(hashes)},
    )
    return {record["group_hash"]: Query(**record) for record in records}


def callers(filters: Filters, group_hash: int, sort: Sort) -> Breakdown:
    """One query by project and transaction, and over time."""
    return breakdown(filters.narrowed(group_hash=group_hash), _BY_CALLER, sort)


def query_samples(filters: Filters, group_hash: int, average: float | None = None) -> list[Sample]:
    """The slowest spans of a query, and some that took about as long as the average."""
    narrowed = filters.narrowed(group_hash=group_hash)
    if average is None:
        sums = over_time(narrowed).totals
        average = ratio(sums["total"], sums["count"]) or 0.0
    return samples(
        narrowed,
        QUERIES,
        {"slow": ("1", "duration DESC"), "typical": ("1", "abs(duration - {average:Float64})")},
        parameters={"average": average},
    )
