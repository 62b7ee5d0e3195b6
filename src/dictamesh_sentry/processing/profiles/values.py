"""Reading single values of a profile."""

from __future__ import annotations

import math
import re
import uuid
from typing import Any

from dictamesh_sentry.processing.profiles.errors import InvalidProfileError

MAX_TEXT = 512
_DIGITS = re.compile(r"\d{1,20}\Z")


def text(value: object, limit: int = MAX_TEXT) -> str:
    """A string without NUL and lone surrogates, cut; empty for anything else."""
    if type(value) is not str:
        return ""
    return value[:limit].replace("\x00", "")


def name_of(value: object, limit: int = MAX_TEXT) -> str:
    """A text, or a number as text: ids of threads come as both."""
    if type(value) is int:
        return str(value)
    if type(value) is float and math.isfinite(value) and value.is_integer():
        return str(int(value))
    return text(value, limit)


def whole(value: object) -> int | None:
    """A non-negative integer, sent as a number or as its digits; None for anything else."""
    if type(value) is int:
        number = value
    elif (type(value) is float and math.isfinite(value)) or (type(value) is str and _DIGITS.match(value)):
        number = int(value)
    else:
        return None
    return number if 0 <= number < 2**63 else None


def small(value: object) -> int:
    """A line or column; 0 where there is none."""
    number = whole(value)
    return number if number is not None and number < 2**31 else 0


def identifier(value: object, name: str) -> str:
    """A UUID as 32 hex digits. Raises InvalidProfileError."""
    found = optional_identifier(value)
    if not found:
        raise InvalidProfileError("profile_invalid_id", f"{name} is not a UUID")
    return found


def optional_identifier(value: object) -> str:
    """A UUID as 32 hex digits; empty for anything else, and for the zero UUID."""
    if type(value) is not str or len(value) > 36:
        return ""
    try:
        found = uuid.UUID(value)
    except ValueError:
        return ""
    return found.hex if found.int else ""


def mapping(value: object) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    return value if type(value) is dict else {}


def listing(value: object, name: str) -> list[Any]:
    """A JSON list. Raises InvalidProfileError for anything else."""
    if type(value) is not list:
        raise InvalidProfileError("profile_invalid_schema", f"{name} is not a list")
    return value


def texts(source: object, names: tuple[str, ...]) -> dict[str, str]:
    """The plain values of an object under these names, as text; what is absent stays absent."""
    found = mapping(source)
    result: dict[str, str] = {}
    for name in names:
        value = found.get(name)
        shown = ("true" if value else "false") if type(value) is bool else name_of(value)
        if shown:
            result[name] = shown
    return result
