"""Pieces of SQL that functions over spans are built of. A row counts as many times as it weighs."""

from __future__ import annotations

from dictamesh_sentry.search.columns import UNITS, Column, number, whole
from dictamesh_sentry.search.span_fields import Value


def like(name: str, value: Value, sql: str, *, extrapolated: bool = True, zero: bool = False) -> Column:
    """A function whose result is of its argument's type. Whole numbers do not stay whole."""
    kind = "number" if value.kind in ("integer", "attribute") else value.kind
    return Column(name, sql, kind, True, UNITS.get(kind), number, zero=zero, extrapolated=extrapolated)


def count(name: str, condition: str = "1") -> Column:
    """So many spans, extrapolated."""
    sql = "sum(sample_weight)" if condition == "1" else f"sumIf(sample_weight, {condition})"
    return Column(name, sql, "integer", True, convert=whole, zero=True, extrapolated=True)


def ratio(name: str, part: str, among: str = "1", kind: str = "percentage") -> Column:
    """The share of rows that meet ``part`` of those ``among`` which it is meant; unknown when there are none."""
    every = "sum(sample_weight)" if among == "1" else f"sumIf(sample_weight, {among})"
    both = part if among == "1" else f"{among} AND {part}"
    return Column(name, f"(sumIf(sample_weight, {both}) / nullIf({every}, 0))", kind, True, convert=number,
                  extrapolated=True)  # fmt: skip


def mean(value: Value, condition: str = "1") -> str:
    """The weighted average of the values of rows that meet the condition; null when there are none."""
    both = f"({value.condition} AND {condition})"
    return f"(sumIf({value.sql} * sample_weight, {both}) / nullIf(sumIf(sample_weight, {both}), 0))"
