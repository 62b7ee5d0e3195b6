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
    """Delete what the event store has, then attachments and profiles, then the project's rows.

    A retry finishes what is left.
    """
    project = Project.objects.filter(pk=project_id, is_pending_deletion=True).first()
    if project is None:
        return
    _delete_rows(project_id)
    _delete_attachments(project)
    _delete_profiles(project_id)
    project.delete()
    log.info("project deleted", project_id=project_id)


def _delete_rows(project_id: int) -> None:
    """From every table whose rows belong to projects."""
    store = get_store()
    tables = store.rows(
        "SELECT table FROM system.columns WHERE database = currentDatabase() AND name = 'project_id' ORDER BY table"
    )
    for (table,) in tables:
        store.command(f"DELETE FROM {table} WHERE project_id = {{project:UInt64}}", {"project": project_id})  # noqa: S608


def _delete_attachments(project: Project) -> None:
    """Blobs are shared by content within a project only, so all of its keys may go."""
    blobs = get_blob_store()
    for key in project.attachments.values_list("blob_key", flat=True).distinct().iterator():  # type: ignore[attr-defined]
        blobs.delete(key)


def _delete_profiles(project_id: int) -> None:
    """The samples of its profiles, all under keys of its own."""
    blobs = get_blob_store()
    for key, _ in list(blobs.keys(f"profiles/{project_id}/")):
        blobs.delete(key)


@periodic_task(minutes=30)
def resume_deletions() -> None:
    """Enqueue again what was marked but never finished (a lost task, a store that was down for long)."""
    for project_id in Project.objects.filter(is_pending_deletion=True).values_list("pk", flat=True):
        delete_project_data(project_id)
