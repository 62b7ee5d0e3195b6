"""Requests that the applications send: to whom, how often, how they are answered."""

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
    samples,
)
from dictamesh_sentry.tracing.percentiles import Percentile

REQUESTS = Spans(("http",), "startsWith(op, 'http.client')")


def _answered(first: str) -> str:
    return f"sumIf(sample_weight, substring(status_code, 1, 1) = '{first}')"


STATUS_CLASSES = {"redirected": "3", "refused": "4", "broken": "5"}
_RATES = {name: _answered(first) for name, first in STATUS_CLASSES.items()}
_METRICS = {
    "count": COUNT,
    "total": TOTAL,
    "answered": "sumIf(sample_weight, status_code != '')",
    **_RATES,
    "p95": Percentile(0.95),
}
ORDERS = {
    "time": "total",
    "count": "count",
    "3xx": "redirected / answered",
    "4xx": "refused / answered",
    "5xx": "broken / answered",
    "avg": "total / count",
    "p95": "p95",
}
_BY_DOMAIN = Table(REQUESTS, {"name": "domain"}, _METRICS, ORDERS, ("domain", "status_code"))
_BY_REQUEST = Table(
    REQUESTS,
    {"method": "action", "name": "normalized_description", "project": "project_id", "caller": "transaction"},
    _METRICS,
    ORDERS,
    ("action", "normalized_description", "project_id", "transaction", "status_code"),
)
_OVER_TIME = Table(
    REQUESTS,
    {},
    {name: _METRICS[name] for name in ("count", "total", "answered", *STATUS_CLASSES)},
    {},
    ("status_code",),
)


def domains(filters: Filters, sort: Sort) -> Breakdown:
    """Requests by the host they go to; the rates 3xx, 4xx and 5xx are of those whose status is known."""
    return breakdown(filters, _BY_DOMAIN, sort)


def over_time(filters: Filters) -> Breakdown:
    """Number, time and answers of requests, without a table."""
    return breakdown(filters, _OVER_TIME)


def requests_to(filters: Filters, domain: str, sort: Sort) -> Breakdown:
    """Requests to one host by what is requested, project and transaction."""
    return breakdown(filters.narrowed(domain=domain), _BY_REQUEST, sort)


def request_samples(filters: Filters, domain: str) -> list[Sample]:
    """Requests to one host that failed, and the slowest."""
    return samples(
        filters.narrowed(domain=domain),
        REQUESTS,
        {"failed": ("substring(status_code, 1, 1) IN ('4', '5')", "timestamp DESC"), "slow": ("1", "duration DESC")},
    )
