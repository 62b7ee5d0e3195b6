"""Figures of caches and queues, against the same figures computed from the same rows by hand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.tracing.insights import caches, queues
from dictamesh_sentry.tracing.insights.common import Sort
from tests.support.spans import insert_spans
from tests.tracing.insights_world import (
    EVEN,
    FAILURES,
    FILTERS,
    UNEVEN,
    Row,
    check_series,
    close,
    grouped,
    inside,
    number,
    span,
    weight,
    weighted,
)

SIZE, LATENCY = "cache.item_size", "messaging.message.receive.latency"


def cache_world(weights: tuple[float, ...]) -> list[Row]:
    rnd = random.Random(11)
    rows = []
    for _ in range(400):
        hit = rnd.choice(["true", "true", "false", None])
        rows.append(
            span(
                rnd, weights, category="cache", op=rnd.choice(["cache.get", "cache.get_item", "cache.put"]),
                domain=rnd.choice(["user", "session", ""]),
                attributes_string={"cache.hit": hit} if hit else {},
                attributes_number={SIZE: float(rnd.randrange(0, 5000))} if hit == "true" else {},
            )
        )  # fmt: skip
    return rows


@pytest.mark.parametrize("weights", [EVEN, UNEVEN])
@pytest.mark.parametrize("by", ["transaction", "prefix"])
def test_lookups(event_store: EventStore, weights: tuple[float, ...], by: str) -> None:
    rows = inside(insert_spans(event_store, cache_world(weights)))
    lookups = [row for row in rows if row["op"] != "cache.put"]
    if by == "prefix":
        result = caches.prefixes(FILTERS, Sort("miss"))
        groups = grouped(lookups, lambda row: row["domain"])
        found: dict[Any, Row] = {row["name"]: row for row in result.rows}
    else:
        result = caches.transactions(FILTERS, Sort("miss"))
        groups = grouped(lookups, lambda row: (row["project_id"], row["transaction"]))
        found = {(row["project"], row["name"]): row for row in result.rows}
    assert set(found) == set(groups)
    rates = []
    for key, some in groups.items():
        row = found[key]
        sized = [one for one in some if number(one, SIZE) is not None]
        missed = weight(one for one in some if one["attributes_string"].get("cache.hit") == "false")
        known = weight(one for one in some if "cache.hit" in one["attributes_string"])
        assert (row["count"], row["missed"], row["known"]) == (close(weight(some)), close(missed), close(known))
        assert row["bytes"] == close(weighted(sized, lambda one: one["attributes_number"][SIZE]))
        assert row["sized"] == close(weight(sized))
        rates.append(missed / known)
    assert [row["missed"] / row["known"] for row in result.rows] == [close(rate) for rate in sorted(rates)[::-1]]
    check_series(
        result, lookups,
        {"count": weight,
         "missed": lambda some: weight(one for one in some if one["attributes_string"].get("cache.hit") == "false")},
    )  # fmt: skip


def test_samples_of_lookups(event_store: EventStore) -> None:
    insert_spans(event_store, cache_world(EVEN))
    found = caches.lookup_samples(FILTERS)
    assert [one.kind for one in found] == ["miss"] * 5 + ["hit"] * 5
    assert all(one.values["has_size"] for one in found if one.kind == "hit")
    newest = [one.timestamp for one in found if one.kind == "miss"]
    assert newest == sorted(newest, reverse=True)


def queue_world(weights: tuple[float, ...]) -> list[Row]:
    rnd = random.Random(13)
    rows = []
    for _ in range(400):
        op = rnd.choice(["queue.publish", "queue.process", "queue.process", "queue.task.celery"])
        waited = op == "queue.process" and rnd.random() < 0.8
        rows.append(
            span(
                rnd, weights, category="queue", op=op, is_segment=rnd.choice([0, 1]),
                domain=rnd.choice(["mails", "reports"]), system="celery",
                attributes_number={LATENCY: rnd.choice([0.0, round(rnd.uniform(1, 900), 2)])} if waited else {},
            )
        )  # fmt: skip
    return rows


@pytest.mark.parametrize("weights", [EVEN, UNEVEN])
def test_destinations(event_store: EventStore, weights: tuple[float, ...]) -> None:
    rows = inside(insert_spans(event_store, queue_world(weights)))
    result = queues.destinations(FILTERS, Sort())
    assert [row["name"] for row in result.rows] in (["mails", "reports"], ["reports", "mails"])
    for row in result.rows:
        some = [one for one in rows if one["domain"] == row["name"]]
        sent = [one for one in some if one["op"] == "queue.publish"]
        received = [one for one in some if one["op"] == "queue.process"]
        waited = [one for one in received if number(one, LATENCY) is not None]
        assert row["count"] == close(weight(sent) + weight(received))
        assert row["published"] == close(weight(sent))
        assert row["processed"] == close(weight(received))
        assert row["failed"] == close(weight(one for one in received if one["status"] in FAILURES))
        assert row["publishing"] == close(weighted(sent, lambda one: one["duration"]))
        assert row["processing"] == close(weighted(received, lambda one: one["duration"]))
        assert row["waits"] == close(weight(waited))
        assert row["waiting"] == close(weighted(waited, lambda one: one["attributes_number"][LATENCY]))
    assert result.rows[0]["processing"] >= result.rows[1]["processing"]


def test_producers_and_consumers(event_store: EventStore) -> None:
    rows = inside(insert_spans(event_store, queue_world(EVEN)))
    result = queues.producers_and_consumers(FILTERS, "mails", Sort("publish"))
    some = [one for one in rows if one["domain"] == "mails" and one["op"] != "queue.task.celery"]
    expected = {
        key: (
            sum(one["op"] == "queue.publish" for one in group),
            sum(one["op"] == "queue.process" for one in group),
        )
        for key, group in grouped(some, lambda one: (one["project_id"], one["transaction"])).items()
    }
    found = {(row["project"], row["name"]): (row["published"], row["processed"]) for row in result.rows}
    assert found == expected


def test_samples_of_messages(event_store: EventStore) -> None:
    rows = inside(insert_spans(event_store, queue_world(EVEN)))
    received = [one for one in rows if one["domain"] == "mails" and one["op"] == "queue.process"]
    found = queues.message_samples(FILTERS, "mails")
    assert [one.status for one in found if one.kind == "failed"] == [
        one["status"] for one in sorted(received, key=lambda one: one["timestamp"])[::-1] if one["status"] in FAILURES
    ][:3]
    longest = max(number(one, LATENCY) or 0.0 for one in received)
    assert max(one.values["latency"] or 0 for one in found if one.kind in ("waited", "slow", "failed")) == longest
    assert len({one.span_id for one in found}) == len(found)
