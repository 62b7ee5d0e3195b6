"""What lies behind a transaction's figures, against the same computed by hand."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dictamesh_sentry.search.period import Period
from dictamesh_sentry.tracing import transaction_summary as summary
from dictamesh_sentry.tracing.transactions import Scope
from tests.support.spans import insert_spans

END = datetime.now(UTC).replace(microsecond=0)
SCOPE = Scope([1], Period(END - timedelta(hours=24), END, "24h"), transaction="/cart")


def requests(count: int = 200) -> list[dict[str, Any]]:
    """Carts: every tenth is slow and on the old database; each has two queries and a call."""
    rnd = random.Random(3)
    rows: list[dict[str, Any]] = []
    for n in range(count):
        slow = n % 10 == 0
        trace, segment = uuid.uuid4(), rnd.randrange(1, 2**60)
        begin = END - timedelta(hours=rnd.uniform(0.1, 23))
        duration = 2000.0 + n if slow else 100.0 + n / 10
        base = {"project_id": 1, "trace_id": trace, "segment_id": segment, "transaction": "/cart", "timestamp": begin}
        rows.append(
            {
                **base, "span_id": segment, "is_segment": 1, "duration": duration, "self_time": duration - 60,
                "category": "http", "op": "http.server", "event_id": uuid.uuid4(),
                "attributes_string": {"db": "old" if slow else "new", "plan": rnd.choice("ab")},
                "attributes_number": {"measurements.lcp": 5000.0 if slow else 1000.0},
            }
        )  # fmt: skip
        for text, length in (("q1", 10.0), ("q1", 20.0), ("call", 30.0)):
            rows.append(
                {
                    **base, "span_id": rnd.randrange(1, 2**60), "parent_span_id": segment, "duration": length,
                    "op": "db" if text == "q1" else "http.client", "category": "db" if text == "q1" else "http",
                    "group_hash": hash(text) % 2**63, "normalized_description": text,
                }
            )  # fmt: skip
    return rows


def test_suspects_and_breakdown(event_store: Any) -> None:
    insert_spans(event_store, requests())
    queries, calls = sorted(summary.suspects(SCOPE), key=lambda one: one.op)
    assert (queries.count, queries.frequency, queries.average, queries.total_self) == (400, 2, 15, 6000)
    assert (calls.count, calls.frequency, calls.p95, calls.total_self) == (200, 1, 30, 6000)
    assert queries.share == calls.share == 0.5
    slow = summary.narrowed(SCOPE, 1000, None)
    assert {one.count for one in summary.suspects(slow)} == {20, 40}
    parts = {name: time for name, time, _ in summary.breakdown(slow)}
    assert parts == {"db": 600, "http": 600, "app": pytest.approx(sum(2000 + n - 60 for n in range(0, 200, 10)))}


def test_the_histogram_counts_everything_once(event_store: Any) -> None:
    insert_spans(event_store, requests())
    buckets = summary.histogram(SCOPE)
    assert summary.total_of(buckets) == 200
    assert [bucket.low for bucket in buckets[1:]] == pytest.approx([bucket.high for bucket in buckets[:-1]])
    assert summary.total_of(summary.histogram(summary.narrowed(SCOPE, None, 1000))) == 180
    assert summary.histogram(Scope([2], SCOPE.period)) == []


def test_tags_that_go_with_slowness(event_store: Any) -> None:
    insert_spans(event_store, requests())
    found = summary.slow_tags(SCOPE)
    assert (found[0].key, found[0].value) == ("db", "old")
    assert found[0].slow == 1
    assert found[0].rest == pytest.approx(10 / 190, rel=0.2)
    assert not [one for one in found if one.key == "plan"]


def test_vitals(event_store: Any) -> None:
    insert_spans(event_store, requests())
    (lcp,) = summary.vitals(SCOPE)
    assert (lcp.name, lcp.p75, lcp.good, lcp.fair, lcp.poor, lcp.count) == ("lcp", 1000, 0.9, 0, 0.1, 200)


def test_samples(event_store: Any) -> None:
    rows = [row for row in insert_spans(event_store, requests()) if row["is_segment"]]
    slowest = sorted(rows, key=lambda row: -row["duration"])
    assert [one.duration for one in summary.samples(SCOPE, limit=5)] == [row["duration"] for row in slowest[:5]]
    assert [one.duration for one in summary.samples(SCOPE, limit=5, offset=5)] == [r["duration"] for r in slowest[5:10]]
    newest = max(rows, key=lambda row: row["timestamp"])
    assert summary.samples(SCOPE, order="newest", limit=1)[0].span_id == newest["span_id"]
    assert summary.samples(SCOPE, order="random", limit=3) == summary.samples(SCOPE, order="random", limit=3)
    assert summary.profiled(SCOPE) == []
