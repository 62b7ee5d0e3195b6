"""From an event that passed every step to the record that is stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dictamesh_sentry.processing.grouping import group_event
from dictamesh_sentry.processing.results import EventRecord, Report
from dictamesh_sentry.processing.rows import bounded_tags, build_row, user_identity
from dictamesh_sentry.processing.work import Work, text_of
from dictamesh_sentry.protocol.categories import DataCategory


def build_record(work: Work, event: dict[str, Any], event_id: str, category: DataCategory | None) -> EventRecord:
    """Group a normalized, scrubbed event and make its row. ``category`` None: nobody sent it, nothing is counted."""
    work.stage = "group"
    config, message, result = work.config, work.message, work.result
    grouping = group_event(event, config)
    timestamp = event.get("timestamp")
    seconds = float(timestamp) if isinstance(timestamp, int | float) else message.received
    work.stage = "row"
    row = build_row(
        event,
        grouping,
        project_id=config.project_id,
        event_id=event_id,
        timestamp=seconds,
        received=message.received,
        retention_days=config.retention_days,
        origin=(result.partition, result.offset),
    )
    user = event.get("user")
    record = EventRecord(
        project_id=config.project_id,
        organization_id=config.organization_id,
        key_id=message.key_id,
        event_id=event_id,
        hash=grouping.primary_hash,
        data_category=-1 if category is None else category,
        received=message.received,
        timestamp=seconds,
        partition=result.partition,
        offset=result.offset,
        row=row,
        algorithm=grouping.algorithm,
        type=grouping.type,
        category=grouping.category,
        issue_type=grouping.issue_type,
        title=grouping.title,
        culprit=grouping.culprit,
        level=grouping.level,
        platform=text_of(event.get("platform"), 64) or "other",
        logger=text_of(event.get("logger"), 64),
        metadata=grouping.metadata,
        is_unhandled=grouping.is_unhandled,
        priority=grouping.priority,
        environment=text_of(event.get("environment"), 64),
        release=text_of(event.get("release"), 250),
        user=user_identity(user) if type(user) is dict else "",
        tags=bounded_tags(event),
    )
    if grouping.type == "feedback":
        record.reports += _feedback(work, event, record)
    return record


def _feedback(work: Work, event: dict[str, Any], record: EventRecord) -> list[Report]:
    """The words for the feedback's own issue and, when they speak of an error, for the error's issue as well."""
    feedback: dict[str, Any] = event["contexts"]["feedback"]
    user: dict[str, Any] = event.get("user") or {}
    own = Report(
        project_id=record.project_id,
        key_id=work.message.key_id,
        event_id=record.event_id,
        name=text_of(feedback.get("name"), 128) or text_of(user.get("name"), 128),
        email=text_of(feedback.get("contact_email"), 254) or text_of(user.get("email"), 254),
        comments=text_of(feedback.get("message"), 4096),
        environment=record.environment,
        source=text_of(feedback.get("source"), 32) or "feedback",
        received=work.message.received,
    )
    associated = feedback.get("associated_event_id")
    if type(associated) is not str or associated in ("", record.event_id):
        return [own]
    return [own, replace(own, event_id=associated)]
