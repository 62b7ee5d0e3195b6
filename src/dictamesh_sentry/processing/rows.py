"""From an event to its row in the event store. The one list of the table's columns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from dictamesh_sentry.processing.grouping import GroupingResult
from dictamesh_sentry.processing.grouping.frames import text_of
from dictamesh_sentry.processing.grouping.view import EventView, pairs
from dictamesh_sentry.processing.normalize.parse import make_serializable

COLUMNS = (
    "project_id", "event_id", "timestamp", "received", "retention_days", "origin_partition", "origin_offset",
    "issue_id", "primary_hash", "type", "level", "platform", "environment", "release", "dist", "logger",
    "transaction", "title", "message", "culprit", "location",
    "user", "user_id", "user_email", "user_username", "user_ip", "geo_country_code",
    "http_method", "http_url", "http_referer", "sdk_name", "sdk_version", "trace_id", "span_id", "replay_id",
    "exception_types", "exception_values", "exception_mechanisms", "handled", "main_thread",
    "stack_filenames", "stack_abs_paths", "stack_functions", "stack_modules", "stack_packages",
    "tags", "contexts", "flags", "size", "payload",
)  # fmt: skip
ISSUE_ID = COLUMNS.index("issue_id")

MAX_TAGS = 200
MAX_CONTEXT_VALUES = 200
MAX_FLAGS = 200
MAX_FRAMES = 250
MAX_EXCEPTIONS = 50
MAX_TEXT = 1024
_LATEST = datetime(2200, 1, 1, tzinfo=UTC).timestamp()
# Shown in full from the payload; not worth a search key.
_OPAQUE_CONTEXTS = frozenset({"flags", "feedback"})


def to_datetime(seconds: float) -> datetime:
    """Epoch seconds as UTC, held within what the event store's time type can carry."""
    return datetime.fromtimestamp(min(max(seconds, 0.0), _LATEST), UTC)


def user_identity(user: dict[str, Any]) -> str:
    """What counts as one user: the first of id, username, e-mail and address, with its kind in front."""
    for key, kind in (("id", "id"), ("username", "username"), ("email", "email"), ("ip_address", "ip")):
        value = text_of(user.get(key))
        if value:
            return f"{kind}:{value[:MAX_TEXT]}"
    return ""


def build_row(
    event: dict[str, Any],
    grouping: GroupingResult,
    *,
    project_id: int,
    event_id: str,
    timestamp: float,
    received: float,
    retention_days: int,
    origin: tuple[int, int],
) -> list[Any]:
    """A row in the order of ``COLUMNS``, ``issue_id`` still 0. Never fails; everything is bounded in size."""
    view = EventView(event)
    contexts = _dict(event.get("contexts"))
    user = _dict(event.get("user"))
    request = _dict(event.get("request"))
    sdk = _dict(event.get("sdk"))
    trace = _dict(contexts.get("trace"))
    tags = bounded_tags(event)
    payload = dump_event(event)
    return [
        project_id,
        event_id,
        to_datetime(timestamp),
        to_datetime(received),
        retention_days,
        origin[0],
        origin[1],
        0,
        grouping.primary_hash,
        grouping.type,
        grouping.level,
        view.platform,
        _cut(event.get("environment"), 64),
        _cut(event.get("release"), 250),
        _cut(event.get("dist"), 64),
        _cut(event.get("logger"), 64),
        _cut(event.get("transaction"), 200),
        grouping.title,
        view.message[:8192],
        grouping.culprit,
        grouping.location,
        user_identity(user),
        _cut(user.get("id"), 128),
        _cut(user.get("email"), 254),
        _cut(user.get("username"), 128),
        _cut(user.get("ip_address"), 45),
        _cut(_dict(user.get("geo")).get("country_code"), 8),
        _cut(request.get("method"), 32),
        _cut(request.get("url"), MAX_TEXT),
        _referer(request),
        _cut(sdk.get("name"), 256),
        _cut(sdk.get("version"), 256),
        _cut(trace.get("trace_id"), 32),
        _cut(trace.get("span_id"), 16),
        _replay_id(contexts, tags),
        *_exception_columns(view),
        _main_thread(view),
        *_stack_columns(view),
        tags,
        _contexts(contexts),
        _flags(contexts),
        len(payload),
        payload,
    ]


def bounded_tags(event: dict[str, Any]) -> dict[str, str]:
    """The event's tags as a mapping; the first of two tags with one key counts."""
    tags: dict[str, str] = {}
    for key, value in pairs(event.get("tags")):
        if len(tags) >= MAX_TAGS:
            break
        tags.setdefault(key[:200], value[:200])
    return tags


def _dict(value: object) -> dict[str, Any]:
    return value if type(value) is dict else {}


def _cut(value: object, limit: int) -> str:
    return value[:limit] if type(value) is str else ""


def _referer(request: dict[str, Any]) -> str:
    for name, value in pairs(request.get("headers")):
        if name.lower() == "referer":
            return value[:MAX_TEXT]
    return ""


def _replay_id(contexts: dict[str, Any], tags: dict[str, str]) -> str:
    return _cut(_dict(contexts.get("replay")).get("replay_id"), 36) or tags.get("replayId", "")[:36]


def _exception_columns(view: EventView) -> tuple[list[str], list[str], list[str], str]:
    types: list[str] = []
    values: list[str] = []
    mechanisms: list[str] = []
    handled = "unknown"
    for exception in view.exceptions[-MAX_EXCEPTIONS:]:
        types.append(_cut(exception.get("type"), 256))
        values.append(_cut(exception.get("value"), MAX_TEXT))
        mechanism = _dict(exception.get("mechanism"))
        mechanisms.append(_cut(mechanism.get("type"), 128))
        flag = mechanism.get("handled")
        if flag is False:
            handled = "no"
        elif flag is True and handled == "unknown":
            handled = "yes"
    return types, values, mechanisms, handled


def _main_thread(view: EventView) -> str:
    for thread in view.threads:
        if (thread.get("crashed") is True or thread.get("current") is True) and type(thread.get("main")) is bool:
            return "yes" if thread["main"] else "no"
    return "unknown"


def _stack_columns(view: EventView) -> tuple[list[str], ...]:
    """Distinct values only: searches ask whether any frame has a value."""
    frames = [frame for _, stack in view.stacks for frame in stack[-MAX_FRAMES:]]
    return tuple(_distinct(frames, key) for key in ("filename", "abs_path", "function", "module", "package"))


def _distinct(frames: list[dict[str, Any]], key: str) -> list[str]:
    seen = dict.fromkeys([value for frame in frames if type(value := frame.get(key)) is str])
    return [value[:512] for value in seen if value]


def _scalar(value: object) -> str | None:
    if type(value) is str:
        return value[:200]
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) in (int, float):
        return str(value)
    return None


def context_values(contexts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """``device.model``, ``os.build`` …: the plain values of every context as text."""
    for alias, context in contexts.items():
        if type(context) is not dict or alias in _OPAQUE_CONTEXTS:
            continue
        for key, value in context.items():
            text = _scalar(value)
            if text and key != "type":
                yield f"{alias}.{key}"[:200], text


def _contexts(contexts: dict[str, Any]) -> dict[str, str]:
    """``device.model``, ``os.build`` …: the plain values of every context, for search."""
    found: dict[str, str] = {}
    for key, text in context_values(contexts):
        if len(found) >= MAX_CONTEXT_VALUES:
            break
        found[key] = text
    return found


def _flags(contexts: dict[str, Any]) -> dict[str, str]:
    values = _dict(contexts.get("flags")).get("values")
    found: dict[str, str] = {}
    for entry in values if type(values) is list else ():
        if type(entry) is not dict or len(found) >= MAX_FLAGS:
            continue
        text = _scalar(entry.get("result"))
        if text is not None and type(entry.get("flag")) is str:
            found[entry["flag"][:200]] = text
    return found


def dump_event(event: dict[str, Any]) -> bytes:
    """The event as compact JSON; what JSON cannot hold is left out."""
    try:
        return orjson.dumps(event)
    except TypeError:
        return orjson.dumps(make_serializable(event))
