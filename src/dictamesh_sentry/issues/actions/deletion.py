"""Issues and files that go away."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import after_commit, issue_reference, locked, write
from dictamesh_sentry.issues.models import EventAttachment, Issue, IssueHash
from dictamesh_sentry.issues.snapshots import take_snapshot
from dictamesh_sentry.organizations import audit
from dictamesh_sentry.projects.models import Project


def delete(actor: User | None, issues: Iterable[Issue], *, discard: bool = False) -> list[Issue]:
    """Delete issues with all their events; they are invisible at once and removed in the background.

    The next event with a deleted issue's fingerprint makes a new issue, unless ``discard`` is set: then such events
    are filtered from now on (outcome ``discarded-hash``), until ``restore_discarded``. Returns what was deleted.
    """
    given = list(issues)
    with locked(given, with_hashes=True) as rows:
        for row in rows:
            hashes = IssueHash.objects.filter(issue=row)
            if discard:
                hashes.update(issue=None, is_discarded=True, merged_from=take_snapshot(row))
            else:
                hashes.delete()
            audit.record(
                actor,
                row.project.organization,
                "issue.discard" if discard else "issue.delete",
                issue_reference(row)["shortId"],
                {"id": row.pk, "title": row.title, "project": row.project.slug},
            )
        write(rows, given, is_pending_deletion=True, share_id=None)
        ids = [row.pk for row in rows]
        if ids:
            after_commit(lambda: _enqueue(ids))
    return rows


def _enqueue(issue_ids: list[int]) -> None:
    from dictamesh_sentry.issues.tasks import delete_issues

    delete_issues(issue_ids)


def restore_discarded(actor: User | None, project: Project, issue_id: int) -> int:
    """Let events of the discarded issue ``issue_id`` in again; returns how many fingerprints were freed."""
    with transaction.atomic():
        rows = IssueHash.objects.filter(project=project, is_discarded=True, merged_from__id=issue_id)
        count = rows.count()
        rows.delete()
        if count:
            audit.record(
                actor, project.organization, "issue.discard_restored", str(issue_id), {"project": project.slug}
            )
    return count


def delete_attachment(actor: User | None, attachment: EventAttachment) -> None:
    """Remove a file of an event. Its bytes go with the last attachment that uses them."""
    key, issue = attachment.blob_key, attachment.issue
    with transaction.atomic():
        name = attachment.name
        attachment.delete()
        if issue is not None:
            activity.record([issue], actor, activity.DELETED_ATTACHMENT, {"name": name})
        after_commit(lambda: _drop_blob(key))


def _drop_blob(key: str) -> None:
    from dictamesh_sentry.blobs.factory import get_blob_store

    if not EventAttachment.objects.filter(blob_key=key).exists():
        get_blob_store().delete(key)
