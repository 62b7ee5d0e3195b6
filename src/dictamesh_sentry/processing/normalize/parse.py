"""From bytes to an event that every later step can serialize."""

from __future__ import annotations

import json
import math
from typing import Any

import orjson

_MAX_DEPTH = 100
_MAX_INTEGER = 2**64
_MIN_INTEGER = -(2**63)


class InvalidEventError(ValueError):
    """The payload cannot become an event; ``reason`` is the outcome's reason."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason = reason


def parse_event(payload: bytes) -> dict[str, Any]:
    """The event in a JSON payload.

    More lenient than JSON, because clients are: a byte order mark, lone surrogates, ``NaN`` and invalid UTF-8 are
    accepted. Raises InvalidEventError (``invalid_json``) for anything that is no JSON object.
    """
    try:
        event = orjson.loads(payload)
    except orjson.JSONDecodeError:
        try:
            event = sanitize(json.loads(payload.decode("utf-8-sig", "replace")))
        except (ValueError, RecursionError) as error:
            raise InvalidEventError("invalid_json", str(error)) from None
    if type(event) is not dict:
        raise InvalidEventError("invalid_json", "expected an object")
    return event


def make_serializable(event: dict[str, Any]) -> dict[str, Any]:
    """``event`` itself when it can be stored as it is, otherwise a copy without what cannot.

    Not storable: lone surrogates, NUL characters (PostgreSQL refuses them), integers over 64 bits, non-finite numbers,
    keys that are no text, types JSON does not have, and nesting over 100 levels.
    """
    try:
        raw = orjson.dumps(event)
    except TypeError:
        return sanitize(event)
    return sanitize(event) if b"\\u0000" in raw else event


def sanitize(value: Any, depth: int = 0) -> Any:
    """A copy of ``value`` that is JSON, see ``make_serializable``."""
    kind = type(value)
    if kind is str:
        return _clean_text(value)
    if kind is dict:
        if depth >= _MAX_DEPTH:
            return None
        return {_clean_text(str(key)): sanitize(child, depth + 1) for key, child in value.items()}
    if kind is list or kind is tuple:
        return None if depth >= _MAX_DEPTH else [sanitize(child, depth + 1) for child in value]
    if kind is int:
        return value if _MIN_INTEGER <= value < _MAX_INTEGER else _large_integer(value)
    if kind is float:
        return value if math.isfinite(value) else None
    if value is None or kind is bool:
        return value
    if isinstance(value, bytes | bytearray):
        return _clean_text(bytes(value).decode("utf-8", "replace"))
    return _clean_text(str(value))


def _large_integer(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _clean_text(text: str) -> str:
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        # Surrogate pairs that arrived as two escapes become one character, lone ones a replacement character.
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
