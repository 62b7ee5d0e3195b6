"""Crash attachments: files that are, or belong to, an event of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from dictamesh_sentry.processing.normalize.apple import add_apple_crash_report
from dictamesh_sentry.protocol.envelope import Item

MAX_BREADCRUMBS = 100
_DUMPS = {
    "event.minidump": ("Minidump", "minidump"),
    "event.applecrashreport": ("AppleCrashReport", "applecrashreport"),
    "event.nv_gpudmp": ("GpuCrashDump", "gpudump"),
    "playstation.prosperodump": ("Prosperodump", "prosperodump"),
    "nswitch.dying_message": ("DyingMessage", "dyingmessage"),
}


def merge_crash_items(event: dict[str, Any], items: list[Item]) -> None:
    """Complete an event in place from the crash attachments of its envelope.

    ``event.payload`` fills in what the event lacks, ``event.breadcrumbs`` adds breadcrumbs in order of time, a dump
    makes it a fatal, unhandled native crash where the event names no exception. Damaged files change nothing.
    """
    streams: list[list[Any]] = []
    for item in items:
        kind = item.headers.get("attachment_type")
        if kind == "event.payload":
            decoded = _decode(item.payload)
            if type(decoded) is dict:
                for key, value in decoded.items():
                    event.setdefault(str(key), value)
        elif kind == "event.breadcrumbs":
            streams.append(_decode_stream(item.payload))
        elif kind == "event.applecrashreport":
            add_apple_crash_report(event, item.payload)
            _mark_crash(event, *_DUMPS[kind])
        elif kind in _DUMPS:
            _mark_crash(event, *_DUMPS[kind])
    if streams:
        _add_breadcrumbs(event, streams)


def _mark_crash(event: dict[str, Any], name: str, mechanism: str) -> None:
    event.setdefault("platform", "native")
    event.setdefault("level", "fatal")
    if not event.get("exception"):
        event["exception"] = {
            "values": [
                {
                    "type": name,
                    "value": "Fatal Error: the crash dump is attached",
                    "mechanism": {"type": mechanism, "handled": False, "synthetic": True},
                }
            ]
        }


def _decode(payload: bytes) -> Any:
    try:
        return _plain(msgspec.msgpack.decode(payload))
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def _decode_stream(payload: bytes) -> list[Any]:
    """Breadcrumbs: one list, or msgpack maps one after the other."""
    decoded = _decode(payload)
    if type(decoded) is list:
        return decoded
    if type(decoded) is dict:
        return [decoded]
    return list(_concatenated(payload))


def _concatenated(payload: bytes) -> list[Any]:
    found: list[Any] = []
    start = 0
    while start < len(payload) and len(found) < 2 * MAX_BREADCRUMBS:
        end = _end_of_value(payload, start)
        decoded = _decode(payload[start:end]) if end else None
        if type(decoded) is not dict:
            break
        found.append(decoded)
        start = end
    return found


# First byte → bytes of the length that follows; bytes of the value; (bytes of the count, values per element).
_LENGTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xC7: 1, 0xC8: 2, 0xC9: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
_FIXED = {0xCA: 4, 0xCB: 8, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8, 0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FIXED |= {0xD4: 2, 0xD5: 3, 0xD6: 5, 0xD7: 9, 0xD8: 17}
_CONTAINERS = {0xDC: (2, 1), 0xDD: (4, 1), 0xDE: (2, 2), 0xDF: (4, 2)}


def _end_of_value(data: bytes, position: int) -> int:
    """Where the msgpack value at ``position`` ends; 0 when it is cut off. One pass, no recursion."""
    wanted = 1
    while wanted:
        if position >= len(data):
            return 0
        first = data[position]
        position += 1
        wanted -= 1
        if 0x80 <= first <= 0x8F:
            wanted += 2 * (first & 0x0F)
        elif 0x90 <= first <= 0x9F:
            wanted += first & 0x0F
        elif 0xA0 <= first <= 0xBF:
            position += first & 0x1F
        elif first in _CONTAINERS:
            width, factor = _CONTAINERS[first]
            wanted += factor * int.from_bytes(data[position : position + width])
            position += width
        elif first in _LENGTHS:
            width = _LENGTHS[first]
            extension = 1 if 0xC7 <= first <= 0xC9 else 0
            position += width + extension + int.from_bytes(data[position : position + width])
        else:
            position += _FIXED.get(first, 0)
    return position if position <= len(data) else 0


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    if type(value) is dict:
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if type(value) is list:
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _moment(crumb: Any) -> float:
    value = crumb.get("timestamp") if type(crumb) is dict else None
    if isinstance(value, int | float):
        return float(value)
    if type(value) is str:
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return 0.0
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return 0.0


def _add_breadcrumbs(event: dict[str, Any], streams: list[list[Any]]) -> None:
    present = event.get("breadcrumbs")
    if type(present) is dict:
        present = present.get("values")
    crumbs = [*(present if type(present) is list else []), *(crumb for stream in streams for crumb in stream)]
    crumbs.sort(key=_moment)
    event["breadcrumbs"] = {"values": crumbs[-MAX_BREADCRUMBS:]}
