"""Event queries: fields, functions, charts; numbers against the events that were stored; hostile names."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.api.errors import ApiError
from dictamesh_sentry.api.events_fields import FieldReader
from dictamesh_sentry.eventstore.client import log_queries
from dictamesh_sentry.search.errors import FieldError
from tests.api.conftest import api_of
from tests.api.issue_world import IssueWorld, enqueued_fixture, issues_fixture  # noqa: F401 - fixtures

FIELDS = [
    "id", "title", "message", "culprit", "location", "level", "platform", "platform.name", "type", "event.type", "issue",
    "issue.id", "project", "project.id", "project.name", "environment", "release", "release.version", "release.build",
    "release.package", "dist", "transaction", "timestamp", "timestamp.to_hour", "timestamp.to_day", "trace",
    "trace.span", "user", "user.id", "user.email", "user.username", "user.ip", "user.display", "error.type",
    "error.value", "error.mechanism", "error.handled", "error.unhandled", "error.main_thread", "stack.filename",
    "stack.function", "http.method", "http.url", "http.status_code", "sdk.name", "sdk.version", "os.build",
    "device.name", "geo.country_code", "tags[browser]", "browser", 'flags["x"]', "replayId", "profile.id",
]  # fmt: skip


def _table(issues: IssueWorld, query: str) -> Any:
    return issues.api.get(f"{issues.organization}/events/?{query}")


class TestTables:
    def test_plain_rows_are_newest_first_and_typed(self, issues: IssueWorld):
        body = _table(issues, "field=id&field=issue&field=issue.id&field=project&field=timestamp&field=browser")
        assert [row["id"] for row in body["data"]] == [issues.event_id(position) for position in (3, 2, 1, 0)]
        last = body["data"][-1]
        assert last["issue"].startswith("SHOP-")
        assert (last["issue.id"], last["project"], last["browser"]) == (issues.first.pk, "shop", "Firefox")
        assert last["timestamp"].endswith("Z")
        assert body["data"][0]["browser"] is None
        assert body["meta"]["fields"] == {
            "id": "string",
            "issue": "string",
            "issue.id": "integer",
            "project": "string",
            "timestamp": "date",
            "browser": "string",
        }
        assert body["meta"]["dataset"] == "errors"

    def test_functions_group_by_the_other_fields(self, issues: IssueWorld):
        body = _table(
            issues, "field=title&field=count()&field=count_unique(user)&field=last_seen()&sort=-count&dataset=errors"
        )
        assert [(row["title"], row["count()"], row["count_unique(user)"]) for row in body["data"]] == [
            ("ValueError: bad", 3, 2),
            ("KeyError: id", 1, 0),
        ]
        assert body["data"][0]["last_seen()"].endswith("Z")
        assert body["meta"]["fields"]["last_seen()"] == "date"
        ascending = _table(issues, "field=title&field=count()&sort=count()")
        assert [row["count()"] for row in ascending["data"]] == [1, 3]

    def test_every_function(self, issues: IssueWorld):
        functions = [
            "count(browser)", "count_if(browser,equals,Chrome)", 'count_if(level,notEquals,"fatal")', "min(timestamp)",
            "max(timestamp)", "any(title)", "first_seen()", "latest_event()", "eps()", "epm()", "sum(size)",
            "avg(size)",
        ]  # fmt: skip
        query = "&".join(f"field={quote(name)}" for name in functions)
        row = _table(issues, query)["data"][0]
        assert row["count(browser)"] == 3
        assert row["count_if(browser,equals,Chrome)"] == 1
        assert row['count_if(level,notEquals,"fatal")'] == 3
        assert row["latest_event()"] == issues.event_id(3)
        assert row["max(timestamp)"] > row["min(timestamp)"]
        assert row["sum(size)"] == 4 * 99
        assert row["epm()"] == pytest.approx(60 * row["eps()"])

    def test_every_field_of_errors_can_be_asked_for(self, issues: IssueWorld):
        for start in range(0, len(FIELDS), 20):
            part = FIELDS[start : start + 20]
            body = _table(issues, "&".join(f"field={quote(name)}" for name in part))
            assert list(body["data"][0]) == list(dict.fromkeys(part))
            assert len(body["data"]) == 4

    def test_search_environment_and_window(self, issues: IssueWorld):
        for query, expected in (
            ("query=level:fatal", 1),
            ("query=level:fatal%20OR%20browser:Chrome", 2),
            ("environment=staging", 1),
            ("statsPeriod=24h", 3),
            ("project=-1", 4),
            ("query=issue.id:%s", 3),
        ):
            body = _table(issues, f"field=count()&{query.replace('%s', str(issues.first.pk))}")
            assert body["data"] == [{"count()": expected}], query
            meta = issues.api.get(f"{issues.organization}/events-meta/?{query.replace('%s', str(issues.first.pk))}")
            assert meta == {"count": expected}

    def test_pages(self, issues: IssueWorld):
        path = f"{issues.organization}/events/?field=id&per_page=3"
        response = issues.api("GET", path)
        link = response.headers["Link"]
        assert len(orjson.loads(response.content)["data"]) == 3
        following = link.split(", ")[1]
        assert 'results="true"' in following
        rest = issues.api.get(following[following.index("/api/0") + 6 : following.index(">")])
        assert [row["id"] for row in rest["data"]] == [issues.event_id(0)]

    @pytest.mark.parametrize(
        ("query", "detail"),
        [
            ("field=p95x()", "p95x is not a valid function"),
            ("field=count(", "Invalid characters in field"),
            ("field=count_if(level,like,x)", "is not a valid condition"),
            ("field=count_unique()", "expected 1 argument"),
            ("field=max(title)", "is not a number or a date"),
            ("field=equation|count()%20%2B", "missing at the end"),
            ("field=title&sort=-nothing", "Cannot sort"),
            ("field=title&dataset=logs-and-more", "not available"),
            ("field=title&query=level:(", "character"),
            ("field=title&statsPeriod=1y", "statsPeriod"),
            ("field=title&per_page=1000", "per_page"),
            ("field=title&cursor=x", "cursor"),
            ("&".join(f"field=tag{number}" for number in range(21)), "up to 20 fields"),
            ("field=is", "no field"),
        ],
    )
    def test_what_cannot_be_answered_is_400_with_the_reason(self, issues: IssueWorld, query: str, detail: str):
        for path in ("events/", "events/validate/"):
            if path == "events/validate/" and ("per_page" in query or "cursor" in query):
                continue
            response = issues.api("GET", f"{issues.organization}/{path}?{query}")
            assert response.status_code == 400, response.content
            assert detail in orjson.loads(response.content)["detail"]

    def test_validation_accepts_what_can_be_answered(self, issues: IssueWorld):
        body = issues.api.get(f"{issues.organization}/events/validate/?field=title&field=count()&sort=-count()")
        assert body == {"valid": True, "fields": {"title": "string", "count()": "integer"}}

    def test_names_never_reach_the_sql(self, issues: IssueWorld):
        for name in ("tags[x'y]", "tags[a) OR 1=1 --]", "count_if(tags[x'],equals,' OR 1=1)", "flags[\\'x]"):
            with log_queries() as statements:
                response = issues.api("GET", f"{issues.organization}/events/?field={quote(name)}")
            assert response.status_code in {200, 400}
            assert not any("1=1" in sql or "x'y" in sql or "\\'x" in sql for sql in statements.statements)

    def test_other_organizations_events_are_not_counted(self, issues: IssueWorld):
        stranger = api_of(issues.world.stranger)
        assert stranger.get("/organizations/other/events/?field=id&project=-1")["data"] == []
        assert (
            stranger("GET", f"/organizations/other/events/?field=id&project={issues.world.project.pk}").status_code
            == 404
        )


def _points(series: Any) -> list[float]:
    return [points[0]["count"] for _, points in series["data"]]


class TestCharts:
    def _chart(self, issues: IssueWorld, query: str) -> Any:
        return issues.api.get(f"{issues.organization}/events-stats/?statsPeriod=48h&interval=1h&{query}")

    def test_one_axis_is_zero_filled(self, issues: IssueWorld):
        body = self._chart(issues, "")
        assert sum(_points(body)) == 4
        assert 48 <= len(body["data"]) <= 50
        moments = [moment for moment, _ in body["data"]]
        assert {later - earlier for earlier, later in pairwise(moments)} == {3600}
        assert moments[0] % 3600 == 0
        assert body["end"] - body["start"] in {172800, 172801}

    def test_several_axes(self, issues: IssueWorld):
        body = self._chart(issues, "yAxis=count()&yAxis=count_unique(user)")
        assert list(body) == ["count()", "count_unique(user)"]
        assert [series["order"] for series in body.values()] == [0, 1]
        assert sum(_points(body["count()"])) == 4
        assert sum(_points(body["count_unique(user)"])) == 3

    def test_top_groups_and_the_others(self, issues: IssueWorld):
        query = "topEvents=1&field=title&field=count()&sort=-count()"
        body = self._chart(issues, query)
        assert list(body) == ["ValueError: bad", "Other"]
        assert (sum(_points(body["ValueError: bad"])), sum(_points(body["Other"]))) == (3, 1)
        assert list(self._chart(issues, query + "&excludeOther=1")) == ["ValueError: bad"]
        both = self._chart(issues, "topEvents=2&field=project&field=level&yAxis=count()&yAxis=epm()")
        assert set(both["shop,error"]) == {"count()", "epm()", "order"}
        assert list(both) == ["shop,error", "shop,fatal"]

    def test_no_groups_is_one_empty_series(self, issues: IssueWorld):
        body = self._chart(issues, "topEvents=3&field=title&query=level:nothing")
        assert sum(_points(body)) == 0
        several = self._chart(issues, "topEvents=3&field=title&query=level:nothing&yAxis=count()&yAxis=eps()")
        assert list(several) == [""]

    def test_a_broken_or_tiny_interval_becomes_the_servers_choice(self, issues: IssueWorld):
        for interval in ("", "x", "0h", "1s"):
            body = issues.api.get(f"{issues.organization}/events-stats/?statsPeriod=90d&interval={interval}")
            assert len(body["data"]) <= 100
            assert sum(_points(body)) == 4

    @pytest.mark.parametrize(
        "query", ["yAxis=title", "yAxis=last_seen()", "topEvents=11&field=title", "topEvents=2", "yAxis=nope()"]
    )
    def test_what_cannot_be_charted_is_400(self, issues: IssueWorld, query: str):
        response = issues.api("GET", f"{issues.organization}/events-stats/?{query}")
        assert response.status_code == 400
        assert isinstance(orjson.loads(response.content)["detail"], str)


@settings(max_examples=150, deadline=None)
@given(name=st.text(max_size=60) | st.from_regex(r"[a-z_]{1,10}\([^)]{0,20}\)", fullmatch=True))
def test_any_name_is_a_column_or_refused(name: str):
    reader = FieldReader(3600)
    try:
        column = reader.read(name)
    except (ApiError, FieldError):
        return
    assert column.name in {name, "last_seen()"}
    for value in reader.binder.parameters.values():
        if isinstance(value, str) and len(value) > 3:
            assert value not in column.sql
