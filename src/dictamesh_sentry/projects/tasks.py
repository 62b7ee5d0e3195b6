"""Background work of projects: deleting what a removed project stored."""

from __future__ import annotations

import structlog

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.tasks.queue import periodic_task, task

log = structlog.get_logger(__name__)


def schedule_deletion(project_id: int) -> None:
    """Enqueue the deletion of a project marked for it."""
    delete_project_data(project_id)


@task(retries=5, retry_delay=60)
def delete_project_data(project_id: int) -> None:
    """Delete events, then attachments, then the project's rows. Each step may be repeated, so a retry finishes it."""
    project = Project.objects.filter(pk=project_id, is_pending_deletion=True).first()
    if project is None:
        return
    get_store().command("DELETE FROM events WHERE project_id = {project:UInt64}", {"project": project_id})
    _delete_attachments(project)
    project.delete()
    log.info("project deleted", project_id=project_id)


def _delete_attachments(project: Project) -> None:
    """Blobs are shared by content within a project only, so all of its keys may go."""
    blobs = get_blob_store()
    for key in project.attachments.values_list("blob_key", flat=True).distinct().iterator():  # type: ignore[attr-defined]
        blobs.delete(key)


@periodic_task(minutes=30)
def resume_deletions() -> None:
    """Enqueue again what was marked but never finished (a lost task, a store that was down for long)."""
    for project_id in Project.objects.filter(is_pending_deletion=True).values_list("pk", flat=True):
        delete_project_data(project_id)
