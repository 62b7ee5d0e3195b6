"""Figures of transactions, against the same figures computed from the same rows by hand."""

from __future__ import annotations

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dictamesh_sentry.search.period import Period
from dictamesh_sentry.tracing.transactions import (
    ALPHA,
    BETA,
    LEVELS,
    Scope,
    list_transactions,
    series,
    summarize,
)
from tests.support.spans import insert_spans

END = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
PERIOD = Period(END - timedelta(hours=24), END, "24h")


def world(weights: tuple[float, ...]) -> list[dict[str, Any]]:
    rnd = random.Random(7)
    rows = []
    for _ in range(400):
        name = rnd.choice(["/cart", "/checkout", "/search"])
        rows.append(
            {
                "project_id": rnd.choice([1, 2]), "is_segment": 1, "transaction": name, "transaction_op": "http.server",
                "op": "http.server", "timestamp": END - timedelta(hours=rnd.uniform(0.01, 47.9)),
                "duration": round(rnd.lognormvariate(5.5, 0.8), 3), "status": rnd.choice(["ok", "ok", "internal_error"]),
                "user": f"id:{rnd.randrange(30)}" if rnd.random() < 0.9 else "",
                "environment": rnd.choice(["prod", "dev"]), "sample_weight": rnd.choice(weights),
            }
        )  # fmt: skip
    return rows


def nearest_rank(rows: list[dict[str, Any]], level: float) -> float:
    ordered = sorted(rows, key=lambda row: row["duration"])
    total = sum(row["sample_weight"] for row in ordered)
    reached = 0.0
    for row in ordered:
        reached += row["sample_weight"]
        if reached >= level * total - 1e-6:
            return row["duration"]
    raise AssertionError


def expected(rows: list[dict[str, Any]], threshold: dict[int, int]) -> dict[str, float]:
    count = sum(row["sample_weight"] for row in rows)
    limit = {row["project_id"]: threshold.get(row["project_id"], 300) for row in rows}
    good = sum(row["sample_weight"] for row in rows if row["duration"] <= limit[row["project_id"]])
    fair = sum(
        row["sample_weight"]
        for row in rows
        if limit[row["project_id"]] < row["duration"] <= 4 * limit[row["project_id"]]
    )
    users = {row["user"] for row in rows if row["user"]}
    miserable = {row["user"] for row in rows if row["user"] and row["duration"] > 4 * limit[row["project_id"]]}
    return {
        "count": count,
        "tpm": count / (24 * 60),
        "failure_rate": sum(row["sample_weight"] for row in rows if row["status"] != "ok") / count,
        "apdex": (good + fair / 2) / count,
        "users": len(users),
        "misery": (len(miserable) + ALPHA) / (len(users) + ALPHA + BETA),
        **{name: nearest_rank(rows, level) for name, level in LEVELS.items()},
    }


@pytest.mark.parametrize("weights", [(1.0,), (4.0,), (1.0, 2.5, 10.0)], ids=["all", "a quarter", "mixed"])
def test_every_figure(event_store: Any, weights: tuple[float, ...]) -> None:
    rows = insert_spans(event_store, world(weights))
    now = [row for row in rows if row["timestamp"] >= PERIOD.start]
    before = [row for row in rows if row["timestamp"] < PERIOD.start]
    thresholds = {2: 150}
    page = list_transactions(Scope([1, 2], PERIOD), thresholds)
    assert page.total == len(page.rows) == 6
    assert [row.figures.count for row in page.rows] == sorted((row.figures.count for row in page.rows), reverse=True)
    for found in page.rows:
        key = (found.project_id, found.transaction)
        mine = [row for row in now if (row["project_id"], row["transaction"]) == key]
        for name, value in expected(mine, thresholds).items():
            assert getattr(found.figures, name) == pytest.approx(value), name
        earlier = [row for row in before if (row["project_id"], row["transaction"]) == key]
        assert found.figures.previous_p95 == pytest.approx(nearest_rank(earlier, 0.95))
        assert found.figures.trend == pytest.approx(nearest_rank(mine, 0.95) / nearest_rank(earlier, 0.95))
        assert found.figures.is_extrapolated == (weights != (1.0,))
    total = summarize(Scope([1, 2], PERIOD), thresholds)
    assert total is not None
    for name, value in expected(now, thresholds).items():
        assert getattr(total, name) == pytest.approx(value), name


def test_filters_narrow_it_down(event_store: Any) -> None:
    rows = insert_spans(event_store, world((1.0,)))
    mine = [
        row
        for row in rows
        if row["timestamp"] >= PERIOD.start and row["environment"] == "prod" and row["transaction"] == "/cart"
    ]
    scope = Scope([1, 2], PERIOD, ("prod",), transaction="/cart")
    found = summarize(scope, {})
    assert found is not None
    assert found.count == len(mine)
    slow = summarize(Scope([1], PERIOD, condition="duration > {least:Float64}", parameters={"least": 200.0}), {})
    assert slow is not None
    assert slow.count == len(
        [row for row in rows if row["timestamp"] >= PERIOD.start and row["project_id"] == 1 and row["duration"] > 200]
    )
    assert summarize(Scope([9], PERIOD), {}) is None
    assert list_transactions(Scope([], PERIOD), {}).rows == []


@pytest.mark.parametrize("sort", ["tpm", "p50", "p95", "failure", "apdex", "users", "misery", "name", "trend"])
def test_it_sorts_by_every_column_and_pages(event_store: Any, sort: str) -> None:
    insert_spans(event_store, world((1.0,)))
    whole = list_transactions(Scope([1, 2], PERIOD), {}, sort=sort)
    parts = [list_transactions(Scope([1, 2], PERIOD), {}, sort=sort, limit=2, offset=at).rows for at in (0, 2, 4)]
    assert [row for part in parts for row in part] == whole.rows
    backwards = list_transactions(Scope([1, 2], PERIOD), {}, sort=sort, descending=False)
    assert {row.transaction for row in backwards.rows} == {row.transaction for row in whole.rows}


def test_a_chart_counts_every_transaction_once(event_store: Any) -> None:
    rows = insert_spans(event_store, world((1.0, 3.0)))
    points = series(Scope([1, 2], PERIOD))
    now = [row for row in rows if row["timestamp"] >= PERIOD.start]
    assert sum(point.count for point in points) == pytest.approx(sum(row["sample_weight"] for row in now))
    width = PERIOD.rollup
    for point in points:
        mine = [row for row in now if math.floor(row["timestamp"].timestamp() / width) * width == point.start]
        assert point.count == pytest.approx(sum(row["sample_weight"] for row in mine))
        assert point.p95 == (pytest.approx(nearest_rank(mine, 0.95)) if mine else None)
