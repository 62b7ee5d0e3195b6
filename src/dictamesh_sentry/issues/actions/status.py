"""Resolve, unresolve, archive."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import ActionError, differing, locked, subscribe, write
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.releases.queries import latest_release

MAX_ARCHIVE = timedelta(days=3650)
_CLEARED: dict[str, Any] = {
    "resolved_at": None,
    "resolved_in_release": None,
    "resolved_in_next_release": False,
    "resolved_in_commit": "",
    "snooze": {},
}


def resolve(
    actor: User | None,
    issues: Iterable[Issue],
    *,
    in_release: Release | None = None,
    in_next_release: bool = False,
    in_commit: str = "",
) -> list[Issue]:
    """Mark issues as resolved; the ones that changed are returned.

    ``in_release``: fixed in that release, so an event of that release or a newer one is a regression.
    ``in_next_release``: fixed in whatever follows the project's current release, which is remembered in
    ``resolved_in_release``; only an event of a newer release is a regression. ``in_commit``: the fixing commit.
    Raises ActionError when more than one of them is given, for a release of another organization, and for "next"
    in a project that has no release yet.
    """
    if (in_release is not None) + in_next_release + bool(in_commit) > 1:
        raise ActionError("Resolve in a release, in the next release or in a commit: choose one.")
    given = list(issues)
    changed: list[Issue] = []
    with locked(given) as rows:
        for project_id in {row.project_id for row in rows}:
            group = [row for row in rows if row.project_id == project_id]
            release = in_release
            if in_release is not None and in_release.organization_id != group[0].project.organization_id:
                raise ActionError("This release belongs to another organization.")
            if in_next_release:
                release = latest_release(project_id)
                if release is None:
                    raise ActionError("This project has no release yet, so there is no next one.")
            changed += _resolve_group(actor, given, group, release, in_next_release, in_commit)
        subscribe(changed, actor, "status_change")
    return changed


def _resolve_group(
    actor: User | None,
    given: list[Issue],
    rows: list[Issue],
    release: Release | None,
    in_next_release: bool,
    in_commit: str,
) -> list[Issue]:
    """Resolve the issues of one project, all in the same way."""
    wanted = {
        "status": "resolved",
        "resolved_in_release_id": release.pk if release else None,
        "resolved_in_next_release": in_next_release,
        "resolved_in_commit": in_commit[:64],
    }
    changed = differing(rows, **wanted)
    now = timezone.now()
    kind, data = activity.SET_RESOLVED, {}
    if in_next_release and release:
        kind = activity.SET_RESOLVED_IN_RELEASE
        data = {"version": "", "in_next_release": True, "current_release_version": release.version}
    elif release:
        kind, data = activity.SET_RESOLVED_IN_RELEASE, {"version": release.version}
    elif in_commit:
        kind, data = activity.SET_RESOLVED_IN_COMMIT, {"commit": in_commit[:64]}
    write(changed, given, **wanted, substatus="", resolved_at=now, status_changed_at=now, snooze={})
    activity.record(changed, actor, kind, data)
    return changed


def unresolve(actor: User | None, issues: Iterable[Issue], *, substatus: str = "ongoing") -> list[Issue]:
    """Open issues again, whatever they were; the ones that changed are returned."""
    given = list(issues)
    with locked(given) as rows:
        changed = differing(rows, status="unresolved")
        write(changed, given, status="unresolved", substatus=substatus, status_changed_at=timezone.now(), **_CLEARED)
        activity.record(changed, actor, activity.SET_UNRESOLVED)
        subscribe(changed, actor, "status_change")
    return changed


def set_substatus(actor: User | None, issues: Iterable[Issue], substatus: str) -> list[Issue]:
    """Make issues unresolved with the given substatus (``ongoing``, ``escalating``, ``regressed``, ``new``)."""
    if substatus not in {"new", "ongoing", "regressed", "escalating"}:
        raise ActionError(f"{substatus!r} is no substatus of an unresolved issue.")
    given = list(issues)
    with locked(given) as rows:
        opened = differing(rows, status="unresolved")
        changed = differing(rows, status="unresolved", substatus=substatus)
        write(changed, given, status="unresolved", substatus=substatus, **_CLEARED)
        write(opened, given, status_changed_at=timezone.now())
        activity.record(opened, actor, activity.SET_UNRESOLVED)
        if substatus == "escalating":
            activity.record([row for row in changed if row not in opened], actor, activity.SET_ESCALATING)
        subscribe(changed, actor, "status_change")
    return changed


def archive(
    actor: User | None,
    issues: Iterable[Issue],
    *,
    until: datetime | None = None,
    count: int | None = None,
    window: int | None = None,
    user_count: int | None = None,
    user_window: int | None = None,
    until_escalating: bool = False,
) -> list[Issue]:
    """Archive issues, forever or until a condition comes true; the ones that changed are returned.

    ``until`` is an aware time in the future. ``count`` more events (within ``window`` minutes, if given) or
    ``user_count`` more users (within ``user_window`` minutes) bring an issue back, counted from now on. The
    conditions are kept in ``Issue.snooze``, with the numbers to compare against. Raises ActionError for
    conditions that contradict each other or can never be met.
    """
    given = list(issues)
    conditions = _archive_conditions(until, count, window, user_count, user_window, until_escalating)
    substatus = "archived_forever"
    if until_escalating:
        substatus = "archived_until_escalating"
    elif conditions:
        substatus = "archived_until_condition_met"
    users = {issue.pk: _users_affected(issue) for issue in given} if user_count and not user_window else {}
    now = timezone.now()
    changed: list[Issue] = []
    with locked(given) as rows:
        for row in rows:
            snooze = dict(conditions)
            if conditions:
                snooze |= {"base_time": now.isoformat(), "base_times_seen": row.times_seen}
            if row.pk in users:
                snooze["base_users"] = users[row.pk]
            if not conditions and row.status == "ignored" and row.substatus == substatus:
                continue
            cleared = {**_CLEARED, "snooze": snooze}
            write([row], given, status="ignored", substatus=substatus, status_changed_at=now, **cleared)
            changed.append(row)
        activity.record(changed, actor, activity.SET_IGNORED, conditions)
        subscribe(changed, actor, "status_change")
    return changed


def _archive_conditions(
    until: datetime | None,
    count: int | None,
    window: int | None,
    user_count: int | None,
    user_window: int | None,
    until_escalating: bool,
) -> dict[str, Any]:
    """The checked conditions as they are stored; empty means forever."""
    if until_escalating and (until or count or user_count):
        raise ActionError("Archive until it escalates or until another condition, not both.")
    for name, number in (("count", count), ("window", window), ("users", user_count), ("user window", user_window)):
        if number is not None and not 0 < number <= 10_000_000:
            raise ActionError(f"The {name} must be between 1 and 10000000.")
    if (window and not count) or (user_window and not user_count):
        raise ActionError("A window needs a number of events or users.")
    if until is not None and not timezone.now() < until < timezone.now() + MAX_ARCHIVE:
        raise ActionError("The end of the archive must be in the future, at most ten years away.")
    conditions = {
        "until": until.astimezone(UTC).isoformat() if until else None,
        "count": count,
        "window": window,
        "user_count": user_count,
        "user_window": user_window,
        "until_escalating": True if until_escalating else None,
    }
    return {name: value for name, value in conditions.items() if value is not None}


def _users_affected(issue: Issue) -> int:
    """Users this issue has ever affected, from the event store."""
    from dictamesh_sentry.issues.queries import issue_totals

    return issue_totals(issue, (), None).user_count
