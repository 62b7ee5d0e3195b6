"""The history of an issue: the types of its entries, how they are written and how they read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues.models import Activity, Issue

SET_RESOLVED = "set_resolved"
SET_RESOLVED_IN_RELEASE = "set_resolved_in_release"
SET_RESOLVED_IN_COMMIT = "set_resolved_in_commit"
SET_RESOLVED_BY_AGE = "set_resolved_by_age"
SET_UNRESOLVED = "set_unresolved"
SET_IGNORED = "set_ignored"
SET_REGRESSION = "set_regression"
SET_ESCALATING = "set_escalating"
SET_PRIORITY = "set_priority"
SET_PUBLIC = "set_public"
SET_PRIVATE = "set_private"
ASSIGNED = "assigned"
UNASSIGNED = "unassigned"
NOTE = "note"
FIRST_SEEN = "first_seen"
MERGE = "merge"
UNMERGE_SOURCE = "unmerge_source"
UNMERGE_DESTINATION = "unmerge_destination"
MARK_REVIEWED = "mark_reviewed"
DELETED_ATTACHMENT = "deleted_attachment"

# What people who follow an issue are told about by mail.
NOTIFIED = frozenset(
    {
        SET_RESOLVED,
        SET_RESOLVED_IN_RELEASE,
        SET_RESOLVED_IN_COMMIT,
        SET_UNRESOLVED,
        SET_REGRESSION,
        ASSIGNED,
        NOTE,
    }
)


@dataclass(frozen=True, slots=True)
class ActivityView:
    """One entry as pages show it. ``text`` follows the actor's name ("resolved this issue in 1.2"); plain text."""

    id: int
    type: str
    actor: str
    initials: str
    text: str
    datetime: datetime
    comment: str | None
    user_id: int | None
    is_edited: bool


def record(
    issues: Iterable[Issue],
    actor: User | None,
    kind: str,
    data: Mapping[str, Any] | Callable[[Issue], dict[str, Any]] | None = None,
) -> list[Activity]:
    """Write one entry per issue, in the caller's transaction, and tell followers after it commits.

    ``actor`` is None for what the system does by itself. ``data`` may be computed per issue.
    """
    entries = Activity.objects.bulk_create(
        Activity(issue=issue, user=actor, type=kind, data=data(issue) if callable(data) else dict(data or {}))
        for issue in issues
    )
    if kind in NOTIFIED and entries:
        _notify_after_commit([entry.pk for entry in entries])
    return entries


def _notify_after_commit(activity_ids: Sequence[int]) -> None:
    from dictamesh_sentry.issues.mail import enqueue_notices

    transaction.on_commit(lambda: enqueue_notices(activity_ids))


def view_activities(activities: Iterable[Activity]) -> list[ActivityView]:
    """Entries for display. Load them with ``select_related("user")``."""
    return [_view(activity) for activity in activities]


def _view(activity: Activity) -> ActivityView:
    user = activity.user
    data = activity.data if isinstance(activity.data, dict) else {}
    return ActivityView(
        id=activity.pk,
        type=activity.type,
        actor=user.display_name if user else "DictaMesh Sentry",
        initials=user.initials if user else "DS",
        text=describe(activity.type, data),
        datetime=activity.datetime,
        comment=str(data.get("text", "")) if activity.type == NOTE else None,
        user_id=activity.user_id,  # pyright: ignore[reportArgumentType]
        is_edited=bool(data.get("edited_at")),
    )


def describe(kind: str, data: Mapping[str, Any]) -> str:
    """What happened, as the rest of a sentence whose subject is the actor. Plain text, never empty."""
    builder = _DESCRIPTIONS.get(kind)
    return builder(data) if builder else kind.replace("_", " ")


def _resolved_in_release(data: Mapping[str, Any]) -> str:
    if data.get("in_next_release"):
        current = data.get("current_release_version")
        return f"resolved this issue in the release after {current}" if current else "resolved it in the next release"
    return f"resolved this issue in {data.get('version') or 'a release'}"


def _ignored(data: Mapping[str, Any]) -> str:
    if data.get("until_escalating"):
        return "archived this issue until it escalates"
    if data.get("until"):
        return f"archived this issue until {str(data['until'])[:16].replace('T', ' ')} UTC"
    if data.get("count"):
        return f"archived this issue until it happens {data['count']} more times" + _window(data.get("window"))
    if data.get("user_count"):
        return f"archived this issue until {data['user_count']} more users are affected" + _window(
            data.get("user_window")
        )
    return "archived this issue forever"


def _window(minutes: object) -> str:
    return f" within {minutes} minutes" if minutes else ""


def _regression(data: Mapping[str, Any]) -> str:
    version = data.get("version")
    return f"marked this issue as a regression in {version}" if version else "marked this issue as a regression"


def _merged(data: Mapping[str, Any]) -> str:
    merged = data.get("issues") or []
    names = ", ".join(str(item.get("shortId", "")) for item in merged if isinstance(item, dict))
    return f"merged {len(merged)} {'issue' if len(merged) == 1 else 'issues'} into this one" + (
        f" ({names})" if names else ""
    )


def _unmerged_to(data: Mapping[str, Any]) -> str:
    count = len(data.get("fingerprints") or [])
    destination = data.get("destination") or {}
    return f"split {count} {'fingerprint' if count == 1 else 'fingerprints'} off to {destination.get('shortId', '')}"


def _unmerged_from(data: Mapping[str, Any]) -> str:
    count = len(data.get("fingerprints") or [])
    source = data.get("source") or {}
    return f"split {count} {'fingerprint' if count == 1 else 'fingerprints'} off from {source.get('shortId', '')}"


_DESCRIPTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    SET_RESOLVED: lambda _: "resolved this issue",
    SET_RESOLVED_IN_RELEASE: _resolved_in_release,
    SET_RESOLVED_IN_COMMIT: lambda data: f"resolved this issue in commit {str(data.get('commit', ''))[:12]}",
    SET_RESOLVED_BY_AGE: lambda data: f"resolved this issue: not seen for {data.get('age', '?')} hours",
    SET_UNRESOLVED: lambda _: "marked this issue as unresolved",
    SET_IGNORED: _ignored,
    SET_REGRESSION: _regression,
    SET_ESCALATING: lambda _: "flagged this issue as escalating",
    SET_PRIORITY: lambda data: f"set the priority to {data.get('priority', '')}",
    SET_PUBLIC: lambda _: "shared this issue by link",
    SET_PRIVATE: lambda _: "stopped sharing this issue",
    ASSIGNED: lambda data: f"assigned this issue to {data.get('assigneeName') or data.get('assignee') or 'someone'}",
    UNASSIGNED: lambda _: "removed the assignee",
    NOTE: lambda _: "commented",
    FIRST_SEEN: lambda _: "saw this issue for the first time",
    MERGE: _merged,
    UNMERGE_SOURCE: _unmerged_to,
    UNMERGE_DESTINATION: _unmerged_from,
    MARK_REVIEWED: lambda _: "marked this issue as reviewed",
    DELETED_ATTACHMENT: lambda data: f"deleted the attachment {data.get('name', '')}".rstrip(),
}
