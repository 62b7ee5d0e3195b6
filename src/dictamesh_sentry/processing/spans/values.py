"""Lenient reading of what spans are made of: ids, statuses, attributes."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

from dictamesh_sentry.processing.normalize.values import to_timestamp
from dictamesh_sentry.processing.spans.span import STATUSES, AttributeValue

MAX_ATTRIBUTES = 300
MAX_KEY = 200
MAX_VALUE = 4096
_HEX = re.compile(r"[0-9a-f]+\Z")
_KNOWN = frozenset(STATUSES)
_ALIASES = {"success": "ok", "unknown_error": "unknown", "failure": "internal_error", "error": "internal_error"}
#: Attributes under which OpenTelemetry conventions carry an HTTP status.
_STATUS_CODES = ("http.response.status_code", "http.response_status_code", "http.status_code", "status_code")


def hex_id(value: object, digits: int) -> str:
    """A trace id (32 digits) or span id (16) in lower case; empty when it is none, or all zeros."""
    if type(value) is not str:
        return ""
    text = value.strip().replace("-", "").lower()
    if len(text) != digits or not _HEX.match(text) or not text.strip("0"):
        return ""
    return text


def seconds(value: object) -> float | None:
    """A time as epoch seconds, from a number or RFC 3339; None for anything else."""
    return to_timestamp(value)


def status_of(value: object) -> str:
    """The canonical status of a name or number; unknown names stay as they are, empty without one."""
    if type(value) is int:
        return STATUSES[value] if 0 <= value < len(STATUSES) else "unknown"
    if type(value) is not str:
        return ""
    text = value.strip().lower()[:64]
    if text in _KNOWN:
        return text
    return _ALIASES.get(text, text)


def text(value: object, limit: int = MAX_VALUE) -> str:
    """A string without NUL, cut; empty for anything else."""
    return value.replace("\x00", "")[:limit] if type(value) is str else ""


def attribute(value: Any) -> AttributeValue | None:
    """A scalar, a list of scalars, or the JSON of something deeper; None for nothing."""
    kind = type(value)
    if kind is str:
        return value[:MAX_VALUE]
    if kind is bool or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else None
    if value is None:
        return None
    if kind is list and all(type(item) in (str, bool, int, float) for item in value):
        return value[:100]
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()[:MAX_VALUE]


def merge_attributes(target: dict[str, AttributeValue], source: object) -> None:
    """Add a mapping's plain values; what is there already wins, surplus is left out."""
    if type(source) is not dict:
        return
    for key, raw in source.items():
        if len(target) >= MAX_ATTRIBUTES:
            return
        if type(key) is not str or not key or key in target:
            continue
        value = attribute(raw)
        if value is not None:
            target[key[:MAX_KEY]] = value


def typed_attributes(source: object) -> dict[str, AttributeValue]:
    """Attributes of the protocol's typed form, ``{key: {value, type}}`` (section 17); a wrong one is left out."""
    found: dict[str, AttributeValue] = {}
    if type(source) is not dict:
        return found
    for key, entry in source.items():
        if len(found) >= MAX_ATTRIBUTES:
            break
        if type(key) is not str or not key or type(entry) is not dict:
            continue
        value = _typed(entry.get("value"), entry.get("type"))
        if value is not None:
            found[key[:MAX_KEY]] = value
    return found


def _typed(value: Any, kind: object) -> AttributeValue | None:
    actual = type(value)
    if kind == "string":
        return value[:MAX_VALUE] if actual is str else None
    if kind == "boolean":
        return value if actual is bool else None
    if kind == "integer":
        return value if actual is int and -(2**63) <= value < 2**63 else None
    if kind == "double":
        return float(value) if actual in (int, float) and math.isfinite(value) else None
    if type(kind) is str and (kind == "array" or kind.endswith("[]")):
        found = attribute(value) if actual is list else None
        return found if type(found) is list else None
    return None


def status_code(attributes: dict[str, AttributeValue]) -> str:
    """The HTTP status of a response among the attributes, as text."""
    for name in _STATUS_CODES:
        value = attributes.get(name)
        if type(value) is int or (type(value) is str and value):
            return str(value)[:8]
        if type(value) is float and value.is_integer():
            return str(int(value))
    return ""
