"""What a PUT on issues may ask for, and doing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.api.core import Body
from dictamesh_sentry.api.errors import bad_request, field_error
from dictamesh_sentry.api.serializers_issues import serialize_assignee, status_details
from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.organizations.models import Organization, OrganizationMember, Team
from dictamesh_sentry.organizations.queries import by_id_or_slug
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.releases.queries import latest_release, visible_releases

_STATUSES = {"resolved", "resolvedInNextRelease", "unresolved", "ignored", "archived", "muted"}
_MINUTE_LIMIT = 10_000_000


class IssueUpdate(Body):
    """Attributes of issues to change. What is absent stays."""

    status: str | None = None
    status_details: dict[str, Any] | None = None
    substatus: str | None = None
    assigned_to: str | int | dict[str, Any] | None = None
    priority: str | None = None
    has_seen: bool | None = None
    is_bookmarked: bool | None = None
    is_public: bool | None = None
    is_subscribed: bool | None = None
    merge: int | bool | None = None
    discard: bool | None = None
    inbox: bool | None = None
    snooze_duration: int | None = None
    ignore_duration: int | None = None


@transaction.atomic
def apply_update(access: Access, issues: Sequence[Issue], body: IssueUpdate) -> dict[str, Any]:
    """Do what the body asks with all the issues, or nothing; the changed attributes in the API's names.

    Raises ApiError for what makes no sense, ForbiddenError where deleting is not allowed.
    """
    changes = body.changes()
    if changes.get("discard"):
        access.require("event:admin")
        actions.delete(access.user, issues, discard=True)
        return {"discard": True}
    result: dict[str, Any] = {}
    status = changes.get("status")
    if status is not None or changes.get("status_details") or changes.get("substatus"):
        result |= _status(access, issues, body)
    for name, apply in _SIMPLE.items():
        if changes.get(name) is not None:
            result |= apply(access.user, issues, changes[name])
    if "assigned_to" in changes:
        result |= _assign(access, issues, changes["assigned_to"])
    if changes.get("merge"):
        result |= _merge(access.user, issues)
    return result


def _status(access: Access, issues: Sequence[Issue], body: IssueUpdate) -> dict[str, Any]:
    status = body.status or _implied_status(body)
    if status not in _STATUSES:
        raise field_error("status", f'"{status}" is not a valid choice.')
    details = body.status_details or {}
    if status in {"resolved", "resolvedInNextRelease"}:
        _resolve(access, issues, details, in_next_release=status == "resolvedInNextRelease")
    elif status == "unresolved":
        if body.substatus:
            actions.set_substatus(access.user, issues, body.substatus)
        else:
            actions.unresolve(access.user, issues)
    else:
        actions.archive(access.user, issues, **_conditions(body, details))
    first = issues[0]
    return {
        "status": first.status,
        "substatus": first.substatus or None,
        "statusDetails": status_details(first),
        "inbox": None,
    }


def _implied_status(body: IssueUpdate) -> str:
    """A body with only a substatus or details still says what status it means."""
    if body.substatus:
        return "ignored" if body.substatus.startswith("archived") else "unresolved"
    return "ignored" if any(name.startswith("ignore") for name in body.status_details or {}) else "resolved"


def _resolve(access: Access, issues: Sequence[Issue], details: dict[str, Any], *, in_next_release: bool) -> None:
    commit = details.get("inCommit")
    if isinstance(commit, dict):
        commit = commit.get("commit") or commit.get("id")
    if in_next_release or details.get("inNextRelease"):
        actions.resolve(access.user, issues, in_next_release=True)
    elif details.get("inRelease"):
        for release, group in _releases(access, issues, str(details["inRelease"])):
            actions.resolve(access.user, group, in_release=release)
    elif commit:
        actions.resolve(access.user, issues, in_commit=str(commit))
    else:
        actions.resolve(access.user, issues)


def _releases(access: Access, issues: Sequence[Issue], version: str) -> list[tuple[Release, list[Issue]]]:
    """The release of each project: the named one, or its current one for ``latest``."""
    if version != "latest":
        release = visible_releases(access.user, access.organization).filter(version=version).first()
        if release is None:
            raise field_error("statusDetails", "This release does not exist.")
        return [(release, list(issues))]
    result: list[tuple[Release, list[Issue]]] = []
    for project_id in {issue.project_id for issue in issues}:
        release = latest_release(project_id)
        if release is None:
            raise field_error("statusDetails", "There is no release yet.")
        result.append((release, [issue for issue in issues if issue.project_id == project_id]))
    return result


def _conditions(body: IssueUpdate, details: dict[str, Any]) -> dict[str, Any]:
    """Arguments of ``archive``. Minutes become a time."""
    if body.substatus == "archived_until_escalating" or details.get("untilEscalating"):
        return {"until_escalating": True}
    minutes = _number(details, "ignoreDuration") or body.ignore_duration or body.snooze_duration
    if minutes is not None and not 0 < minutes <= _MINUTE_LIMIT:
        raise field_error("statusDetails", "ignoreDuration: must be between 1 and 10000000 minutes.")
    return {
        "until": timezone.now() + timedelta(minutes=minutes) if minutes else None,
        "count": _number(details, "ignoreCount"),
        "window": _number(details, "ignoreWindow"),
        "user_count": _number(details, "ignoreUserCount"),
        "user_window": _number(details, "ignoreUserWindow"),
    }


def _number(details: dict[str, Any], name: str) -> int | None:
    value = details.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise field_error("statusDetails", f"{name}: a whole number is required.")
    return value


def _priority(user: User, issues: Sequence[Issue], value: str) -> dict[str, Any]:
    actions.set_priority(user, issues, value)
    return {"priority": value}


def _seen(user: User, issues: Sequence[Issue], value: bool) -> dict[str, Any]:
    actions.mark_seen(user, issues, value)
    return {"hasSeen": value}


def _bookmark(user: User, issues: Sequence[Issue], value: bool) -> dict[str, Any]:
    actions.set_bookmark(user, issues, value)
    return {"isBookmarked": value}


def _subscribe(user: User, issues: Sequence[Issue], value: bool) -> dict[str, Any]:
    actions.set_subscription(user, issues, value)
    return {"isSubscribed": value, "subscriptionDetails": {"reason": "manual"} if value else {"disabled": True}}


def _public(user: User, issues: Sequence[Issue], value: bool) -> dict[str, Any]:
    for issue in issues:
        if value:
            actions.share(user, issue)
        else:
            actions.unshare(user, issue)
    return {"isPublic": value, "shareId": issues[0].share_id if len(issues) == 1 else None}


def _inbox(user: User, issues: Sequence[Issue], value: bool) -> dict[str, Any]:
    if not value:
        actions.mark_reviewed(user, issues)
    return {"inbox": value}


_SIMPLE: dict[str, Callable[[User, Sequence[Issue], Any], dict[str, Any]]] = {
    "priority": _priority,
    "has_seen": _seen,
    "is_bookmarked": _bookmark,
    "is_subscribed": _subscribe,
    "is_public": _public,
    "inbox": _inbox,
}


def _merge(user: User, issues: Sequence[Issue]) -> dict[str, Any]:
    target = actions.merge(user, issues)
    children = [str(issue.pk) for issue in issues if issue.pk != target.pk]
    return {"merge": {"parent": str(target.pk), "children": children}}


def _assign(access: Access, issues: Sequence[Issue], value: object) -> dict[str, Any]:
    user, team = _assignee(access.organization, value)
    actions.assign(access.user, issues, user=user, team=team)
    return {"assignedTo": serialize_assignee(issues[0])}


def _assignee(organization: Organization, value: object) -> tuple[User | None, Team | None]:
    """``user:<id>``, ``team:<id>``, an id, an e-mail address, ``#team``, or nothing."""
    if isinstance(value, dict):
        value = f"{value.get('type', 'user')}:{value.get('id', '')}"
    text = str(value if value is not None else "").strip()
    if not text:
        return None, None
    kind, separator, rest = text.partition(":")
    if not separator or kind not in {"user", "team"}:
        kind, rest = ("team", text[1:]) if text.startswith("#") else ("user", text)
    if kind == "team":
        team = Team.objects.filter(by_id_or_slug(rest), organization=organization).first()
        if team is None:
            raise field_error("assignedTo", "Unknown team.")
        return None, team
    by_id = rest.isascii() and rest.isdigit() and len(rest) < 19
    condition = {"user_id": int(rest)} if by_id else {"user__email": rest.lower()}
    member = OrganizationMember.objects.filter(organization=organization, user__isnull=False, **condition)
    found = member.select_related("user").first()
    if found is None or found.user is None:
        raise field_error("assignedTo", "Unknown user.")
    return found.user, None


def require_issues(issues: Sequence[Issue], limit: int) -> None:
    """A bulk request that would touch too much is refused rather than cut."""
    if len(issues) > limit:
        raise bad_request(f"At most {limit} issues can be changed at once; narrow the query.")
