"""How many elements an OTLP export holds, without decoding it: what limits and statistics need at the edge."""

from __future__ import annotations

import orjson

_LENGTH_DELIMITED = 2
#: Both ExportTraceServiceRequest and ExportLogsServiceRequest: resource (1) → scope (2) → element (2).
_PATH = (1, 2, 2)
_JSON_PATHS = {
    "traces": ("resourceSpans", "scopeSpans", "spans"),
    "logs": ("resourceLogs", "scopeLogs", "logRecords"),
}


class MalformedExportError(ValueError):
    """The body is no OTLP export request."""


def count_elements(body: bytes, signal: str, *, protobuf: bool) -> int:
    """Spans (``traces``) or records (``logs``) of an export. Raises MalformedExportError."""
    if protobuf:
        return _count_fields(memoryview(body), _PATH)
    try:
        found = orjson.loads(body) if body else None
    except orjson.JSONDecodeError as error:
        raise MalformedExportError(str(error)) from None
    if type(found) is not dict:
        raise MalformedExportError("expected an object")
    level: list[object] = [found]
    for name in _JSON_PATHS[signal]:
        level = [child for node in level if type(node) is dict for child in _children(node, name)]
    return len(level)


def _children(node: dict[str, object], name: str) -> list[object]:
    value = node.get(name)
    return value if type(value) is list else []


def _count_fields(data: memoryview, path: tuple[int, ...]) -> int:
    count = 0
    for content in _fields(data, path[0]):
        count += _count_fields(content, path[1:]) if len(path) > 1 else 1
    return count


def _fields(data: memoryview, wanted: int) -> list[memoryview]:
    """The contents of a message's length-delimited fields of one number."""
    found: list[memoryview] = []
    position, end = 0, len(data)
    while position < end:
        tag, position = _varint(data, position)
        kind = tag & 7
        if kind == 0:
            _, position = _varint(data, position)
        elif kind == 1:
            position += 8
        elif kind == 5:
            position += 4
        elif kind == _LENGTH_DELIMITED:
            length, position = _varint(data, position)
            if tag >> 3 == wanted:
                found.append(data[position : position + length])
            position += length
        else:
            raise MalformedExportError(f"unknown wire type {kind}")
        if position > end:
            raise MalformedExportError("the message ends in the middle of a field")
    return found


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
    raise MalformedExportError("the message ends in the middle of a number")
