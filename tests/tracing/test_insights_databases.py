"""Figures of queries and requests, against the same figures computed from the same rows by hand."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from dictamesh_sentry.eventstore.client import log_queries
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.tracing.insights import databases, http
from dictamesh_sentry.tracing.insights.common import Filters, Sort
from tests.support.spans import insert_spans
from tests.tracing.insights_world import (
    END,
    EVEN,
    FAILURES,
    FILTERS,
    UNEVEN,
    Row,
    check_series,
    close,
    grouped,
    inside,
    nearest_rank,
    span,
    weight,
    weighted,
)

STATEMENTS = {
    0xFFFFFFFFFFFFFF01: ("SELECT .. FROM carts WHERE id = %s", "postgresql", "SELECT", "carts"),
    0xA2: ("UPDATE carts SET paid = %s", "postgresql", "UPDATE", "carts"),
    0xA3: ("SELECT .. FROM users", "mysql", "SELECT", "users"),
    0: ("BEGIN", "postgresql", "", ""),
}


def query_world(weights: tuple[float, ...]) -> list[Row]:
    rnd = random.Random(3)
    rows = []
    for _ in range(500):
        group_hash, (statement, system, action, domain) = rnd.choice(list(STATEMENTS.items()))
        rows.append(
            span(
                rnd, weights, category="db", op="db", group_hash=group_hash, normalized_description=statement,
                description=f"{statement} -- 42", system=system, action=action, domain=domain,
            )
        )  # fmt: skip
    rows += [span(rnd, weights, category="cache", op="cache.get", group_hash=0xA3) for _ in range(50)]
    return rows


def is_query(row: Row) -> bool:
    return row["category"] == "db" and row["group_hash"] != 0


@pytest.mark.parametrize("weights", [EVEN, UNEVEN])
@pytest.mark.parametrize("order", ["time", "avg", "p95", "count"])
@pytest.mark.parametrize(
    "filters",
    [
        FILTERS,
        replace(FILTERS, project_ids=[1]),
        replace(FILTERS, environments=["staging"]),
        replace(FILTERS, release="app@2", period=Period(END - timedelta(hours=5), END - timedelta(hours=1))),
    ],
)
def test_queries(event_store: EventStore, weights: tuple[float, ...], order: str, filters: Filters) -> None:
    rows = [row for row in inside(insert_spans(event_store, query_world(weights)), filters) if is_query(row)]
    result = databases.queries(filters, Sort(order))
    expected = {
        group_hash: {
            "count": weight(some),
            "total": weighted(some, lambda row: row["duration"]),
            "p95": nearest_rank(some, 0.95),
        }
        for group_hash, some in grouped(rows, lambda row: row["group_hash"]).items()
    }
    assert result.found == len(expected) == 3
    found = {row.pop("query_hash"): row for row in [dict(row) for row in result.rows]}
    assert found == {key: {name: close(value) for name, value in figures.items()} for key, figures in expected.items()}
    keys = {
        "time": lambda f: f["total"], "avg": lambda f: f["total"] / f["count"], "p95": lambda f: f["p95"],
        "count": lambda f: f["count"],
    }  # fmt: skip
    ordered = sorted(expected, key=lambda one: keys[order](expected[one]), reverse=True)
    assert [row["query_hash"] for row in result.rows] == ordered
    assert result.totals["total"] == close(weighted(rows, lambda row: row["duration"]))
    assert result.sampled == (weights is UNEVEN)
    check_series(
        result,
        rows,
        {"count": weight, "total": lambda some: weighted(some, lambda row: row["duration"]),
         "p95": lambda some: nearest_rank(some, 0.95)},
    )  # fmt: skip


def test_table_and_chart_are_one_query(event_store: EventStore) -> None:
    insert_spans(event_store, query_world(EVEN))
    with log_queries() as log:
        databases.queries(FILTERS, Sort())
    assert len(log) == 1


def test_equal_weights_other_than_one_are_extrapolated(event_store: EventStore) -> None:
    rows = [row for row in inside(insert_spans(event_store, query_world((4.0,)))) if is_query(row)]
    result = databases.queries(FILTERS, Sort())
    assert result.sampled
    assert result.totals["count"] == close(4 * len(rows))


def test_pages_of_the_table(event_store: EventStore) -> None:
    insert_spans(event_store, query_world(EVEN))
    everything = [row["query_hash"] for row in databases.queries(FILTERS, Sort()).rows]
    second = databases.queries(FILTERS, Sort(offset=1, limit=1))
    assert [row["query_hash"] for row in second.rows] == everything[1:2]
    assert second.found == 3
    backwards = databases.queries(FILTERS, Sort(descending=False))
    assert [row["query_hash"] for row in backwards.rows] == everything[::-1]


def test_filters_by_column(event_store: EventStore) -> None:
    rows = inside(insert_spans(event_store, query_world(EVEN)))
    result = databases.queries(FILTERS.narrowed(system="postgresql", domain="carts", transaction="/cart"), Sort())
    some = [
        row for row in rows
        if is_query(row) and (row["system"], row["domain"], row["transaction"]) == ("postgresql", "carts", "/cart")
    ]  # fmt: skip
    assert some
    assert result.totals["count"] == len(some)


def test_statements_of_hashes(event_store: EventStore) -> None:
    insert_spans(event_store, query_world(EVEN))
    found = databases.describe(FILTERS, [0xFFFFFFFFFFFFFF01, 0xA3, 0x99])
    assert {key: (q.statement, q.system, q.action, q.domain) for key, q in found.items()} == {
        key: STATEMENTS[key] for key in (0xFFFFFFFFFFFFFF01, 0xA3)
    }
    assert found[0xA3].example == f"{STATEMENTS[0xA3][0]} -- 42"


def test_callers(event_store: EventStore) -> None:
    rows = [row for row in inside(insert_spans(event_store, query_world(EVEN))) if row["group_hash"] == 0xA2]
    result = databases.callers(FILTERS, 0xA2, Sort("count"))
    by_caller = grouped(rows, lambda row: (row["project_id"], row["transaction"]))
    assert {(row["project"], row["name"]): row["count"] for row in result.rows} == {
        key: len(some) for key, some in by_caller.items()
    }
    assert result.found == len(by_caller)
    assert result.totals["failed"] == sum(row["status"] in FAILURES for row in rows)


def test_samples_are_the_slowest_and_the_typical(event_store: EventStore) -> None:
    rows = [row for row in inside(insert_spans(event_store, query_world(EVEN))) if row["group_hash"] == 0xA2]
    average = weighted(rows, lambda row: row["duration"]) / weight(rows)
    assert databases.query_samples(FILTERS, 0xA2, average) == databases.query_samples(FILTERS, 0xA2)
    found = databases.query_samples(FILTERS, 0xA2, 20.0)
    slow = sorted(rows, key=lambda row: -row["duration"])[:5]
    assert [one.duration for one in found if one.kind == "slow"] == [row["duration"] for row in slow]
    assert [(one.trace_id, one.span_id) for one in found[:5]] == [
        (row["trace_id"].hex, format(row["span_id"], "016x")) for row in slow
    ]
    typical = sorted(rows, key=lambda row: abs(row["duration"] - 20))[:5]
    assert {one.duration for one in found if one.kind == "typical"} == {row["duration"] for row in typical}
    assert all(one.description.endswith("-- 42") for one in found)


def request_world(weights: tuple[float, ...]) -> list[Row]:
    rnd = random.Random(5)
    rows = [
        span(
            rnd, weights, category="http", op=rnd.choice(["http.client", "http.client.stream"]),
            domain=rnd.choice(["api.example.com", "pay.example.org", ""]), action=rnd.choice(["GET", "POST"]),
            normalized_description="GET https://*.example.com",
            status_code=rnd.choice(["200", "200", "302", "404", "500", "503", ""]),
        )
        for _ in range(400)
    ]  # fmt: skip
    return [*rows, *(span(rnd, weights, category="http", op="http.server", is_segment=1) for _ in range(50))]


@pytest.mark.parametrize("weights", [EVEN, UNEVEN])
def test_requests_by_domain(event_store: EventStore, weights: tuple[float, ...]) -> None:
    rows = inside(insert_spans(event_store, request_world(weights)))
    sent = [row for row in rows if row["op"].startswith("http.client")]
    result = http.domains(FILTERS, Sort())
    by_domain = grouped(sent, lambda row: row["domain"])
    assert {row["name"] for row in result.rows} == set(by_domain) == {"api.example.com", "pay.example.org", ""}
    for row in result.rows:
        some = by_domain[row["name"]]
        assert row["count"] == close(weight(some))
        assert row["answered"] == close(weight(one for one in some if one["status_code"]))
        assert row["p95"] == close(nearest_rank(some, 0.95))
        for name, first in http.STATUS_CLASSES.items():
            assert row[name] == close(weight(one for one in some if one["status_code"].startswith(first))), name
    check_series(result, sent, {"count": weight})


def test_requests_to_one_host(event_store: EventStore) -> None:
    rows = inside(insert_spans(event_store, request_world(EVEN)))
    sent = [row for row in rows if row["op"].startswith("http.client") and row["domain"] == ""]
    result = http.requests_to(FILTERS, "", Sort("count"))
    expected = grouped(sent, lambda row: (row["action"], row["project_id"], row["transaction"]))
    assert {(row["method"], row["project"], row["caller"]): row["count"] for row in result.rows} == {
        key: len(some) for key, some in expected.items()
    }
    failed = [one for one in http.request_samples(FILTERS, "api.example.com") if one.kind == "failed"]
    assert len(failed) == 5
    assert all(one.status_code[0] in "45" for one in failed)


def test_no_project_no_query(event_store: EventStore) -> None:
    nobody = replace(FILTERS, project_ids=[])
    with log_queries() as log:
        result = databases.queries(nobody, Sort())
        assert databases.describe(nobody, [1]) == {}
        assert databases.query_samples(nobody, 1, 1.0) == []
    assert (list(result.rows), result.found, result.totals["count"], len(log)) == ([], 0, 0, 0)
