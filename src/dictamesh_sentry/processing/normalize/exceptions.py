"""Exceptions (oldest cause first), their mechanism, and threads."""

from __future__ import annotations

from typing import Any

import orjson
import re2

from dictamesh_sentry.processing.normalize.fields import (
    BOOL,
    INT,
    Field,
    as_list,
    as_object,
    clean_object,
    container,
    converted,
    nested,
    text,
)
from dictamesh_sentry.processing.normalize.meta import MISSING_ATTRIBUTE, Meta, Path
from dictamesh_sentry.processing.normalize.stacktrace import normalize_stacktrace
from dictamesh_sentry.processing.normalize.trimming import trim_container

MAX_EXCEPTIONS = 200
MAX_THREADS = 500
_TYPE_AND_VALUE = re2.compile(r"(?s)^([A-Za-z_$][\w.$]+):\s(.*)$")


def _object_of(table: dict[str, Field]) -> Field:
    def read(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
        obj = as_object(value, path, meta)
        if obj is not None:
            clean_object(obj, table, path, meta)
        return obj or None

    return nested(read)


def _read_thread_id(value: Any) -> str | int | None:
    if type(value) is int:
        return value
    return value[:256] if type(value) is str and value else None


THREAD_ID = converted(_read_thread_id, "a string or a number")

_ERRNO = _object_of({"number": INT, "name": text(256)})
_SIGNAL = _object_of({"number": INT, "code": INT, "name": text(256), "code_name": text(256)})
_MACH = _object_of({"exception": INT, "code": INT, "subcode": INT, "name": text(256)})
_NS_ERROR = _object_of({"code": INT, "domain": text(256)})
_MECHANISM: dict[str, Field] = {
    "type": text(128),
    "description": text(8192),
    "help_link": text(256),
    "handled": BOOL,
    "synthetic": BOOL,
    "meta": _object_of({"errno": _ERRNO, "signal": _SIGNAL, "mach_exception": _MACH, "ns_error": _NS_ERROR}),
    "data": container(dict, 2048, 5, "an object"),
    "exception_id": INT,
    "parent_id": INT,
    "is_exception_group": BOOL,
    "source": text(128),
}


def _read_mechanism(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    if type(value) is str and value:
        value = {"type": value}
    mechanism = as_object(value, path, meta)
    if not mechanism:
        return None
    clean_object(mechanism, _MECHANISM, path, meta)
    if not mechanism:
        return None
    if not mechanism.get("type"):
        meta.error((*path, "type"), MISSING_ATTRIBUTE)
        mechanism["type"] = "generic"
    return mechanism


def _read_value(value: Any, path: Path, meta: Meta) -> str | None:
    """The message of an exception; structured values are shown as JSON."""
    if type(value) is dict or type(value) is list:
        value = orjson.dumps(value).decode()
    return _VALUE.read(value, path, meta)


_VALUE = text(8192, lenient=True)
_EXCEPTION: dict[str, Field] = {
    "type": text(256, lenient=True),
    "value": Field(str, _VALUE.longest, _read_value),
    "module": text(256),
    "thread_id": THREAD_ID,
    "mechanism": nested(_read_mechanism),
    "stacktrace": nested(normalize_stacktrace),
    "raw_stacktrace": nested(normalize_stacktrace),
}


def normalize_exceptions(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``exception`` into form; a deprecated top-level ``stacktrace`` moves into the only exception."""
    found = as_list(event.pop("exception", None), ("exception",), meta)
    stacktrace = event.pop("stacktrace", None)
    if found is None:
        if stacktrace is not None:
            _keep_lone_stacktrace(event, stacktrace, meta)
        return
    raw, path = found
    if stacktrace is not None and len(raw) == 1 and type(raw[0]) is dict and not raw[0].get("stacktrace"):
        raw[0]["stacktrace"] = stacktrace
    # The outermost exceptions are what the issue is about: the oldest causes go first.
    raw = raw[-MAX_EXCEPTIONS:]
    values = [entry for index, item in enumerate(raw) if (entry := _exception(item, (*path, index), meta)) is not None]
    if values:
        event["exception"] = {"values": values}


def _keep_lone_stacktrace(event: dict[str, Any], stacktrace: Any, meta: Meta) -> None:
    normalized = normalize_stacktrace(stacktrace, ("stacktrace",), meta)
    if normalized is None:
        return
    meta.drop(("stacktrace",))
    threads = event.get("threads")
    if threads in (None, {}, []):
        event["threads"] = {"values": [{"id": 0, "crashed": True, "current": True, "stacktrace": normalized}]}


def _exception(item: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    exception = as_object(item, path, meta)
    if not exception:
        return None
    clean_object(exception, _EXCEPTION, path, meta)
    if not exception.get("type"):
        _split_type(exception)
    if not exception.get("type") and not exception.get("value"):
        meta.error(path, MISSING_ATTRIBUTE, attribute="type or value")
        return None
    return exception


def _split_type(exception: dict[str, Any]) -> None:
    """``Word: rest`` without a type is a type and its message."""
    exception.pop("type", None)
    match = _TYPE_AND_VALUE.match(exception.get("value") or "")
    name, rest = match.groups() if match else (None, None)
    if name and len(name) <= 256:
        exception["type"], exception["value"] = name, rest or ""


def _read_locks(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    locks = as_object(value, path, meta)
    return trim_container(locks, 8192, 3, path, meta) if locks else None


_THREAD: dict[str, Field] = {
    "id": THREAD_ID,
    "name": text(1024, lenient=True),
    "crashed": BOOL,
    "current": BOOL,
    "main": BOOL,
    "state": text(128),
    "held_locks": nested(_read_locks),
    "stacktrace": nested(normalize_stacktrace),
    "raw_stacktrace": nested(normalize_stacktrace),
}


def normalize_threads(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``threads`` into form."""
    found = as_list(event.pop("threads", None), ("threads",), meta)
    if found is None:
        return
    raw, path = found
    values: list[dict[str, Any]] = []
    for index, item in enumerate(raw[:MAX_THREADS]):
        thread = as_object(item, (*path, index), meta)
        if thread:
            clean_object(thread, _THREAD, (*path, index), meta)
        if thread:
            values.append(thread)
    if values:
        event["threads"] = {"values": values}
