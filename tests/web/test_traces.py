"""The page of a trace: windows, folding, search, the panel of a span."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.tracing.trace_store import forget_traces
from tests.support.factories import make_member, make_organization, make_project, make_team, make_user
from tests.support.spans import insert_spans

pytestmark = pytest.mark.django_db

TRACE = "6" * 32
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ROOT = "00000000000000a1"


@pytest.fixture
def shop(event_store: Any) -> tuple[Client, Project]:
    forget_traces()
    organization = make_organization(slug="acme")
    team = make_team(organization)
    user = make_member(organization, "owner", make_user(), (team,))
    client = Client()
    client.force_login(user)
    return client, make_project(organization, (team,), slug="shop")


def spans_of(project: Project, count: int, **more: Any) -> list[dict[str, Any]]:
    """A root and ``count`` children below it, none like its neighbour."""
    root = {
        "project_id": project.pk, "trace_id": TRACE, "span_id": ROOT, "segment_id": ROOT, "is_segment": 1,
        "op": "http.server", "transaction": "/cart", "timestamp": NOW, "duration": 1000.0, "event_id": uuid.uuid4(),
    }  # fmt: skip
    children = [
        {
            **root, "span_id": f"{n + 1000:016x}", "parent_span_id": ROOT, "is_segment": 0, "op": "db", "category": "db",
            "description": f"SELECT {n} FROM carts", "normalized_description": f"q{n}",
            "timestamp": NOW + timedelta(milliseconds=n), "duration": 2.0 + n % 7, **more,
        }
        for n in range(count)
    ]  # fmt: skip
    return [root, *children]


def texts(html: str) -> list[str]:
    return re.findall(r'class="trace-text">([^<]*)<', html)


def test_a_trace_is_shown(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 3))
    page = client.get(f"/organizations/acme/traces/{TRACE}/")
    html = page.content.decode()
    assert page.status_code == 200
    assert texts(html) == ["/cart", "SELECT 0 FROM carts", "SELECT 1 FROM carts", "SELECT 2 FROM carts"]
    assert "1.00s" in html


def test_further_rows_come_when_asked(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 400))
    html = client.get(f"/organizations/acme/traces/{TRACE}/").content.decode()
    seen = texts(html)
    while True:
        found = re.search(r'hx-get="([^"]*rows=after)" hx-target="closest tr"', html)
        if found is None:
            break
        html = client.get(found[1].replace("&amp;", "&"), headers={"HX-Request": "true"}).content.decode()
        assert "<form" not in html
        seen += texts(html)
    assert seen == ["/cart", *(f"SELECT {n} FROM carts" for n in range(400))]


def test_repeated_siblings_unfold(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 20, group_hash=7))
    html = client.get(f"/organizations/acme/traces/{TRACE}/").content.decode()
    assert "×20" in html
    assert len(texts(html)) == 2
    unfold = re.findall(r'data-trace-fold href="([^"]*)"', html)[-1].replace("&amp;", "&")
    assert len(texts(client.get(unfold).content.decode())) == 22


def test_folding_hides_what_is_below(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 3))
    html = client.get(f"/organizations/acme/traces/{TRACE}/?closed={ROOT}").content.decode()
    assert texts(html) == ["/cart"]


def test_a_span_inside_something_folded_is_shown_when_asked_for(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 300, group_hash=7))
    wanted = f"{1000 + 250:016x}"
    html = client.get(f"/organizations/acme/traces/{TRACE}/?node={wanted}").content.decode()
    assert "SELECT 250 FROM carts" in texts(html)
    assert wanted in html


def test_a_search_goes_from_match_to_match(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 300))
    html = client.get(f"/organizations/acme/traces/{TRACE}/?q=duration:>7ms+op:db").content.decode()
    expected = [n for n in range(300) if 2 + n % 7 > 7]
    assert f"1 of {len(expected)}" in html
    assert f"{expected[0] + 1000:016x}" in html
    following = re.search(r'data-trace-next href="([^"]*)"', html)
    assert following is not None
    html = client.get(following[1].replace("&amp;", "&")).content.decode()
    assert f"2 of {len(expected)}" in html
    assert "Nothing found" in client.get(f"/organizations/acme/traces/{TRACE}/?q=nonsense").content.decode()


def test_the_panel_shows_the_attributes(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    rows = spans_of(project, 1, attributes_string={"db.user": "<b>ana</b>"}, attributes_number={"rows": 3.0})
    insert_spans(event_store, rows)
    html = client.get(f"/organizations/acme/traces/{TRACE}/?node={1000:016x}").content.decode()
    assert "db.user" in html
    assert "&lt;b&gt;ana" in html
    assert "<b>ana" not in html


def test_a_trace_of_other_projects_is_not_found(shop: tuple[Client, Project], event_store: Any) -> None:
    client, _ = shop
    insert_spans(event_store, spans_of(make_project(make_organization(), slug="other"), 2))
    assert client.get(f"/organizations/acme/traces/{TRACE}/").status_code == 404
    assert client.get("/organizations/acme/traces/nonsense/").status_code == 404


def test_a_transaction_leads_to_its_trace(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    root = insert_spans(event_store, spans_of(project, 1))[0]
    answer = client.get(f"/organizations/acme/performance/shop:{root['event_id'].hex}/")
    assert (answer.status_code, answer["Location"]) == (302, f"/organizations/acme/traces/{TRACE}/?node={ROOT}")
    assert client.get(f"/organizations/acme/performance/shop:{'1' * 32}/").status_code == 404
