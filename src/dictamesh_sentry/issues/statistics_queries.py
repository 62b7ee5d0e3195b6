"""Numbers of issues from the event store: how often, whom, when, within filters."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.event_queries import Conditions, scope
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.search.period import Period

USERS = "uniqIf(user_hash, user_hash != 0)"


@dataclass(frozen=True)
class IssueTotals:
    """An issue within filters. The times are None when no event is inside."""

    count: int
    user_count: int
    first_seen: datetime | None
    last_seen: datetime | None


@dataclass(frozen=True)
class IssueStatistics(IssueTotals):
    """Totals, and events per bucket as (start of the bucket in epoch seconds, count), zeros included."""

    series: list[tuple[int, int]]


EMPTY = IssueTotals(0, 0, None, None)


def bucket_starts(period: Period, rollup: int) -> list[int]:
    """Starts of the buckets that cover the window, in epoch seconds."""
    first = int(period.start.timestamp()) // rollup
    last = (math.ceil(period.end.timestamp()) - 1) // rollup
    return [index * rollup for index in range(first, last + 1)]


def statistics(
    project_ids: Sequence[int],
    issue_ids: Sequence[int],
    *,
    environments: Sequence[str] = (),
    period: Period,
    extra: Conditions | None = None,
) -> dict[int, IssueStatistics]:
    """Totals and series of some issues; one query. Issues without events inside the filters are left out."""
    if not issue_ids or not project_ids:
        return {}
    where, parameters = scope(project_ids, environments=environments, period=period, extra=extra)
    rollup = period.rollup
    rows = get_store().rows(
        "SELECT issue_id, sum(n), uniqMerge(users), min(first), max(last), groupArray((bucket, n)) FROM ("
        "SELECT issue_id, intDiv(toUnixTimestamp(timestamp), {rollup:UInt32}) AS bucket, count() AS n, "
        "uniqStateIf(user_hash, user_hash != 0) AS users, min(timestamp) AS first, max(timestamp) AS last "
        f"FROM events WHERE {where} AND issue_id IN {{issues:Array(UInt64)}} GROUP BY issue_id, bucket"
        ") GROUP BY issue_id",
        {**parameters, "issues": list(issue_ids), "rollup": rollup},
    )
    starts = bucket_starts(period, rollup)
    found: dict[int, IssueStatistics] = {}
    for issue_id, count, users, first, last, buckets in rows:
        counts = {bucket * rollup: n for bucket, n in buckets}
        series = [(start, counts.get(start, 0)) for start in starts]
        found[issue_id] = IssueStatistics(count, users, first, last, series)
    return found


def issue_totals(issue: Issue, environments: Sequence[str] = (), period: Period | None = None) -> IssueTotals:
    """How often an issue happened, whom it affected and when, within filters; its whole life without a period."""
    where, parameters = scope([issue.project_id], issue=issue, environments=environments, period=period)
    count, users, first, last = get_store().rows(
        f"SELECT count(), {USERS}, min(timestamp), max(timestamp) FROM events WHERE {where}", parameters
    )[0]
    return IssueTotals(count, users, first, last) if count else EMPTY


def issue_series(issue: Issue, environments: Sequence[str], period: Period) -> list[tuple[int, int]]:
    """Events per bucket of the window, as (epoch seconds, count), zeros included."""
    found = statistics([issue.project_id], [issue.pk], environments=environments, period=period)
    if issue.pk in found:
        return found[issue.pk].series
    return [(start, 0) for start in bucket_starts(period, period.rollup)]


def user_counts(project_ids: Sequence[int], issue_ids: Sequence[int]) -> dict[int, int]:
    """Users each issue affected in its whole life. One query."""
    if not issue_ids:
        return {}
    where, parameters = scope(project_ids)
    rows: Sequence[Any] = get_store().rows(
        f"SELECT issue_id, {USERS} FROM events "
        f"WHERE {where} AND issue_id IN {{issues:Array(UInt64)}} GROUP BY issue_id",
        {**parameters, "issues": list(issue_ids)},
    )
    return dict(rows)
