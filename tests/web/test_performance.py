"""The performance pages show what the queries find, and obey the filters."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from dictamesh_sentry.projects.models import Project
from tests.support.factories import make_member, make_organization, make_project, make_team, make_user
from tests.support.spans import insert_spans

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC).replace(microsecond=0)
HOME = "/organizations/acme/performance/"


@pytest.fixture
def shop() -> tuple[Client, Project]:
    organization = make_organization(slug="acme")
    team = make_team(organization)
    client = Client()
    client.force_login(make_member(organization, "owner", make_user(), (team,)))
    return client, make_project(organization, (team,), slug="shop")


def segment(project: Project, name: str, duration: float, hours: float = 1, **more: Any) -> dict[str, Any]:
    return {
        "project_id": project.pk, "is_segment": 1, "transaction": name, "transaction_op": "http.server",
        "op": "http.server", "duration": duration, "timestamp": NOW - timedelta(hours=hours), **more,
    }  # fmt: skip


def names(html: str) -> list[str]:
    return re.findall(r'class="transaction-name"><a [^>]*>([^<]*)</a>', html)


def test_transactions_with_their_figures(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(
        event_store,
        [segment(project, "/cart", 100.0 * n, user=f"id:{n}") for n in range(1, 11)]
        + [segment(project, "/checkout", 50.0, status="internal_error"), segment(project, "/old", 5.0, hours=24 * 20)],
    )
    html = client.get(HOME).content.decode()
    assert names(html) == ["/cart", "/checkout"]
    assert "1.00s" in html  # p95 and p99 of the cart
    assert "100%" in html  # failures of the checkout
    assert "Extrapolated" not in html


def test_sorting_and_filters(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(
        event_store,
        [segment(project, "/fast", 10.0) for _ in range(5)]
        + [
            segment(project, "/slow", 900.0, environment="dev", sample_weight=2.0),
            segment(project, "/page", 300.0, transaction_op="pageload", platform="javascript"),
        ],
    )
    assert names(client.get(f"{HOME}?sort=-p95").content.decode()) == ["/slow", "/page", "/fast"]
    assert names(client.get(f"{HOME}?sort=name").content.decode()) == ["/fast", "/page", "/slow"]
    assert names(client.get(f"{HOME}?environment=dev").content.decode()) == ["/slow"]
    assert names(client.get(f"{HOME}?kind=frontend").content.decode()) == ["/page"]
    assert names(client.get(f"{HOME}?query=transaction.duration:>500ms").content.decode()) == ["/slow"]
    assert "Extrapolated" in client.get(f"{HOME}?environment=dev").content.decode()
    Project.objects.update(first_transaction=NOW)
    assert "No transactions match" in client.get(f"{HOME}?release=none").content.decode()


def test_a_search_that_cannot_be_read(shop: tuple[Client, Project], event_store: Any) -> None:
    client, _ = shop
    answer = client.get(f"{HOME}?query=transaction.duration:soon")
    assert answer.status_code == 400
    assert b"cannot be read" in answer.content


def test_before_anything_came(shop: tuple[Client, Project], event_store: Any) -> None:
    client, _ = shop
    assert "traces_sample_rate" in client.get(HOME).content.decode()


def test_other_organizations_are_not_counted(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    other = make_project(make_organization(), slug="other")
    insert_spans(event_store, [segment(other, "/theirs", 5.0), segment(project, "/ours", 5.0)])
    assert names(client.get(f"{HOME}?project={other.pk}").content.decode()) == ["/ours"]


def test_the_summary_of_a_transaction(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    rows = [segment(project, "/cart", 100.0 + n, span_id=n + 1, trace_id=f"{n + 1:032x}") for n in range(60)]
    insert_spans(event_store, rows)
    child = {"project_id": project.pk, "transaction": "/cart", "op": "db", "category": "db", "duration": 40.0}
    insert_spans(
        event_store,
        [
            {**child, "trace_id": row["trace_id"], "segment_id": row["span_id"], "parent_span_id": row["span_id"],
             "timestamp": row["timestamp"], "group_hash": 7, "normalized_description": "SELECT .. FROM carts"}
            for row in rows
        ],
    )  # fmt: skip
    address = f"{HOME}summary/?project={project.pk}&transaction=/cart"
    html = client.get(address).content.decode()
    assert "SELECT .. FROM carts" in html
    assert html.count('class="bar') == 40
    assert "159ms" in html
    narrowed = client.get(f"{address}&min=150").content.decode()
    assert "Only durations" in narrowed
    assert '<b class="num">10</b>' in narrowed
    assert "SELECT .. FROM carts" in client.get(f"{address}&tab=spans").content.decode()
    events = client.get(f"{address}&tab=events").content.decode()
    assert events.count("/traces/") == 50
    assert client.get(f"{address}&tab=events&offset=50").content.decode().count("/traces/") == 10
    assert "No transactions match" in client.get(f"{address}&environment=none").content.decode()
    assert client.get(f"{HOME}summary/?project=0&transaction=/cart").status_code == 404
