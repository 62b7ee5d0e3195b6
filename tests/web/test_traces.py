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
from tests.support.events import EventRow, insert_events
from tests.support.factories import make_issue, make_member, make_organization, make_project, make_team, make_user
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


def segment(project: Project, span_id: int, start: float, length: float, **more: Any) -> dict[str, Any]:
    return {
        "project_id": project.pk, "trace_id": TRACE, "span_id": span_id, "segment_id": span_id, "is_segment": 1,
        "op": "http.server", "timestamp": NOW + timedelta(milliseconds=start), "duration": length,
        "event_id": uuid.uuid4(), **more,
    }  # fmt: skip


def test_what_is_missing_and_clocks_that_disagree_are_marked(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    other = make_project(project.organization, tuple(project.teams.all()), slug="billing")
    rows = [
        segment(project, 1, 0, 100, transaction="/cart"),
        {"project_id": project.pk, "trace_id": TRACE, "span_id": 2, "parent_span_id": 99, "segment_id": 1, "op": "db",
         "description": "SELECT lost", "timestamp": NOW},
        segment(other, 3, -500, 40, parent_span_id=1, transaction="/price"),
    ]  # fmt: skip
    insert_spans(event_store, rows)
    html = client.get(f"/organizations/acme/traces/{TRACE}/?node=0000000000000063").content.decode()
    assert texts(html) == ["/cart", "Missing span", "SELECT lost", "/price"]
    assert "1 span names a parent that was not received" in html
    assert "clock +530ms" in html
    assert "no such span was received" in html
    assert html.count(">orphan<") == 1


def test_errors_inside_of_something_closed_are_counted_on_it(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 20, group_hash=7))
    issue = make_issue(project, title="ValueError: x")
    errors = [
        EventRow(project.pk, issue_id=issue.pk, trace_id=TRACE, span_id=f"{1000 + n:016x}", title="ValueError: x")
        for n in (3, 4)
    ]
    insert_events(event_store, errors)
    html = client.get(f"/organizations/acme/traces/{TRACE}/").content.decode()
    assert "2 inside" in html
    assert f"/issues/{issue.pk}/events/{errors[0].event_id.hex}/" in html
    html = client.get(f"/organizations/acme/traces/{TRACE}/?node={1003:016x}").content.decode()
    assert "inside" not in html
    assert html.count('class="badge red" href="/organizations/acme/issues/') == 2


def test_a_group_says_how_long_its_spans_take(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 21, group_hash=7))
    html = client.get(f"/organizations/acme/traces/{TRACE}/?node=g{1000:016x}").content.decode()
    facts = dict(re.findall(r"<dt>([^<]*)</dt><dd>([^<]*)</dd>", html))
    assert (facts["Spans alike, in a row"], facts["Sum"]) == ("21", f"{sum(2 + n % 7 for n in range(21))}ms")
    assert (facts["Shortest"], facts["Median"], facts["Longest"]) == ("2.00ms", "5.00ms", "8.00ms")


def test_only_the_panel_is_sent_for_the_panel(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 3))
    headers = {"HX-Request": "true", "HX-Target": "trace-panel"}
    html = client.get(f"/organizations/acme/traces/{TRACE}/?node={ROOT}", headers=headers).content.decode()
    assert "<table" not in html
    assert f"trace-items/{ROOT}/?item_type=spans&amp;trace_id={TRACE}" in html
    empty = client.get(f"/organizations/acme/traces/{TRACE}/", headers=headers)
    assert empty.content.strip() == b""


def test_earlier_rows_end_where_the_page_begins(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 300))
    html = client.get(f"/organizations/acme/traces/{TRACE}/?offset=130").content.decode()
    earlier: list[str] = []
    found = re.search(r'hx-get="([^"]*rows=before)"', html)
    while found is not None:
        part = client.get(found[1].replace("&amp;", "&"), headers={"HX-Request": "true"}).content.decode()
        earlier = texts(part) + earlier
        found = re.search(r'hx-get="([^"]*rows=before)"', part)
    assert earlier + texts(html) == ["/cart", *(f"SELECT {n} FROM carts" for n in range(229))]


def test_a_search_that_cannot_be_read_is_explained(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, spans_of(project, 3))
    page = client.get(f"/organizations/acme/traces/{TRACE}/", {"q": "span.duration:>soon"})
    assert page.status_code == 200
    assert 'id="trace-problem"' in page.content.decode()
    assert len(texts(page.content.decode())) == 4


def test_the_list_names_the_root_and_counts(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    other = make_project(project.organization, tuple(project.teams.all()), slug="billing")
    hidden = make_project(make_organization(slug="elsewhere"), slug="hidden")
    rows = [
        segment(project, 1, 0, 100, transaction="/cart"),
        segment(other, 3, 20, 200, parent_span_id=1, transaction="/price", status="internal_error"),
        segment(project, 7, 5000, 10, parent_span_id=55, transaction="/late", trace_id="5" * 32),
        segment(hidden, 9, 0, 10, transaction="/secret"),
    ]
    insert_spans(event_store, rows)
    insert_events(event_store, [EventRow(project.pk, trace_id=TRACE)])
    html = client.get("/organizations/acme/traces/").content.decode()
    assert re.findall(r'class="mono" href="/organizations/acme/traces/(\w+)/"', html) == ["5" * 32, TRACE]
    late, cart = re.findall(r"<tr>\s*<td><a.*?</tr>", html, re.S)
    assert ("/late" in late, "no root" in late) == (True, True)
    assert ("/cart" in cart, "no root" in cart, "220ms" in cart, "1 failed" in cart) == (True, False, True, True)
    assert re.search(r'data-label="Errors">1\s*</td>', cart)
    assert "shop, billing" in cart or "billing, shop" in cart
    assert "/secret" not in html
    found = client.get("/organizations/acme/traces/", {"query": "transaction:/price"}).content.decode()
    assert re.findall(r'class="mono" href="/organizations/acme/traces/(\w+)/"', found) == [TRACE]
    assert client.get("/organizations/acme/traces/", {"query": "span.duration:>x"}).status_code == 400


def test_the_list_goes_on_where_it_ended(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    rows = [
        segment(project, n, n * 60_000.0, 5, transaction=f"/t{n}", trace_id=uuid.UUID(int=n))
        | {"timestamp": NOW - timedelta(minutes=n * 7)}
        for n in range(1, 131)
    ]
    insert_spans(event_store, rows)
    seen: list[int] = []
    query: dict[str, str] = {}
    while True:
        html = client.get("/organizations/acme/traces/", query).content.decode()
        seen += [int(one, 16) for one in re.findall(r'class="mono" href="/organizations/acme/traces/(\w+)/"', html)]
        following = re.search(r'cursor=([^"&]+)">Older', html)
        if following is None:
            break
        query = {"cursor": following[1]}
    assert seen == list(range(1, 131))
    assert client.get("/organizations/acme/traces/", {"cursor": "nonsense"}).status_code == 200
