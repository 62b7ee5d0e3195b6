"""The pure steps: from one message of the ingest stream to everything that has to be stored.

Split → parse → normalize → filter → scrub → group → row. Nothing here does I/O or knows the ORM, so a message can
be processed in another process, and processing it again gives the same result.
"""

from __future__ import annotations

import uuid
from typing import Any

from dictamesh_sentry.processing import items as item_types
from dictamesh_sentry.processing.companion_items import (
    attachment_type,
    read_attachment,
    read_client_report,
    read_report,
)
from dictamesh_sentry.processing.crash import merge_crash_items
from dictamesh_sentry.processing.event_record import build_record
from dictamesh_sentry.processing.filters import first_match
from dictamesh_sentry.processing.normalize import InvalidEventError, is_valid_feedback, normalize_event, parse_event
from dictamesh_sentry.processing.results import MessageResult
from dictamesh_sentry.processing.scrub import scrub_event
from dictamesh_sentry.processing.security import security_event
from dictamesh_sentry.processing.span_items import process_performance
from dictamesh_sentry.processing.work import NAMESPACE, Work
from dictamesh_sentry.projects.options import ProjectConfig
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.compression import CompressionError, TooLargeError, UnknownEncodingError, inflate
from dictamesh_sentry.protocol.envelope import EnvelopeError, Item, parse_envelope, parse_event_id
from dictamesh_sentry.protocol.messages import IngestMessage

MAX_ENVELOPE = 200 * 1024 * 1024


class StepError(Exception):
    """A pure step raised: a defect. ``stage`` names it."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        super().__init__(f"{type(cause).__name__}: {cause}")
        self.stage = stage


def process_message(message: IngestMessage, config: ProjectConfig, partition: int, offset: int) -> MessageResult:
    """Run the pure steps over one message. Raises StepError for a defect of ours; bad data becomes an outcome."""
    work = Work(message, config, MessageResult(partition, offset))
    try:
        if _open(work):
            _process_items(work)
    except StepError:
        raise
    except Exception as error:
        raise StepError(work.stage, error) from error
    return work.result


def _open(work: Work) -> bool:
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


def _process_items(work: Work) -> None:
    events: list[Item] = []
    attachments: list[Item] = []
    reports: list[Item] = []
    performance: list[Item] = []
    for item in work.envelope.items:
        if item.type in item_types.EVENT_TYPES:
            events.append(item)
        elif item.type == "attachment":
            attachments.append(item)
        elif item.type == "user_report":
            reports.append(item)
        elif item.type in item_types.PERFORMANCE_TYPES:
            performance.append(item)
        elif item.type != "form_data":
            _other_item(work, item)
    crash = [item for item in attachments if attachment_type(item) in item_types.CRASH_ATTACHMENTS]
    if not events and crash:
        events.append(Item({"type": "event"}, b"{}"))
    dropped: tuple[Outcome, str] | None = None
    for position, item in enumerate(events):
        lost = _event(work, item, position, crash if position == 0 else [])
        dropped = lost if position == 0 else dropped
    if performance:
        lost = process_performance(work, performance)
        dropped = dropped or lost
    record = work.result.events[0] if events and work.result.events and not dropped else None
    event_id = work.event_id
    for item in attachments:
        read_attachment(work, item, record, event_id, dropped)
    for item in reports:
        read_report(work, item, record, event_id, dropped)


def _other_item(work: Work, item: Item) -> None:
    """Count what is not an error event; nothing is lost silently but what the protocol says to ignore."""
    work.stage = f"item:{item.type[:40]}"
    if item.type == "client_report":
        read_client_report(work, item)
        return
    quantities = item_types.quantities(item)
    if quantities is None:
        work.result.ignored.append("obsolete" if item.type in item_types.OBSOLETE_TYPES else "unknown")
        return
    for category, quantity in quantities:
        work.outcome(category, Outcome.INVALID, "feature_disabled", quantity)


# Events


def _event(work: Work, item: Item, position: int, crash: list[Item]) -> tuple[Outcome, str] | None:
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
        event = normalize_event(event, work.config, work.request(event_id)).data
        _check(item, event)
        work.stage = "filter"
        reason = first_match(event, work.config, work.message.client_ip)
        if reason is not None:
            work.outcome(category, Outcome.FILTERED, reason)
            return Outcome.FILTERED, reason
        work.stage = "scrub"
        scrub_event(event, work.config)
        record = build_record(work, event, event_id, category)
    except InvalidEventError as error:
        work.outcome(category, Outcome.INVALID, error.reason)
        return Outcome.INVALID, error.reason
    except RecursionError:
        work.outcome(category, Outcome.INVALID, "nesting_too_deep")
        return Outcome.INVALID, "nesting_too_deep"
    work.result.events.append(record)
    return None


def _event_id(work: Work, event: dict[str, Any], position: int) -> str:
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
    base = work.event_id
    return base if position == 0 else uuid.uuid5(NAMESPACE, f"{base}/{position}").hex


def _check(item: Item, event: dict[str, Any]) -> None:
    """Raise InvalidEventError for what normalization left without its point."""
    if item.type == "feedback" and not is_valid_feedback(event):
        raise InvalidEventError("no_data")
    if item.type in ("security", "raw_security") and "csp" not in event:
        raise InvalidEventError("security_report")
