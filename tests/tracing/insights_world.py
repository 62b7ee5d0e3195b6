"""Random spans for the tests of insights, and the figures of rows computed without SQL."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dictamesh_sentry.search.period import Period
from dictamesh_sentry.tracing.insights.common import Breakdown, Filters

Row = dict[str, Any]
END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
PERIOD = Period(END - timedelta(hours=24), END, "24h")
FILTERS = Filters([1, 2], PERIOD)
EVEN, UNEVEN = (1.0,), (1.0, 2.5, 10.0)
FAILURES = ("internal_error", "not_found")


def span(rnd: random.Random, weights: tuple[float, ...], **values: Any) -> Row:
    """A span of the last two days in one of three projects; the third must never be counted."""
    return {
        "project_id": rnd.choice([1, 2, 2, 3]),
        "timestamp": END - timedelta(seconds=rnd.randrange(1, 48 * 3600)),
        "duration": round(rnd.lognormvariate(3, 1), 3),
        "status": rnd.choice(["ok", "ok", "cancelled", "", *FAILURES]),
        "transaction": rnd.choice(["/cart", "/checkout", "/search"]),
        "environment": rnd.choice(["production", "staging"]),
        "release": rnd.choice(["app@1", "app@2"]),
        "sample_weight": rnd.choice(weights),
        **values,
    }


def inside(rows: Iterable[Row], filters: Filters = FILTERS) -> list[Row]:
    """Rows that the filters let through."""
    return [
        row
        for row in rows
        if row["project_id"] in filters.project_ids
        and filters.period.start <= row["timestamp"] < filters.period.end
        and (not filters.environments or row["environment"] in filters.environments)
        and (not filters.release or row["release"] == filters.release)
    ]


def weight(rows: Iterable[Row]) -> float:
    return sum(row["sample_weight"] for row in rows)


def weighted(rows: Iterable[Row], value: Callable[[Row], float]) -> float:
    return sum(value(row) * row["sample_weight"] for row in rows)


def nearest_rank(rows: Iterable[Row], level: float, value: Callable[[Row], float] = lambda row: row["duration"]) -> Any:
    """The smallest value that ``level`` of the weight does not exceed; None without rows."""
    ordered = sorted(rows, key=value)
    whole, reached = weight(ordered), 0.0
    for row in ordered:
        reached += row["sample_weight"]
        if reached >= level * whole - 1e-6:
            return value(row)
    return None


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def number(row: Row, name: str) -> float | None:
    return row["attributes_number"].get(name)


def reading(name: str) -> Callable[[Row], float]:
    """Reads a numeric attribute; absent ones as zero."""
    return lambda row: number(row, name) or 0.0


def check_series(result: Breakdown, rows: list[Row], metrics: dict[str, Callable[[list[Row]], float | None]]) -> None:
    """Every interval of the chart has what the rows in it add up to."""
    times = grouped(rows, lambda row: int(row["timestamp"].timestamp()) // result.rollup * result.rollup)
    assert {point["start"] for point in result.series} >= set(times)
    for point in result.series:
        for name, figure in metrics.items():
            expected = figure(times.get(point["start"], []))
            assert point[name] == (None if expected is None else close(expected)), (point["start"], name)


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-9, abs=1e-9)
