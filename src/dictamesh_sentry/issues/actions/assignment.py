"""Who works on an issue, and how urgent it is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import ActionError, differing, locked, subscribe, write
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.organizations.models import OrganizationMember, Team


def assign(
    actor: User | None, issues: Iterable[Issue], *, user: User | None = None, team: Team | None = None
) -> list[Issue]:
    """Assign issues to a member or a team of their organization, or to nobody; the ones that changed are returned.

    The assigned member follows the issue from then on. Raises ActionError for an assignee outside the organization.
    """
    if user is not None and team is not None:
        raise ActionError("An issue is assigned to a person or to a team, not to both.")
    given = list(issues)
    with locked(given) as rows:
        for organization_id in {row.project.organization_id for row in rows}:
            _check_assignee(organization_id, user, team)
        changed = differing(
            rows, assigned_user_id=user.pk if user else None, assigned_team_id=team.pk if team else None
        )
        write(changed, given, assigned_user=user, assigned_team=team)
        if user or team:
            activity.record(changed, actor, activity.ASSIGNED, _assignee_data(user, team))
        else:
            activity.record(changed, actor, activity.UNASSIGNED)
        subscribe(changed, user, "assigned")
        subscribe(changed, actor, "status_change")
    return changed


def _check_assignee(organization_id: int, user: User | None, team: Team | None) -> None:
    if team is not None and team.organization_id != organization_id:
        raise ActionError("This team belongs to another organization.")
    if user is not None and not OrganizationMember.objects.filter(organization_id=organization_id, user=user).exists():
        raise ActionError("This person is not a member of the organization.")


def _assignee_data(user: User | None, team: Team | None) -> dict[str, Any]:
    if user is not None:
        return {
            "assignee": str(user.pk),
            "assigneeType": "user",
            "assigneeEmail": user.email,
            "assigneeName": user.display_name,
        }
    if team is None:
        return {}
    return {"assignee": str(team.pk), "assigneeType": "team", "assigneeName": f"#{team.slug}"}


def set_priority(actor: User | None, issues: Iterable[Issue], priority: str) -> list[Issue]:
    """Set ``high``, ``medium`` or ``low`` and lock it against automatic changes; the changed ones are returned."""
    if priority not in {name for name, _ in Issue.PRIORITIES}:
        raise ActionError(f"Unknown priority {priority!r}: use high, medium or low.")
    given = list(issues)
    with locked(given) as rows:
        changed = differing(rows, priority=priority)
        write(rows, given, priority=priority, priority_locked_at=timezone.now())
        activity.record(changed, actor, activity.SET_PRIORITY, {"priority": priority, "reason": "manual"})
        subscribe(changed, actor, "status_change")
    return changed
