"""Event counts of many issues over time, in one query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from dictamesh_sentry.api.core import Call
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.event_queries import scope
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.search.period import Period

#: ``groupStatsPeriod`` → (window, seconds per bucket).
WINDOWS = {
    "24h": (timedelta(hours=24), 3600),
    "14d": (timedelta(days=14), 86400),
    "30d": (timedelta(days=30), 86400),
}
Series = list[tuple[int, int]]


def stats_period_param(call: Call, default: str = "24h") -> str:
    """``groupStatsPeriod``: 24h, 14d, auto, or empty for none. Raises ApiError for another."""
    value = call.request.GET.get("groupStatsPeriod", default)
    if value and value not in {"24h", "14d", "auto"}:
        raise bad_request("Invalid groupStatsPeriod. Valid choices are '', '24h', '14d', and 'auto'")
    return value


def window_of(name: str, period: Period | None = None) -> tuple[datetime, datetime, int]:
    """(start, end, seconds per bucket) of a chart, on whole buckets; ``auto`` is the request's own window."""
    if name in WINDOWS:
        length, width = WINDOWS[name]
        end = datetime.now(UTC)
        return end - length + timedelta(seconds=width), end, width
    if period is None:
        raise ValueError(f"unknown window {name!r}")
    return period.start, period.end, period.rollup


def series_of(
    issues: Iterable[Issue], environments: Sequence[str], start: datetime, end: datetime, width: int
) -> dict[int, Series]:
    """Issue id → zero-filled ``(bucket's start in epoch seconds, events)``. One query for all of them."""
    ids = {issue.pk: issue.project_id for issue in issues}
    first, last = int(start.timestamp()) // width, int(end.timestamp()) // width
    buckets = range(first * width, (last + 1) * width, width)
    counts: dict[int, dict[int, int]] = {pk: {} for pk in ids}
    if ids:
        window = Period(datetime.fromtimestamp(first * width, UTC), end)
        where, parameters = scope(sorted(set(ids.values())), environments=environments, period=window)
        bucket = "intDiv(toUnixTimestamp(timestamp), {width:UInt32}) * {width:UInt32} AS bucket"
        rows = get_store().rows(
            f"SELECT issue_id, {bucket}, count() FROM events WHERE {where} AND issue_id IN {{issues:Array(UInt64)}} "  # noqa: S608 - values are bound
            "GROUP BY issue_id, bucket",
            {**parameters, "issues": sorted(ids), "width": width},
        )
        for issue_id, bucket, count in rows:
            counts[issue_id][int(bucket)] = count
    return {pk: [(bucket, found.get(bucket, 0)) for bucket in buckets] for pk, found in counts.items()}
