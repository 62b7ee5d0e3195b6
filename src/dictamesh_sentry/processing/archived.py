"""When archived issues come back by themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import locked
from dictamesh_sentry.issues.models import Issue

ESCALATION_FACTOR = 3
ESCALATION_MINIMUM = 10
_HISTORY = timedelta(days=7)
_HOUR = timedelta(hours=1)
_CONDITIONAL = ("archived_until_condition_met", "archived_until_escalating")


def archived_with_condition() -> QuerySet[Issue]:
    """Issues that are archived until something happens."""
    return Issue.objects.filter(status="ignored", substatus__in=_CONDITIONAL, is_pending_deletion=False)


def review(issues: Iterable[Issue], store: EventStore, now: datetime | None = None) -> list[int]:
    """Bring back those whose condition is met; their ids. Repeatable: an issue comes back once.

    ``until``: the time has come. ``count``, ``user_count``: that many more events or users since it was archived, or
    within the window. Escalating: in the past hour at least 10 events, and more than three times as many as in the
    busiest hour of the week before it was archived.
    """
    now = now or timezone.now()
    returned: list[int] = []
    for issue in issues:
        if issue.status != "ignored" or not issue.snooze:
            continue
        if issue.substatus == "archived_until_escalating":
            if is_escalating(issue, store, now) and _return(issue, "escalating", activity.SET_ESCALATING):
                returned.append(issue.pk)
        elif condition_met(issue, store, now) and _return(issue, "ongoing", activity.SET_UNRESOLVED):
            returned.append(issue.pk)
    return returned


def condition_met(issue: Issue, store: EventStore, now: datetime) -> bool:
    """Whether one of the conditions in ``issue.snooze`` holds."""
    snooze: dict[str, Any] = issue.snooze
    until = _moment(snooze.get("until"))
    if until is not None and until <= now:
        return True
    return _enough_events(issue, snooze, store, now) or _enough_users(issue, snooze, store, now)


def _enough_events(issue: Issue, snooze: dict[str, Any], store: EventStore, now: datetime) -> bool:
    count = snooze.get("count")
    if not count:
        return False
    if not snooze.get("window"):
        return issue.times_seen - int(snooze.get("base_times_seen") or 0) >= count
    since = _since(snooze, int(snooze["window"]), now)
    return _query(issue, store, "count()", since, now) >= count


def _enough_users(issue: Issue, snooze: dict[str, Any], store: EventStore, now: datetime) -> bool:
    count = snooze.get("user_count")
    if not count:
        return False
    if snooze.get("user_window"):
        return (
            _query(issue, store, "uniqIf(user, user != '')", _since(snooze, int(snooze["user_window"]), now), now)
            >= count
        )
    everyone = _query(issue, store, "uniqIf(user, user != '')", issue.first_seen - _HOUR, now)
    return everyone - int(snooze.get("base_users") or 0) >= count


def _since(snooze: dict[str, Any], minutes: int, now: datetime) -> datetime:
    """The window's start; what happened before the issue was archived does not count."""
    start = now - timedelta(minutes=minutes)
    base = _moment(snooze.get("base_time"))
    return max(start, base) if base else start


def is_escalating(issue: Issue, store: EventStore, now: datetime) -> bool:
    """Whether the issue happens clearly more often than it did; see ``review``."""
    base = _moment(issue.snooze.get("base_time")) or issue.status_changed_at or issue.first_seen
    recent = _query(issue, store, "count()", max(now - _HOUR, base), now)
    if recent < ESCALATION_MINIMUM:
        return False
    busiest = store.rows(
        "SELECT max(events) FROM (SELECT count() AS events FROM events WHERE project_id = {project:UInt64}"
        " AND issue_id = {issue:UInt64} AND timestamp >= {first:DateTime64(3)} AND timestamp < {last:DateTime64(3)}"
        " GROUP BY toStartOfHour(timestamp))",
        {"project": issue.project_id, "issue": issue.pk, "first": base - _HISTORY, "last": base},
    )
    return recent > ESCALATION_FACTOR * int(busiest[0][0] or 0)


def _query(issue: Issue, store: EventStore, aggregate: str, since: datetime, until: datetime) -> int:
    rows = store.rows(
        f"SELECT {aggregate} FROM events WHERE project_id = {{project:UInt64}}"  # noqa: S608 - our own constants
        " AND issue_id = {issue:UInt64} AND timestamp >= {first:DateTime64(3)} AND timestamp <= {last:DateTime64(3)}",
        {"project": issue.project_id, "issue": issue.pk, "first": since, "last": until + _HOUR},
    )
    return int(rows[0][0])


def _return(issue: Issue, substatus: str, kind: str) -> bool:
    """Open an archived issue, unless someone changed it since it was read."""
    with locked([issue]) as rows:
        if not rows or rows[0].status != "ignored" or rows[0].snooze != issue.snooze:
            return False
        Issue.objects.filter(pk=issue.pk).update(
            status="unresolved", substatus=substatus, status_changed_at=timezone.now(), snooze={}
        )
        activity.record([rows[0]], None, kind)
    return True


def _moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def review_by_ids(issue_ids: Sequence[int], store: EventStore) -> list[int]:
    """``review`` of those of the issues that are archived with a condition."""
    return review(list(archived_with_condition().filter(pk__in=issue_ids)), store)
