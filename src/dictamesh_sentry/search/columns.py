"""Columns of a result: fields and functions as a request names them, with the SQL behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dictamesh_sentry.search.errors import FieldError

MAX_FIELDS = 20
#: Types that are numbers, for charts, equations and comparisons.
NUMERIC = frozenset({"integer", "number", "duration", "size", "percentage", "rate"})
UNITS = {"duration": "millisecond", "size": "byte"}


@dataclass(frozen=True)
class Column:
    """A field or function of a query. ``convert`` turns a value of the store into one to show.

    ``reference`` is ``project`` or ``issue`` when the value is an id to be shown by name. ``zero``: without any row,
    the value is 0 (a count, a rate) rather than unknown. ``extrapolated``: rows count as many times as they weigh.
    """

    name: str
    sql: str
    type: str
    is_aggregate: bool = False
    unit: str | None = None
    convert: Callable[[Any], Any] = lambda value: value
    reference: str = ""
    zero: bool = False
    extrapolated: bool = False


def read_all(read: Callable[[str], Column], names: Sequence[str]) -> list[Column]:
    """Every column once, in the order asked for. Raises FieldError for too many."""
    if len(names) > MAX_FIELDS:
        raise FieldError(f"You can view up to {MAX_FIELDS} fields at a time. Please delete some and try again.")
    return [read(name) for name in dict.fromkeys(names)]


def split_call(name: str) -> tuple[str, list[str]] | None:
    """``p95(span.duration)`` → its name and arguments; None for what is no call. Quoted arguments keep their commas."""
    function, bracket, rest = name.partition("(")
    if not bracket or not rest.endswith(")") or not function or not _is_word(function):
        return None
    return function, split_arguments(rest[:-1])


def _is_word(text: str) -> bool:
    return text.isascii() and text.replace("_", "a").isalnum() and text[0].islower()


def split_arguments(text: str) -> list[str]:
    """Arguments between commas. Commas inside quotes and brackets belong to an argument."""
    if not text.strip():
        return []
    parts, depth, quoted, start = [], 0, False, 0
    for position, character in enumerate(text):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "[(":
            depth += 1
        elif not quoted and character in "])":
            depth = max(0, depth - 1)
        elif character == "," and not quoted and not depth:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


def unquoted(text: str) -> str:
    """An argument without the quotes around it."""
    return text[1:-1] if len(text) > 1 and text.startswith('"') and text.endswith('"') else text


def number(value: Any) -> float | None:
    """A number of the store; None when it could not be computed."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    return float(value)


def whole(value: Any) -> int | None:
    """A count of the store, extrapolated or not, as an integer."""
    found = number(value)
    return None if found is None else round(found)


def optional(value: Any) -> Any:
    """Empty text is no text."""
    return value if value != "" else None


def aliases(name: str) -> set[str]:
    """The spellings clients use for a function: ``count_unique(user)``, ``count_unique_user``, ``count``."""
    flat = name.replace("()", "").replace("(", "_").replace(")", "").replace(",", "_").replace(".", "_")
    return {name, flat.replace(" ", "")}


def order_by(sort: str, columns: Sequence[Column], newest: str, sortable: Sequence[str] = ("timestamp",)) -> str:
    """ORDER BY for a field among the columns, named as asked for, by alias (``-count``) or as ``equation[0]``.

    Rows that are not grouped may also be sorted by ``sortable`` columns of the table. ``newest`` is the order without
    a sort of such rows. Raises FieldError.
    """
    positions = {name: position for position, column in enumerate(columns) for name in aliases(column.name)}
    equations = [position for position, column in enumerate(columns) if column.name.startswith("equation|")]
    positions |= {f"equation[{index}]": position for index, position in enumerate(equations)}
    aggregates = [position for position, column in enumerate(columns) if column.is_aggregate]
    ties = "".join(f", c{position}" for position, column in enumerate(columns) if not column.is_aggregate)
    name, direction = sort.removeprefix("-"), "DESC" if sort.startswith("-") else "ASC"
    if not sort:
        return f" ORDER BY c{aggregates[0]} DESC NULLS LAST{ties}" if aggregates else f" ORDER BY {newest}"
    if name in sortable and not aggregates:
        return f" ORDER BY {newest.replace('DESC', direction)}"
    if name in positions:
        return f" ORDER BY c{positions[name]} {direction} NULLS LAST{ties}"
    raise FieldError(f"Cannot sort by a field that is not selected: {name[:100]}")
