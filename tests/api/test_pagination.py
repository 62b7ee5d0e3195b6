"""Walking a list page by page shows every row once, in order, in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import QueryDict
from django.test import RequestFactory
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dictamesh_sentry.api.errors import ApiError
from dictamesh_sentry.api.pagination import Cursor, Page, by_offset, by_time, cursor_of, limit_of
from dictamesh_sentry.organizations.models import AuditLogEntry
from tests.api.conftest import World
from tests.support import factories

LINK = re.compile(r'<([^>]+)>; rel="(previous|next)"; results="(true|false)"; cursor="([^"]+)"')


@given(st.integers(-(2**63) + 1, 2**63 - 1), st.integers(0, 2**63 - 1), st.booleans())
def test_cursors_survive_the_round_trip(value: int, offset: int, is_prev: bool) -> None:
    cursor = Cursor(value, offset, is_prev)
    assert Cursor.parse(str(cursor)) == cursor


@given(st.text(max_size=80))
@example("0:0:2")
@example("0:-1:0")
@example("9" * 30 + ":0:0")
@example("0:0")
@example("٣:0:0")
def test_any_other_text_is_a_cursor_or_a_400(text: str) -> None:
    if re.fullmatch(r"-?\d{1,18}:\d{1,18}:[01]", text, re.ASCII):
        Cursor.parse(text)
        return
    with pytest.raises(ApiError) as caught:
        Cursor.parse(text)
    assert caught.value.status == 400


def walk(page_at: Callable[[str | None], Page]) -> tuple[list[list[Any]], list[list[Any]]]:
    """Pages from the beginning to the end, then the pages met on the way back."""
    forward, cursor = [], None
    while True:
        page = page_at(cursor)
        forward.append(list(page.items))
        assert page.has_previous == (len(forward) > 1)
        if not page.has_next:
            break
        cursor = page.next
    backward = []
    while page.has_previous:
        page = page_at(page.previous)
        backward.append(list(page.items))
        assert page.has_next
    return forward, backward


@given(st.integers(0, 23), st.integers(1, 8))
def test_small_lists(rows: int, limit: int) -> None:
    every = list(range(rows))
    forward, backward = walk(
        lambda cursor: by_offset(every, list, Cursor.parse(cursor) if cursor else None, limit, count=True)
    )
    assert [row for page in forward for row in page] == every
    assert all(len(page) == limit for page in forward[:-1])
    assert backward == forward[-2::-1]


@given(st.lists(st.integers(0, 3), max_size=14), st.integers(1, 5))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.django_db
def test_growing_lists_with_equal_moments(db: None, moments: list[int], limit: int) -> None:
    organization = factories.make_organization()
    for seconds in moments:
        entry = AuditLogEntry(organization=organization, event="x")
        entry.datetime = factories.SEEN + timedelta(seconds=seconds)
        entry.save()
    rows = AuditLogEntry.objects.filter(organization=organization)
    every = list(rows.order_by("-datetime", "-pk").values_list("pk", flat=True))

    def page_at(cursor: str | None) -> Page:
        parsed = Cursor.parse(cursor) if cursor else None
        return by_time(rows, "datetime", lambda found: [row.pk for row in found], parsed, limit)

    forward, backward = walk(page_at)
    assert [pk for page in forward for pk in page] == every
    assert [pk for page in reversed(backward) for pk in page] == [pk for page in forward[:-1] for pk in page]


@pytest.mark.django_db
def test_rows_that_arrive_meanwhile_shift_nothing(world: World) -> None:
    api = world.api
    for number in range(5):
        AuditLogEntry.objects.create(organization=world.organization, event=f"e{number}")
    first = api("GET", "/organizations/acme/audit-logs/?per_page=2")
    links = {rel: (has, cursor) for _, rel, has, cursor in LINK.findall(first.headers["Link"])}
    AuditLogEntry.objects.create(organization=world.organization, event="late")
    second = api.get(f"/organizations/acme/audit-logs/?per_page=2&cursor={links['next'][1]}")
    assert [row["event"] for row in second["rows"]] == ["e2", "e1"]


def test_the_link_header_keeps_every_other_parameter(world: World) -> None:
    for number in range(3):
        factories.make_project(world.organization, slug=f"extra-{number}")
    response = world.api("GET", "/organizations/acme/projects/?per_page=2&project=1&project=2&query=&cursor=0:0:0")
    (previous_url, previous, has_previous, _), (next_url, following, has_next, cursor) = LINK.findall(
        response.headers["Link"]
    )
    assert (previous, has_previous, following, has_next) == ("previous", "false", "next", "true")
    base = "http://localhost:9000/api/0/organizations/acme/projects/?per_page=2&project=1&project=2&query=&cursor="
    assert next_url == base + cursor.replace(":", "%3A")
    assert previous_url.startswith(base)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", 100), ("per_page=7", 7), ("limit=10000", 100), ("limit=0", 1), ("limit=-5", 1), ("per_page=3&limit=9", 3)],
)
def test_how_many_rows(query: str, expected: int) -> None:
    assert limit_of(QueryDict(query)) == expected


@pytest.mark.parametrize("query", ["per_page=0", "per_page=101", "per_page=x", "limit=x", "per_page=", "per_page=1e2"])
def test_refused_numbers(query: str) -> None:
    with pytest.raises(ApiError):
        limit_of(QueryDict(query))


def test_both_relations_are_always_there() -> None:
    headers = Page([], hits=3).response_headers(RequestFactory().get("/api/0/x/"))
    assert headers["X-Hits"] == "3"
    assert [rel for _, rel, has, _ in LINK.findall(headers["Link"]) if has == "false"] == ["previous", "next"]
    assert cursor_of(QueryDict("")) is None
