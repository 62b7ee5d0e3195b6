"""Generated spans, and what functions must say of them, computed in Python from the same rows."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.spans import span_columns

NOW = datetime.now(UTC).replace(microsecond=0)
Row = dict[str, Any]
STATUSES = ["", "ok", "cancelled", "unknown", "internal_error", "not_found"]
TEXTS = ["SELECT * FROM orders WHERE id = %s", "GET /checkout", "it's 100% {x:String}", "ünïcode ✓", "a.b(c)", ""]


def generate(count: int = 300, seed: int = 7, *, weights: Sequence[float] = (1.0, 4.0, 2.5)) -> list[Row]:
    """Complete rows of the spans table."""
    rng = random.Random(seed)
    return [_row(rng, weights) for _ in range(count)]


def _row(rng: random.Random, weights: Sequence[float]) -> Row:
    user = rng.choice(["", "1", "2", "3"])
    numbers = {
        "measurements.lcp": rng.uniform(500, 6000), "measurements.score.lcp": rng.random(),
        "measurements.score.weight.lcp": rng.choice([0.3, 0.5]), "measurements.score.total": rng.random(),
        "items": float(rng.randrange(20)), "cache.item_size": float(rng.randrange(5000)), "mixed": 5.0,
    }  # fmt: skip
    texts = {
        "cache.hit": rng.choice(["true", "false"]), "shop.plan": rng.choice(["free", "Pro", "10"]),
        "sent": rng.choice(["5", "50", "abc"]), "mixed": "text", "nasty": rng.choice(TEXTS),
    }  # fmt: skip
    return span_columns(
        project_id=rng.choice([1, 2]),
        is_segment=rng.choice([0, 0, 1]),
        timestamp=NOW - timedelta(minutes=rng.randrange(1, 60 * 24 * 10), microseconds=rng.randrange(1000)),
        duration=round(rng.lognormvariate(5, 1.2), 3),
        self_time=round(rng.uniform(0, 50), 3),
        op=rng.choice(["db.query", "http.client", "http.server", "default"]),
        name=rng.choice(["", "connect"]),
        description=rng.choice(TEXTS),
        status=rng.choice(STATUSES),
        status_code=rng.choice(["", "200", "204", "404", "500", "503"]),
        category=rng.choice(["db", "http", "other"]),
        group_hash=rng.choice([0, 255, 2**63 + 1]),
        parent_span_id=rng.choice([0, 17]),
        transaction=rng.choice(["/checkout", "/API/Orders", ""]),
        environment=rng.choice(["", "production", "staging"]),
        release=rng.choice(["", "app@1.0.0", "app@1.2.3"]),
        user=f"id:{user}" if user else "",
        user_id=user,
        user_email=rng.choice(["", "jane@example.com"]) if user else "",
        device_class=rng.choice(["", "high", "3", "low"]),
        sample_weight=rng.choice(list(weights)),
        attributes_string={key: value for key, value in texts.items() if rng.random() < 0.6},
        attributes_number={key: value for key, value in numbers.items() if rng.random() < 0.6},
    )


def weigh(rows: Iterable[Row]) -> float:
    """How many spans the rows stand for."""
    return math.fsum(row["sample_weight"] for row in rows)


def total(rows: Iterable[Row], value: Callable[[Row], float]) -> float:
    """The weighted sum."""
    return math.fsum(value(row) * row["sample_weight"] for row in rows)


def percentile(rows: Sequence[Row], level: float, value: Callable[[Row], float] = lambda row: row["duration"]) -> float:
    """Nearest rank: the smallest value at or below which the share ``level`` of the weight lies."""
    ordered = sorted((value(row), row["sample_weight"]) for row in rows)
    wanted, reached = level * math.fsum(weight for _, weight in ordered), 0.0
    for found, weight in ordered:
        reached += weight
        if reached >= wanted - 1e-6:
            return found
    return ordered[-1][0]


def failed(row: Row) -> bool:
    return row["status"] not in {"", "ok", "cancelled", "unknown"}


def number(name: str) -> Callable[[Row], float]:
    return lambda row: row["attributes_number"][name]


def having(rows: Iterable[Row], name: str) -> list[Row]:
    return [row for row in rows if name in row["attributes_number"]]
