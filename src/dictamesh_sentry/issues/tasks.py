"""Background work of issues: events follow their issue when it is merged, split or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import structlog
from django.utils import timezone

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues import mail  # noqa: F401 - a worker has to know its task
from dictamesh_sentry.issues.models import EventAttachment, Issue, IssueHash
from dictamesh_sentry.tasks.queue import periodic_task, task

log = structlog.get_logger(__name__)
_SETTLE_SECONDS = 30.0
_BATCH = 500


@task(retries=5, retry_delay=30)
def repoint_events(project_id: int, hashes: Sequence[str], issue_id: int, *, again: bool = True) -> None:
    """Make stored events of these fingerprints belong to the issue their fingerprints belong to now.

    A worker may have looked a fingerprint up just before it moved and store the event just after, so the same is
    done once more a little later.
    """
    current = IssueHash.objects.filter(project_id=project_id, hash__in=hashes, issue_id=issue_id)
    belonging = [UUID(value) for value in current.values_list("hash", flat=True)]
    if not belonging:
        return
    get_store().command(
        "ALTER TABLE events UPDATE issue_id = {issue:UInt64} WHERE project_id = {project:UInt64}"
        " AND primary_hash IN {hashes:Array(UUID)} AND issue_id != {issue:UInt64} SETTINGS mutations_sync = 2",
        {"issue": issue_id, "project": project_id, "hashes": belonging},
    )
    if again:
        repoint_events.later(_SETTLE_SECONDS, project_id, list(hashes), issue_id, again=False)


@task(retries=5, retry_delay=60)
def delete_issues(issue_ids: Sequence[int]) -> None:
    """Delete events, then files, then the issues themselves, of issues marked for deletion. Repeatable."""
    marked = Issue.objects.filter(pk__in=issue_ids, is_pending_deletion=True)
    by_project: dict[int, list[int]] = {}
    for pk, project_id in marked.values_list("pk", "project_id"):
        by_project.setdefault(project_id, []).append(pk)
    for project_id, ids in by_project.items():
        get_store().command(
            "ALTER TABLE events DELETE WHERE project_id = {project:UInt64} AND issue_id IN {issues:Array(UInt64)}"
            " SETTINGS mutations_sync = 2",
            {"project": project_id, "issues": ids},
        )
        _delete_files(ids)
        Issue.objects.filter(pk__in=ids, is_pending_deletion=True).delete()
    log.info("issues deleted", count=sum(map(len, by_project.values())))


def _delete_files(issue_ids: Sequence[int]) -> None:
    """Attachments of the issues; bytes that another attachment also uses stay."""
    attachments = EventAttachment.objects.filter(issue_id__in=issue_ids)
    keys = set(attachments.values_list("blob_key", flat=True))
    attachments.delete()
    kept = set(EventAttachment.objects.filter(blob_key__in=keys).values_list("blob_key", flat=True))
    blobs = get_blob_store()
    for key in keys - kept:
        blobs.delete(key)


@periodic_task(minutes=15)
def resume_deletions() -> None:
    """Enqueue again what was marked for deletion but never finished."""
    pending = list(Issue.objects.filter(is_pending_deletion=True).values_list("pk", flat=True)[:_BATCH])
    if pending:
        delete_issues(pending)


@periodic_task(minutes=60)
def age_new_issues() -> None:
    """An issue is "new" for a week, then "ongoing"."""
    Issue.objects.filter(
        status="unresolved", substatus="new", first_seen__lt=timezone.now() - timedelta(days=7)
    ).update(substatus="ongoing")
