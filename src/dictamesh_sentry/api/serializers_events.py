"""Events and attachments in the API's shapes, for any payload."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.responses import required_iso
from dictamesh_sentry.api.serializers_entries import entry_sources, serialize_entries
from dictamesh_sentry.issues.event_queries import Event, Neighbours
from dictamesh_sentry.issues.models import EventAttachment, Issue, IssueHash
from dictamesh_sentry.issues.presentation.values import as_list, as_object, moment, text

_MESSAGES = {
    "invalid_data": "Discarded invalid value",
    "missing_attribute": "Missing value for required attribute",
    "invalid_attribute": "Discarded unknown attribute",
    "value_too_long": "Discarded value due to exceeding maximum length",
    "clock_drift": "Clock drift detected in SDK",
    "past_timestamp": "Invalid timestamp (too old)",
    "future_timestamp": "Invalid timestamp (in future)",
}


class PairBody(TypedDict):
    key: str
    value: str


EventSummaryBody = TypedDict(
    "EventSummaryBody",
    {
        "id": str,
        "eventID": str,
        "event.type": str,
        "dateCreated": str,
        "title": str,
        "message": str,
        "location": str | None,
        "culprit": str,
        "groupID": str | None,
        "projectID": str,
        "platform": str,
        "user": dict[str, Any] | None,
        "tags": list[PairBody],
        "metadata": dict[str, Any],
        "crashFile": None,
    },
)


class EventBody(TypedDict, total=False):
    """One event with its interfaces as ``entries``."""

    id: str
    eventID: str
    dateCreated: str
    dateReceived: str
    title: str
    message: str
    type: str
    entries: list[dict[str, Any]]
    contexts: dict[str, Any]
    context: dict[str, Any]
    tags: list[PairBody]
    user: dict[str, Any] | None
    nextEventID: str | None
    previousEventID: str | None


def serialize_event_summary(event: Event) -> EventSummaryBody:
    """An element of a list of events. Reads columns only, never the payload."""
    return {
        "id": event.id,
        "eventID": event.id,
        "event.type": event.type,
        "dateCreated": required_iso(event.timestamp),
        "title": event.title,
        "message": event.message,
        "location": event.location or None,
        "culprit": event.culprit,
        "groupID": str(event.issue_id) if event.issue_id else None,
        "projectID": str(event.project_id),
        "platform": event.platform,
        "user": _user_of_columns(event),
        "tags": serialize_tags(event.tags),
        "metadata": {"title": event.title},
        "crashFile": None,
    }


def _user_of_columns(event: Event) -> dict[str, Any] | None:
    if not event.user_fields:
        return None
    return {name: event.user_fields.get(name) for name in ("id", "email", "username", "ip_address")} | {
        "name": None,
        "data": None,
    }


def serialize_tags(tags: Mapping[str, str]) -> list[PairBody]:
    """Sorted by key; values are always strings."""
    return [{"key": key, "value": str(tags[key])} for key in sorted(tags)]


def serialize_event(
    event: Event,
    *,
    neighbours: Neighbours | None = None,
    release: Mapping[str, Any] | None = None,
    fingerprint: IssueHash | None = None,
    user_report: Mapping[str, Any] | None = None,
    issue: Issue | None = None,
) -> dict[str, Any]:
    """An event with its entries. ``release`` is JSON already, ``fingerprint`` what it was grouped by."""
    data = as_object(event.data)
    metadata = as_object(data.get("metadata")) or (issue.metadata if issue is not None else {})
    return {
        **serialize_event_summary(event),
        "type": event.type,
        "metadata": {"title": event.title, **metadata},
        "user": serialize_event_user(data) or _user_of_columns(event),
        "entries": serialize_entries(data),
        "contexts": {key: value for key, value in as_object(data.get("contexts")).items() if isinstance(value, dict)},
        "context": dict(as_object(data.get("extra"))),
        "packages": dict(as_object(data.get("modules"))),
        "sdk": _sdk(data),
        "dist": event.dist or None,
        "release": dict(release) if release else None,
        "errors": serialize_errors(data),
        "occurrence": event.data.get("occurrence"),
        "userReport": dict(user_report) if user_report else None,
        "dateReceived": required_iso(event.received),
        "size": event.size,
        "fingerprints": [fingerprint.hash] if fingerprint else [],
        "groupingConfig": {"id": fingerprint.algorithm if fingerprint else "", "enhancements": ""},
        "startTimestamp": _epoch(data.get("start_timestamp")),
        "endTimestamp": _epoch(data.get("timestamp")) if data.get("start_timestamp") is not None else None,
        "measurements": dict(as_object(data.get("measurements"))),
        "breakdowns": dict(as_object(data.get("breakdowns"))),
        "_meta": _meta(data, event.tags),
        "nextEventID": neighbours.newer if neighbours else None,
        "previousEventID": neighbours.older if neighbours else None,
        "resolvedWith": [],
        "sdkUpdates": [],
    }


def _epoch(value: object) -> float | None:
    at = moment(value)
    return at.timestamp() if at else None


def serialize_event_user(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """The affected user as sent; the known keys are always there."""
    raw = as_object(data.get("user"))
    if not raw:
        return None
    known = {key: _text_or_none(raw.get(key)) for key in ("id", "email", "username", "ip_address", "name")}
    return {**known, "data": raw.get("data"), "geo": raw.get("geo")}


def _text_or_none(value: object) -> str | None:
    return text(value) if value is not None else None


def _sdk(data: Mapping[str, Any]) -> dict[str, str] | None:
    raw = as_object(data.get("sdk"))
    return {"name": text(raw.get("name")), "version": text(raw.get("version"))} if raw else None


def serialize_errors(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Problems found in the payload: ``{type, message, data}``."""
    result: list[dict[str, Any]] = []
    for item in as_list(data.get("errors")):
        if isinstance(item, dict):
            kind = text(item.get("type"), 64)
            details = {key: value for key, value in item.items() if key != "type"}
            result.append({"type": kind, "message": _MESSAGES.get(kind, kind.replace("_", " ")), "data": details})
    return result


def _meta(data: Mapping[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """``_meta`` re-keyed to where the API shows the values: entries and tags by position."""
    tree = as_object(data.get("_meta"))
    by_key = {str(as_list(item)[0]): index for index, item in enumerate(as_list(data.get("tags"))) if as_list(item)}
    tag_meta = as_object(tree.get("tags"))
    return {
        "entries": {
            str(position): tree[source]
            for position, source in enumerate(entry_sources(data))
            if isinstance(tree.get(source), dict)
        },
        "message": tree.get("logentry"),
        "user": tree.get("user"),
        "contexts": tree.get("contexts"),
        "context": tree.get("extra"),
        "packages": tree.get("modules"),
        "sdk": tree.get("sdk"),
        "tags": {
            str(position): tag_meta[str(by_key[key])]
            for position, key in enumerate(sorted(tags))
            if str(by_key.get(key)) in tag_meta
        },
    }


class AttachmentBody(TypedDict):
    id: str
    event_id: str
    type: str
    name: str
    mimetype: str
    dateCreated: str
    size: int
    headers: dict[str, str]
    sha1: str


def serialize_attachment(attachment: EventAttachment) -> AttachmentBody:
    """A file of an event, without its bytes."""
    return {
        "id": str(attachment.pk),
        "event_id": attachment.event_id,
        "type": attachment.type,
        "name": attachment.name,
        "mimetype": attachment.mimetype,
        "dateCreated": required_iso(attachment.date_created),
        "size": attachment.size,
        "headers": {"Content-Type": attachment.mimetype},
        "sha1": attachment.sha1,
    }
