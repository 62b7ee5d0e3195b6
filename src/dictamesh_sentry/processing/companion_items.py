"""Items that come with events, or instead of them: attachments, reports of users, reports of SDKs."""

from __future__ import annotations

from dictamesh_sentry.processing import items as item_types
from dictamesh_sentry.processing.normalize import InvalidEventError, parse_event
from dictamesh_sentry.processing.results import Attachment, EventRecord, Report
from dictamesh_sentry.processing.work import Work, iso_seconds, text_of
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.envelope import Item, parse_event_id
from dictamesh_sentry.protocol.messages import OutcomeEntry

MAX_REPORT_AGE = 86400 * 30


def attachment_type(item: Item) -> str:
    kind = item.headers.get("attachment_type")
    return kind if type(kind) is str and kind else "event.attachment"


def read_attachment(
    work: Work, item: Item, record: EventRecord | None, event_id: str, dropped: tuple[Outcome, str] | None
) -> None:
    work.stage = "attachment"
    kind = attachment_type(item)
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
        name=text_of(item.headers.get("filename"), 255) or "attachment",
        type=kind,
        mimetype=text_of(item.headers.get("content_type"), 128) or "application/octet-stream",
        data=item.payload,
        received=work.message.received,
    )
    (record.attachments if record else work.result.attachments).append(attachment)


def read_report(
    work: Work, item: Item, record: EventRecord | None, event_id: str, dropped: tuple[Outcome, str] | None
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
    comments = text_of(data.get("comments"), 4096).strip()
    if not comments:
        work.outcome(DataCategory.FEEDBACK, Outcome.INVALID, "no_data")
        return
    report = Report(
        project_id=work.config.project_id,
        key_id=work.message.key_id,
        event_id=target,
        name=text_of(data.get("name"), 128).strip(),
        email=text_of(data.get("email"), 254).strip(),
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


def read_client_report(work: Work, item: Item) -> None:
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
            category = DataCategory.from_name(text_of(entry.get("category"), 64))
            quantity = entry.get("quantity")
            if category is None or type(quantity) is not int or not 0 < quantity <= 2**31:
                continue
            work.result.outcomes.append(
                OutcomeEntry(
                    work.message.project_id,
                    work.message.key_id,
                    category,
                    outcome,
                    text_of(entry.get("reason"), 128),
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
        moment = iso_seconds(value) or received
    return moment if received - MAX_REPORT_AGE <= moment <= received + 60 else None
