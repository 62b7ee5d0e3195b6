"""Functions over spans against the same numbers computed in Python."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.search.columns import Column, order_by
from dictamesh_sentry.search.errors import FieldError
from dictamesh_sentry.search.select import Selection, fetch, label, series, top_groups
from dictamesh_sentry.search.span_functions import SpanReader
from tests.search.span_world import Row, failed, generate, having, number, percentile, total, weigh
from tests.support.spans import insert_spans

ROWS = generate()
SEGMENTS = [row for row in ROWS if row["is_segment"]]
LCP, SCORE = having(ROWS, "measurements.lcp"), having(ROWS, "measurements.score.lcp")
CACHE = [row for row in ROWS if "cache.hit" in row["attributes_string"]]
DB = [row for row in ROWS if row["op"] == "db.query"]
SECONDS = 7200.0


@pytest.fixture(scope="module")
def store(_event_store_process: None) -> Iterator[EventStore]:
    from dictamesh_sentry.eventstore.client import get_store

    found = get_store()
    found.command("TRUNCATE TABLE spans")
    insert_spans(found, ROWS)
    yield found
    found.command("TRUNCATE TABLE spans")


def _duration(row: Row) -> float:
    return row["duration"]


def _mean(rows: Sequence[Row], value: Callable[[Row], float] = _duration) -> float:
    return total(rows, value) / weigh(rows)


def _apdex(rows: Sequence[Row], limit: Callable[[Row], float]) -> float:
    happy = weigh(row for row in rows if row["duration"] <= limit(row))
    tolerating = weigh(row for row in rows if limit(row) < row["duration"] <= 4 * limit(row))
    return (happy + tolerating / 2) / weigh(rows)


def _users(rows: Sequence[Row]) -> int:
    return len({row["user"] for row in rows if row["user"]})


def _misery(limit: float) -> float:
    return (_users([row for row in SEGMENTS if row["duration"] > 4 * limit]) + 5.8875) / (
        _users(SEGMENTS) + 5.8875 + 111.8625
    )


def _code(digit: str) -> list[Row]:
    return [row for row in ROWS if row["status_code"].startswith(digit)]


def _weight(row: Row) -> float:
    return row["attributes_number"].get("measurements.score.weight.lcp", 0.0)


def _covariance(rows: Sequence[Row], one: Callable[[Row], float], other: Callable[[Row], float]) -> float:
    first, second, whole = _mean(rows, one), _mean(rows, other), weigh(rows)
    return total(rows, lambda row: (one(row) - first) * (other(row) - second)) / (whole - 1)


THRESHOLDS = {1: 300.0, 2: 100.0}
SCORE_OF = number("measurements.score.lcp")
LCP_OF = number("measurements.lcp")
EXPECTED: dict[str, Any] = {
    "count()": round(weigh(ROWS)),
    "count(user)": round(weigh(row for row in ROWS if row["user"])),
    "count(span.duration)": round(weigh(ROWS)),
    "count(items)": round(weigh(having(ROWS, "items"))),
    "count_unique(user)": 3,
    "count_unique(span.op)": 4,
    "count_unique(span.status_code)": 5,
    "count_if(span.op,equals,db.query)": round(weigh(DB)),
    "count_if(span.op,notEquals,\"db.query\")": round(weigh(ROWS) - weigh(DB)),
    "count_if(span.duration,greater,200)": round(weigh(row for row in ROWS if row["duration"] > 200)),
    "count_if(is_transaction,equals,true)": round(weigh(SEGMENTS)),
    "count_if(cache.hit,equals,true)": round(weigh(r for r in CACHE if r["attributes_string"]["cache.hit"] == "true")),
    "count_at_least(span.duration,200)": round(weigh(row for row in ROWS if row["duration"] >= 200)),
    "count_sample()": len(ROWS),
    "sum(span.duration)": total(ROWS, _duration),
    "sum(items)": total(having(ROWS, "items"), number("items")),
    "sum_if(span.duration,span.op,equals,db.query)": total(DB, _duration),
    "avg()": _mean(ROWS),
    "avg(span.self_time)": _mean(ROWS, lambda row: row["self_time"]),
    "avg(tags[items,number])": _mean(having(ROWS, "items"), number("items")),
    "avg(measurements.lcp)": _mean(LCP, LCP_OF),
    "avg(transaction.duration)": _mean(SEGMENTS),
    "avg_if(span.duration,span.op,equals,db.query)": _mean(DB),
    "avg_if(span.duration,span.op,db.query)": _mean(DB),
    "avg_sample(span.duration)": statistics.fmean(map(_duration, ROWS)),
    "p50_sample(span.duration)": sorted(map(_duration, ROWS))[math.ceil(len(ROWS) * 0.5) - 1],
    "min(span.duration)": min(map(_duration, ROWS)),
    "max(measurements.lcp)": max(map(LCP_OF, LCP)),
    **{f"p{level}(span.duration)": percentile(ROWS, level / 100) for level in (50, 75, 90, 95, 99, 100)},
    "p75(measurements.lcp)": percentile(LCP, 0.75, LCP_OF),
    "p95(transaction.duration)": percentile(SEGMENTS, 0.95),
    "p95_if(span.duration,span.op,equals,db.query)": percentile(DB, 0.95),
    "percentile(span.duration,0.33)": percentile(ROWS, 0.33),
    "failure_count()": round(weigh(filter(failed, ROWS))),
    "failure_rate()": weigh(filter(failed, ROWS)) / weigh(ROWS),
    "failure_rate_if(span.op,equals,db.query)": weigh(filter(failed, DB)) / weigh(DB),
    "apdex()": _apdex(SEGMENTS, lambda row: THRESHOLDS[row["project_id"]]),
    "apdex(150)": _apdex(SEGMENTS, lambda _: 150),
    "apdex(span.duration,150)": _apdex(ROWS, lambda _: 150),
    "user_misery(40)": _misery(40),
    "user_misery(100)": _misery(100),
    "count_miserable(user,100)": _users([row for row in SEGMENTS if row["duration"] > 400]),
    "epm()": weigh(ROWS) / 120,
    "spm()": weigh(ROWS) / 120,
    "tps()": weigh(ROWS) / 7200,
    "eps(60)": weigh(ROWS) / 60,
    "count_web_vitals(measurements.lcp,good)": round(weigh(row for row in LCP if LCP_OF(row) <= 2500)),
    "count_web_vitals(measurements.lcp,meh)": round(weigh(row for row in LCP if 2500 < LCP_OF(row) <= 4000)),
    "count_web_vitals(measurements.lcp,poor)": round(weigh(row for row in LCP if LCP_OF(row) > 4000)),
    "count_web_vitals(measurements.lcp,any)": round(weigh(LCP)),
    "performance_score(measurements.score.lcp)":
        total(SCORE, lambda row: SCORE_OF(row) * _weight(row)) / total(SCORE, _weight),
    "opportunity_score(measurements.score.lcp)": total(SCORE, lambda row: (1 - SCORE_OF(row)) * _weight(row)),
    "performance_score(measurements.score.total)":
        _mean(having(ROWS, "measurements.score.total"), number("measurements.score.total")),
    "count_scores(measurements.score.lcp)": round(weigh(SCORE)),
    "cache_hit_rate()": weigh(r for r in CACHE if r["attributes_string"]["cache.hit"] == "true") / weigh(CACHE),
    "cache_miss_rate()": weigh(r for r in CACHE if r["attributes_string"]["cache.hit"] == "false") / weigh(CACHE),
    "http_response_count(5)": round(weigh(_code("5"))),
    "http_response_rate(5)": weigh(_code("5")) / weigh(row for row in ROWS if row["status_code"]),
    "trace_status_rate(not_found)": weigh(row for row in ROWS if row["status"] == "not_found") / weigh(ROWS),
    "time_spent_percentage(span.duration)": 1.0,
    "avg_compare(span.duration,span.op,db.query,default)":
        _mean([row for row in ROWS if row["op"] == "default"]) / _mean(DB) - 1,
    "division(span.self_time,span.duration)": total(ROWS, lambda row: row["self_time"]) / total(ROWS, _duration),
    "var(span.duration)": _covariance(ROWS, _duration, _duration),
    "stddev(span.duration)": math.sqrt(_covariance(ROWS, _duration, _duration)),
    "cov(span.duration,measurements.lcp)": _covariance(LCP, _duration, LCP_OF),
    "corr(span.duration,measurements.lcp)": _covariance(LCP, _duration, LCP_OF)
        / math.sqrt(_covariance(LCP, _duration, _duration) * _covariance(LCP, LCP_OF, LCP_OF)),
    "equation|count() / count_unique(user) + 2 * 3": weigh(ROWS) / 3 + 6,
    "equation|(p95(span.duration) - p50(span.duration)) / 2": (percentile(ROWS, 0.95) - percentile(ROWS, 0.5)) / 2,
    "equation|count() / (count() - count())": None,
    "avg(nowhere)": None,
    "p95(nowhere)": None,
    "max(nowhere)": None,
    "last_seen()": max(row["timestamp"] for row in ROWS),
}  # fmt: skip


def _read(reader: SpanReader, name: str, where: str = "1") -> tuple[Column, Any]:
    column = reader.read(name)
    raw = fetch(Selection("spans", where), [column], reader.binder.parameters, "", 1)[0][0]
    return column, column.convert(raw)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_numbers_are_right(store: EventStore, name: str):
    _, found = _read(SpanReader(seconds=SECONDS, thresholds=THRESHOLDS), name)
    expected = EXPECTED[name]
    assert found == (pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else expected)


@pytest.mark.parametrize("level", [0.0, 0.01, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0])
def test_equal_weights_take_the_short_way_to_the_same_percentiles(event_store: EventStore, level: float):
    rows = generate(101, seed=3, weights=(2.0,))
    insert_spans(event_store, rows)
    name = f"percentile(span.duration,{level})"
    plain, weighted = (_read(SpanReader(uneven=lambda kind=kind: kind), name)[1] for kind in (False, True))
    assert plain == weighted == percentile(rows, level)
    event_store.command("TRUNCATE TABLE spans")
    insert_spans(event_store, ROWS)


def test_types_and_units():
    reader = SpanReader()
    kinds = {
        name: (column.type, column.unit)
        for name in ("count()", "p95(span.duration)", "avg(cache.item_size)", "epm()", "eps()", "failure_rate()",
                     "sum(items)", "span.op", "span.duration", "is_transaction", "timestamp", "measurements.lcp",
                     "last_seen()", "any(span.op)", "user_misery()", "equation|count() * 2")
        for column in (reader.read(name),)
    }  # fmt: skip
    assert kinds == {
        "count()": ("integer", None), "p95(span.duration)": ("duration", "millisecond"),
        "avg(cache.item_size)": ("size", "byte"), "epm()": ("rate", "1/minute"), "eps()": ("rate", "1/second"),
        "failure_rate()": ("percentage", None), "sum(items)": ("number", None), "span.op": ("string", None),
        "span.duration": ("duration", "millisecond"), "is_transaction": ("boolean", None),
        "timestamp": ("date", None), "measurements.lcp": ("duration", "millisecond"), "last_seen()": ("date", None),
        "any(span.op)": ("string", None), "user_misery()": ("number", None), "equation|count() * 2": ("number", None),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "nope()", "p95(span.op)", "count(", "avg(span.duration,x)", "percentile(span.duration,2)", "apdex(0)",
        "percentile(span.duration,nan)", "count_if(span.op,like,x)", "http_response_rate(9)", "count_if(span.op)",
        "count_web_vitals(measurements.lcp,bad)", "performance_score(measurements.score.x)", "sum(user)", "eps(0)",
        "equation|", "equation|1 + 2", "equation|count() +", "equation|(count()", "equation|count() count()",
        "equation|count() + span.duration", "equation|span.op * 2", "equation|__import__('os')",
        "equation|" + "1 + " * 11 + "count()", "equation|count() ** 2", "equation|equation|count()", "a'b", "", "x" * 300,
    ],
)  # fmt: skip
def test_what_cannot_be_answered_is_refused(name: str):
    with pytest.raises(FieldError):
        SpanReader().read(name)


def test_groups_top_groups_and_points(store: EventStore):
    reader = SpanReader()
    groups, axis = [reader.read("span.op"), reader.read("project.id")], reader.read("p95(span.duration)")
    selection = Selection("spans", "1")
    columns = [*groups, axis]
    rows = fetch(selection, columns, reader.binder.parameters, order_by("-p95(span.duration)", columns, ""), 100)
    keys = {(row["op"], row["project_id"]) for row in ROWS}
    expected = {key: percentile([row for row in ROWS if (row["op"], row["project_id"]) == key], 0.95) for key in keys}
    assert {(op, project): value for op, project, value in rows} == expected
    assert [row[2] for row in rows] == sorted(expected.values(), reverse=True)
    best, hashes = top_groups(selection, groups, axis, reader.binder.parameters, 3)
    assert [tuple(row) for row in best] == [tuple(row[:2]) for row in rows[:3]]
    sql, parameters = label(groups, hashes)
    found = series(selection, [axis], {**reader.binder.parameters, **parameters}, 86400, sql)
    assert set(found) == {0, 1, 2, 255}
    op, project, _ = rows[0]
    of_first = [row for row in ROWS if (row["op"], row["project_id"]) == (op, project)]
    days = {int(row["timestamp"].timestamp()) // 86400 * 86400 for row in of_first}
    assert {day: values[0] for day, values in found[0].items()} == {
        day: percentile([r for r in of_first if int(r["timestamp"].timestamp()) // 86400 * 86400 == day], 0.95)
        for day in days
    }


def test_time_spent_is_a_share_of_all(store: EventStore):
    reader = SpanReader(where="project_id = 1")
    columns = [reader.read("span.op"), reader.read("time_spent_percentage(span.duration)")]
    rows = fetch(Selection("spans", "project_id = 1"), columns, reader.binder.parameters, "", 100)
    mine = [row for row in ROWS if row["project_id"] == 1]
    assert dict(rows) == pytest.approx(
        {op: total([r for r in mine if r["op"] == op], _duration) / total(mine, _duration) for op, _ in rows}
    )


@settings(max_examples=200, deadline=None)
@given(name=st.text(max_size=60) | st.from_regex(r"[a-z_]{1,10}\([^)]{0,20}\)|equation\|[a-z()+*/ 0-9.-]{0,30}",
                                                 fullmatch=True))  # fmt: skip
def test_any_name_is_a_column_or_refused(name: str):
    reader = SpanReader()
    try:
        column = reader.read(name)
    except FieldError:
        return
    for value in reader.binder.parameters.values():
        if isinstance(value, str) and len(value) > 3:
            assert value not in column.sql
