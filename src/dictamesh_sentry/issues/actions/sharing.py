"""Public links to an issue."""

from __future__ import annotations

import secrets

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import ActionError, locked, subscribe, write
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.projects.options import load_organization_options


def share(actor: User | None, issue: Issue) -> str:
    """Make the issue readable by anyone who has the link, and return its unguessable share id (32 hex).

    An issue that is shared already keeps its id. Raises ActionError where the organization forbids sharing.
    """
    with locked([issue]) as rows:
        if not rows:
            raise ActionError("This issue is being deleted.")
        row = rows[0]
        if not load_organization_options(row.project.organization.options).allow_shared_issues:
            raise ActionError("This organization does not allow sharing issues.")
        if row.share_id:
            issue.share_id = row.share_id
            return row.share_id
        share_id = secrets.token_hex(16)
        write([row], [issue], share_id=share_id)
        activity.record([row], actor, activity.SET_PUBLIC)
        subscribe([row], actor, "status_change")
        return share_id


def unshare(actor: User | None, issue: Issue) -> None:
    """Make the link invalid. Sharing again gives another one."""
    with locked([issue]) as rows:
        shared = [row for row in rows if row.share_id]
        write(shared, [issue], share_id=None)
        activity.record(shared, actor, activity.SET_PRIVATE)
