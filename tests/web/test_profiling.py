"""The profiling pages: right numbers, links that lead where they say, drawings that obey the URL."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import orjson
import pytest
from django.http import HttpResponse
from django.test import Client

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.eventstore.interface import EventStore, StoreUnavailableError
from dictamesh_sentry.profiling.functions import fingerprint
from dictamesh_sentry.profiling.ingest import store_profiles
from dictamesh_sentry.profiling.records import ProfileRecord
from dictamesh_sentry.projects.models import Project
from tests.support.factories import make_member, make_organization, make_project, make_team, make_user
from tests.support.profiles import chunk, profile_record, record_of
from tests.support.spans import insert_spans

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
HOME = "/organizations/acme/profiling/"
PROFILER = "c" * 32
SPAN = "00000000000000cd"
LOAD = f"{fingerprint('load', 'shop.models'):x}"


@pytest.fixture
def shop(event_store: EventStore) -> tuple[Client, Project]:
    organization = make_organization(slug="acme")
    team = make_team(organization)
    client = Client()
    client.force_login(make_member(organization, "owner", make_user(), (team,)))
    return client, make_project(organization, (team,), slug="shop")


def stored(store: EventStore, *records: ProfileRecord) -> ProfileRecord:
    store_profiles(records, store, get_blob_store())
    return records[0]


def record(project: Project, hours: float = 1, name: str = "/checkout", **changes: Any) -> ProfileRecord:
    transaction = {"name": name, "active_thread_id": "1", "trace_id": "a" * 32}
    return profile_record(project.pk, NOW - timedelta(hours=hours), transaction=transaction, **changes)


def page(client: Client, url: str, status: int = 200) -> str:
    response: HttpResponse = client.get(url)  # type: ignore[assignment]
    assert response.status_code == status, response.content[:2000]
    text = response.content.decode()
    assert not re.search(r"""<[^>]+\s(?:style|onclick)=""", text)
    return text


def texts(html: str) -> str:
    """What is to be read, in one line."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def boxes(html: str) -> list[tuple[str, float, float, int]]:
    """(function, left edge, width, row) of every box, in percent and rows."""
    found = re.findall(
        r'<a href="[^"]*"[^>]*><title>([^<]*)</title><svg x="([\d.]+)%" y="(\d+)" width="([\d.]+)%"', html
    )
    return [(unescape(name).split(" · ")[0], float(x), float(width), int(y) // 20) for name, x, y, width in found]


def rounded(html: str) -> list[tuple[str, int, int, int]]:
    return [(name, round(x), round(width), row) for name, x, width, row in boxes(html)]


def address(item: ProfileRecord) -> str:
    return f"{HOME}profile/shop/{item.profile_id}/"


# One profile


def test_a_profile_is_drawn_in_time(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    html = page(client, address(item))
    assert rounded(html) == [("main", 0, 100, 0), ("load", 0, 75, 1), ("execute", 0, 50, 2)]
    said = texts(html)
    assert "40ms" in said
    assert "7 in 2 threads" in said
    assert f'href="/organizations/acme/traces/{"a" * 32}/' in html
    assert "execute driver" in said
    assert "library" in said
    # Own time of the three functions, in the order of the table.
    rows = re.findall(r'<th scope="row" class="function-name">.*?</tr>', html, re.DOTALL)
    assert [texts(row).split(" ")[1] for row in rows] == ["execute", "main", "load"]
    assert [re.findall(r'<td class="end num">([^<]+)</td>', row)[:4] for row in rows] == [
        ["20ms", "50%", "20ms", "50%"],
        ["10ms", "25%", "40ms", "100%"],
        ["10ms", "25%", "30ms", "75%"],
    ]


def test_app_only_leaves_libraries_out_and_gives_their_time_to_the_caller(
    shop: tuple[Client, Project], event_store: EventStore
) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    html = page(client, f"{address(item)}?app=1&view=tree")
    assert rounded(html) == [("main", 0, 100, 0), ("load", 0, 75, 1)]
    assert "execute" not in html
    assert "30ms" in texts(html)


def test_the_other_thread_can_be_chosen(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    html = page(client, f"{address(item)}?thread=2")
    assert rounded(html) == [("loop", 0, 75, 0)]
    assert "<h2>worker</h2>" in html


def test_a_box_zooms_and_the_table_follows(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    html = page(client, address(item))
    [link] = re.findall(r'<a href="([^"]*)"[^>]*><title>load ', html)
    zoomed = page(client, address(item) + unescape(link))
    assert rounded(zoomed) == [("main", 0, 100, 0), ("load", 0, 100, 1), ("execute", 0, 67, 2)]
    assert "Whole width" in zoomed
    assert "busy 30ms" in texts(zoomed)
    part = page(client, f"{address(item)}?from=30000000&to=40000000")
    assert rounded(part) == [("main", 0, 100, 0)]
    assert "execute" not in texts(part)
    for nonsense in ("from=9&to=1", "from=x&to=y", "from=99999999999999&to=999999999999999", "view=x&thread=99&fn=zz"):
        assert len(boxes(page(client, f"{address(item)}?{nonsense}"))) == 3


def test_a_function_is_shown_between_its_callers_and_callees(
    shop: tuple[Client, Project], event_store: EventStore
) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    html = page(client, f"{address(item)}?view=function&fn={LOAD}")
    # The function at the bottom with its caller above, then the function at the top with its callee below.
    assert rounded(html) == [("load", 0, 100, 1), ("main", 0, 100, 0), ("load", 0, 100, 0), ("execute", 0, 67, 1)]
    assert "Own 10ms · total 30ms · 3 samples" in texts(html)
    missing = page(client, f"{address(item)}?view=function&fn=abc")
    assert "The function is not in what is shown" in texts(missing)


def test_a_search_marks_boxes_and_says_their_share(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    html = page(client, f"{address(item)}?q=MODELS.load")
    assert len(re.findall(r'class="c\d match"', html)) == 1
    assert "1 box matches MODELS.load , together 30ms" in texts(html)


def test_a_span_is_marked_and_zoomed_to(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    start = NOW - timedelta(hours=1) + timedelta(milliseconds=20)
    insert_spans(event_store, [{
        "project_id": project.pk, "span_id": SPAN, "op": "db", "description": "SELECT <1>", "timestamp": start,
        "duration": 10.0, "trace_id": "a" * 32,
    }])  # fmt: skip
    html = page(client, f"{address(item)}?span={SPAN}")
    # 20 to 30 ms of 40, with a tenth of it around.
    [(x, width)] = re.findall(r'class="span-mark" x="([\d.]+)%" width="([\d.]+)%"', html)
    assert (round(float(x), 1), round(float(width), 1)) == (8.3, 83.3)
    assert rounded(html)[:2] == [("main", 0, 100, 0), ("load", 0, 92, 1)]
    assert "SELECT &lt;1&gt;" in html
    assert f"/traces/{'a' * 32}/?node={SPAN}" in html
    whole = page(client, f"{address(item)}?span={SPAN}&from=0&to=40000000")
    [(x, width)] = re.findall(r'class="span-mark" x="([\d.]+)%" width="([\d.]+)%"', whole)
    assert (round(float(x)), round(float(width))) == (50, 25)


def test_hostile_names_are_text(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    hostile = '"><script>alert(1)</script>'
    item = record(project)
    from tests.support.profiles import transaction_profile

    payload = transaction_profile()
    payload["profile"]["frames"] = [{"function": hostile, "module": hostile, "filename": hostile}] * 4
    payload["profile"]["thread_metadata"]["1"]["name"] = hostile
    payload["transaction"]["name"] = hostile
    item = stored(event_store, record_of(payload, project.pk))
    for query in ("", "?view=tree", f"?view=function&fn={fingerprint(hostile, hostile):x}", "?q=%22%3E%3Cscript%3E"):
        assert "<script>alert" not in page(client, address(item) + query)
    for url in (HOME, f"{HOME}flamegraph/"):
        assert "<script>alert" not in page(client, url)


def test_a_large_profile_is_drawn_within_bounds(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    from tests.support.profiles import transaction_profile

    payload = transaction_profile()
    payload["profile"] = {
        "frames": [{"function": f"f{number}", "in_app": True} for number in range(500)],
        "stacks": [[(number * 7 + depth * 13) % 500 for depth in range(40)] for number in range(2600)],
        "samples": [
            {"elapsed_since_start_ns": number * 10_000_000, "thread_id": "1", "stack_id": number}
            for number in range(2600)
        ],
    }
    item = stored(event_store, record_of(payload, project.pk))
    html = page(client, address(item))
    # Nothing is wide enough to be drawn by itself: a block for each row, which covers it.
    crowds = re.findall(r'class="crowd"><title>([^<]*)</title><svg x="([^"]*)%" y="(\d+)" width="([^"]*)%"', html)
    assert len(boxes(html)) == 40
    assert len(crowds) == 40
    assert {(title.split(" calls")[0], float(x), float(width)) for title, x, _, width in crowds} == {("2,599", 0, 100)}
    assert "103,960 more are too narrow" in texts(html)
    zoomed = page(client, f"{address(item)}?from=0&to=50000000")
    assert len(boxes(zoomed)) == 200


# Downloads


def test_downloads_are_files(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    for kind, name in (("speedscope", f"{item.profile_id}.speedscope.json"), ("raw", f"{item.profile_id}.json")):
        response: Any = client.get(f"{address(item)}{kind}/")
        assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
        body = orjson.loads(response.content)
        assert ("$schema" in body) == (kind == "speedscope")
    assert client.get(f"{HOME}profile/shop/{'e' * 32}/raw/").status_code == 404


def test_samples_that_are_gone_are_said_to_be(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    item = stored(event_store, record(project))
    get_blob_store().delete(item.blob_key)
    assert "The samples are gone" in page(client, address(item), 404)
    assert client.get(f"{address(item)}raw/").status_code == 404


# Continuous profiles


def test_a_profiler_shows_its_chunks_in_a_range(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    start = (NOW - timedelta(minutes=20)).replace(microsecond=0)
    chunks = [
        record_of(chunk((start + timedelta(seconds=2 * n)).timestamp(), PROFILER), project.pk, offset=n)
        for n in range(3)
    ]
    stored(event_store, *chunks)
    insert_spans(event_store, [{
        "project_id": project.pk, "span_id": SPAN, "op": "task", "timestamp": start + timedelta(seconds=1),
        "duration": 2000.0, "profiler_id": PROFILER, "thread_id": "2",
    }])  # fmt: skip
    html = page(client, f"{HOME}profile/shop/{PROFILER}/?span={SPAN}")
    assert "<h2>worker</h2>" in html
    assert rounded(html) == [("loop", 0, 100, 0)]
    assert texts(html).count(chunks[0].profile_id[:8]) == 1
    assert chunks[2].profile_id not in html
    whole = page(client, f"{HOME}profile/shop/{PROFILER}/?thread=2")
    assert chunks[2].profile_id in whole
    one = page(client, f"{HOME}profile/shop/{chunks[1].profile_id}/")
    assert f"/profile/shop/{PROFILER}/" in one
    assert client.get(f"{HOME}profile/shop/{'d' * 32}/").status_code == 404
    listed = page(client, HOME)
    assert f"/profile/shop/{PROFILER}/" in listed
    assert "6.00s" in listed


# Lists and aggregates


def test_the_home_page_lists_what_was_profiled(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    stored(event_store, record(project, 1, "/a"), record(project, 2, "/a"), record(project, 3, "/b", environment="qa"))
    said = texts(page(client, HOME))
    assert "/a shop 2 40ms 40ms" in said
    assert "/b shop 1 40ms 40ms" in said
    assert "main shop.views 30ms 10ms 10ms 120ms 3" in said
    assert "execute" not in said
    assert "execute library driver 60ms" in texts(page(client, f"{HOME}?libraries=1"))
    assert "/b" not in texts(page(client, f"{HOME}?transaction=/a"))
    assert "/a shop" not in texts(page(client, f"{HOME}?environment=qa"))
    assert "load shop.models" in texts(page(client, f"{HOME}?function=models"))
    assert "No function matches" in texts(page(client, f"{HOME}?function=nothing"))
    assert "No profiles match" in texts(page(client, f"{HOME}?statsPeriod=1h&environment=prod"))


def test_a_flame_graph_of_a_transaction_sums_its_profiles(
    shop: tuple[Client, Project], event_store: EventStore
) -> None:
    client, project = shop
    stored(event_store, record(project, 1, "/a"), record(project, 2, "/a"), record(project, 3, "/b"))
    url = f"{HOME}flamegraph/?project={project.pk}&transaction=/a"
    html = page(client, url)
    assert rounded(html) == [("main", 0, 100, 0), ("load", 0, 75, 1), ("execute", 0, 50, 2)]
    assert "2 profiles · 80ms in all" in texts(html)
    assert "3 profiles · 120ms in all" in texts(page(client, f"{HOME}flamegraph/"))
    function = page(client, f"{url}&view=function&fn={LOAD}")
    assert "Own 20ms · total 60ms · 6 samples" in texts(function)
    assert "was profiled" in texts(page(client, f"{HOME}flamegraph/?transaction=/none"))


def test_without_profiles_the_page_says_how_to_send_them(shop: tuple[Client, Project]) -> None:
    client, _ = shop
    assert "profiles_sample_rate" in page(client, HOME)


def test_profiles_of_other_projects_are_not_found(shop: tuple[Client, Project], event_store: EventStore) -> None:
    client, project = shop
    other = make_project(make_organization(slug="other"), slug="theirs")
    make_project(project.organization, slug="second")
    foreign, mine = stored(event_store, record(other, name="/secret")), stored(event_store, record(project))
    assert client.get(f"{HOME}profile/shop/{foreign.profile_id}/").status_code == 404
    assert client.get(f"{HOME}profile/second/{mine.profile_id}/").status_code == 404
    assert "/secret" not in page(client, HOME)
    assert "1 profile " in texts(page(client, f"{HOME}flamegraph/"))


def test_an_event_store_that_is_down_is_said_so(
    shop: tuple[Client, Project], event_store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, project = shop
    item = stored(event_store, record(project))

    def fail(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError("down")

    monkeypatch.setattr(type(event_store), "query", fail)
    monkeypatch.setattr(type(event_store), "rows", fail)
    for url in (HOME, f"{HOME}flamegraph/", address(item)):
        assert "cannot be read right now" in page(client, url)


def test_pages_need_few_statements(
    shop: tuple[Client, Project], event_store: EventStore, django_assert_max_num_queries: Any
) -> None:
    client, project = shop
    item = stored(event_store, *(record(project, hours) for hours in range(1, 30)))
    for url in (HOME, f"{HOME}flamegraph/", address(item)):
        with django_assert_max_num_queries(25):
            page(client, url)
