"""The spans explorer shows what the queries find, obeys the filters, saves, completes and exports."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from dictamesh_sentry.eventstore.interface import StoreUnavailableError
from dictamesh_sentry.organizations.models import AuditLogEntry
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.tracing.models import SavedQuery
from tests.search.span_world import generate, percentile, weigh
from tests.support.factories import make_member, make_organization, make_project, make_team, make_user
from tests.support.spans import insert_spans

pytestmark = pytest.mark.django_db
PAGE = "/organizations/acme/explore/spans/"
NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class Shop:
    client: Client
    project: Project
    owner: Any

    def page(self, status: int = 200, **given: Any) -> str:
        answer = self.client.get(f"{PAGE}?{urlencode(given, doseq=True)}")
        assert answer.status_code == status, answer.content
        return answer.content.decode()

    def export(self, **given: Any) -> bytes:
        answer = self.client.get(f"{PAGE}export/?{urlencode(given, doseq=True)}")
        assert answer.status_code == 200
        return b"".join(answer.streaming_content)  # type: ignore[attr-defined]


@pytest.fixture
def shop() -> Shop:
    organization = make_organization(slug="acme")
    team = make_team(organization)
    client = Client()
    owner = make_member(organization, "owner", make_user(), (team,))
    client.force_login(owner)
    return Shop(client, make_project(organization, (team,), slug="shop"), owner)


def span(shop: Shop, op: str, duration: float, hours: float = 1, **more: Any) -> dict[str, Any]:
    when = NOW - timedelta(hours=hours)
    return {"project_id": shop.project.pk, "op": op, "duration": duration, "timestamp": when, **more}


def cells(page: str) -> list[list[str]]:
    """The texts of the table's rows."""
    body = re.search(r'id="explore-table".*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    if body is None:
        return []
    return [
        [html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for cell in re.findall(r"<td.*?</td>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    ]


def links(page: str, text: str) -> list[str]:
    return [html.unescape(url) for url in re.findall(rf'<a[^>]*href="([^"]*)"[^>]*>{re.escape(text)}</a>', page)]


def test_samples_lead_to_their_trace_and_transaction(shop: Shop, event_store: Any) -> None:
    insert_spans(event_store, [
        span(shop, "db.query", 120.0, trace_id="7" * 32, span_id="00000000000000ab", transaction="/cart & co",
             description="SELECT <b>", attributes_number={"items": 3.0}),
        span(shop, "http.client", 1350.0, hours=2),
    ])  # fmt: skip
    page = shop.page(field="items")
    rows = cells(page)
    assert [row[1] for row in rows] == ["db.query", "http.client"]
    assert rows[0][0] == "77777777"
    assert (rows[0][2], rows[0][3], rows[0][5], rows[0][7]) == ("SELECT <b>", "120ms", "shop", "3")
    assert (rows[1][3], rows[1][7]) == ("1.35s", "–")
    assert links(page, "77777777") == [f"/organizations/acme/traces/{'7' * 32}/?node=00000000000000ab"]
    summary = links(page, "/cart &amp; co")[0]
    assert urlsplit(summary).path == "/organizations/acme/performance/summary/"
    assert parse_qs(urlsplit(summary).query) == {"project": [str(shop.project.pk)], "transaction": ["/cart & co"]}
    assert "<b>SELECT" not in page
    assert "count() over time" in page
    assert "Extrapolated" not in page


def test_aggregates_by_groups_with_several_figures(shop: Shop, event_store: Any) -> None:
    rows = [row for row in generate(200) if row["timestamp"] > NOW - timedelta(days=13)]
    for row in rows:
        row["project_id"] = shop.project.pk
    insert_spans(event_store, rows)
    page = shop.page(
        mode="aggregates", groupBy="span.op", aggregate=["count()", "p95(span.duration)", "failure_rate()"]
    )
    found = {row[0]: row[1:3] for row in cells(page)}
    for op in {row["op"] for row in rows}:
        mine = [row for row in rows if row["op"] == op]
        assert found[op][0] == f"{round(weigh(mine)):,}"
        p95 = percentile(mine, 0.95)
        assert found[op][1] == (f"{p95:.0f}ms" if p95 < 1000 else f"{p95 / 1000:.2f}s")
    counts = [int(row[1].replace(",", "")) for row in cells(page)]
    assert counts == sorted(counts, reverse=True)
    assert "Extrapolated" in page
    assert page.count('class="swatch-line') == 4
    assert "p95(span.duration) over time" in shop.page(
        mode="aggregates", groupBy="span.op", aggregate=["count()", "p95(span.duration)"], chart="p95(span.duration)"
    )


def test_a_group_leads_to_its_samples(shop: Shop, event_store: Any) -> None:
    insert_spans(event_store, [
        span(shop, "db", 1.0, attributes_string={"plan": 'the "pro" *'}), span(shop, "db", 2.0),
        span(shop, "web", 3.0, attributes_string={"plan": "free"}),
    ])  # fmt: skip
    page = shop.page(mode="aggregates", groupBy=["span.op", "plan", "project"], query="span.op:db OR span.op:x")
    shown = {row[1]: link for row, link in zip(cells(page), links(page, "Samples")[-2:], strict=True)}
    for plan, duration in (('the "pro" *', "1.00ms"), ("–", "2.00ms")):
        rows = cells(shop.client.get(PAGE + shown[plan]).content.decode())
        assert [row[3] for row in rows] == [duration]


def test_filters_sorting_and_pages(shop: Shop, event_store: Any) -> None:
    insert_spans(
        event_store,
        [span(shop, "db", float(n), hours=n / 10) for n in range(1, 61)]
        + [span(shop, "dev", 500.0, environment="dev"), span(shop, "old", 5.0, hours=24 * 20)],
    )
    first = shop.page(query="span.op:db")
    assert len(cells(first)) == 50
    assert "offset=50" in first
    assert len(cells(shop.page(query="span.op:db", offset=50))) == 10
    assert [row[1] for row in cells(shop.page(environment="dev"))] == ["dev"]
    assert [row[1] for row in cells(shop.page(statsPeriod="30d", query="span.op:old"))] == ["old"]
    assert cells(shop.page(query="span.op:old")) == []
    slowest = cells(shop.page(sort="-span.duration", query="span.op:db"))
    assert [row[3] for row in slowest[:2]] == ["60ms", "59ms"]
    having = shop.page(mode="aggregates", groupBy="span.op", query="count():>5")
    assert [row[0] for row in cells(having)] == ["db"]
    assert "No spans match" in shop.page(query="span.op:nothing")


def test_a_figure_is_added_by_a_form_and_removed_by_a_link(shop: Shop, event_store: Any) -> None:
    insert_spans(event_store, [span(shop, "db", 10.0)])
    given = {
        "mode": "aggregates",
        "groupBy": "span.op",
        "aggregate": "count()",
        "function": "p75",
        "of": "span.self_time",
    }
    answer = shop.client.get(f"{PAGE}?{urlencode(given)}")
    assert answer.status_code == 302
    asked = parse_qs(urlsplit(answer["Location"]).query)
    assert asked["aggregate"] == ["count()", "p75(span.self_time)"]
    assert asked["groupBy"] == ["span.op"]
    page = shop.client.get(answer["Location"]).content.decode()
    assert cells(page)[0][:3] == ["db", "1", "10ms"]
    remove = re.search(r'href="([^"]*)" aria-label="Remove count\(\)"', page)
    assert remove is not None
    assert parse_qs(urlsplit(html.unescape(remove[1])).query)["aggregate"] == ["p75(span.self_time)"]


def test_what_cannot_be_answered_is_said(shop: Shop, event_store: Any) -> None:
    insert_spans(event_store, [span(shop, "db", 10.0)])
    assert "Invalid duration" in shop.page(400, query="span.duration:soon")
    assert "Switch to Aggregates" in shop.page(400, query="count():>3")
    page = shop.page(mode="aggregates", groupBy=["a'b", "span.op"], aggregate=["p95(span.op)", "count()"])
    assert "Invalid characters in field" in page
    assert "is not a number" in page
    assert cells(page)[0][0] == "db"


def test_the_store_may_be_down(shop: Shop, event_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError

    monkeypatch.setattr("dictamesh_sentry.tracing.span_queries.fetch", fail)
    assert "The spans cannot be read right now" in shop.page()
    assert shop.client.get(f"{PAGE}export/").status_code == 503


def test_nothing_of_another_organization(shop: Shop, event_store: Any) -> None:
    other = make_project(make_organization(), slug="other")
    insert_spans(event_store, [span(shop, "ours", 1.0), {"project_id": other.pk, "op": "theirs"}])
    for given in ({}, {"project": other.pk}, {"query": "span.op:theirs"}):
        assert "theirs</td>" not in shop.page(**given)
    assert b"theirs" not in shop.export(format="csv")
    answer = shop.client.get(f"{PAGE}complete/?q=span.op:&at=8").content.decode()
    assert "ours" in answer
    assert "theirs" not in answer


def test_completion_of_keys_and_values(shop: Shop, event_store: Any) -> None:
    insert_spans(event_store, [
        span(shop, "db.query", 1.0, attributes_string={"shop.plan": "free tier"}, attributes_number={"shop.items": 2.0}),
    ])  # fmt: skip

    def inserted(q: str, kind: str = "") -> list[str]:
        answer = shop.client.get(f"{PAGE}complete/?{urlencode({'q': q, 'at': len(q), 'kind': kind})}")
        return [html.unescape(text) for text in re.findall(r'data-insert="([^"]*)"', answer.content.decode())]

    assert "shop.plan:" in inserted("shop")
    assert inserted("x:y span.op:d") == ["span.op:db.query "]
    assert inserted("!shop.plan:f") == ['!shop.plan:"free tier" ']
    assert "has:shop.plan " in inserted("has:shop.p")
    assert inserted("shop", "number") == ["tags[shop.items,number]"]
    assert set(inserted("shop", "field")) == {"shop.plan", "tags[shop.items,number]"}
    assert "span.duration" in inserted("span.dur", "number")
    assert inserted("project:sh") == ["project:shop "]


class TestSaved:
    GIVEN = {"mode": "aggregates", "query": "span.op:db", "groupBy": "span.op", "aggregate": ["count()", "p95()"],
             "statsPeriod": "7d"}  # fmt: skip

    def _save(self, shop: Shop, client: Client | None = None, **fields: str) -> Any:
        given = {**self.GIVEN, "project": shop.project.pk}
        return (client or shop.client).post(f"{PAGE}save/?{urlencode(given, doseq=True)}", {"name": "Slow", **fields})

    def test_a_question_is_saved_opened_and_removed(self, shop: Shop, event_store: Any) -> None:
        insert_spans(event_store, [span(shop, "db", 10.0)])
        answer = self._save(shop)
        asked = parse_qs(urlsplit(answer["Location"]).query)
        assert asked["groupBy"] == ["span.op"]
        assert asked["aggregate"] == ["count()", "p95()"]
        assert asked["project"] == [str(shop.project.pk)]
        assert asked["statsPeriod"] == ["7d"]
        page = shop.client.get(answer["Location"]).content.decode()
        assert cells(page)[0][0] == "db"
        assert ">Slow</span>" in page
        saved = SavedQuery.objects.get()
        assert AuditLogEntry.objects.get(event="span-query.create").target == "Slow"
        assert shop.client.post(f"{PAGE}saved/{saved.pk}/delete/").status_code == 302
        assert not SavedQuery.objects.exists()
        assert AuditLogEntry.objects.filter(event="span-query.delete").exists()

    def test_only_shared_ones_are_seen_by_others(self, shop: Shop, event_store: Any) -> None:
        self._save(shop)
        self._save(shop, name="Common", shared="on")
        colleague = Client()
        colleague.force_login(make_member(shop.project.organization, "member"))
        page = colleague.get(PAGE).content.decode()
        assert ">Common</span>" in page
        assert ">Slow</span>" not in page
        for saved, status in ((SavedQuery.objects.get(name="Slow"), 404), (SavedQuery.objects.get(name="Common"), 403)):
            assert colleague.post(f"{PAGE}saved/{saved.pk}/delete/").status_code == status
        assert self._save(shop, colleague, shared="on").status_code == 403
        assert SavedQuery.objects.count() == 2

    def test_a_name_is_needed(self, shop: Shop, event_store: Any) -> None:
        answer = self._save(shop, name=" ")
        assert answer.status_code == 400
        assert b"needs a name" in answer.content
        assert "Save this query" in shop.client.get(f"{PAGE}save/").content.decode()


class TestExport:
    def test_csv_is_what_is_shown_and_harmless(self, shop: Shop, event_store: Any) -> None:
        formula = '=HYPERLINK("http://x")'
        insert_spans(event_store, [
            span(shop, "db", 10.0, description=formula), span(shop, "web", 20.5, hours=2, description="a,b\nc"),
            span(shop, "-1+1", 30.0, hours=3, description="@x", is_segment=1),
        ])  # fmt: skip
        rows = list(csv.DictReader(io.StringIO(shop.export(format="csv", field="is_transaction").decode())))
        assert [row["span.description"] for row in rows] == [f"'{formula}", "a,b\nc", "'@x"]
        assert [row["span.op"] for row in rows] == ["db", "web", "'-1+1"]
        assert [row["span.duration"] for row in rows] == ["10.0", "20.5", "30.0"]
        assert [row["is_transaction"] for row in rows] == ["false", "false", "true"]
        assert rows[0]["project"] == "shop"
        assert rows[0]["timestamp"].endswith("Z")
        assert len(rows[0]["id"]) == 16

    def test_json_of_groups(self, shop: Shop, event_store: Any) -> None:
        insert_spans(event_store, [span(shop, "db", n * 1.0) for n in (1, 2, 3)] + [span(shop, "web", 9.0)])
        given = {"mode": "aggregates", "groupBy": "span.op", "aggregate": ["count()", "max(span.duration)"]}
        body = orjson.loads(shop.export(format="json", **given))
        assert body == [
            {"span.op": "db", "count()": 3, "max(span.duration)": 3.0},
            {"span.op": "web", "count()": 1, "max(span.duration)": 9.0},
        ]
        assert orjson.loads(shop.export(format="json", query="span.op:none", **given)) == []

    def test_it_is_bounded(self, shop: Shop, event_store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("dictamesh_sentry.web.views.explore.MOST_EXPORTED", 3)
        insert_spans(event_store, [span(shop, "db", 1.0) for _ in range(5)])
        assert len(shop.export(format="csv").decode().splitlines()) == 4

    def test_a_wrong_question_is_400(self, shop: Shop, event_store: Any) -> None:
        assert shop.client.get(f"{PAGE}export/?query=span.duration:soon").status_code == 400


def test_pages_ask_the_database_a_constant_number_of_times(shop: Shop, event_store: Any) -> None:
    insert_spans(event_store, [span(shop, f"op{n}", 1.0) for n in range(40)])
    for index in range(20):
        SavedQuery.objects.create(organization=shop.project.organization, owner=shop.owner, name=f"Q{index}")
    with CaptureQueriesContext(
        connection,
    ) as statements:
        shop.page(mode="aggregates", groupBy="span.op", aggregate=["count()", "p95()"])
    assert len(statements) <= 25


def test_the_navigation_leads_here(shop: Shop, event_store: Any) -> None:
    assert f'href="{PAGE}"' in shop.page()
