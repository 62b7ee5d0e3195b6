"""Comments on an issue."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import ActionError, subscribe
from dictamesh_sentry.issues.mentions import Mentions, find_mentions
from dictamesh_sentry.issues.models import Activity, Issue
from dictamesh_sentry.organizations.access import ForbiddenError, access_for
from dictamesh_sentry.organizations.models import OrganizationMember

MAX_COMMENT = 16_384


def add_comment(actor: User, issue: Issue, text: str) -> Activity:
    """Add a comment. Its author and the members and teams it mentions follow the issue from then on.

    Raises ActionError for a text that is blank or longer than ``MAX_COMMENT`` characters.
    """
    text = _checked(text)
    mentions = find_mentions(issue.project.organization_id, text)
    with transaction.atomic():
        entry = activity.record([issue], actor, activity.NOTE, {"text": text, "mentions": mentions.references()})[0]
        Issue.objects.filter(pk=issue.pk).update(num_comments=F("num_comments") + 1)
        subscribe([issue], actor, "comment")
        _subscribe_mentioned(issue, mentions)
    issue.num_comments += 1
    return entry


def edit_comment(actor: User, entry: Activity, text: str) -> Activity:
    """Replace a comment's text. Raises ForbiddenError unless the actor wrote it or administers the organization."""
    text = _checked(text)
    if entry.user_id != actor.pk:
        _require(actor, entry, "org:admin")
    mentions = find_mentions(entry.issue.project.organization_id, text)
    with transaction.atomic():
        current = Activity.objects.select_for_update().get(pk=entry.pk, type=activity.NOTE)
        if current.data.get("text") != text:
            current.data = {
                **current.data,
                "text": text,
                "mentions": mentions.references(),
                "edited_at": timezone.now().isoformat(),
                "edited_by": actor.pk,
            }
            current.save(update_fields=["data"])
            _subscribe_mentioned(entry.issue, mentions)
    entry.data = current.data
    return entry


def delete_comment(actor: User, entry: Activity) -> None:
    """Remove a comment. Raises ForbiddenError unless the actor wrote it or may delete issues (``event:admin``)."""
    if entry.user_id != actor.pk:
        _require(actor, entry, "org:admin", "event:admin")
    with transaction.atomic():
        deleted, _ = Activity.objects.filter(pk=entry.pk, type=activity.NOTE).delete()
        if deleted:
            Issue.objects.filter(pk=entry.issue_id, num_comments__gt=0).update(num_comments=F("num_comments") - 1)


def _checked(text: str) -> str:
    text = text.replace("\x00", "").strip()
    if not text:
        raise ActionError("A comment needs a text.")
    if len(text) > MAX_COMMENT:
        raise ActionError(f"A comment may have at most {MAX_COMMENT} characters.")
    return text


def _require(actor: User, entry: Activity, *scopes: str) -> None:
    access = access_for(actor, entry.issue.project.organization)
    if not any(access.has_scope(scope) for scope in scopes):
        raise ForbiddenError("Only the author may change this comment.")


def _subscribe_mentioned(issue: Issue, mentions: Mentions) -> None:
    for user in mentions.users:
        subscribe([issue], user, "mentioned")
    members = OrganizationMember.objects.filter(teams__in=mentions.teams, user__is_active=True)
    for member in members.select_related("user").distinct():
        subscribe([issue], member.user, "team_mentioned")
