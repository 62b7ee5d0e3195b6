"""``entries`` of an event: the payload's interfaces in the API's camelCase, in reading order, for any payload."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from dictamesh_sentry.api.responses import iso
from dictamesh_sentry.issues.presentation.values import (
    as_list,
    as_object,
    integer,
    interface_values,
    moment,
    pairs,
    text,
)

_FRAME_NAMES = {
    "abs_path": "absPath",
    "raw_function": "rawFunction",
    "instruction_addr": "instructionAddr",
    "symbol_addr": "symbolAddr",
    "addr_mode": "addrMode",
    "source_link": "sourceLink",
    "map_url": "mapUrl",
}


def serialize_entries(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The interfaces a payload has, as ``{"type", "data"}``."""
    return [entry for entry, _ in _entries(data)]


def entry_sources(data: Mapping[str, Any]) -> list[str]:
    """For each entry, the key of the payload it came from; ``_meta`` is keyed by it."""
    return [source for _, source in _entries(data)]


def _entries(data: Mapping[str, Any]) -> Iterable[tuple[dict[str, Any], str]]:
    for kind, source, build in _BUILDERS:
        raw = data.get(source)
        if not raw or not isinstance(raw, dict | list):
            continue
        content = build(raw)
        if content is not None:
            yield {"type": kind, "data": content}, source


def _exceptions(raw: object) -> dict[str, Any] | None:
    values = [_exception(item) for item in interface_values(raw) if isinstance(item, dict)]
    if not values:
        return None
    return {"values": values, "hasSystemFrames": _any_system_frames(values), "excOmitted": None}


def _exception(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": _text_or_none(raw.get("type")),
        "value": _text_or_none(raw.get("value")),
        "module": _text_or_none(raw.get("module")),
        "threadId": raw.get("thread_id"),
        "mechanism": _mechanism(raw.get("mechanism")),
        "stacktrace": serialize_stacktrace(raw.get("stacktrace")),
        "rawStacktrace": serialize_stacktrace(raw.get("raw_stacktrace")),
    }


def _mechanism(raw: object) -> dict[str, Any] | None:
    mechanism = as_object(raw)
    if not mechanism:
        return None
    names = {
        "exception_id": "exceptionId",
        "parent_id": "parentId",
        "help_link": "helpLink",
        "is_exception_group": "isExceptionGroup",
    }
    result = {names.get(key, key): value for key, value in mechanism.items()}
    return {"type": "generic", "handled": None, "synthetic": None, "data": {}, "meta": {}} | result


def serialize_stacktrace(raw: object) -> dict[str, Any] | None:
    """A stack trace, oldest frame first; None without frames."""
    stack = as_object(raw)
    frames = [_frame(item) for item in as_list(stack.get("frames")) if isinstance(item, dict)]
    if not frames:
        return None
    return {
        "frames": frames,
        "framesOmitted": stack.get("frames_omitted"),
        "registers": stack.get("registers"),
        "hasSystemFrames": _mixed(frames),
    }


def _frame(raw: Mapping[str, Any]) -> dict[str, Any]:
    result: dict[str, Any] = dict.fromkeys(
        ("filename", "module", "package", "platform", "function", "symbol", "trust", "errors", "vars", "lock", "map"),
    )
    result |= dict.fromkeys(_FRAME_NAMES.values())
    for key in ("filename", "module", "package", "platform", "function", "symbol", "trust"):
        result[key] = _text_or_none(raw.get(key))
    for key, name in _FRAME_NAMES.items():
        result[name] = _text_or_none(raw.get(key))
    result["vars"] = raw.get("vars") if isinstance(raw.get("vars"), dict) else None
    result["lock"] = raw.get("lock")
    result["lineNo"] = integer(raw.get("lineno"))
    result["colNo"] = integer(raw.get("colno"))
    result["inApp"] = raw.get("in_app") is True
    result["context"] = _context(raw)
    return result


def _context(raw: Mapping[str, Any]) -> list[list[Any]]:
    """``[[line number, text], …]`` around the call."""
    number = integer(raw.get("lineno"))
    line = raw.get("context_line")
    before, after = as_list(raw.get("pre_context")), as_list(raw.get("post_context"))
    if number is None or (line is None and not before and not after):
        return []
    lines = [*before, line, *after]
    return [[number - len(before) + offset, text(item)] for offset, item in enumerate(lines)]


def _mixed(frames: Iterable[Mapping[str, Any]]) -> bool:
    return len({frame["inApp"] for frame in frames}) > 1


def _any_system_frames(values: Iterable[Mapping[str, Any]]) -> bool:
    return any(value["stacktrace"] and value["stacktrace"]["hasSystemFrames"] for value in values)


def _threads(raw: object) -> dict[str, Any] | None:
    values = [
        {
            "id": item.get("id"),
            "name": _text_or_none(item.get("name")),
            "crashed": item.get("crashed") is True,
            "current": item.get("current") is True,
            "state": _text_or_none(item.get("state")),
            "heldLocks": item.get("held_locks"),
            "stacktrace": serialize_stacktrace(item.get("stacktrace")),
            "rawStacktrace": serialize_stacktrace(item.get("raw_stacktrace")),
        }
        for item in interface_values(raw)
        if isinstance(item, dict)
    ]
    return {"values": values} if values else None


def _breadcrumbs(raw: object) -> dict[str, Any] | None:
    values = [
        {
            "type": _text_or_none(item.get("type")) or "default",
            "timestamp": iso(moment(item.get("timestamp"))),
            "level": _text_or_none(item.get("level")) or "info",
            "message": _text_or_none(item.get("message")),
            "category": _text_or_none(item.get("category")),
            "data": item.get("data") if isinstance(item.get("data"), dict) else None,
            "event_id": _text_or_none(item.get("event_id")),
        }
        for item in interface_values(raw)
        if isinstance(item, dict)
    ]
    return {"values": values} if values else None


def _request(raw: object) -> dict[str, Any] | None:
    request = as_object(raw)
    if not request:
        return None
    url = text(request.get("url"), 2048)
    query = request.get("query_string", request.get("query"))
    return {
        "method": _text_or_none(request.get("method")),
        "url": url if url.lower().startswith(("http://", "https://")) else None,
        "query": _pairs(parse_query(query)),
        "fragment": _text_or_none(request.get("fragment")),
        "data": request.get("data"),
        "headers": _pairs(request.get("headers")),
        "cookies": _pairs(request.get("cookies")),
        "env": request.get("env") if isinstance(request.get("env"), dict) else None,
        "inferredContentType": _text_or_none(request.get("inferred_content_type")),
        "apiTarget": _text_or_none(request.get("api_target")),
    }


def parse_query(value: object) -> object:
    """A query string as pairs; pairs and objects as they are."""
    if isinstance(value, str):
        try:
            return [list(item) for item in parse_qsl(value.lstrip("?"), keep_blank_values=True, max_num_fields=500)]
        except ValueError:
            return [[value, ""]]
    return value


def _pairs(value: object) -> list[list[Any]]:
    return [[key, item if isinstance(item, str | list | dict) else text(item)] for key, item, _ in pairs(value)]


def _message(raw: object) -> dict[str, Any] | None:
    entry = as_object(raw)
    if not entry:
        return None
    message, formatted = text(entry.get("message")), text(entry.get("formatted"))
    if not message and not formatted:
        return None
    return {"message": message or formatted, "formatted": formatted or message, "params": entry.get("params")}


def _as_sent(raw: object) -> object:
    return raw


def _text_or_none(value: object) -> str | None:
    return text(value) if value is not None else None


_BUILDERS: tuple[tuple[str, str, Callable[[object], Any]], ...] = (
    ("message", "logentry", _message),
    ("exception", "exception", _exceptions),
    ("stacktrace", "stacktrace", serialize_stacktrace),
    ("threads", "threads", _threads),
    ("template", "template", _as_sent),
    ("csp", "csp", _as_sent),
    ("breadcrumbs", "breadcrumbs", _breadcrumbs),
    ("request", "request", _request),
    ("spans", "spans", _as_sent),
    ("debugmeta", "debug_meta", _as_sent),
)
