"""Typed values of filters: numbers, durations, sizes, dates, booleans. Errors point at the value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dictamesh_sentry.search.ast import Operator, Value
from dictamesh_sentry.search.errors import SearchError

_NUMBER = re.compile(r"([+-]?\d{1,30}(?:\.\d{1,30})?)([kmb]?)\Z", re.IGNORECASE | re.ASCII)
_MEASURE = re.compile(r"([+-]?\d{1,20}(?:\.\d{1,20})?)\s?([a-z]+|%)\Z", re.IGNORECASE | re.ASCII)
_RELATIVE = re.compile(r"([+-])(\d{1,6})([mhdw])\Z", re.ASCII)
_ABSOLUTE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)(Z|[+-]\d\d:?\d\d)?)?\Z", re.IGNORECASE | re.ASCII
)
_SUFFIXES = {"": 1, "k": 1_000, "m": 1_000_000, "b": 1_000_000_000}
_DURATIONS = {
    "ms": 1.0, "s": 1e3, "min": 6e4, "m": 6e4, "hr": 3.6e6, "h": 3.6e6, "day": 8.64e7, "d": 8.64e7, "wk": 6.048e8,
    "w": 6.048e8,
}  # fmt: skip
_PREFIXES = ("k", "m", "g", "t", "p", "e", "z", "y")
_SIZES = {
    "bit": 0.125,
    "nb": 0.5,
    "byte": 1.0,
    "bytes": 1.0,
    **{f"{prefix}b": 1000.0 ** (index + 1) for index, prefix in enumerate(_PREFIXES)},
    **{f"{prefix}ib": 1024.0 ** (index + 1) for index, prefix in enumerate(_PREFIXES)},
}
_RELATIVE_UNITS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}
_BEFORE, _AFTER = timedelta(minutes=5), timedelta(minutes=6)


def _invalid(key: str, kind: str, value: Value, fix: str) -> SearchError:
    return SearchError(f"{key}: Invalid {kind} {value.text!r}.", value.span.position, value.span.length, fix)


def parse_number(key: str, value: Value) -> float:
    """``5``, ``-2.5``, ``10k``. Raises SearchError."""
    found = _NUMBER.match(value.text)
    if found is None:
        raise _invalid(key, "number", value, "Write digits, with k, m or b for thousand, million, billion.")
    return float(found[1]) * _SUFFIXES[found[2].lower()]


def _measure(key: str, kind: str, value: Value, units: dict[str, float], example: str) -> float:
    found = _MEASURE.match(value.text)
    unit = units.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise _invalid(key, kind, value, f"Write a number and a unit, such as {example}.")
    return float(found[1]) * unit


def parse_duration(key: str, value: Value) -> float:
    """Milliseconds. A number without a unit is in milliseconds. Raises SearchError."""
    if _NUMBER.match(value.text) and value.text[-1].isdigit():
        return float(value.text)
    return _measure(key, "duration", value, _DURATIONS, "500ms, 2s or 1.5h")


def parse_size(key: str, value: Value) -> float:
    """Bytes. A number without a unit is in bytes. Raises SearchError."""
    if _NUMBER.match(value.text) and value.text[-1].isdigit():
        return float(value.text)
    return _measure(key, "size", value, _SIZES, "512kb or 1mib")


def parse_percentage(key: str, value: Value) -> float:
    """A fraction: ``5%`` is 0.05, ``0.05`` too. Raises SearchError."""
    if value.text.endswith("%"):
        return _measure(key, "percentage", value, {"%": 0.01}, "5%")
    return parse_number(key, value)


def parse_boolean(key: str, value: Value) -> bool:
    """``true``, ``false``, ``1``, ``0``. Raises SearchError."""
    text = value.text.lower()
    if text in ("true", "1"):
        return True
    if text in ("false", "0"):
        return False
    raise _invalid(key, "boolean", value, "Write true or false.")


@dataclass(frozen=True)
class DateRange:
    """A window of time. None leaves that side open."""

    lower: datetime | None = None
    upper: datetime | None = None
    lower_inclusive: bool = True
    upper_inclusive: bool = False


def parse_date(key: str, operator: Operator, value: Value, now: datetime) -> DateRange:
    """The window a date filter means. ``!=`` is not decided here: callers negate the window of ``=``.

    ``-24h`` is newer than a day, ``+24h`` older; a bare day is that day; a bare time is from five minutes before to
    six after. Raises SearchError.
    """
    relative = _RELATIVE.match(value.text)
    if relative:
        moment = now - timedelta(seconds=int(relative[2]) * _RELATIVE_UNITS[relative[3]])
        if operator not in ("=", "!="):
            return _compared(operator, moment)
        return DateRange(lower=moment) if relative[1] == "-" else DateRange(upper=moment, upper_inclusive=True)
    moment, has_time = _absolute(key, value)
    if operator not in ("=", "!="):
        return _compared(operator, moment)
    if has_time:
        return DateRange(moment - _BEFORE, moment + _AFTER)
    return DateRange(moment, moment + timedelta(days=1))


def _compared(operator: Operator, moment: datetime) -> DateRange:
    if operator in (">", ">="):
        return DateRange(lower=moment, lower_inclusive=operator == ">=")
    return DateRange(upper=moment, upper_inclusive=operator == "<=")


def _absolute(key: str, value: Value) -> tuple[datetime, bool]:
    found = _ABSOLUTE.match(value.text)
    try:
        if found is None:
            raise ValueError
        day, time, zone = found[1], found[2], found[3]
        moment = datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or 'Z').upper()}").astimezone(UTC)
        if not 1971 <= moment.year <= 2199:
            raise ValueError
    except (ValueError, OverflowError):
        raise _invalid(key, "date", value, "Write 2026-01-31, 2026-01-31T10:00:00, or -24h for the last day.") from None
    return moment, time is not None
