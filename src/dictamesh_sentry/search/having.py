"""Filters on functions (``p95(span.duration):>2s``) → a HAVING condition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from dictamesh_sentry.search.ast import And, Filter, Node, Or, terms
from dictamesh_sentry.search.columns import NUMERIC, Column
from dictamesh_sentry.search.conditions import Binder
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.matching import negated, only_equality
from dictamesh_sentry.search.values import (
    DateRange,
    parse_date,
    parse_duration,
    parse_number,
    parse_percentage,
    parse_size,
)

_PARSERS = {"duration": parse_duration, "size": parse_size, "percentage": parse_percentage}


def split_aggregates(node: Node | None) -> tuple[Node | None, list[Filter]]:
    """What asks about rows, and the filters on functions. Raises SearchError for a function beside OR."""
    if node is None:
        return None, []
    if _is_aggregate(node):
        return None, [node]  # type: ignore[list-item]
    if isinstance(node, And):
        parts = [split_aggregates(child) for child in node.children]
        rows = tuple(rest for rest, _ in parts if rest is not None)
        found = [filter_ for _, filters in parts for filter_ in filters]
        return (rows[0] if len(rows) == 1 else And(rows)) if rows else None, found
    if isinstance(node, Or):
        for term in terms(node):
            if _is_aggregate(term):
                raise SearchError(
                    "A function filters groups and cannot be one side of OR.",
                    term.span.position,
                    term.span.length,
                    "Combine it with AND, outside of the parentheses.",
                )
    return node, []


def _is_aggregate(node: Node) -> bool:
    return isinstance(node, Filter) and node.key.kind == "aggregate"


def compile_having(filters: Sequence[Filter], read: Callable[[str], Column], binder: Binder, now: datetime) -> str:
    """The condition of the filters, all of which must hold; empty without any.

    ``read`` reads the functions, binding into ``binder`` too. Raises SearchError, FieldError.
    """
    return " AND ".join(_condition(filter_, read, binder, now) for filter_ in filters)


def _condition(term: Filter, read: Callable[[str], Column], binder: Binder, now: datetime) -> str:
    column = read(f"{term.key.name}({','.join(term.key.arguments)})")
    if term.is_list or term.value.is_pattern:
        raise SearchError(
            f"{term.key.text}: takes one value.", term.value.span.position, term.value.span.length, "Compare it."
        )
    if column.type == "date":
        window = parse_date(term.key.text, term.effective_operator, term.value, now)
        return _window(column.sql, window, binder, inverted=term.effective_operator == "!=")
    if column.type not in NUMERIC:
        only_equality(term.key.text, term)
        return negated(term, f"toString({column.sql}) = {binder.text(term.value.text)}")
    value = _PARSERS.get(column.type, parse_number)(term.key.text, term.value)
    sql = f"round({column.sql})" if column.type == "integer" else column.sql
    return f"ifNull({sql} {term.effective_operator} {binder.bind(value, 'Float64')}, 0)"


def _window(sql: str, window: DateRange, binder: Binder, *, inverted: bool) -> str:
    tests = []
    if window.lower is not None:
        tests.append(f"{sql} {'>=' if window.lower_inclusive else '>'} {binder.bind(window.lower, _TIME)}")
    if window.upper is not None:
        tests.append(f"{sql} {'<=' if window.upper_inclusive else '<'} {binder.bind(window.upper, _TIME)}")
    return f"{'NOT ' if inverted else ''}({' AND '.join(tests)})"


_TIME = "DateTime64(6, 'UTC')"
