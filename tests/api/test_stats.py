"""Statistics add up what became of items."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.quotas.models import OutcomeHour
from tests.api.conftest import World
from tests.support import factories

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = "start=2026-11-20T00:00:00&end=2026-11-21T00:00:00"


@pytest.fixture
def counted(world: World) -> World:
    second = factories.make_project(world.organization, slug="blog")
    rows = [
        (world.project, 0, DataCategory.ERROR, Outcome.ACCEPTED, "", 5),
        (world.project, 1, DataCategory.ERROR, Outcome.ACCEPTED, "", 7),
        (world.project, 1, DataCategory.DEFAULT, Outcome.ACCEPTED, "", 3),
        (world.project, 1, DataCategory.ERROR, Outcome.FILTERED, "localhost", 2),
        (second, 2, DataCategory.ERROR, Outcome.RATE_LIMITED, "key_quota", 11),
        (second, 2, DataCategory.ATTACHMENT, Outcome.ACCEPTED, "", 4096),
    ]
    for project, hours, category, outcome, reason, quantity in rows:
        OutcomeHour.objects.create(
            project=project,
            hour=NOON + timedelta(hours=hours),
            category=int(category),
            outcome=int(outcome),
            reason=reason,
            quantity=quantity,
        )
    return world


def stats(world: World, query: str) -> dict[str, Any]:
    return world.api.get(f"/organizations/acme/stats_v2/?{DAY}&field=sum(quantity)&{query}")


def by(body: dict[str, Any], *keys: str) -> dict[tuple[Any, ...], int]:
    return {tuple(group["by"][key] for key in keys): group["totals"]["sum(quantity)"] for group in body["groups"]}


def test_grouped_totals_and_series(counted: World) -> None:
    body = stats(counted, "category=error&groupBy=outcome&interval=1h")
    assert by(body, "outcome") == {("accepted",): 15, ("filtered",): 2, ("rate_limited",): 11}
    assert len(body["intervals"]) == 24
    assert body["intervals"][12] == "2026-11-20T12:00:00.000000Z"
    accepted = next(group for group in body["groups"] if group["by"] == {"outcome": "accepted"})
    assert accepted["series"]["sum(quantity)"][12:15] == [5, 10, 0]
    assert all(type(value) is int for group in body["groups"] for value in group["series"]["sum(quantity)"])
    assert all(len(group["series"]["sum(quantity)"]) == 24 for group in body["groups"])


def test_categories_reasons_and_projects(counted: World) -> None:
    assert by(stats(counted, "groupBy=category"), "category") == {("error",): 28, ("attachment",): 4096}
    assert by(stats(counted, "category=error&groupBy=reason&outcome=filtered"), "reason") == {("localhost",): 2}
    body = stats(counted, "category=error&groupBy=project&groupBy=outcome")
    assert by(body, "project", "outcome")[counted.project.pk, "accepted"] == 15
    assert all(group["series"] == {} for group in body["groups"])
    assert by(stats(counted, "category=error&groupBy=outcome&project=shop"), "outcome") == {
        ("accepted",): 15,
        ("filtered",): 2,
    }
    daily = stats(counted, "category=error&interval=1d")
    assert (daily["intervals"], daily["groups"][0]["series"]) == (
        ["2026-11-20T00:00:00.000000Z"],
        {"sum(quantity)": [28]},
    )


def test_nothing_counted_is_a_group_of_zeros(world: World) -> None:
    body = stats(world, "category=error&interval=1h")
    assert body["groups"] == [{"by": {}, "totals": {"sum(quantity)": 0}, "series": {"sum(quantity)": [0] * 24}}]


@pytest.mark.parametrize(
    "query",
    [
        "field=max(quantity)", "groupBy=user", "category=cats", "outcome=lost", "interval=soon", "project=nope",
        "statsPeriod=x", "category=error&category=attachment", "start=2026-01-02&end=2026-01-01",
    ],
)  # fmt: skip
def test_wrong_parameters_are_named(counted: World, query: str) -> None:
    response = counted.api("GET", f"/organizations/acme/stats_v2/?{query}")
    assert response.status_code in {400, 404}
    assert isinstance(orjson.loads(response.content)["detail"], str)


def test_summary(counted: World) -> None:
    body = counted.api.get(f"/organizations/acme/stats-summary/?{DAY}")
    shop = next(project for project in body["projects"] if project["slug"] == "shop")
    assert [stat["category"] for stat in shop["stats"]] == ["error"]
    assert shop["stats"][0]["totals"] == {"dropped": 2, "sum(quantity)": 17}
    assert shop["stats"][0]["outcomes"]["accepted"] == 15


@pytest.mark.parametrize(("stat", "total"), [("received", 17), ("generated", 15), ("blacklisted", 2), ("rejected", 0)])
def test_project_stats(counted: World, stat: str, total: int) -> None:
    since, until = int(NOON.timestamp()), int((NOON + timedelta(hours=6)).timestamp())
    points = counted.api.get(f"/projects/acme/shop/stats/?stat={stat}&since={since}&until={until}&resolution=1h")
    assert [moment for moment, _ in points] == [since + 3600 * hour for hour in range(6)]
    assert sum(value for _, value in points) == total
