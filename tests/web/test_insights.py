"""The insights pages show what the queries find, obey the filters, and lead to traces, transactions and the explorer."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from dictamesh_sentry.eventstore.interface import StoreUnavailableError
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.web.presenters.statements import on_lines
from tests.support.factories import make_member, make_organization, make_project, make_team, make_user
from tests.support.spans import insert_spans

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC).replace(microsecond=0)
HOME = "/organizations/acme/insights/"
SECTIONS = ("databases", "http", "caches", "queues", "vitals", "mobile")
TRACE, SPAN = "0" * 30 + "ab", "00000000000000cd"


@pytest.fixture
def shop() -> tuple[Client, Project]:
    organization = make_organization(slug="acme")
    team = make_team(organization)
    client = Client()
    client.force_login(make_member(organization, "owner", make_user(), (team,)))
    return client, make_project(organization, (team,), slug="shop")


def span(project: Project, category: str, op: str, **more: Any) -> dict[str, Any]:
    return {
        "project_id": project.pk, "category": category, "op": op, "transaction": "/cart", "duration": 20.0,
        "timestamp": NOW - timedelta(hours=1), **more,
    }  # fmt: skip


def query(project: Project, number: int, **more: Any) -> dict[str, Any]:
    table = f"table_{number}"
    return span(
        project, "db", "db", group_hash=number, normalized_description=f"SELECT .. FROM {table} WHERE id = %s",
        description=f"SELECT a FROM {table} WHERE id = 42", domain=table, action="SELECT", system="postgresql", **more,
    )  # fmt: skip


def everything(project: Project) -> list[dict[str, Any]]:
    """Something in every section."""
    return [
        query(project, 0xABC, trace_id=TRACE, span_id=SPAN),
        span(project, "http", "http.client", domain="api.example.com", action="GET", status_code="503",
             normalized_description="GET https://*.example.com"),
        span(project, "cache", "cache.get", domain="user", attributes_string={"cache.hit": "false"}),
        span(project, "queue", "queue.process", domain="mails", system="celery",
             attributes_number={"messaging.message.receive.latency": 1500.0}),
        span(project, "pageload", "pageload", is_segment=1, browser_name="Firefox",
             attributes_number={"measurements.lcp": 3100.0, "measurements.score.lcp": 0.7,
                                "measurements.score.total": 0.7, "measurements.cls": 0.0,
                                "measurements.score.cls": 1.0}),
        span(project, "ui", "ui.load", is_segment=1, transaction="MainActivity", os_name="Android", release="app@7",
             attributes_number={"measurements.app_start_cold": 812.0, "measurements.frames_total": 200.0,
                                "measurements.frames_slow": 9.0, "measurements.frames_frozen": 1.0}),
    ]  # fmt: skip


def page(client: Client, path: str, **query_string: Any) -> str:
    answer = client.get(f"{HOME}{path}", query_string)
    assert answer.status_code == 200, answer.content
    return unescape(answer.content.decode())


def rows(html: str) -> list[list[str]]:
    """The cells' texts of the first table of figures with row heads."""
    body = re.search(r'<table class="table figures">.*?<tbody>(.*?)</tbody>', html, re.DOTALL)
    assert body
    return [
        [" ".join(re.sub(r"<[^>]*>", " ", cell).split()) for cell in re.findall(r"<t[hd].*?</t[hd]>", row, re.DOTALL)]
        for row in re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    ]


def test_queries_by_time_spent(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, [query(project, 1) for _ in range(6)] + [query(project, 2, duration=300.0)])
    html = page(client, "databases/", statsPeriod="24h", project=project.pk)
    assert [row[0].split(" postgresql")[0] for row in rows(html)] == [
        "SELECT .. FROM table_2 WHERE id = %s", "SELECT .. FROM table_1 WHERE id = %s",
    ]  # fmt: skip
    found = rows(page(client, "databases/", statsPeriod="24h", sort="-count"))
    assert found[0][1:] == ["0.00417/min 6", "20ms", "20ms", "120ms 28.6%"]
    assert found[1][1:] == ["0.000694/min 1", "300ms", "300ms", "300ms 71.4%"]
    assert "Extrapolated" not in html


def test_filters_narrow_and_can_be_cleared(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(
        event_store,
        [query(project, 1, environment="production", release="app@1"), query(project, 2, environment="staging")],
    )
    assert len(rows(page(client, "databases/"))) == 2
    for wanted in ({"environment": "staging"}, {"table": "table_2"}):
        assert [row[0][:22] for row in rows(page(client, "databases/", **wanted))] == ["SELECT .. FROM table_2"]
    assert [row[0][:22] for row in rows(page(client, "databases/", release="app@1"))] == ["SELECT .. FROM table_1"]
    html = page(client, "databases/", system="mysql")
    assert "Nothing in this period" in html
    assert "Clear" in html


def test_query_with_callers_examples_and_links(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, everything(project))
    html = page(client, "databases/query/", hash=f"{0xABC:016x}", statsPeriod="24h", part="examples")
    assert '<span class="k">FROM</span>' in html or '<span class="k">SELECT</span>' in html
    assert "42" in html
    assert rows(html)[0][0] == "/cart shop"
    assert f'href="/organizations/acme/traces/{TRACE}/?node={SPAN}"' in html
    assert (
        f'href="/organizations/acme/performance/summary/?project={project.pk}&transaction=%2Fcart&statsPeriod=24h"'
        in html
    )
    assert 'href="/organizations/acme/explore/spans/?query=span.group%3A0000000000000abc&statsPeriod=24h"' in html
    assert client.get(f"{HOME}databases/query/", {"hash": "no"}).status_code == 404
    assert "Nothing in this period" in page(client, "databases/query/", hash="f" * 16)


def test_hosts_and_their_requests(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    more = {"domain": "api.example.com", "action": "GET", "normalized_description": "GET https://*.example.com"}
    insert_spans(
        event_store,
        [span(project, "http", "http.client", status_code=code, **more) for code in ("200", "200", "404", "500", "")],
    )
    assert rows(page(client, "http/", statsPeriod="24h"))[0][2:5] == ["0%", "25%", "25%"]
    html = page(client, "http/domain/", domain="api.example.com", statsPeriod="24h")
    assert rows(html)[0][:2] == ["GET https://*.example.com", "/cart shop"]
    later = re.search(r'hx-get="([^"]*)"', html)
    assert later
    fragment = client.get(f"{HOME}http/domain/{later[1]}", headers={"HX-Request": "true"}).content.decode()
    assert re.findall(r"<td>(Failed|Slowest)</td>", fragment) == ["Failed"] * 2 + ["Slowest"] * 3
    assert "<html" not in fragment


def test_a_missing_datum_is_not_zero(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(
        event_store,
        [span(project, "http", "http.client", domain="a"), span(project, "cache", "cache.get", domain="user"),
         span(project, "queue", "queue.publish", domain="mails")],
    )  # fmt: skip
    assert rows(page(client, "http/"))[0][2:5] == ["–", "–", "–"]
    assert rows(page(client, "caches/"))[0][2:4] == ["–", "–"]
    assert rows(page(client, "queues/"))[0][2:] == ["–"] * 5


def test_caches_by_transaction_and_by_key(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    hit, miss = {"cache.hit": "true"}, {"cache.hit": "false"}
    insert_spans(
        event_store,
        [span(project, "cache", "cache.get", domain="user", attributes_string=hit,
              attributes_number={"cache.item_size": 1500.0}) for _ in range(3)]
        + [span(project, "cache", "cache.get", domain="user", attributes_string=miss)]
        + [span(project, "cache", "cache.put", domain="other")],
    )  # fmt: skip
    assert rows(page(client, "caches/"))[0][2:5] == ["25%", "1.5 KB", "20ms"]
    by_key = page(client, "caches/", by="prefix")
    assert [row[0] for row in rows(by_key)] == ["user"]
    assert "Examples" not in by_key
    narrowed = page(client, "caches/", prefix="user", part="examples")
    assert "Miss" in narrowed.split("Examples", 1)[1]


def test_destination_with_producers_and_consumers(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    publish = span(project, "queue", "queue.publish", domain="mails", transaction="/signup")
    process = {"domain": "mails", "transaction": "send_mail", "duration": 50.0,
               "attributes_number": {"messaging.message.receive.latency": 250.0}}  # fmt: skip
    insert_spans(
        event_store,
        [publish] * 2 + [span(project, "queue", "queue.process", status="internal_error", **process),
                         span(project, "queue", "queue.process", **process)],
    )  # fmt: skip
    assert rows(page(client, "queues/", statsPeriod="24h"))[0][3:6] == ["250ms", "50ms", "50%"]
    found = rows(page(client, "queues/destination/", destination="mails"))
    assert sorted(row[0] for row in found) == ["/signup shop · publishes", "send_mail shop · processes"]
    assert {row[0].split()[0]: row[3] for row in found} == {"/signup": "–", "send_mail": "250ms"}


def test_pages_and_one_page(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, everything(project))
    html = page(client, "vitals/", statsPeriod="24h")
    assert rows(html)[0] == ["/cart", "1", "3.10s", "–", "–", "0.000", "–", "80", "20.00"]
    assert "Needs improvement" in html
    assert '<option value="Firefox"' in html or "<option>Firefox</option>" in html
    assert "Examples" in page(client, "vitals/page/", transaction="/cart", statsPeriod="24h", part="examples")
    assert "Nothing in this period" in page(client, "vitals/page/", transaction="/cart", browser="Chrome")
    assert (
        "0.000"
        in page(client, "vitals/page/", transaction="/cart", vital="cls", part="examples").split("Examples", 1)[1]
    )
    assert client.get(f"{HOME}vitals/page/").status_code == 404


def test_mobile_and_one_screen(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, everything(project))
    expected = ["812ms 812ms", "–", "4.5%", "0.5%", "–", "–"]
    assert rows(page(client, "mobile/", statsPeriod="24h"))[0][2:] == expected
    assert [row[0] for row in rows(page(client, "mobile/", by="release"))] == ["app@7"]
    assert [row[0] for row in rows(page(client, "mobile/", by="os"))] == ["Android"]
    html = page(client, "mobile/screen/", transaction="MainActivity", part="examples")
    assert rows(html)[0][0] == "app@7"
    assert "cold start 812ms" in html


def test_overview_and_cards(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, everything(project))
    html = page(client, "", statsPeriod="24h")
    cards = re.findall(r'hx-get="([^"]*)"', html)
    assert len(cards) == 6
    facts = {}
    for address in cards:
        text = client.get(address).content.decode()
        facts[address.split("section=")[1].split("&")[0]] = re.findall(r'<b class="num">([^<]*)</b>', text)
    assert facts == {
        "databases": ["0.000694/min", "20ms", "20ms"], "http": ["0.000694/min", "20ms", "100%"],
        "caches": ["0.000694/min", "100%"], "queues": ["0/min", "0.000694/min", "1.50s"],
        "vitals": ["80", "3.10s", "–"], "mobile": ["0.000694/min", "812ms", "–"],
    }  # fmt: skip
    assert client.get(f"{HOME}card/", {"section": "nonsense"}).status_code == 404
    assert (
        "Nothing in this period" in client.get(f"{HOME}card/", {"section": "http", "environment": "x"}).content.decode()
    )


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("databases/?system=postgresql&table=table_2748", "/cart"), (f"databases/query/?hash={0xABC:016x}", "/cart"),
        ("http/?method=GET", "/cart"), ("http/domain/?domain=api.example.com", "/cart"), ("caches/?prefix=user", "/cart"),
        ("queues/", "/cart"), ("queues/destination/?destination=mails", "/cart"), ("vitals/?browser=Firefox", "/cart"),
        ("vitals/page/?transaction=%2Fcart", "/cart"), ("mobile/?release=app@7&os=Android", "MainActivity"),
        ("mobile/screen/?transaction=MainActivity", "MainActivity"),
    ],
)  # fmt: skip
def test_the_explorer_shows_the_same_spans(
    shop: tuple[Client, Project], event_store: Any, path: str, wanted: str
) -> None:
    client, project = shop
    insert_spans(event_store, [*everything(project), span(project, "ui", "ui.render", transaction="other")])
    address = re.search(r'href="(/organizations/acme/explore/spans/\?query[^"]*)"', page(client, path))
    assert address
    answer = client.get(address[1])
    assert answer.status_code == 200
    assert re.findall(r'/performance/summary/[^"]*">([^<]*)</a>', answer.content.decode()) == [wanted]


@pytest.mark.parametrize("section", SECTIONS)
def test_empty_sections_say_what_to_instrument(shop: tuple[Client, Project], event_store: Any, section: str) -> None:
    html = page(shop[0], f"{section}/")
    assert 'class="empty"' in html
    assert 'class="code"' in html


@pytest.mark.parametrize("section", SECTIONS)
def test_sampled_traffic_is_extrapolated_and_said_so(
    shop: tuple[Client, Project], event_store: Any, section: str
) -> None:
    client, project = shop
    insert_spans(event_store, [{**one, "sample_weight": 10.0} for one in everything(project)])
    html = page(client, f"{section}/")
    assert "Extrapolated" in html
    assert "10" in " ".join(rows(html)[0])


@pytest.mark.parametrize(
    "path",
    [f"{section}/" for section in SECTIONS]
    + ["caches/?by=prefix", f"databases/query/?hash={0xABC:016x}", "http/domain/?domain=api.example.com",
       "queues/destination/?destination=mails", "vitals/page/?transaction=%2Fcart",
       "mobile/screen/?transaction=MainActivity"],
)  # fmt: skip
def test_few_queries_and_no_inline_script_or_style(
    shop: tuple[Client, Project], event_store: Any, path: str, django_assert_max_num_queries: Any
) -> None:
    client, project = shop
    insert_spans(event_store, everything(project))
    client.get(f"{HOME}{path}")
    with django_assert_max_num_queries(25):
        answer = client.get(f"{HOME}{path}")
    html = answer.content.decode()
    asked = re.search(r'events;desc="(\d+)"', answer["Server-Timing"])
    assert asked
    assert 1 <= int(asked[1]) <= 5
    assert 'class="table figures"' in html or 'class="card-body vitals"' in html
    assert " style=" not in html
    assert not re.search(r"<script(?![^>]*src=)", html)


@pytest.mark.parametrize("junk", [
    {"sort": "-nonsense"}, {"sort": "total; DROP TABLE spans"}, {"offset": "x"}, {"offset": "99999999"},
    {"statsPeriod": "soon"}, {"project": "nope"}, {"by": "x"}, {"vital": "x"}, {"release": "it's \\ {f:String}"},
    {"transaction": "%00'\\"}, {"system": "{x:UInt8}"},
])  # fmt: skip
def test_any_url_is_answered(shop: tuple[Client, Project], event_store: Any, junk: dict[str, str]) -> None:
    client, project = shop
    insert_spans(event_store, everything(project))
    for section in SECTIONS:
        assert client.get(f"{HOME}{section}/", junk).status_code == 200


def test_hostile_names_are_escaped(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    evil = "<script>alert(1)</script>"
    insert_spans(
        event_store,
        [{**one, "transaction": evil, "domain": evil, "release": evil, "description": evil,
          "normalized_description": evil, "browser_name": evil} for one in everything(project)],
    )  # fmt: skip
    for section in (*SECTIONS, f"databases/query/?hash={0xABC:016x}"):
        path = section if "?" in section else f"{section}/"
        assert evil not in client.get(f"{HOME}{path}").content.decode(), section


def test_other_projects_are_not_counted(shop: tuple[Client, Project], event_store: Any) -> None:
    client, _ = shop
    stranger = make_project(make_organization())
    insert_spans(event_store, everything(stranger))
    for section in SECTIONS:
        assert 'class="empty"' in page(client, f"{section}/", project=stranger.pk)


def test_store_that_is_down(shop: tuple[Client, Project], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("down")

    monkeypatch.setattr("dictamesh_sentry.eventstore.client.ClickHouseStore._select", refuse)
    for section in SECTIONS:
        assert "cannot be read right now" in page(shop[0], f"{section}/")
        assert "cannot be read right now" in page(shop[0], "card/", section=section)


def test_pages_of_a_long_table(shop: tuple[Client, Project], event_store: Any) -> None:
    client, project = shop
    insert_spans(event_store, [query(project, number, duration=float(number)) for number in range(1, 31)])
    html = page(client, "databases/")
    assert len(rows(html)) == 25
    assert "1–25 of 30" in html
    following = page(client, "databases/", offset="25")
    assert [re.findall(r"table_(\d+)", row[0])[0] for row in rows(following)] == ["5", "4", "3", "2", "1"]
    assert "26–30 of 30" in following


def test_statements_are_broken_into_lines_but_never_changed() -> None:
    text = "SELECT a, 'x FROM y' FROM t LEFT JOIN u ON t.a = u.a WHERE a = 1 AND b IN (1, 2) ORDER BY a LIMIT 5"
    assert on_lines(text).splitlines() == [
        "SELECT a, 'x FROM y'", "FROM t", "LEFT JOIN u ON t.a = u.a", "WHERE a = 1", "  AND b IN (1, 2)",
        "ORDER BY a", "LIMIT 5",
    ]  # fmt: skip
    columns = ", ".join(f'"t"."column_{number}"' for number in range(40))
    wide = f"SELECT {columns} FROM t"
    assert max(map(len, on_lines(wide).splitlines())) < 140
    assert "".join(on_lines(wide).split()) == "".join(wide.split())
    assert on_lines("SELECT 1\n FROM t") == "SELECT 1\n FROM t"
