"""Message queues: what is published, what is processed, how long it waits."""

from __future__ import annotations

from dictamesh_sentry.tracing.insights.common import (
    COUNT,
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
    "is_consumer": "op = 'queue.process'",
    **number("latency", "messaging.message.receive.latency"),
}
_CONDITION = "op IN ('queue.publish', 'queue.process')"
MESSAGES = Spans(("queue",), _CONDITION, _COLUMNS)
_METRICS = {
    "count": COUNT,
    "published": "sumIf(sample_weight, NOT is_consumer)",
    "processed": "sumIf(sample_weight, is_consumer)",
    "failed": "sumIf(sample_weight, is_consumer AND status NOT IN ('', 'ok', 'cancelled', 'unknown'))",
    "publishing": "sumIf(duration * sample_weight, NOT is_consumer)",
    "processing": "sumIf(duration * sample_weight, is_consumer)",
    "waits": "sumIf(sample_weight, is_consumer AND has_latency)",
    "waiting": "sumIf(latency * sample_weight, is_consumer AND has_latency)",
}
ORDERS = {
    "time": "processing",
    "publish": "published",
    "process": "processed",
    "latency": "waiting / waits",
    "avg": "processing / processed",
    "errors": "failed / processed",
}
_BY_DESTINATION = Table(MESSAGES, {"name": "domain", "system": "system"}, _METRICS, ORDERS, ("domain", "system"))
_BY_TRANSACTION = Table(
    MESSAGES,
    {"project": "project_id", "name": "transaction"},
    _METRICS,
    ORDERS,
    ("project_id", "transaction"),
)
_OVER_TIME = Table(MESSAGES, {}, _METRICS, {})


def destinations(filters: Filters, sort: Sort) -> Breakdown:
    """Messages by destination and system."""
    return breakdown(filters, _BY_DESTINATION, sort)


def over_time(filters: Filters) -> Breakdown:
    """Messages, without a table."""
    return breakdown(filters, _OVER_TIME)


def producers_and_consumers(filters: Filters, destination: str, sort: Sort) -> Breakdown:
    """Messages of one destination by project and transaction: who publishes has ``published``, who processes
    ``processed``."""
    return breakdown(filters.narrowed(domain=destination), _BY_TRANSACTION, sort)


def message_samples(filters: Filters, destination: str) -> list[Sample]:
    """Processed messages of one destination: failed, slow, and those that waited longest."""
    return samples(
        filters.narrowed(domain=destination),
        MESSAGES,
        {
            "failed": ("is_consumer AND status NOT IN ('', 'ok', 'cancelled', 'unknown')", "timestamp DESC"),
            "slow": ("is_consumer", "duration DESC"),
            "waited": ("is_consumer AND has_latency", "latency DESC"),
        },
        values=("is_consumer", "has_latency", "latency"),
        each=3,
    )
