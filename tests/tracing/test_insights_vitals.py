"""Figures of web vitals and mobile apps, against the same figures computed from the same rows by hand."""

from __future__ import annotations

import random
from typing import Any

import pytest

from dictamesh_sentry.eventstore.client import log_queries
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.processing.spans.vitals import CURVES, web_vital_scores
from dictamesh_sentry.tracing.insights import mobile, vitals
from dictamesh_sentry.tracing.insights.common import Sort
from tests.support.spans import insert_spans
from tests.tracing.insights_world import (
    EVEN,
    FILTERS,
    UNEVEN,
    Row,
    close,
    grouped,
    inside,
    nearest_rank,
    number,
    reading,
    span,
    weight,
    weighted,
)

TYPICAL = {"lcp": 3000.0, "fcp": 1900.0, "inp": 250.0, "cls": 0.12, "ttfb": 900.0}


def page_world(weights: tuple[float, ...]) -> list[Row]:
    rnd = random.Random(17)
    rows = []
    for _ in range(400):
        op = rnd.choice(["pageload", "pageload", "navigation", "ui.interaction.click", "ui.webvital.cls", "ui.load"])
        names = {"pageload": ["lcp", "fcp", "ttfb", "cls"], "navigation": [], "ui.interaction.click": ["inp"]}
        measured = {
            name: round(
                TYPICAL[name] * rnd.choice([0.0, rnd.uniform(0.2, 3)] if name == "cls" else [rnd.uniform(0.2, 3)]), 4
            )
            for name in names.get(op, ["cls"])
            if rnd.random() < 0.9
        }
        everything = measured | web_vital_scores(measured)
        rows.append(
            span(
                rnd, weights, op=op, category=op.partition(".")[0], is_segment=int("." not in op),
                browser_name=rnd.choice(["Chrome", "Firefox"]), sdk_name="sentry.javascript.browser",
                attributes_number={f"measurements.{name}": value for name, value in everything.items()},
            )
        )  # fmt: skip
    native = {"sdk_name": "sentry.javascript.react-native", "op": "navigation", "category": "navigation"}
    lost = {"op": "pageload", "category": "pageload", "transaction": "", "attributes_number": {"measurements.lcp": 1.0}}
    return [*rows, *(span(rnd, weights, is_segment=1, **native) for _ in range(20)), span(rnd, weights, **lost)]


def vital_of(row: Row, name: str) -> float | None:
    return number(row, f"measurements.{name}")


def expected_score(rows: list[Row]) -> float | None:
    """The mean score of each vital, weighted by the vital; vitals without a score do not take part."""
    above, below = 0.0, 0.0
    for name, curve in CURVES.items():
        scored = [row for row in rows if vital_of(row, f"score.{name}") is not None]
        if scored:
            mean = weighted(scored, reading(f"measurements.score.{name}")) / weight(scored)
            above += curve.weight * mean
            below += curve.weight
    return above / below if below else None


def check_page(page: vitals.PageFigures, rows: list[Row]) -> None:
    loads = [
        row for row in rows if row["op"] in ("pageload", "navigation") and vital_of(row, "score.total") is not None
    ]
    assert page.loads == close(weight(loads))
    assert page.score == (None if expected_score(rows) is None else close(expected_score(rows) or 0.0))
    for vital in vitals.VITALS:
        measured = [row for row in rows if vital_of(row, vital.name) is not None]
        assert page.count(vital.name) == close(weight(measured))
        found = nearest_rank(measured, 0.75, reading(f"measurements.{vital.name}"))
        assert page.p75(vital.name) == (None if found is None else close(found)), vital.name
        if not measured:
            assert page.shares(vital.name) is None
            continue
        good = weight(row for row in measured if (vital_of(row, vital.name) or 0.0) <= vital.good)
        poor = weight(row for row in measured if (vital_of(row, vital.name) or 0.0) > vital.poor)
        whole = weight(measured)
        shares = page.shares(vital.name)
        assert shares == (close(good / whole), close((whole - good - poor) / whole), close(poor / whole))


def is_page(row: Row) -> bool:
    return row["sdk_name"] == "sentry.javascript.browser" and row["op"] != "ui.load"


@pytest.mark.parametrize("weights", [EVEN, UNEVEN])
@pytest.mark.parametrize("narrowed", [{}, {"browser_name": "Firefox"}])
def test_pages(event_store: EventStore, weights: tuple[float, ...], narrowed: dict[str, Any]) -> None:
    rows = [
        row for row in inside(insert_spans(event_store, page_world(weights)))
        if is_page(row) and all(row[name] == value for name, value in narrowed.items())
    ]  # fmt: skip
    result = vitals.pages(FILTERS.narrowed(**narrowed), Sort(), over_time=True)
    by_page = grouped(rows, lambda row: row["transaction"])
    assert {page.name for page in result.rows} == set(by_page) == {"/cart", "/checkout", "/search"}
    assert result.found == 3
    for page in result.rows:
        check_page(page, by_page[page.name])
    check_page(result.overall, rows)
    rollup = FILTERS.period.rollup
    times = grouped(rows, lambda row: int(row["timestamp"].timestamp()) // rollup * rollup)
    for start, figures in result.series:
        check_page(figures, times.get(start, []))
    chances = [result.opportunity(page) or 0.0 for page in result.rows]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] == close(result.rows[0].loads * (1 - (result.rows[0].score or 0)) / result.overall.loads)


def test_weights_and_limits_are_those_the_scores_were_made_with() -> None:
    assert {vital.name: (vital.good, vital.poor, vital.weight) for vital in vitals.VITALS} == CURVES


@pytest.mark.parametrize("order", list(vitals.ORDERS))
def test_every_order(event_store: EventStore, order: str) -> None:
    insert_spans(event_store, page_world(EVEN))
    result = vitals.pages(FILTERS, Sort(order))
    values = {
        "opportunity": result.opportunity, "score": lambda page: page.score,
        "count": lambda page: page.loads,
    }.get(order, lambda page: page.p75(order))  # fmt: skip
    found = [values(page) for page in result.rows]
    assert found == sorted(found, reverse=True)


def test_rating() -> None:
    lcp = vitals.VITALS[0]
    assert [lcp.rating(value) for value in (None, 2500, 2500.1, 4000, 4000.1)] == ["", "good", "meh", "meh", "poor"]


@pytest.mark.parametrize("vital", vitals.VITALS, ids=lambda vital: vital.name)
def test_distribution(event_store: EventStore, vital: vitals.Vital) -> None:
    rows = [row for row in inside(insert_spans(event_store, page_world(UNEVEN))) if is_page(row)]
    measured = [row for row in rows if vital_of(row, vital.name) is not None]
    found = vitals.distribution(FILTERS, vital)
    assert sum(count for _, count in found) == close(weight(measured))
    width = found[1][0]
    for start, count in found[:-1]:
        some = [row for row in measured if start <= (vital_of(row, vital.name) or 0.0) < start + width]
        assert count == close(weight(some)), start


def test_browsers_and_samples(event_store: EventStore) -> None:
    rows = [row for row in inside(insert_spans(event_store, page_world(EVEN))) if is_page(row)]
    by_browser = grouped((row for row in rows if row["op"] == "pageload"), lambda row: row["browser_name"])
    assert vitals.browsers(FILTERS) == sorted(by_browser, key=lambda name: -len(by_browser[name]))
    cart = [row for row in rows if row["transaction"] == "/cart" and vital_of(row, "lcp") is not None]
    found = vitals.page_samples(FILTERS.narrowed(transaction="/cart"), vitals.VITALS[0])
    worst = sorted((vital_of(row, "lcp") or 0.0 for row in cart), reverse=True)[:5]
    assert [one.values["lcp"] for one in found if one.kind == "worst"] == worst
    assert all((one.values["lcp"] or 0) <= 2500 for one in found if one.kind == "good")


def test_nothing_is_missing_not_zero(event_store: EventStore) -> None:
    result = vitals.pages(FILTERS, Sort(), over_time=True)
    assert (result.rows, result.overall.score, result.overall.p75("lcp")) == ([], None, None)
    with log_queries() as log:
        assert vitals.pages(vitals.Filters([], FILTERS.period), Sort()).rows == []
    assert not log


MOBILE = ("app_start_cold", "app_start_warm", "time_to_initial_display", "time_to_full_display")
SHORT = {"cold": MOBILE[0], "warm": MOBILE[1], "ttid": MOBILE[2], "ttfd": MOBILE[3]}


def mobile_world(weights: tuple[float, ...]) -> list[Row]:
    rnd = random.Random(19)
    rows = []
    for _ in range(300):
        op = rnd.choice(["ui.load", "ui.load", "app.start", "navigation", "http.server"])
        numbers = {f"measurements.{name}": round(rnd.uniform(10, 4000), 2) for name in MOBILE if rnd.random() < 0.6}
        if rnd.random() < 0.7:
            numbers |= {
                "measurements.frames_total": float(rnd.randrange(50, 500)),
                "measurements.frames_slow": float(rnd.randrange(0, 40)),
                "measurements.frames_frozen": float(rnd.randrange(0, 5)),
            }
        rows.append(
            span(
                rnd, weights, is_segment=1, op=op, category=op.partition(".")[0],
                sdk_name=rnd.choice(["sentry.cocoa", "sentry.javascript.react-native"]),
                os_name=rnd.choice(["iOS", "Android"]), device_class=rnd.choice(["high", "low", ""]),
                attributes_number=numbers,
            )
        )  # fmt: skip
    return rows


def is_load(row: Row) -> bool:
    native = row["op"] == "navigation" and row["sdk_name"] == "sentry.javascript.react-native"
    return row["op"] in ("ui.load", "app.start") or native


@pytest.mark.parametrize("weights", [EVEN, UNEVEN])
@pytest.mark.parametrize("by", list(mobile.GROUPINGS))
def test_mobile(event_store: EventStore, weights: tuple[float, ...], by: str) -> None:
    rows = [row for row in inside(insert_spans(event_store, mobile_world(weights))) if is_load(row)]
    columns = list(mobile.GROUPINGS[by].values())
    groups = grouped(rows, lambda row: tuple(row[column] for column in columns))
    result = mobile.screens(FILTERS, by, Sort())
    assert {tuple(row[key] for key in mobile.GROUPINGS[by]) for row in result.rows} == set(groups)
    for row in result.rows:
        some = groups[tuple(row[key] for key in mobile.GROUPINGS[by])]
        assert row["count"] == close(weight(some))
        for short, stored in SHORT.items():
            name = f"measurements.{stored}"
            measured = [one for one in some if number(one, name) is not None]
            assert row[f"{short}_count"] == close(weight(measured))
            assert row[f"{short}_total"] == close(weighted(measured, reading(name)))
            expected = nearest_rank(measured, 0.95, reading(name))
            assert row[f"{short}_p95"] == (None if expected is None else close(expected))
        frames = [one for one in some if number(one, "measurements.frames_total") is not None]
        for column, stored in (("frames_all", "total"), ("frames_slow", "slow"), ("frames_frozen", "frozen")):
            name = f"measurements.frames_{stored}"
            assert row[column] == close(weighted(frames, reading(name)))


def test_samples_of_loads(event_store: EventStore) -> None:
    rows = [row for row in inside(insert_spans(event_store, mobile_world(EVEN))) if is_load(row)]
    found = mobile.load_samples(FILTERS)
    cold = sorted((number(row, "measurements.app_start_cold") or 0.0 for row in rows), reverse=True)[:4]
    assert [one.values["cold"] for one in found if one.kind == "cold"] == cold
