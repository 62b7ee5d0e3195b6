"""Fields, functions and equations over spans (``field=``, ``yAxis=``, ``sort=``) → SQL.

A row counts as many times as its ``sample_weight``: counts, sums, averages, rates and percentiles speak of what
happened, not of what was kept. Users, extremes and ``*_sample`` functions do not. Names and arguments reach the SQL
only as known columns or as bound parameters.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dictamesh_sentry.search.columns import UNITS, Column, number, optional, split_call, unquoted, whole
from dictamesh_sentry.search.columns import read_all as read_columns
from dictamesh_sentry.search.conditions import Binder
from dictamesh_sentry.search.equations import PREFIX, read_equation
from dictamesh_sentry.search.errors import FieldError
from dictamesh_sentry.search.percentiles import percentile
from dictamesh_sentry.search.span_aggregates import count, like, mean
from dictamesh_sentry.search.span_fields import NUMBERS, Dataset, Value, read_value
from dictamesh_sentry.search.span_formulas import FORMULAS

DEFAULT_THRESHOLD = 300.0
_COMPARISONS = {
    "equals": "=", "notEquals": "!=", "less": "<", "lessOrEquals": "<=", "greater": ">", "greaterOrEquals": ">=",
}  # fmt: skip
_LEVELS = {"p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p100": 1.0, "median": 0.5}


def _always_true() -> bool:
    return True


@dataclass
class SpanReader:
    """Reads the columns of one request; ``binder`` collects their parameters.

    ``seconds`` is the window's length, or a point's in a chart. ``where`` is the condition on the rows, for shares of
    a whole. ``uneven`` is asked, when a percentile is read, whether rows may differ in weight. ``thresholds`` has the
    milliseconds that satisfy users by project, where they differ from the default.
    """

    dataset: Dataset = "spans"
    seconds: float = 3600.0
    where: str = "1"
    uneven: Callable[[], bool] = _always_true
    thresholds: Mapping[int, float] = field(default_factory=dict)
    prefix: str = "f"

    def __post_init__(self) -> None:
        self.binder = Binder(self.prefix)
        self.seconds = max(1.0, self.seconds)

    def read_all(self, names: Sequence[str]) -> list[Column]:
        """The columns asked for. Raises FieldError for too many, unknown functions and bad arguments."""
        return read_columns(self.read, names)

    def read(self, name: str) -> Column:
        """One field, function or equation. Raises FieldError."""
        if name.startswith(PREFIX):
            return read_equation(name, self.read)
        if name == "last_seen":
            name = "last_seen()"
        call = split_call(name)
        return self._function(name, *call) if call else self.column(name)

    def column(self, name: str) -> Column:
        """A field or attribute."""
        value = self.value(name)
        kind = _TYPES.get(value.kind, "string")
        if value.kind == "project":
            return Column(name, value.sql, "string", reference="project")
        return Column(name, value.selected, kind, unit=UNITS.get(kind), convert=_converter(value))

    def value(self, name: str) -> Value:
        """The SQL of a field or attribute."""
        return read_value(unquoted(name), self.dataset, self.binder)

    # What functions are made of

    @property
    def duration(self) -> str:
        """The field that durations are about when none is named."""
        return "transaction.duration" if self.dataset == "transactions" else "span.duration"

    def numeric(self, name: str, argument: str) -> Value:
        """An argument that must be a number; untyped attributes are read as one."""
        value = self.value(argument)
        if value.is_number:
            return value
        if value.kind == "attribute":
            return Value(value.name, "number", f"ifNull({value.number}, 0)", f"isNotNull({value.number})", value.number)
        raise FieldError(f"{name[:100]}: {argument[:100]} is not a number")

    def test(self, name: str, arguments: Sequence[str]) -> str:
        """``field, operator, value`` (or ``field, value``) as a condition."""
        argument, *middle, wanted = arguments
        operator = _COMPARISONS.get(middle[0]) if middle else "="
        if operator is None:
            raise FieldError(f"{name[:100]}: {middle[0][:40]} is not a valid condition")
        value, text = self.value(argument), unquoted(wanted)
        if value.kind == "project":
            raise FieldError(f"{name[:100]}: use project.id")
        if value.is_number or (value.kind == "attribute" and operator not in ("=", "!=")):
            return f"ifNull({value.number} {operator} {self.constant(name, wanted)}, 0)"
        if value.kind == "boolean":
            column = (
                f"toString({value.sql})" if not value.sql.startswith("(") else f"if{value.sql[:-1]}, 'true', 'false')"
            )
            return f"{column} {operator} {self.binder.text(text)}"
        if value.kind == "hex":
            return f"leftPad(lower(hex({value.sql})), 16, '0') {operator} {self.binder.text(text.lower())}"
        if value.kind == "uuid":
            return f"replaceAll(toString({value.sql}), '-', '') {operator} {self.binder.text(text.replace('-', ''))}"
        return f"toString({value.sql}) {operator} {self.binder.text(text)}"

    def constant(self, name: str, text: str) -> str:
        """A number given as an argument."""
        return self.binder.bind(self.float(name, text), "Float64")

    @staticmethod
    def float(name: str, text: str) -> Any:
        """A number given as an argument. Raises FieldError."""
        found = None
        if text.isascii() and len(text) < 25:
            try:
                found = number(float(unquoted(text)))
            except ValueError:
                found = None
        if found is None:
            raise FieldError(f"{name[:100]}: {text[:40]!r} is not a number")
        return found

    @cached_property
    def threshold(self) -> str:
        """The milliseconds that satisfy the users of a row's project."""
        values = {project: ms for project, ms in self.thresholds.items() if ms != DEFAULT_THRESHOLD}
        default = self.binder.bind(DEFAULT_THRESHOLD, "Float64")
        if not values:
            return default
        ids = self.binder.bind(list(values), "Array(UInt64)")
        found = self.binder.bind([float(ms) for ms in values.values()], "Array(Float64)")
        return f"transform(project_id, {ids}, {found}, {default})"

    def rank(self, level: float, value: Value, condition: str = "1") -> str:
        """A percentile of the values of rows that meet the condition."""
        both = (
            condition
            if not value.present
            else value.present
            if condition == "1"
            else f"{value.present} AND {condition}"
        )
        return percentile(level, value.sql, f"({both})", weighted=self.uneven())

    # Functions

    def _function(self, name: str, function: str, arguments: list[str]) -> Column:
        if function in _LEVELS:
            return self._percentile(name, arguments, _LEVELS[function])
        base = function.removesuffix("_if")
        if base != function and base in _LEVELS:
            return self._percentile_if(name, arguments, _LEVELS[base])
        base = function.removesuffix("_sample")
        if base != function and base in _LEVELS:
            return self._percentile(name, arguments, _LEVELS[base], weighted=False)
        build = {**FORMULAS, **_FUNCTIONS}.get(function)
        if build is None:
            raise FieldError(f"{function[:60]} is not a valid function")
        low, high, maker = build
        _check(name, arguments, low, high)
        return maker(self, name, arguments)

    def _percentile(self, name: str, arguments: list[str], level: float, *, weighted: bool = True) -> Column:
        _check(name, arguments, 0, 1)
        value = self.numeric(name, arguments[0] if arguments else self.duration)
        sql = (
            self.rank(level, value)
            if weighted
            else percentile(level, value.sql, f"({value.condition})", weighted=False)
        )
        return like(name, value, sql, extrapolated=weighted)

    def _percentile_if(self, name: str, arguments: list[str], level: float) -> Column:
        _check(name, arguments, 3, 4)
        value = self.numeric(name, arguments[0])
        return like(name, value, self.rank(level, value, f"({self.test(name, arguments[1:])})"))


def _check(name: str, arguments: Sequence[str], low: int, high: int) -> None:
    if not low <= len(arguments) <= high or not all(arguments):
        expected = str(low) if low == high else f"{low} to {high}"
        raise FieldError(f"{name[:100]}: expected {expected} argument(s)")


_TYPES = {
    "number": "number", "integer": "integer", "duration": "duration", "size": "size", "percentage": "percentage",
    "boolean": "boolean", "date": "date",
}  # fmt: skip


def _hex_text(value: Any) -> str | None:
    return format(int(value), "016x") if value else None


def _uuid_text(value: Any) -> str | None:
    text = value.hex if isinstance(value, uuid.UUID) else str(value).replace("-", "")
    return text if text.strip("0") else None


def _boolean(value: Any) -> bool | None:
    return value in ("true", "1") if isinstance(value, str) and value else None if value == "" else bool(value)


def _converter(value: Value) -> Callable[[Any], Any]:
    if value.kind in NUMBERS:
        return whole if value.kind == "integer" else number
    if value.kind in ("semver", "release"):
        return _RELEASE_PARTS.get(value.name, optional)
    if value.kind in ("hex", "uuid", "boolean"):
        return {"hex": _hex_text, "uuid": _uuid_text, "boolean": _boolean}[value.kind]
    return (lambda found: found) if value.never_missing or value.kind == "date" else optional


def _part(index: int) -> Callable[[Any], Any]:
    """Package, version or build of ``package@version+build``."""

    def read(value: str) -> str | None:
        package, _, rest = value.rpartition("@")
        version, _, build = rest.partition("+")
        return (package, version, build)[index] or None

    return read


_RELEASE_PARTS = {"release.package": _part(0), "release.version": _part(1), "release.build": _part(2)}


def _count(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    return count(name, reader.value(arguments[0]).condition if arguments else "1")


def _count_unique(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value = reader.value(arguments[0])
    sql = "uniqIf(user_hash, user_hash != 0)" if value.kind == "user" else f"uniqIf({value.sql}, {value.condition})"
    return Column(name, sql, "integer", True, convert=whole, zero=True)


def _count_if(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    return count(name, f"({reader.test(name, arguments)})")


def _count_at_least(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value = reader.numeric(name, arguments[0])
    return count(name, f"({value.condition} AND {value.sql} >= {reader.constant(name, arguments[1])})")


def _total(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value = reader.numeric(name, arguments[0] if arguments else reader.duration)
    return like(name, value, f"sumIf({value.sql} * sample_weight, {value.condition})", zero=True)


def _total_if(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value, test = reader.numeric(name, arguments[0]), reader.test(name, arguments[1:])
    return like(name, value, f"sumIf({value.sql} * sample_weight, ({value.condition} AND {test}))", zero=True)


def _mean(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value = reader.numeric(name, arguments[0] if arguments else reader.duration)
    return like(name, value, mean(value))


def _mean_if(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value = reader.numeric(name, arguments[0])
    return like(name, value, mean(value, f"({reader.test(name, arguments[1:])})"))


def _mean_sample(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value = reader.numeric(name, arguments[0] if arguments else reader.duration)
    return like(name, value, f"avgIf({value.sql}, {value.condition})", extrapolated=False)


def _extreme(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    function = name.partition("(")[0]
    if arguments and reader.value(arguments[0]).kind == "date":
        return Column(name, f"{function}({reader.value(arguments[0]).sql})", "date", True)
    value = reader.numeric(name, arguments[0] if arguments else reader.duration)
    present = value.condition
    sql = f"if(countIf({present}) = 0, NULL, {function}If({value.sql}, {present}))"
    return like(name, value, sql, extrapolated=False)


def _quantile(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value, level = reader.numeric(name, arguments[0]), reader.float(name, arguments[1])
    if not 0 <= level <= 1:
        raise FieldError(f"{name[:100]}: the percentile must be between 0 and 1")
    return like(name, value, reader.rank(level, value))


def _any(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    column, value = reader.column(arguments[0]), reader.value(arguments[0])
    sql = f"anyIf({value.sql}, {value.condition})"
    return Column(name, sql, column.type, True, column.unit, column.convert, column.reference)


def _seen(reader: SpanReader, name: str, arguments: list[str]) -> Column:  # noqa: ARG001
    sql = "max(timestamp)" if name.startswith("last") else "min(timestamp)"
    return Column(name, sql, "date", True)


def _latest(reader: SpanReader, name: str, arguments: list[str]) -> Column:  # noqa: ARG001
    column = reader.value("id")
    return Column(name, f"argMax({column.sql}, (timestamp, span_id))", "string", True, convert=_converter(column))


def _rate(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    window = reader.float(name, arguments[0]) if arguments else reader.seconds
    if window <= 0:
        raise FieldError(f"{name[:100]}: the interval must be longer than 0 seconds")
    per_second = name.partition("(")[0].endswith("s")
    span = reader.binder.bind(window if per_second else window / 60, "Float64")
    unit = "1/second" if per_second else "1/minute"
    return Column(name, f"(sum(sample_weight) / {span})", "rate", True, unit, number, zero=True, extrapolated=True)


def _count_sample(reader: SpanReader, name: str, arguments: list[str]) -> Column:  # noqa: ARG001
    return Column(name, "count()", "integer", True, convert=whole, zero=True)


Maker = Callable[[SpanReader, str, list[str]], Column]
_FUNCTIONS: dict[str, tuple[int, int, Maker]] = {
    "count": (0, 1, _count),
    "count_unique": (1, 1, _count_unique),
    "count_if": (2, 3, _count_if),
    "count_at_least": (2, 2, _count_at_least),
    "count_sample": (0, 0, _count_sample),
    "sum": (0, 1, _total),
    "sum_if": (3, 4, _total_if),
    "avg": (0, 1, _mean),
    "avg_if": (3, 4, _mean_if),
    "avg_sample": (0, 1, _mean_sample),
    "min": (0, 1, _extreme),
    "max": (0, 1, _extreme),
    "percentile": (2, 2, _quantile),
    "any": (1, 1, _any),
    "last_seen": (0, 0, _seen),
    "first_seen": (0, 0, _seen),
    "latest_event": (0, 0, _latest),
    **dict.fromkeys(("epm", "eps", "tpm", "tps", "spm", "sps"), (0, 1, _rate)),
}
