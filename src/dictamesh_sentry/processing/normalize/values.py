"""Lenient reading of single values. A function returns None for a value that has to be removed."""

from __future__ import annotations

import ipaddress
import math
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

_MAX_TIMESTAMP: Final = 253_402_300_799.0  # 9999-12-31T23:59:59Z
_INT64 = 2**63

LEVELS: Final = frozenset({"fatal", "error", "warning", "info", "debug"})
_LEVEL_NAMES: Final = {
    **{level: level for level in LEVELS},
    "log": "info",
    "critical": "fatal",
    "warn": "warning",
    "trace": "debug",
    "notice": "info",
    "10": "debug",
    "20": "info",
    "30": "warning",
    "40": "error",
    "50": "fatal",
}


def to_text(value: Any) -> str | None:
    """A string, number or boolean as text."""
    if type(value) is str:
        return value
    if value is True:
        return "True"
    if value is False:
        return "False"
    if type(value) is int:
        return str(value) if abs(value) < _INT64 * 2 else None
    if type(value) is float and math.isfinite(value):
        return repr(value)
    return None


def to_bool(value: Any) -> bool | None:
    """A boolean, or the words true and false."""
    if type(value) is bool:
        return value
    if type(value) is str:
        return {"true": True, "false": False}.get(value.lower())
    return None


def to_int(value: Any) -> int | None:
    """A whole number that fits 64 bits."""
    if type(value) is float and math.isfinite(value) and value.is_integer():
        value = int(value)
    return value if type(value) is int and -_INT64 <= value < _INT64 * 2 else None


def to_number(value: Any) -> int | float | None:
    """A finite number."""
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return value
    return None


def to_address(value: Any) -> str | None:
    """A memory address as ``0x…``; from a number, a hexadecimal or a decimal string."""
    if type(value) is int:
        return hex(value) if 0 <= value < _INT64 * 2 else None
    if type(value) is str and len(value) <= 20:
        try:
            number = int(value, 16 if value[:2] in ("0x", "0X") else 10)
        except ValueError:
            return None
        return hex(number) if 0 <= number < _INT64 * 2 else None
    return None


def to_timestamp(value: Any) -> float | None:
    """Epoch seconds from a number of seconds or an RFC 3339 text (UTC where it names no zone)."""
    if type(value) is str:
        return _timestamp_of_text(value)
    if type(value) is int or type(value) is float:
        return float(value) if 0 <= value <= _MAX_TIMESTAMP else None
    return None


def _timestamp_of_text(text: str) -> float | None:
    if len(text) > 64:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None


def to_level(value: Any) -> str | None:
    """One of the five levels, also from aliases and Python's numbers."""
    if type(value) is str:
        return value if value in LEVELS else _LEVEL_NAMES.get(value.strip().lower())
    if type(value) is int:
        return _LEVEL_NAMES.get(str(value))
    return None


def to_uuid_hex(value: Any) -> str | None:
    """32 lower-case hexadecimal characters, from a UUID with or without dashes; not the nil UUID."""
    if type(value) is not str or not 32 <= len(value) <= 45:
        return None
    try:
        result = uuid.UUID(value).hex
    except ValueError:
        return None
    return result if result != "0" * 32 else None


@lru_cache(maxsize=4096)
def to_ip(value: str) -> str | None:
    """An IPv4 or IPv6 address in its canonical form."""
    try:
        return str(ipaddress.ip_address(value.strip()))
    except ValueError:
        return None


def hex_of_length(length: int) -> Callable[[Any], str | None]:
    """A reader of hexadecimal ids of exactly ``length`` characters, dashes ignored, all zeros refused."""
    allowed = frozenset("0123456789abcdef")

    def read(value: Any) -> str | None:
        if type(value) is not str:
            return None
        text = value.replace("-", "").lower()
        return text if len(text) == length and allowed.issuperset(text) and text.strip("0") else None

    return read


def pair_list(value: Any) -> list[tuple[Any, Any]] | None:
    """The entries of an object or a list of ``[key, value]``; elements that are no pair are left out."""
    if type(value) is dict:
        return list(value.items())
    if type(value) is list:
        pairs: list[tuple[Any, Any]] = []
        for item in value:
            if type(item) is list and len(item) == 2:
                pairs.append((item[0], item[1]))
            elif type(item) is dict and "key" in item and "value" in item:
                pairs.append((item["key"], item["value"]))
        return pairs
    return None
