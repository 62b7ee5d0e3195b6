"""Typed values: every unit and form, and errors for everything else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dictamesh_sentry.search.ast import Operator, Span, Value
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.values import (
    DateRange,
    parse_boolean,
    parse_date,
    parse_duration,
    parse_number,
    parse_percentage,
    parse_size,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def value(text: str) -> Value:
    return Value((text,), Span(4, len(text)))


@pytest.mark.parametrize(
    ("text", "number"),
    [("5", 5), ("-2.5", -2.5), ("10k", 10_000), ("1.5M", 1_500_000), ("2b", 2e9), ("+3", 3)],
)
def test_numbers(text: str, number: float) -> None:
    assert parse_number("x", value(text)) == number


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [("500ms", 500), ("2s", 2000), ("1.5h", 5.4e6), ("1hr", 3.6e6), ("2min", 120_000), ("2m", 120_000), ("1d", 8.64e7),
     ("1day", 8.64e7), ("1w", 6.048e8), ("1wk", 6.048e8), ("3000", 3000)],
)  # fmt: skip
def test_durations(text: str, milliseconds: float) -> None:
    assert parse_duration("x", value(text)) == milliseconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("8bit", 1), ("2nb", 1), ("7bytes", 7), ("1kb", 1000),
     ("1KiB", 1024), ("2mb", 2e6),
     ("1gib", 2**30), ("1tb", 1e12),
     ("1pib", 2**50), ("1eb", 1e18), ("1zib", 2**70), ("1yb", 1e24), ("12", 12)],
)  # fmt: skip
def test_sizes(text: str, size: float) -> None:
    assert parse_size("x", value(text)) == pytest.approx(size)


def test_percentages_and_booleans() -> None:
    assert parse_percentage("x", value("5%")) == pytest.approx(0.05)
    assert parse_percentage("x", value("0.05")) == 0.05
    assert [parse_boolean("x", value(text)) for text in ("true", "TRUE", "1", "false", "False", "0")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


DAY = datetime(2026, 1, 31, tzinfo=UTC)
TIME = datetime(2026, 1, 31, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("operator", "text", "window"),
    [
        ("=", "-24h", DateRange(lower=NOW - timedelta(hours=24))),
        ("=", "+30d", DateRange(upper=NOW - timedelta(days=30), upper_inclusive=True)),
        ("=", "-5m", DateRange(lower=NOW - timedelta(minutes=5))),
        ("=", "-2w", DateRange(lower=NOW - timedelta(weeks=2))),
        ("=", "2026-01-31", DateRange(DAY, DAY + timedelta(days=1))),
        ("=", "2026-01-31T10:00:00", DateRange(TIME - timedelta(minutes=5), TIME + timedelta(minutes=6))),
        (">", "2026-01-31", DateRange(lower=DAY, lower_inclusive=False)),
        (">=", "2026-01-31T10:00:00Z", DateRange(lower=TIME)),
        ("<", "2026-01-31T12:00:00+02:00", DateRange(upper=TIME)),
        ("<=", "2026-01-31T10:00", DateRange(upper=TIME, upper_inclusive=True)),
        (">", "-24h", DateRange(lower=NOW - timedelta(hours=24), lower_inclusive=False)),
    ],
)
def test_dates(operator: Operator, text: str, window: DateRange) -> None:
    assert parse_date("x", operator, value(text), NOW) == window


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *((parse_number, text) for text in ("", "a", "1e5", "NaN", "inf", "1,5", "5kk", "٣", "9" * 40)),
        *((parse_duration, text) for text in ("", "5x", "s", "5 parsecs", "1kb")),
        *((parse_size, text) for text in ("", "5x", "kb", "1s")),
        *((parse_percentage, text) for text in ("", "%", "5%%", "a%")),
        *((parse_boolean, text) for text in ("", "yes", "2", "t")),
        *(
            (lambda key, found: parse_date(key, "=", found, NOW), text)
            for text in ("", "yesterday", "2026-13-01", "2026-02-30", "-24x", "24h", "0001-01-01", "9999-12-31",
                         "2026-01-31T25:00")
        ),
    ],
)  # fmt: skip
def test_what_is_no_value_is_refused_at_its_place(parse, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SearchError, match="x: Invalid") as caught:
        parse("x", value(text))
    assert (caught.value.position, caught.value.length) == (4, max(1, len(text)))
    assert caught.value.fix
