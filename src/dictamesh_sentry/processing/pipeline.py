"""The pure steps: from one message of the ingest stream to everything that has to be stored.

Split → parse → normalize → filter → scrub → group → row. Nothing here does I/O or knows the ORM, so a message can
be processed in another process, and processing it again gives the same result.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from dictamesh_sentry.processing import items as item_types
from dictamesh_sentry.processing.crash import merge_crash_items
from dictamesh_sentry.processing.filters import first_match
from dictamesh_sentry.processing.grouping import group_event
from dictamesh_sentry.processing.normalize import (
    InvalidEventError,
    RequestInfo,
    is_valid_feedback,
    normalize_event,
    parse_event,
)
from dictamesh_sentry.processing.results import Attachment, EventRecord, MessageResult, Report
from dictamesh_sentry.processing.rows import bounded_tags, build_row, user_identity
from dictamesh_sentry.processing.scrub import scrub_event
from dictamesh_sentry.processing.security import security_event
from dictamesh_sentry.projects.options import ProjectConfig
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.compression import CompressionError, TooLargeError, UnknownEncodingError, inflate
from dictamesh_sentry.protocol.envelope import Envelope, EnvelopeError, Item, parse_envelope, parse_event_id
from dictamesh_sentry.protocol.messages import IngestMessage, OutcomeEntry

MAX_ENVELOPE = 200 * 1024 * 1024
MAX_REPORT_AGE = 86400 * 30
_NAMESPACE = uuid.UUID("6f1f4f0e-2c0e-5f7b-9d51-2f6a8c1f6d11")


class StepError(Exception):
    """A pure step raised: a defect. ``stage`` names it."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.stage = stage


@dataclass(slots=True)
class _Work:
    """One message under way."""

    message: IngestMessage
    config: ProjectConfig
    result: MessageResult
    envelope: Envelope = field(default_factory=lambda: Envelope({}, []))
    stage: str = "split"

    def outcome(self, category: DataCategory, outcome: Outcome, reason: str, quantity: int = 1) -> None:
        if quantity > 0:
            message = self.message
            self.result.outcomes.append(
                OutcomeEntry(message.project_id, message.key_id, category, outcome, reason, quantity, message.received)
            )

    def accept(self, category: DataCategory, quantity: int = 1) -> None:
        self.outcome(category, Outcome.ACCEPTED, "", quantity)


def process_message(message: IngestMessage, config: ProjectConfig, partition: int, offset: int) -> MessageResult:
    """Run the pure steps over one message. Raises StepError for a defect of ours; bad data becomes an outcome."""
    work = _Work(message, config, MessageResult(partition, offset))
    try:
        if _open(work):
            _process_items(work)
    except StepError:
        raise
    except Exception as error:
        raise StepError(work.stage, error) from error
    return work.result


def _open(work: _Work) -> bool:
    """Inflate and parse the envelope; False when it is broken, which is counted."""
    reason = "invalid_envelope"
    try:
        body = inflate(work.message.body, work.message.content_encoding, MAX_ENVELOPE)
        work.envelope = parse_envelope(body)
    except (CompressionError, UnknownEncodingError):
        reason = "invalid_compression"
    except TooLargeError:
        reason = "request_too_large"
    except EnvelopeError:
        pass
    else:
        return True
    work.outcome(DataCategory.DEFAULT, Outcome.INVALID, reason)
    return False


def _process_items(work: _Work) -> None:
    events: list[Item] = []
    attachments: list[Item] = []
    reports: list[Item] = []
    for item in work.envelope.items:
        if item.type in item_types.EVENT_TYPES:
            events.append(item)
        elif item.type == "attachment":
            attachments.append(item)
        elif item.type == "user_report":
            reports.append(item)
        elif item.type != "form_data":
            _other_item(work, item)
    crash = [item for item in attachments if _attachment_type(item) in item_types.CRASH_ATTACHMENTS]
    if not events and crash:
        events.append(Item({"type": "event"}, b"{}"))
    dropped: tuple[Outcome, str] | None = None
    for position, item in enumerate(events):
        lost = _event(work, item, position, crash if position == 0 else [])
        dropped = lost if position == 0 else dropped
    record = work.result.events[0] if work.result.events and not dropped else None
    event_id = _envelope_event_id(work)
    for item in attachments:
        _attachment(work, item, record, event_id, dropped)
    for item in reports:
        _report(work, item, record, event_id, dropped)


def _envelope_event_id(work: _Work) -> str:
    """The id the SDK was told. Without one: the same made-up id whenever this message is processed."""
    known = work.envelope.event_id or work.message.event_id
    if known:
        return known
    return uuid.uuid5(_NAMESPACE, f"{work.result.partition}/{work.result.offset}/{work.message.received}").hex


def _other_item(work: _Work, item: Item) -> None:
    """Count what is not an error event; nothing is lost silently but what the protocol says to ignore."""
    work.stage = f"item:{item.type[:40]}"
    if item.type == "client_report":
        _client_report(work, item)
        return
    quantities = item_types.quantities(item)
    if quantities is None:
        work.result.ignored.append("obsolete" if item.type in item_types.OBSOLETE_TYPES else "unknown")
        return
    for category, quantity in quantities:
        work.outcome(category, Outcome.INVALID, "feature_disabled", quantity)


# Events


def _event(work: _Work, item: Item, position: int, crash: list[Item]) -> tuple[Outcome, str] | None:
    """Take one event item through every step; what it was dropped for, or None when it was kept."""
    category = item_types.category_of(item)
    work.stage = "parse"
    try:
        if item.type == "raw_security":
            event = security_event(item.payload, item.headers)
        else:
            event = parse_event(item.payload)
    except InvalidEventError as error:
        work.outcome(category, Outcome.INVALID, error.reason)
        return Outcome.INVALID, error.reason
    if crash:
        work.stage = "crash"
        merge_crash_items(event, crash)
    event_id = _event_id(work, event, position)
    if item.type == "feedback":
        event["type"] = "feedback"
    try:
        work.stage = "normalize"
        event = normalize_event(event, work.config, _request(work, event_id)).data
        _check(item, event)
        work.stage = "filter"
        reason = first_match(event, work.config, work.message.client_ip)
        if reason is not None:
            work.outcome(category, Outcome.FILTERED, reason)
            return Outcome.FILTERED, reason
        work.stage = "scrub"
        scrub_event(event, work.config)
        work.stage = "group"
        record = _record(work, event, event_id, category)
    except InvalidEventError as error:
        work.outcome(category, Outcome.INVALID, error.reason)
        return Outcome.INVALID, error.reason
    except RecursionError:
        work.outcome(category, Outcome.INVALID, "nesting_too_deep")
        return Outcome.INVALID, "nesting_too_deep"
    work.result.events.append(record)
    return None


def _event_id(work: _Work, event: dict[str, Any], position: int) -> str:
    """The envelope's id for its first event, else the payload's, else one made up; further events get their own."""
    first = work.envelope.event_id or work.message.event_id
    if position == 0 and first:
        return first
    try:
        own = parse_event_id(event.get("event_id"))
    except ValueError:
        own = ""
    if own and own != first:
        return own
    base = _envelope_event_id(work)
    return base if position == 0 else uuid.uuid5(_NAMESPACE, f"{base}/{position}").hex


def _check(item: Item, event: dict[str, Any]) -> None:
    """Raise InvalidEventError for what normalization left without its point."""
    if item.type == "feedback" and not is_valid_feedback(event):
        raise InvalidEventError("no_data")
    if item.type in ("security", "raw_security") and "csp" not in event:
        raise InvalidEventError("security_report")


def _request(work: _Work, event_id: str) -> RequestInfo:
    message = work.message
    trace = work.envelope.headers.get("trace")
    return RequestInfo(
        received=message.received,
        client_ip=message.client_ip,
        user_agent=message.user_agent,
        client_hints=message.client_hints,
        sent_at=_sent_at(work.envelope.headers.get("sent_at")),
        sentry_client=message.sentry_client,
        key_id=message.key_id,
        event_id=event_id,
        trace=trace if type(trace) is dict else {},
    )


def _sent_at(value: object) -> float | None:
    if type(value) is not str:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def _record(work: _Work, event: dict[str, Any], event_id: str, category: DataCategory) -> EventRecord:
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
        data_category=category,
        received=message.received,
        timestamp=seconds,
        partition=result.partition,
        offset=result.offset,
        row=row,
        algorithm=grouping.algorithm,
        type=grouping.type,
        category=grouping.category,
        title=grouping.title,
        culprit=grouping.culprit,
        level=grouping.level,
        platform=_text(event.get("platform"), 64) or "other",
        logger=_text(event.get("logger"), 64),
        metadata=grouping.metadata,
        is_unhandled=grouping.is_unhandled,
        priority=grouping.priority,
        environment=_text(event.get("environment"), 64),
        release=_text(event.get("release"), 250),
        user=user_identity(user) if type(user) is dict else "",
        tags=bounded_tags(event),
    )
    if grouping.type == "feedback":
        record.reports += _feedback(work, event, record)
    return record


def _text(value: object, limit: int) -> str:
    return value.replace("\x00", "")[:limit] if type(value) is str else ""


def _feedback(work: _Work, event: dict[str, Any], record: EventRecord) -> list[Report]:
    """The words for the feedback's own issue and, when they speak of an error, for the error's issue as well."""
    feedback: dict[str, Any] = event["contexts"]["feedback"]
    user: dict[str, Any] = event.get("user") or {}
    own = Report(
        project_id=record.project_id,
        key_id=work.message.key_id,
        event_id=record.event_id,
        name=_text(feedback.get("name"), 128) or _text(user.get("name"), 128),
        email=_text(feedback.get("contact_email"), 254) or _text(user.get("email"), 254),
        comments=_text(feedback.get("message"), 4096),
        environment=record.environment,
        source=_text(feedback.get("source"), 32) or "feedback",
        received=work.message.received,
    )
    associated = feedback.get("associated_event_id")
    if type(associated) is not str or associated in ("", record.event_id):
        return [own]
    return [own, replace(own, event_id=associated)]


# What comes with events


def _attachment_type(item: Item) -> str:
    kind = item.headers.get("attachment_type")
    return kind if type(kind) is str and kind else "event.attachment"


def _attachment(
    work: _Work, item: Item, record: EventRecord | None, event_id: str, dropped: tuple[Outcome, str] | None
) -> None:
    work.stage = "attachment"
    kind = _attachment_type(item)
    if kind not in item_types.CRASH_ATTACHMENTS | item_types.PLAIN_ATTACHMENTS:
        work.result.ignored.append("attachment_type")
        return
    size = len(item.payload)
    if dropped is not None:
        work.outcome(DataCategory.ATTACHMENT, *dropped, quantity=size)
        work.outcome(DataCategory.ATTACHMENT_ITEM, *dropped)
        return
    if record is None and not (work.envelope.event_id or work.message.event_id):
        work.outcome(DataCategory.ATTACHMENT, Outcome.INVALID, "no_event_payload", size)
        work.outcome(DataCategory.ATTACHMENT_ITEM, Outcome.INVALID, "no_event_payload")
        return
    attachment = Attachment(
        project_id=work.config.project_id,
        key_id=work.message.key_id,
        event_id=record.event_id if record else event_id,
        name=_text(item.headers.get("filename"), 255) or "attachment",
        type=kind,
        mimetype=_text(item.headers.get("content_type"), 128) or "application/octet-stream",
        data=item.payload,
        received=work.message.received,
    )
    (record.attachments if record else work.result.attachments).append(attachment)


def _report(
    work: _Work, item: Item, record: EventRecord | None, event_id: str, dropped: tuple[Outcome, str] | None
) -> None:
    work.stage = "user_report"
    if dropped is not None:
        work.outcome(DataCategory.FEEDBACK, *dropped)
        return
    try:
        data = parse_event(item.payload)
        target = parse_event_id(data.get("event_id")) if data.get("event_id") else event_id
    except (InvalidEventError, ValueError):
        work.outcome(DataCategory.FEEDBACK, Outcome.INVALID, "invalid_json")
        return
    comments = _text(data.get("comments"), 4096).strip()
    if not comments:
        work.outcome(DataCategory.FEEDBACK, Outcome.INVALID, "no_data")
        return
    report = Report(
        project_id=work.config.project_id,
        key_id=work.message.key_id,
        event_id=target,
        name=_text(data.get("name"), 128).strip(),
        email=_text(data.get("email"), 254).strip(),
        comments=comments,
        environment=record.environment if record else "",
        source="user_report",
        received=work.message.received,
    )
    (record.reports if record and record.event_id == target else work.result.reports).append(report)


_CLIENT_LISTS = (
    ("discarded_events", Outcome.CLIENT_DISCARD),
    ("rate_limited_events", Outcome.RATE_LIMITED),
    ("filtered_events", Outcome.FILTERED),
    ("filtered_sampling_events", Outcome.FILTERED),
)


def _client_report(work: _Work, item: Item) -> None:
    """What the SDK itself dropped, counted under its own reasons. A malformed report is ignored like an empty one."""
    try:
        report = parse_event(item.payload)
    except InvalidEventError:
        work.result.ignored.append("client_report")
        return
    moment = _report_time(report.get("timestamp"), work.message.received)
    if moment is None:
        return
    for name, outcome in _CLIENT_LISTS:
        entries = report.get(name)
        for entry in entries[:200] if type(entries) is list else ():
            if type(entry) is not dict:
                continue
            category = DataCategory.from_name(_text(entry.get("category"), 64))
            quantity = entry.get("quantity")
            if category is None or type(quantity) is not int or not 0 < quantity <= 2**31:
                continue
            work.result.outcomes.append(
                OutcomeEntry(
                    work.message.project_id,
                    work.message.key_id,
                    category,
                    outcome,
                    _text(entry.get("reason"), 128),
                    quantity,
                    moment,
                )
            )


def _report_time(value: object, received: float) -> float | None:
    """When the discards happened; None when the report is too old or from the future."""
    moment = received
    if isinstance(value, int | float):
        moment = float(value)
    elif type(value) is str:
        moment = _sent_at(value) or received
    return moment if received - MAX_REPORT_AGE <= moment <= received + 60 else None
