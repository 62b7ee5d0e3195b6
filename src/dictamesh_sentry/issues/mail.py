"""Mail about what people do with issues. Everyone who follows an issue hears of an activity once; its author never."""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from django.core.mail import EmailMessage
from django.db import IntegrityError, transaction

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.issues.activity import NOTE, NOTIFIED, describe
from dictamesh_sentry.issues.models import Activity, ActivityNotice, Issue, IssueSubscription
from dictamesh_sentry.issues.short_id import short_id
from dictamesh_sentry.organizations.models import OrganizationMember
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.tasks.queue import task

log = structlog.get_logger(__name__)
_MAX_QUOTE = 2000


def enqueue_notices(activity_ids: Sequence[int]) -> None:
    """Send the mails about these activities in the background."""
    send_notices(list(activity_ids))


@task(retries=5, retry_delay=60)
def send_notices(activity_ids: Sequence[int]) -> None:
    """Mail each recipient of each activity unless that was done before. Repeatable; fails when a mail could not go."""
    failed = 0
    rows = Activity.objects.filter(pk__in=activity_ids, type__in=NOTIFIED).select_related(
        "user", "issue__project__organization", "issue__assigned_team"
    )
    for activity in rows.order_by("pk"):
        for user in recipients(activity):
            failed += not _send_once(activity, user)
    if failed:
        raise OSError(f"{failed} mails could not be sent")


def recipients(activity: Activity) -> list[User]:
    """Followers and the assigned team, minus the author, who unsubscribed, and who may no longer see the project."""
    issue = activity.issue
    subscriptions = IssueSubscription.objects.filter(issue=issue)
    wanted = set(subscriptions.filter(is_active=True).values_list("user_id", flat=True))
    if issue.assigned_team is not None:
        team = OrganizationMember.objects.filter(teams=issue.assigned_team, user__isnull=False)
        refused = set(subscriptions.filter(is_active=False).values_list("user_id", flat=True))
        wanted |= set(team.values_list("user_id", flat=True)) - refused
    wanted.discard(activity.user_id)
    return [user for user in User.objects.filter(pk__in=wanted, is_active=True).order_by("pk") if _may_see(user, issue)]


def _may_see(user: User, issue: Issue) -> bool:
    return visible_to(user, issue.project.organization).filter(pk=issue.project_id).exists()


def _send_once(activity: Activity, user: User) -> bool:
    """Claim the notice, then send; a claim whose mail could not go is given back."""
    try:
        with transaction.atomic():
            notice = ActivityNotice.objects.create(activity=activity, user=user)
    except IntegrityError:
        return True
    subject, body = compose(activity)
    try:
        EmailMessage(subject=subject, body=body, to=[user.email]).send()
    except (OSError, ValueError) as error:
        notice.delete()
        log.error("mail not sent", to=user.email, subject=subject, error=str(error))
        return False
    return True


def compose(activity: Activity) -> tuple[str, str]:
    """Subject and plain text of the mail about an activity."""
    issue = activity.issue
    name = short_id(issue)
    actor = activity.user.display_name if activity.user else "DictaMesh Sentry"
    subject = " ".join(f"Re: {name} - {issue.title}".split())[:250]
    lines = [f"{actor} {describe(activity.type, activity.data)}."]
    if activity.type == NOTE:
        quote = str(activity.data.get("text", ""))[:_MAX_QUOTE]
        lines += ["", *(f"> {line}" for line in quote.splitlines())]
    organization = issue.project.organization.slug
    url = f"{get_settings().public_url}/organizations/{organization}/issues/{issue.pk}/"
    lines += ["", f"{name}: {issue.title}", url, "", "You receive this because you follow this issue."]
    return subject, "\n".join(lines)
