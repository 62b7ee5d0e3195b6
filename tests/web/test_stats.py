"""Statistics: what is summed, under which name, and drawn how high."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.messages import OutcomeEntry
from dictamesh_sentry.quotas.actions import record_outcomes
from dictamesh_sentry.web.views.stats_data import (
    RANGES,
    SHOWN,
    Count,
    nice_ceiling,
    reason_label,
    stacked_bars,
    totals_by_outcome,
    totals_by_reason,
)
from tests.support.factories import make_member, make_organization, make_project

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def count(hour: float, quantity: int, outcome: Outcome = Outcome.ACCEPTED, reason: str = "") -> Count:
    return Count(START + HOUR * hour, 1, int(outcome), reason, quantity)


def test_bars_stack_to_the_sum_and_touch() -> None:
    chart = stacked_bars(
        [count(0, 60), count(0, 40, Outcome.FILTERED), count(1, 10)], [START, START + HOUR], HOUR, height=100
    )
    first, second = chart.bars
    assert (chart.maximum, first.total, second.total) == (100, 100, 10)
    accepted, filtered = first.segments
    assert (accepted.y, accepted.height, filtered.y, filtered.height) == (40, 60, 0, 40)
    assert filtered.y + filtered.height == accepted.y
    assert first.quantity("filtered") == 40
    assert chart.ticks == [100, 50, 0]


def test_counts_outside_of_the_period_are_not_drawn() -> None:
    chart = stacked_bars([count(-1, 5), count(5, 5)], [START, START + HOUR], HOUR)
    assert [bar.total for bar in chart.bars] == [0, 0]


def test_one_of_a_million_is_visible() -> None:
    chart = stacked_bars([count(0, 1_000_000), count(1, 1)], [START, START + HOUR], HOUR, height=100)
    assert chart.bars[1].segments[0].height >= 1


@given(st.lists(st.tuples(st.integers(0, 23), st.sampled_from(list(Outcome)), st.integers(1, 10**12)), max_size=60))
def test_nothing_is_lost_or_drawn_outside(rows: list[tuple[int, Outcome, int]]) -> None:
    counts = [count(hour, quantity, outcome, "x") for hour, outcome, quantity in rows]
    chart = stacked_bars(counts, [START + HOUR * index for index in range(24)], HOUR)
    everything = sum(quantity for _, _, quantity in rows)
    assert sum(bar.total for bar in chart.bars) == everything
    assert sum(total.quantity for total in totals_by_outcome(counts)) == everything
    for bar in chart.bars:
        for segment in bar.segments:
            assert 0 <= segment.y <= chart.height
            assert segment.height >= 1


@given(st.integers(0, 10**15))
def test_scale_is_above_and_even(value: int) -> None:
    ceiling = nice_ceiling(value)
    assert ceiling >= value
    assert ceiling % 2 == 0
    assert ceiling <= max(2, value * 2.5)


def test_reasons_are_summed_and_named() -> None:
    totals = totals_by_reason(
        [
            count(0, 3, Outcome.FILTERED, "web-crawlers"),
            count(1, 4, Outcome.FILTERED, "web-crawlers"),
            count(0, 3, Outcome.ABUSE, "abuse_limit"),
            count(0, 100, Outcome.ACCEPTED),
        ]
    )
    assert [(total.css, total.hint, total.quantity, round(total.share)) for total in totals] == [
        ("filtered", "Web crawler", 7, 70),
        ("limited", "Abuse limit", 3, 30),
    ]
    assert reason_label("") == "–"
    assert reason_label("some_new-reason") == "Some new reason"


@pytest.mark.parametrize("period", RANGES, ids=lambda period: period.name)
def test_every_period_ends_now_and_is_as_long_as_it_says(period: object) -> None:
    now = datetime(2026, 11, 23, 22, 41, tzinfo=UTC)
    starts = period.starts(now)  # type: ignore[attr-defined]
    bucket = period.bucket  # type: ignore[attr-defined]
    assert starts[-1] <= now < starts[-1] + bucket
    assert bucket * len(starts) == period.length  # type: ignore[attr-defined]
    assert len(starts) <= 60


@pytest.fixture
def organization(db: None) -> Organization:
    return make_organization(slug="acme")


@pytest.fixture
def client(organization: Organization) -> Client:
    client = Client()
    client.force_login(make_member(organization))
    return client


@pytest.mark.urls("dictamesh_sentry.web.urls")
def test_page_filters_by_project_category_and_period(client: Client, organization: Organization) -> None:
    shop, blog = make_project(organization, slug="shop"), make_project(organization, slug="blog")
    foreign = make_project(make_organization(), slug="foreign")
    now = time.time()
    error, attachment = int(DataCategory.ERROR), int(DataCategory.ATTACHMENT)
    record_outcomes(
        [
            OutcomeEntry(shop.pk, 0, error, int(Outcome.ACCEPTED), "", 41, now),
            OutcomeEntry(blog.pk, 0, error, int(Outcome.RATE_LIMITED), "key_quota", 17, now),
            OutcomeEntry(shop.pk, 0, error, int(Outcome.ACCEPTED), "", 9000, now - 80 * 86400),
            OutcomeEntry(shop.pk, 0, attachment, int(Outcome.ACCEPTED), "", 5_200_000, now),
            OutcomeEntry(foreign.pk, 0, error, int(Outcome.ACCEPTED), "", 333, now),
        ],
        0,
    )
    page = client.get("/organizations/acme/stats/").content.decode()
    assert '<b class="num">41</b>' in page
    assert "Limit of the client key" in page
    assert "9,0" not in page
    assert "333" not in page
    assert "foreign" not in page
    only_shop = client.get(f"/organizations/acme/stats/?project={shop.pk}&statsPeriod=90d").content.decode()
    assert '<b class="num">9,041</b>' in only_shop
    assert "Limit of the client key" not in only_shop
    assert "5.2 MB" in client.get("/organizations/acme/stats/?category=attachment").content.decode()
    assert client.get(f"/organizations/acme/stats/?project={foreign.pk}").status_code == 404
    odd = client.get("/organizations/acme/stats/?category=%00&statsPeriod=1y&project=")
    assert odd.status_code == 200


@pytest.mark.urls("dictamesh_sentry.web.urls")
def test_the_table_says_what_the_chart_shows(client: Client, organization: Organization) -> None:
    project = make_project(organization)
    record_outcomes(
        [OutcomeEntry(project.pk, 0, int(DataCategory.ERROR), int(outcome), "x", 1000 + int(outcome), time.time())
         for outcome in SHOWN],
        0,
    )  # fmt: skip
    page = client.get("/organizations/acme/stats/").content.decode()
    table = page[page.index("chart-table") : page.index("Why errors")]
    for outcome in SHOWN:
        assert f"{1000 + int(outcome):,}" in table


@pytest.mark.urls("dictamesh_sentry.web.urls")
def test_nothing_yet(client: Client, organization: Organization) -> None:
    assert "Nothing in this period" in client.get("/organizations/acme/stats/").content.decode()
