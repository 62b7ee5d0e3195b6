"""Conditions that filters of every table have in common: texts, numbers, times, negation."""

from __future__ import annotations

from collections.abc import Sequence

from dictamesh_sentry.search.ast import Filter, Value
from dictamesh_sentry.search.conditions import Binder, like_pattern
from dictamesh_sentry.search.context import SearchContext
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.values import DateRange, parse_date, parse_number


def negated(term: Filter, test: str) -> str:
    """The test of an equality filter with ``!`` and ``!=`` applied."""
    return f"NOT ({test})" if term.effective_operator == "!=" else f"({test})"


def is_number(value: Value) -> bool:
    """Whether a value can be read as a number."""
    try:
        parse_number("", value)
    except SearchError:
        return False
    return True


def only_equality(key: str, term: Filter) -> None:
    """Refuse ``>`` and the like. Raises SearchError."""
    if term.operator not in ("=", "!="):
        raise SearchError(
            f"{key}: cannot be compared with {term.operator}.",
            term.span.position,
            term.span.length,
            f"Write {key}:value, or !{key}:value for anything else.",
        )


def match_value(binder: Binder, column: str, value: Value) -> str:
    """One value against one text expression, unnegated."""
    if value.is_pattern:
        return f"{column} ILIKE {binder.text(like_pattern(value))}"
    return f"{column} = {binder.text(value.text)}"


def match_values(binder: Binder, column: str, values: Sequence[Value]) -> str:
    """Any of the values against one text expression, unnegated."""
    plain = [value for value in values if not value.is_pattern]
    tests = [match_value(binder, column, value) for value in values if value.is_pattern]
    if len(plain) == 1:
        tests.append(match_value(binder, column, plain[0]))
    elif plain:
        tests.append(f"{column} IN {binder.texts(value.text for value in plain)}")
    return " OR ".join(tests)


def match_numbers(binder: Binder, expression: str, numbers: Sequence[float], term: Filter) -> str:
    """A number expression (null where there is none, which never matches) against the numbers of a filter."""
    if term.is_list:
        test = f"has({binder.bind(list(numbers), 'Array(Float64)')}, {expression})"
        return f"ifNull({'NOT ' if term.effective_operator == '!=' else ''}({test}), 0)"
    bound = binder.bind(numbers[0], "Float64")
    return f"ifNull({expression} {term.effective_operator} {bound}, 0)"


def match_date(binder: Binder, column: str, kind: str, key: str, term: Filter, context: SearchContext) -> str:
    """A time against the date of a filter. ``kind`` is the column's type."""
    if term.is_list:
        raise SearchError(f"{key}: takes one date.", term.span.position, term.span.length)
    if term.operator in ("=", "!="):
        window = parse_date(key, term.operator, term.value, context.now)
        return negated(term, _in_window(binder, column, kind, window))
    window = parse_date(key, term.effective_operator, term.value, context.now)
    return f"({_in_window(binder, column, kind, window)})"


def _in_window(binder: Binder, column: str, kind: str, window: DateRange) -> str:
    tests = []
    if window.lower is not None:
        operator = ">=" if window.lower_inclusive else ">"
        tests.append(f"{column} {operator} {binder.bind(window.lower, kind)}")
    if window.upper is not None:
        operator = "<=" if window.upper_inclusive else "<"
        tests.append(f"{column} {operator} {binder.bind(window.upper, kind)}")
    return " AND ".join(tests)


def contains(binder: Binder, columns: Sequence[str], value: Value, *, whole: bool) -> str:
    """Case-insensitive search in several texts. ``whole``: a pattern must match a whole text."""
    if value.is_pattern:
        bound = binder.text(like_pattern(value if whole else Value(("", *value.pieces, ""))))
        tests = [f"{column} ILIKE {bound}" for column in columns]
    else:
        bound = binder.text(value.text)
        tests = [f"positionCaseInsensitiveUTF8({column}, {bound}) > 0" for column in columns]
    return "(" + " OR ".join(tests) + ")"
