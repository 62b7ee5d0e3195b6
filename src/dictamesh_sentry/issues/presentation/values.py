"""Reading JSON nobody vouches for: each function answers something displayable, whatever it is given."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

from dictamesh_sentry.issues.presentation.annotations import Meta

MAX_TEXT = 8192
MAX_VALUE = 4096
MAX_ROWS = 200
_BLOCK_LENGTH = 120


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A row of a table. ``note`` says what was filtered or cut and why; ``is_block`` asks for a line of its own."""

    key: str
    value: str
    note: str = ""
    is_block: bool = False


def as_object(value: object) -> Mapping[str, Any]:
    """``value`` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """``value`` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def interface_values(value: object) -> list[Any]:
    """The elements of a list interface, as ``{"values": […]}`` or as a bare list."""
    return as_list(value["values"]) if isinstance(value, dict) and "values" in value else as_list(value)


def text(value: object, limit: int = MAX_TEXT) -> str:
    """A scalar as text of at most ``limit`` characters; containers as compact JSON; nothing for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        result = value
    elif isinstance(value, bool):
        result = "true" if value else "false"
    elif isinstance(value, int | float):
        result = _number(value)
    else:
        result = to_json(value, indent=False)
    return cut(result.replace("\x00", ""), limit)


def cut(value: str, limit: int) -> str:
    """At most ``limit`` characters, the last one an ellipsis when something is missing."""
    return value if len(value) <= limit else value[: limit - 1] + "…"


def _number(value: int | float) -> str:
    try:
        return repr(value)
    except ValueError:  # Python refuses to print integers of more than 4300 digits
        return "(very large number)"


def to_json(value: object, *, indent: bool = True) -> str:
    """Readable JSON of any value, even one that JSON itself refuses."""
    try:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2 if indent else 0).decode("utf-8", "replace")
    except (TypeError, ValueError, RecursionError):
        pass
    try:
        return json.dumps(value, ensure_ascii=True, indent=2 if indent else None, default=str)
    except (TypeError, ValueError, RecursionError):
        return "(this value is too deep to be shown)"


def integer(value: object) -> int | None:
    """A whole number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return int(value) if abs(value) < 2**63 else None


def boolean(value: object) -> bool | None:
    """A real boolean, or None."""
    return value if isinstance(value, bool) else None


def moment(value: object) -> datetime | None:
    """An aware UTC time from epoch seconds or ISO text; None for what is neither."""
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value.strip()[:64])
            return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def pairs(value: object) -> Iterator[tuple[str, Any, str]]:
    """(key, value, position in ``_meta``) of an object or a list of ``[key, value]``, at most ``MAX_ROWS``."""
    if isinstance(value, dict):
        for key in list(value)[:MAX_ROWS]:
            yield text(key, 256), value[key], str(key)
    elif isinstance(value, list):
        for index, item in enumerate(value[:MAX_ROWS]):
            if isinstance(item, list) and len(item) == 2:
                yield text(item[0], 256), item[1], f"{index}\x001"
            elif isinstance(item, dict) and "key" in item:
                yield text(item["key"], 256), item.get("value"), f"{index}\x00value"


def table(value: object, meta: Meta | None = None, *, skip: Iterable[str] = ()) -> tuple[KeyValue, ...]:
    """An object or list of pairs as rows, with their annotations."""
    meta = meta or Meta()
    left_out = set(skip)
    return tuple(
        row(key, item, meta.at(*position.split("\x00"))) for key, item, position in pairs(value) if key not in left_out
    )


def row(key: str, value: object, meta: Meta | None = None) -> KeyValue:
    """One row; containers become indented JSON."""
    shown = cut(to_json(value), MAX_VALUE) if isinstance(value, dict | list) else text(value, MAX_VALUE)
    if value is None:
        shown = "null"
    note = meta.deep_note() if meta else ""
    return KeyValue(key, shown, note, is_block="\n" in shown or len(shown) > _BLOCK_LENGTH)
