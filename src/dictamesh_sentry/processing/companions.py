"""What comes with events, or before or after them: attachments and what people wrote."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.feedback.ingest import IncomingReport, link_reports, store_reports
from dictamesh_sentry.issues.ingest import Raised
from dictamesh_sentry.issues.models import EventAttachment
from dictamesh_sentry.processing.batch import Batch
from dictamesh_sentry.processing.results import Attachment, Report
from dictamesh_sentry.processing.rows import to_datetime

_CHUNK = 500
EventKey = tuple[int, str]


def attachment_key(attachment: Attachment) -> str:
    """Where the bytes are kept. The event is part of it: deleting one event's file never takes another's."""
    digest = hashlib.sha1(attachment.data, usedforsecurity=False).hexdigest()
    event_id = attachment.event_id
    return f"attachments/{attachment.project_id}/{event_id[:2]}/{event_id}/{digest}"


def issues_of_stored_events(store: EventStore, keys: Iterable[EventKey]) -> dict[EventKey, int]:
    """(project id, event id) → issue id, for events the event store knows."""
    ordered = sorted(set(keys))
    found: dict[EventKey, int] = {}
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        rows = store.rows(
            "SELECT project_id, replaceAll(toString(event_id), '-', ''), issue_id FROM events"
            " WHERE project_id IN {projects:Array(UInt64)} AND event_id IN {ids:Array(UUID)}",
            {"projects": sorted({key[0] for key in chunk}), "ids": sorted({key[1] for key in chunk})},
        )
        found.update({(int(project_id), str(event_id)): int(issue_id) for project_id, event_id, issue_id in rows})
    return found


def resolve_companions(batch: Batch, store: EventStore) -> dict[EventKey, int]:
    """Issues of the events that the batch's lone attachments and reports speak of, where those are stored already."""
    own = {event.identity for event in batch.accepted}
    wanted = {(one.project_id, one.event_id) for result in batch.results for one in result.attachments}
    wanted |= {(one.project_id, one.event_id) for one in batch.reports()}
    return issues_of_stored_events(store, wanted - own) if wanted - own else {}


def store_companions(batch: Batch, raised: Raised, elsewhere: dict[EventKey, int]) -> None:
    """Insert attachments and reports, and give those that waited for this batch's events their issue.

    Runs in the caller's transaction; what is there already stays as it is.
    """
    issues = dict(elsewhere)
    for event in batch.accepted:
        issue_id = raised.issues.get(event.hash_key)
        if issue_id is not None:
            issues[event.identity] = issue_id
    EventAttachment.objects.bulk_create(
        [_attachment(one, issues.get((one.project_id, one.event_id))) for one in batch.attachments()],
        ignore_conflicts=True,
    )
    store_reports([_report(one, issues.get((one.project_id, one.event_id))) for one in batch.reports()])
    own = {event.identity: issues[event.identity] for event in batch.accepted if event.identity in issues}
    link_reports(own)
    link_attachments(own)


def link_attachments(issues: dict[EventKey, int]) -> None:
    """Give attachments that came before their event its issue."""
    ordered = sorted(issues)
    for start in range(0, len(ordered), _CHUNK):
        chunk = ordered[start : start + _CHUNK]
        waiting = EventAttachment.objects.filter(
            issue__isnull=True,
            project_id__in={key[0] for key in chunk},
            event_id__in=[key[1] for key in chunk],
        ).only("pk", "project_id", "event_id")
        linked = [one for one in waiting if (one.project_id, one.event_id) in issues]
        for one in linked:
            one.issue_id = issues[one.project_id, one.event_id]
        if linked:
            EventAttachment.objects.bulk_update(linked, ["issue"])


def _attachment(attachment: Attachment, issue_id: int | None) -> EventAttachment:
    return EventAttachment(
        project_id=attachment.project_id,
        event_id=attachment.event_id,
        issue_id=issue_id,
        name=attachment.name,
        type=attachment.type,
        mimetype=attachment.mimetype,
        size=len(attachment.data),
        sha1=hashlib.sha1(attachment.data, usedforsecurity=False).hexdigest(),
        blob_key=attachment_key(attachment),
        date_created=to_datetime(attachment.received),
    )


def _report(report: Report, issue_id: int | None) -> IncomingReport:
    return IncomingReport(
        project_id=report.project_id,
        event_id=report.event_id,
        comments=report.comments,
        name=report.name,
        email=report.email,
        received=to_datetime(report.received),
        source=report.source,
        environment=report.environment,
        issue_id=issue_id,
    )
