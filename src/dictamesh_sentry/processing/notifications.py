"""Mail about new issues, to the members of the project's teams."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from datetime import timedelta
from html import escape

import structlog
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, transaction
from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.models import Activity, ActivityNotice, Issue, IssueSubscription
from dictamesh_sentry.issues.queries import short_id
from dictamesh_sentry.organizations.models import OrganizationMember
from dictamesh_sentry.projects.options import load_options
from dictamesh_sentry.protocol.messages import StoredEventMessage

log = structlog.get_logger(__name__)
# A broken deployment opens hundreds of issues in a minute; nobody reads hundreds of mails.
MAX_PER_HOUR = 20
_SILENT_BACKENDS = ("console.EmailBackend", "dummy.EmailBackend")


def is_mail_configured() -> bool:
    """Whether mail leaves this machine at all."""
    return not settings.EMAIL_BACKEND.endswith(_SILENT_BACKENDS)


def enqueue_new_issue_mails(messages: Sequence[StoredEventMessage]) -> None:
    """Hook: one task for the issues that began with this batch."""
    from dictamesh_sentry.processing.tasks import mail_new_issues

    new = sorted({message.issue_id for message in messages if message.is_new_issue})
    if new and is_mail_configured():
        mail_new_issues(new)


def notify_new_issues(issue_ids: Sequence[int]) -> int:
    """Mail the teams about new issues; how many mails were sent. Each user hears of an issue once.

    Beyond 20 issues of a project in an hour the rest is left out. Raises OSError when a mail could not be sent;
    repeating then sends only what is missing.
    """
    entries = (
        Activity.objects.filter(issue__in=issue_ids, type=activity.FIRST_SEEN, issue__is_pending_deletion=False)
        .select_related("issue__project__organization")
        .order_by("pk")
    )
    sent = failed = 0
    for entry in entries:
        if _noticed_lately(entry) >= MAX_PER_HOUR:
            log.info("too many new issues; no mail", project=entry.issue.project.slug, issue=entry.issue_id)
            continue
        for user in recipients(entry.issue):
            outcome = _send_once(entry, user)
            sent += outcome is True
            failed += outcome is None
    if failed:
        raise OSError(f"{failed} mails could not be sent")
    return sent


def _noticed_lately(entry: Activity) -> int:
    """Other new issues of the project the last hour's mails told about."""
    since = timezone.now() - timedelta(hours=1)
    others = ActivityNotice.objects.filter(
        activity__type=activity.FIRST_SEEN,
        activity__issue__project=entry.issue.project_id,
        activity__datetime__gte=since,
    ).exclude(activity=entry)
    return others.values("activity").distinct().count()


def recipients(issue: Issue) -> list[User]:
    """Active members of the project's teams who did not unsubscribe from the issue."""
    members = OrganizationMember.objects.filter(
        teams__in=issue.project.teams.all(), organization=issue.project.organization_id, user__is_active=True
    )
    refused = IssueSubscription.objects.filter(issue=issue, is_active=False).values("user")
    users = User.objects.filter(pk__in=members.values("user"), is_active=True).exclude(pk__in=refused)
    return list(users.order_by("pk"))


def _send_once(entry: Activity, user: User) -> bool | None:
    """True when sent, False when it was sent before, None when it could not be sent."""
    try:
        with transaction.atomic():
            notice = ActivityNotice.objects.create(activity=entry, user=user)
    except IntegrityError:
        return False
    subject, text, html = compose(entry.issue)
    message = EmailMultiAlternatives(subject=subject, body=text, to=[user.email])
    message.attach_alternative(html, "text/html")
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as error:
        notice.delete()
        log.warning("mail not sent", error=str(error))
        return None
    return True


def compose(issue: Issue) -> tuple[str, str, str]:
    """Subject, text and HTML of the mail about a new issue."""
    options = load_options(issue.project.options)
    name = short_id(issue)
    template = options.subject_template or "$shortID - $title"
    values = {"$shortID": name, "$title": issue.title, "$projectID": issue.project.slug, "$orgID": ""}
    for key, value in values.items():
        template = template.replace(key, value)
    subject = " ".join(f"{options.subject_prefix} {template}".split())[:250]
    url = f"{get_settings().public_url}/organizations/{issue.project.organization.slug}/issues/{issue.pk}/"
    facts = [
        ("Project", issue.project.slug),
        ("Level", issue.level),
        ("Where", issue.culprit),
        ("Release", issue.first_release.version if issue.first_release else ""),
        ("First seen", issue.first_seen.strftime("%Y-%m-%d %H:%M:%S UTC")),
    ]
    facts = [(label, value) for label, value in facts if value]
    lines = [f"New issue {name}", "", issue.title, "", *(f"{label}: {value}" for label, value in facts), "", url]
    lines += ["", f"You receive this because you are in a team of {issue.project.slug}."]
    rows = "".join(f"<tr><th align='left'>{escape(label)}</th><td>{escape(value)}</td></tr>" for label, value in facts)
    html = (
        f"<p>New issue <a href='{escape(url)}'>{escape(name)}</a></p><h2>{escape(issue.title)}</h2>"
        f"<table cellpadding='4'>{rows}</table><p><a href='{escape(url)}'>Open the issue</a></p>"
        f"<p><small>You receive this because you are in a team of {escape(issue.project.slug)}.</small></p>"
    )
    return subject, "\n".join(lines), html
