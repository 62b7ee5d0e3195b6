"""Envelopes: one JSON line of headers, then items of one JSON header line and a payload each.

Parsing looks at the headers only; payloads are sliced, never decoded.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from typing import Any

import orjson

MAX_ITEMS = 500
MAX_HEADER_BYTES = 1024 * 1024
MAX_HEADER_DEPTH = 64

_PLAIN_ID = re.compile(r"[0-9a-f]{32}")
_ANY_ID = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_JSON_SPACE = b" \t\r\n"


class EnvelopeError(ValueError):
    """The bytes are not an envelope; the message says where it stops being one."""


class Item:
    """One item. ``headers`` always has a string ``type``; unknown keys are kept."""

    __slots__ = ("headers", "payload")

    def __init__(self, headers: dict[str, Any], payload: bytes) -> None:
        self.headers = headers
        self.payload = payload

    @property
    def type(self) -> str:
        return self.headers["type"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and self.headers == other.headers and self.payload == other.payload

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Item({self.headers!r}, {len(self.payload)} bytes)"


class Envelope:
    """Headers and items in the order they were sent. ``headers["event_id"]``, when there, is 32 lower-case hex."""

    __slots__ = ("headers", "items")

    def __init__(self, headers: dict[str, Any], items: list[Item]) -> None:
        self.headers = headers
        self.items = items

    @property
    def event_id(self) -> str | None:
        return self.headers.get("event_id")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Envelope) and self.headers == other.headers and self.items == other.items

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Envelope({self.headers!r}, {self.items!r})"


def parse_event_id(value: object) -> str:
    """A UUID of 32 hex digits or 36 characters with dashes, any case, as 32 lower-case hex. Raises ValueError."""
    if isinstance(value, str):
        if _PLAIN_ID.fullmatch(value):
            return value
        if _ANY_ID.fullmatch(value):
            return value.replace("-", "").lower()
    raise ValueError("invalid event id")


def new_event_id() -> str:
    """A random event id, 32 lower-case hex digits."""
    return uuid.uuid4().hex


def parse_envelope_headers(data: bytes) -> dict[str, Any]:
    """The envelope's own headers, without looking at any item. Raises EnvelopeError."""
    return _envelope_headers(data)[0]


def parse_envelope(data: bytes) -> Envelope:
    """Parse an envelope (already decompressed). Raises EnvelopeError.

    Guarantees: headers are JSON objects nested at most ``MAX_HEADER_DEPTH`` deep, at most ``MAX_ITEMS`` items,
    payloads exactly as sent. Combinations of items are not judged here.
    """
    headers, position = _envelope_headers(data)
    items: list[Item] = []
    end = len(data)
    while True:
        position = _skip_space(data, position)
        if position >= end:
            return Envelope(headers, items)
        if len(items) == MAX_ITEMS:
            raise EnvelopeError(f"too many items, at most {MAX_ITEMS} are allowed")
        item, position = _item(data, position, end)
        items.append(item)


def serialize_envelope(envelope: Envelope) -> bytes:
    """The bytes of an envelope; every item gets the ``length`` of its payload."""
    return b"".join(_chunks(envelope.headers, envelope.items))


def _chunks(headers: dict[str, Any], items: Iterable[Item]) -> Iterable[bytes]:
    yield orjson.dumps(headers)
    yield b"\n"
    for item in items:
        yield orjson.dumps({**item.headers, "length": len(item.payload)})
        yield b"\n"
        yield item.payload
        yield b"\n"


def _envelope_headers(data: bytes) -> tuple[dict[str, Any], int]:
    if not data:
        raise EnvelopeError("missing envelope header")
    headers, position = _header_line(data, 0, len(data), "envelope")
    event_id = headers.get("event_id")
    if event_id is None:
        headers.pop("event_id", None)
    else:
        try:
            headers["event_id"] = parse_event_id(event_id)
        except ValueError:
            raise EnvelopeError("invalid envelope header: event_id is not a UUID") from None
    return headers, position


def _item(data: bytes, position: int, end: int) -> tuple[Item, int]:
    headers, start = _header_line(data, position, end, "item")
    if type(headers.get("type")) is not str:
        raise EnvelopeError("invalid item header: missing or invalid type")
    length = headers.get("length")
    if length is None:
        stop = data.find(b"\n", start)
        stop = end if stop < 0 else stop
        return Item(headers, data[start:stop]), stop + 1
    if type(length) is not int or length < 0:
        raise EnvelopeError("invalid item header: length is not a non-negative integer")
    stop = start + length
    if stop > end:
        raise EnvelopeError(f"unexpected end of file: item payload is {stop - end} bytes short of its length")
    if stop < end and data[stop] != 0x0A:
        raise EnvelopeError("missing newline after header or payload")
    return Item(headers, data[start:stop]), stop + 1


def _header_line(data: bytes, position: int, end: int, kind: str) -> tuple[dict[str, Any], int]:
    """The JSON object on the line at ``position``, and where the next line starts (the end of input counts)."""
    stop = data.find(b"\n", position, position + MAX_HEADER_BYTES + 1)
    if stop < 0:
        if end - position > MAX_HEADER_BYTES:
            raise EnvelopeError(f"invalid {kind} header: longer than {MAX_HEADER_BYTES} bytes")
        stop = end
    line = data[position:stop]
    if line.endswith(b"\r"):
        raise EnvelopeError(f"invalid {kind} header: lines end with LF alone")
    if line.count(b"{") + line.count(b"[") > MAX_HEADER_DEPTH and json_depth(line) > MAX_HEADER_DEPTH:
        raise EnvelopeError(f"invalid {kind} header: nested too deeply")
    try:
        headers = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise EnvelopeError(f"invalid {kind} header: {error}") from None
    if type(headers) is not dict:
        raise EnvelopeError(f"invalid {kind} header: not a JSON object")
    return headers, min(stop + 1, end)


def _skip_space(data: bytes, position: int) -> int:
    end = len(data)
    while position < end and data[position] in _JSON_SPACE:
        position += 1
    return position


def json_depth(text: bytes) -> int:
    """How deep arrays and objects nest in a JSON text, in one linear pass; strings are skipped."""
    depth = deepest = 0
    in_string = escaped = False
    for byte in text:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"}]":
            depth -= 1
    return deepest
