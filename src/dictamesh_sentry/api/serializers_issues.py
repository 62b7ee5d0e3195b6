"""Issues, their history, tags and feedback in the API's shapes. Everything a page shares is loaded at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NotRequired

from django.utils import timezone
from typing_extensions import TypedDict

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.api.responses import iso, required_iso
from dictamesh_sentry.api.serializers_users import UserBody, serialize_user
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues.models import (
    Activity,
    EventAttachment,
    Issue,
    IssueBookmark,
    IssueSeen,
    IssueSubscription,
)
from dictamesh_sentry.issues.short_id import short_id


class IssueProjectBody(TypedDict):
    id: str
    name: str
    slug: str
    platform: str | None


class AssigneeBody(TypedDict):
    type: str
    id: str
    name: str
    email: NotRequired[str]


class ActivityBody(TypedDict):
    id: str
    type: str
    dateCreated: str
    user: UserBody | None
    data: dict[str, Any]


class IssueBody(TypedDict, total=False):
    """``count`` is a string, ``userCount`` an integer: that is how clients decode them."""

    id: str
    shortId: str
    title: str
    culprit: str
    permalink: str
    logger: str | None
    level: str
    status: str
    statusDetails: dict[str, Any]
    substatus: str | None
    isPublic: bool
    shareId: str | None
    platform: str
    project: IssueProjectBody
    type: str
    metadata: dict[str, Any]
    numComments: int
    assignedTo: AssigneeBody | None
    isBookmarked: bool
    isSubscribed: bool
    subscriptionDetails: dict[str, Any] | None
    hasSeen: bool
    latestEventHasAttachments: bool
    annotations: list[dict[str, str]]
    issueType: str
    issueCategory: str
    priority: str
    priorityLockedAt: str | None
    isUnhandled: bool
    count: str
    userCount: int
    firstSeen: str
    lastSeen: str
    stats: dict[str, list[list[int]]]
    lifetime: dict[str, Any]
    filtered: dict[str, Any] | None


class IssueDetailBody(IssueBody, total=False):
    activity: list[ActivityBody]
    seenBy: list[UserBody]
    participants: list[UserBody]
    userReportCount: int
    firstRelease: dict[str, Any] | None
    lastRelease: dict[str, Any] | None
    tags: list[dict[str, Any]]


@dataclass(frozen=True)
class Numbers:
    """Counts of an issue within the filters of a request."""

    count: int
    user_count: int
    first_seen: datetime
    last_seen: datetime
    stats: Sequence[tuple[int, int]] = ()


@dataclass
class Personal:
    """What the issues of one page are to the caller, and what hangs on them."""

    bookmarked: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    subscriptions: dict[int, IssueSubscription] = field(default_factory=dict)
    with_attachments: set[int] = field(default_factory=set)


def load_personal(user: User, issues: Iterable[Issue]) -> Personal:
    """Four queries for a whole page."""
    ids = [issue.pk for issue in issues]
    subscriptions = IssueSubscription.objects.filter(user=user, issue__in=ids)
    return Personal(
        set(IssueBookmark.objects.filter(user=user, issue__in=ids).values_list("issue_id", flat=True)),
        set(IssueSeen.objects.filter(user=user, issue__in=ids).values_list("issue_id", flat=True)),
        {row.issue_id: row for row in subscriptions},  # pyright: ignore[reportAttributeAccessIssue]
        set(EventAttachment.objects.filter(issue__in=ids).values_list("issue_id", flat=True)),
    )


def permalink(issue: Issue) -> str:
    """The issue's page."""
    return f"{get_settings().public_url}/organizations/{issue.project.organization.slug}/issues/{issue.pk}/"


_TYPES = frozenset({"error", "default", "csp", "feedback"})


def serialize_issue(
    issue: Issue,
    personal: Personal,
    numbers: Numbers | None = None,
    *,
    stats_period: str = "",
    is_filtered: bool = False,
    collapse: Collection[str] = (),
) -> IssueBody:
    """An issue; ``issue.project.organization``, assignee and releases must be loaded.

    ``collapse`` leaves parts out: ``stats``, ``lifetime``, ``filtered``, ``unhandled``, ``base``.
    """
    body: IssueBody = {"id": str(issue.pk)}
    if "base" not in collapse:
        body |= _base(issue, personal)
    if "unhandled" not in collapse:
        body["isUnhandled"] = issue.is_unhandled
    shown = numbers or _lifetime(issue)
    if "stats" not in collapse:
        body["count"] = str(shown.count)
        body["userCount"] = shown.user_count
        body["firstSeen"] = required_iso(shown.first_seen)
        body["lastSeen"] = required_iso(shown.last_seen)
        if stats_period:
            body["stats"] = {stats_period: _points(shown)}
    else:
        body |= {"firstSeen": required_iso(issue.first_seen), "lastSeen": required_iso(issue.last_seen)}
    if "lifetime" not in collapse:
        body["lifetime"] = _numbers_body(_lifetime(issue, shown.user_count), "")
    if "filtered" not in collapse:
        body["filtered"] = _numbers_body(shown, stats_period) if is_filtered else None
    return body


def _points(numbers: Numbers) -> list[list[int]]:
    return [[moment, count] for moment, count in numbers.stats]


def _lifetime(issue: Issue, user_count: int = 0) -> Numbers:
    return Numbers(issue.times_seen, user_count, issue.first_seen, issue.last_seen)


def _numbers_body(numbers: Numbers, stats_period: str) -> dict[str, Any]:
    return {
        "count": str(numbers.count),
        "userCount": numbers.user_count,
        "firstSeen": required_iso(numbers.first_seen),
        "lastSeen": required_iso(numbers.last_seen),
        "stats": {stats_period: _points(numbers)} if stats_period else None,
    }


def _base(issue: Issue, personal: Personal) -> IssueBody:
    subscription = personal.subscriptions.get(issue.pk)
    return {
        "shortId": short_id(issue),
        "title": issue.title,
        "culprit": issue.culprit,
        "permalink": permalink(issue),
        "logger": issue.logger or None,
        "level": issue.level,
        "status": issue.status,
        "statusDetails": status_details(issue),
        "substatus": issue.substatus or None,
        "isPublic": issue.share_id is not None,
        "shareId": issue.share_id,
        "platform": issue.platform,
        "project": {
            "id": str(issue.project_id),
            "name": issue.project.name,
            "slug": issue.project.slug,
            "platform": issue.project.platform or None,
        },
        "type": "generic" if issue.category == "performance" else issue.type if issue.type in _TYPES else "error",
        "metadata": {"title": issue.title, **(issue.metadata if isinstance(issue.metadata, dict) else {})},
        "numComments": issue.num_comments,
        "assignedTo": serialize_assignee(issue),
        "isBookmarked": issue.pk in personal.bookmarked,
        "isSubscribed": subscription is not None and subscription.is_active,
        "subscriptionDetails": {"reason": subscription.reason} if subscription and subscription.is_active else None,
        "hasSeen": issue.pk in personal.seen,
        "annotations": [],
        "issueType": issue.type or "error",
        "issueCategory": issue.category,
        "priority": issue.priority,
        "priorityLockedAt": iso(issue.priority_locked_at),
        "latestEventHasAttachments": issue.pk in personal.with_attachments,
    }


def serialize_assignee(issue: Issue) -> AssigneeBody | None:
    """The person or team the issue is assigned to."""
    if issue.assigned_user is not None:
        user = issue.assigned_user
        return {"type": "user", "id": str(user.pk), "name": user.display_name, "email": user.email}
    if issue.assigned_team is not None:
        team = issue.assigned_team
        return {"type": "team", "id": str(team.pk), "name": team.slug}
    return None


def status_details(issue: Issue) -> dict[str, Any]:
    """How an issue is resolved, or until when it is archived."""
    if issue.status == "resolved":
        if issue.resolved_in_next_release:
            return {"inNextRelease": True}
        if issue.resolved_in_release is not None:
            return {"inRelease": issue.resolved_in_release.version}
        if issue.resolved_in_commit:
            return {"inCommit": {"id": issue.resolved_in_commit, "commit": issue.resolved_in_commit}}
        return {}
    if issue.status != "ignored" or not isinstance(issue.snooze, dict):
        return {}
    snooze = issue.snooze
    names = {
        "count": "ignoreCount",
        "window": "ignoreWindow",
        "user_count": "ignoreUserCount",
        "user_window": "ignoreUserWindow",
    }
    details: dict[str, Any] = {name: snooze[key] for key, name in names.items() if key in snooze}
    if snooze.get("until"):
        until = datetime.fromisoformat(snooze["until"])
        details["ignoreUntil"] = required_iso(until)
        details["ignoreDuration"] = max(0, int((until - timezone.now()).total_seconds() // 60))
    if snooze.get("until_escalating"):
        details["untilEscalating"] = True
    return details


def serialize_activities(activities: Iterable[Activity]) -> list[ActivityBody]:
    """History entries; ``user`` must be loaded."""
    return [
        {
            "id": str(entry.pk),
            "type": entry.type,
            "dateCreated": required_iso(entry.datetime),
            "user": serialize_user(entry.user) if entry.user is not None else None,
            "data": entry.data,
        }
        for entry in activities
    ]


class UserReportBody(TypedDict):
    id: str
    eventID: str
    name: str
    email: str
    comments: str
    dateCreated: str
    user: dict[str, Any] | None
    event: dict[str, str]
    issue: NotRequired[dict[str, Any] | None]


def serialize_user_report(report: UserReport, issue: Mapping[str, Any] | None = None) -> UserReportBody:
    """What someone wrote about an event."""
    return {
        "id": str(report.pk),
        "eventID": report.event_id,
        "name": report.name,
        "email": report.email,
        "comments": report.comments,
        "dateCreated": required_iso(report.date_created),
        "user": {"name": report.name, "email": report.email} if report.email or report.name else None,
        "event": {"id": report.event_id, "eventID": report.event_id},
        "issue": dict(issue) if issue is not None else None,
    }


class TagValueBody(TypedDict):
    key: str
    name: str
    value: str
    count: int
    firstSeen: str
    lastSeen: str
    query: str


class TagBody(TypedDict):
    key: str
    name: str
    totalValues: int
    uniqueValues: int
    topValues: list[TagValueBody]


def serialize_tag_value(key: str, value: Any) -> TagValueBody:
    """A ``TagValue`` of event_queries, with the search that finds its events."""
    return {
        "key": key,
        "name": value.value,
        "value": value.value,
        "count": value.count,
        "firstSeen": required_iso(value.first_seen),
        "lastSeen": required_iso(value.last_seen),
        "query": tag_query(key, value.value),
    }


def tag_query(key: str, value: str) -> str:
    """A search term that matches exactly this value."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    return f'{key}:"{escaped}"'


def serialize_tag(tag: Any) -> TagBody:
    """A ``TagKey`` of event_queries."""
    return {
        "key": tag.key,
        "name": tag.key.replace("_", " ").replace(".", " ").title(),
        "totalValues": tag.total,
        "uniqueValues": tag.unique,
        "topValues": [serialize_tag_value(tag.key, value) for value in tag.top_values],
    }
