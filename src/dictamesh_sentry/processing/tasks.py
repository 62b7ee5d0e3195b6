"""Background work of processing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.db.models import F
from django.utils import timezone

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.feedback.ingest import link_reports
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import locked
from dictamesh_sentry.issues.models import EventAttachment, Issue
from dictamesh_sentry.processing.archived import archived_with_condition, review
from dictamesh_sentry.processing.companions import issues_of_stored_events, link_attachments
from dictamesh_sentry.processing.notifications import notify_new_issues
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.tasks.queue import periodic_task, task

_BATCH = 500
_ORPHAN_HOURS = 24


@task(retries=5, retry_delay=60)
def mail_new_issues(issue_ids: Sequence[int]) -> None:
    """Tell the teams about new issues."""
    notify_new_issues(issue_ids)


@periodic_task(minutes=1)
def review_archived_issues() -> None:
    """Bring back archived issues whose time has come or whose condition the forwarder saw too early."""
    store = get_store()
    last = 0
    while True:
        rows = list(archived_with_condition().filter(pk__gt=last).order_by("pk")[:_BATCH])
        if not rows:
            return
        last = rows[-1].pk
        review(rows, store)


@periodic_task(minutes=1)
def link_orphans() -> None:
    """Give attachments and reports that crossed with their event on the way the event's issue."""
    since = timezone.now() - timedelta(hours=_ORPHAN_HOURS)
    keys = set(
        EventAttachment.objects.filter(issue__isnull=True, date_created__gte=since).values_list(
            "project_id", "event_id"
        )[:_BATCH]
    )
    keys |= set(
        UserReport.objects.filter(issue__isnull=True, date_created__gte=since).values_list("project_id", "event_id")[
            :_BATCH
        ]
    )
    if not keys:
        return
    found = issues_of_stored_events(get_store(), keys)
    alive = set(Issue.objects.filter(pk__in=set(found.values())).values_list("pk", flat=True))
    found = {key: issue_id for key, issue_id in found.items() if issue_id in alive}
    link_attachments(found)
    link_reports(found)


@periodic_task(minutes=10)
def resolve_old_issues() -> None:
    """Resolve what was not seen for as many hours as its project says."""
    projects = Project.objects.filter(options__resolve_age_hours__gt=0).values_list("pk", "options")
    for project_id, options in projects:
        hours = options.get("resolve_age_hours", 0)
        if isinstance(hours, int) and hours > 0:
            resolve_unseen(project_id, hours)


def resolve_unseen(project_id: int, hours: int) -> int:
    """Resolve the project's unresolved issues not seen for ``hours``; how many."""
    now = timezone.now()
    horizon = now - timedelta(hours=hours)
    stale = Issue.objects.filter(project=project_id, status="unresolved", last_seen__lt=horizon)
    resolved = 0
    while True:
        batch = list(stale.order_by("pk")[:_BATCH])
        if not batch:
            return resolved
        with locked(batch) as rows:
            rows = [row for row in rows if row.status == "unresolved" and row.last_seen < horizon]
            # Resolved as of the last event: whatever arrives from now on, however late, is a regression.
            Issue.objects.filter(pk__in=[row.pk for row in rows]).update(
                status="resolved", substatus="", resolved_at=F("last_seen"), status_changed_at=now
            )
            activity.record(rows, None, activity.SET_RESOLVED_BY_AGE, {"age": hours})
        if not rows:
            return resolved
        resolved += len(rows)
