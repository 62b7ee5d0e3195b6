"""Tables, charts and attributes of spans and transactions over the API; numbers against the rows that were stored."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest

from dictamesh_sentry.eventstore.client import log_queries
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.projects.models import Project
from tests.api.conftest import Api, World, api_of
from tests.api.issue_world import IssueWorld, enqueued_fixture, issues_fixture  # noqa: F401 - fixtures
from tests.search.span_world import Row, failed, generate, having, number, percentile, total, weigh
from tests.support import factories
from tests.support.spans import insert_spans


@dataclass
class SpanWorld:
    """Generated spans of two projects the caller sees, and some of another organization."""

    api: Api
    rows: list[Row]
    shop: Project
    blog: Project
    hidden: Project

    def table(self, *fields: str, **parameters: Any) -> Any:
        pairs = [("field", name) for name in fields]
        given = {"dataset": "spans", "project": "-1", "statsPeriod": "14d", **parameters}
        return self.api.get(f"/organizations/acme/events/?{urlencode([*pairs, *given.items()], doseq=True)}")

    def chart(self, path: str = "events-stats", **parameters: Any) -> Any:
        given = {"dataset": "spans", "project": "-1", "statsPeriod": "14d", "interval": "1d", **parameters}
        return self.api.get(f"/organizations/acme/{path}/?{urlencode(given, doseq=True)}")

    @property
    def segments(self) -> list[Row]:
        return [row for row in self.rows if row["is_segment"]]


@pytest.fixture
def spans(world: World, event_store: EventStore) -> SpanWorld:
    blog = factories.make_project(world.organization, (world.team,), slug="blog")
    hidden = factories.make_project(factories.make_organization(slug="elsewhere"))
    rows = generate(240)
    for row in rows:
        row["project_id"] = world.project.pk if row["project_id"] == 1 else blog.pk
    insert_spans(event_store, rows)
    insert_spans(event_store, [{"project_id": hidden.pk, "op": "secret", "timestamp": rows[0]["timestamp"]}])
    return SpanWorld(world.api, rows, world.project, blog, hidden)


class TestTables:
    def test_samples_are_newest_first_and_complete(self, spans: SpanWorld):
        fields = ("id", "trace", "span.op", "span.description", "span.duration", "transaction", "project", "timestamp",
                  "parent_span", "is_transaction", "measurements.lcp", "shop.plan", "span.group")  # fmt: skip
        body = spans.table(*fields, per_page=100)
        ordered = sorted(spans.rows, key=lambda row: (row["timestamp"], row["span_id"]), reverse=True)[:100]
        assert [row["id"] for row in body["data"]] == [f"{row['span_id']:016x}" for row in ordered]
        for shown, row in zip(body["data"], ordered, strict=True):
            assert list(shown) == list(fields)
            assert shown["trace"] == row["trace_id"].hex
            assert shown["span.duration"] == row["duration"]
            assert shown["project"] == ("shop" if row["project_id"] == spans.shop.pk else "blog")
            assert shown["is_transaction"] is bool(row["is_segment"])
            assert shown["measurements.lcp"] == row["attributes_number"].get("measurements.lcp")
            assert shown["shop.plan"] == row["attributes_string"].get("shop.plan")
            assert shown["parent_span"] == (f"{row['parent_span_id']:016x}" if row["parent_span_id"] else None)
            assert all(isinstance(shown[name], str) for name in ("span.op", "span.description", "transaction"))
            assert shown["timestamp"].endswith("Z")
        assert body["meta"]["fields"]["span.duration"] == "duration"
        assert body["meta"]["units"]["span.duration"] == "millisecond"
        assert body["meta"]["fields"]["measurements.lcp"] == "duration"
        assert body["meta"]["dataset"] == "spans"
        assert "confidence" not in body

    def test_pages_follow_each_other(self, spans: SpanWorld):
        path = "/organizations/acme/events/?dataset=spans&field=id&per_page=90&project=-1&statsPeriod=14d"
        seen: list[str] = []
        for _ in range(3):
            response = spans.api("GET", path)
            seen += [row["id"] for row in orjson.loads(response.content)["data"]]
            following = response.headers["Link"].split(", ")[1]
            path = following[following.index("/api/0") + 6 : following.index(">")]
        assert 'results="false"' in following
        assert sorted(seen) == sorted(f"{row['span_id']:016x}" for row in spans.rows)

    def test_functions_by_groups(self, spans: SpanWorld):
        body = spans.table("span.op", "count()", "p95(span.duration)", "failure_rate()", "epm()", "count_unique(user)",
                           "equation|sum(span.duration) / count()", sort="-count()")  # fmt: skip
        expected = {}
        for op in {row["op"] for row in spans.rows}:
            mine = [row for row in spans.rows if row["op"] == op]
            expected[op] = {
                "span.op": op,
                "count()": round(weigh(mine)),
                "p95(span.duration)": pytest.approx(percentile(mine, 0.95)),
                "failure_rate()": pytest.approx(weigh(filter(failed, mine)) / weigh(mine)),
                "epm()": pytest.approx(weigh(mine) / (14 * 1440), rel=1e-5),
                "count_unique(user)": len({row["user"] for row in mine if row["user"]}),
                "equation|sum(span.duration) / count()": pytest.approx(
                    total(mine, lambda row: row["duration"]) / weigh(mine)
                ),
            }
        assert {row["span.op"]: row for row in body["data"]} == expected
        counts = [row["count()"] for row in body["data"]]
        assert counts == sorted(counts, reverse=True)
        assert body["meta"]["fields"] | {} == {
            "span.op": "string", "count()": "integer", "p95(span.duration)": "duration", "failure_rate()": "percentage",
            "epm()": "rate", "count_unique(user)": "integer", "equation|sum(span.duration) / count()": "number",
        }  # fmt: skip
        assert body["meta"]["units"]["epm()"] == "1/minute"
        sure = body["confidence"][0]
        assert sure["count()"] in {"high", "low"}
        assert sure["span.op"] is None
        assert sure["count_unique(user)"] is None

    def test_an_equation_can_be_sorted_by(self, spans: SpanWorld):
        equation = "equation|avg(span.duration) * 2"
        body = spans.table("span.op", equation, sort="-equation[0]")
        values = [row[equation] for row in body["data"]]
        assert values == sorted(values, reverse=True)

    def test_filters_on_functions_choose_groups(self, spans: SpanWorld):
        groups = {op: [row for row in spans.rows if row["op"] == op] for op in {row["op"] for row in spans.rows}}
        limit = sorted(percentile(rows, 0.95) for rows in groups.values())[1]
        body = spans.table("span.op", "count()", query=f"p95(span.duration):>{limit}ms count():>1 !has:nothing")
        assert {row["span.op"] for row in body["data"]} == {
            op for op, rows in groups.items() if percentile(rows, 0.95) > limit
        }

    def test_transactions_are_segments(self, spans: SpanWorld):
        for given in ({"dataset": "transactions"}, {"dataset": "discover", "query": "event.type:transaction"}):
            body = spans.table("transaction", "count()", "apdex(300)", "user_misery(300)", "p75(transaction.duration)",
                               "p50()", **given)  # fmt: skip
            assert body["meta"]["dataset"] == "transactions"
            for shown in body["data"]:
                mine = [row for row in spans.segments if row["transaction"] == shown["transaction"]]
                happy = weigh(row for row in mine if row["duration"] <= 300)
                tolerating = weigh(row for row in mine if 300 < row["duration"] <= 1200)
                users = {row["user"] for row in mine if row["user"]}
                sad = {row["user"] for row in mine if row["user"] and row["duration"] > 1200}
                assert shown["count()"] == round(weigh(mine))
                assert shown["apdex(300)"] == pytest.approx((happy + tolerating / 2) / weigh(mine))
                assert shown["user_misery(300)"] == pytest.approx(
                    (len(sad) + 5.8875) / (len(users) + 5.8875 + 111.8625)
                )
                assert shown["p75(transaction.duration)"] == pytest.approx(percentile(mine, 0.75))
                assert shown["p50()"] == pytest.approx(percentile(mine, 0.5))
            assert len(body["data"]) == len({row["transaction"] for row in spans.segments})

    def test_apdex_uses_each_projects_threshold(self, spans: SpanWorld):
        Project.objects.filter(pk=spans.blog.pk).update(options={"performance": {"apdex_threshold": 50}})
        found = spans.table("apdex()", dataset="transactions")["data"][0]["apdex()"]
        limits = {spans.shop.pk: 300, spans.blog.pk: 50}
        happy = weigh(row for row in spans.segments if row["duration"] <= limits[row["project_id"]])
        tolerating = weigh(
            row for row in spans.segments
            if limits[row["project_id"]] < row["duration"] <= 4 * limits[row["project_id"]]
        )  # fmt: skip
        assert found == pytest.approx((happy + tolerating / 2) / weigh(spans.segments))

    def test_project_environment_and_window(self, spans: SpanWorld):
        def count(**given: Any) -> int:
            return spans.table("count()", **given)["data"][0]["count()"]

        assert count(project=spans.shop.pk) == round(weigh(r for r in spans.rows if r["project_id"] == spans.shop.pk))
        assert count(query="project:blog") == round(weigh(r for r in spans.rows if r["project_id"] == spans.blog.pk))
        assert count(environment=["staging", ""]) == round(
            weigh(row for row in spans.rows if row["environment"] in {"staging", ""})
        )
        newest = max(row["timestamp"] for row in spans.rows)
        start = (newest - timedelta(days=3)).replace(microsecond=0)
        window = {"statsPeriod": "", "start": f"{start:%Y-%m-%dT%H:%M:%S}", "end": "2099-01-01T00:00:00"}
        assert count(**window) == round(weigh(row for row in spans.rows if row["timestamp"] >= start))

    def test_nothing_of_another_organization(self, spans: SpanWorld, world: World):
        assert not spans.table("span.op", query="span.op:secret")["data"]
        response = api_of(world.owner)("GET", f"/organizations/acme/events/?dataset=spans&project={spans.hidden.pk}")
        assert response.status_code == 404
        stranger = api_of(world.stranger)
        assert stranger.get("/organizations/other/events/?dataset=spans&field=count()&project=-1")["data"] == []

    def test_meta_counts_what_is_stored(self, spans: SpanWorld):
        path = "/organizations/acme/events-meta/?dataset=spans&project=-1&query=span.op:db.query"
        assert spans.api.get(path) == {"count": sum(row["op"] == "db.query" for row in spans.rows)}

    def test_defaults_and_validation(self, spans: SpanWorld):
        assert "span.duration" in spans.table()["data"][0]
        assert "transaction.duration" in spans.table(dataset="transactions")["data"][0]
        path = "/organizations/acme/events/validate/?dataset=spans&field=span.op&field=p95()&sort=-p95()"
        assert spans.api.get(path) == {"valid": True, "fields": {"span.op": "string", "p95()": "duration"}}

    @pytest.mark.parametrize(
        ("query", "detail"),
        [
            ("field=nope()", "nope is not a valid function"),
            ("field=p95(span.op)", "is not a number"),
            ("field=span.op&field=count()&query=count():>1 OR span.op:db", "one side of OR"),
            ("field=span.op&query=count():>1", "needs a function"),
            ("field=equation|span.op %2B 1", "is not a number"),
            ("field=equation|" + quote("count() + " * 11 + "1"), "at most 10 operators"),
            ("field=span.op&sort=-p95()", "Cannot sort"),
            ("field=span.op&query=span.duration:fast", "Invalid duration"),
            ("field=span.op&query=span.description://(//", "Invalid pattern"),
            ("&".join(f"field=attribute{number}" for number in range(21)), "up to 20 fields"),
            ("field=a'b", "Invalid characters"),
        ],
    )
    def test_what_cannot_be_answered_is_400_with_the_reason(self, spans: SpanWorld, query: str, detail: str):
        for path in ("events/", "events/validate/"):
            response = spans.api("GET", f"/organizations/acme/{path}?dataset=spans&{query}")
            assert response.status_code == 400, response.content
            assert detail in orjson.loads(response.content)["detail"]

    def test_names_never_reach_the_sql(self, spans: SpanWorld):
        for name in ("tags[x'y]", "tags[a) OR 1=1 --]", "count_if(tags[x'],equals,' OR 1=1)", "avg(tags[x'y,number])"):
            with log_queries() as statements:
                response = spans.api("GET", f"/organizations/acme/events/?dataset=spans&field={quote(name)}")
            assert response.status_code in {200, 400}
            assert not any("1=1" in sql or "x'" in sql for sql in statements.statements)


def _values(series: Any) -> dict[int, float]:
    return {moment: points[0]["count"] for moment, points in series["data"]}


def _day(row: Row) -> int:
    return int(row["timestamp"].timestamp()) // 86400 * 86400


class TestCharts:
    def test_one_axis(self, spans: SpanWorld):
        body = spans.chart(yAxis="p95(span.duration)")
        days = {day: [row for row in spans.rows if _day(row) == day] for day in map(_day, spans.rows)}
        expected = {day: percentile(rows, 0.95) for day, rows in days.items()}
        assert {day: value for day, value in _values(body).items() if value} == pytest.approx(expected)
        assert 14 <= len(body["data"]) <= 16
        assert all(points[0]["count"] is not None for _, points in body["data"])
        assert body["meta"]["fields"] == {"p95(span.duration)": "duration"}
        assert body["meta"]["units"] == {"p95(span.duration)": "millisecond"}
        assert len(body["confidence"]) == len(body["data"])

    def test_rates_refer_to_a_point(self, spans: SpanWorld):
        body = spans.chart(yAxis=["epm()", "count()"])
        assert [body[name]["order"] for name in ("epm()", "count()")] == [0, 1]
        epm, counts = _values(body["epm()"]), _values(body["count()"])
        weights = {day: weigh(row for row in spans.rows if _day(row) == day) for day in map(_day, spans.rows)}
        assert {day: value for day, value in counts.items() if value} == {day: round(w) for day, w in weights.items()}
        assert {day: value for day, value in epm.items() if value} == pytest.approx(
            {day: weight / 1440 for day, weight in weights.items()}
        )

    def test_top_groups_and_the_others(self, spans: SpanWorld):
        body = spans.chart(yAxis="count()", field=["span.op", "project"], topEvents=2, sort="-count()")
        slugs = {spans.shop.pk: "shop", spans.blog.pk: "blog"}
        weights: dict[str, float] = {}
        for row in spans.rows:
            label = f"{row['op']},{slugs[row['project_id']]}"
            weights[label] = weights.get(label, 0) + row["sample_weight"]
        best = sorted(weights, key=lambda label: -weights[label])[:2]
        assert list(body) == [*best, "Other"]
        for label in best:
            assert math.isclose(sum(_values(body[label]).values()), weights[label], abs_tol=15)
        others = sum(weight for label, weight in weights.items() if label not in best)
        assert math.isclose(sum(_values(body["Other"]).values()), others, abs_tol=15)
        assert (
            list(spans.chart(yAxis="count()", field="span.op", topEvents=2, excludeOther=1, sort="-count()"))
            == list(spans.chart(yAxis="count()", field="span.op", topEvents=2, sort="-count()"))[:2]
        )
        both = spans.chart(yAxis=["count()", "p95()"], field="span.op", topEvents=3)
        assert set(next(iter(both.values()))) == {"count()", "p95()", "order"}

    def test_filters_on_functions_choose_groups(self, spans: SpanWorld):
        body = spans.chart(
            yAxis="count()", field="span.op", topEvents=5, query="count_unique(span.op):1 count():>99999"
        )
        assert list(body) == ["data", "start", "end", "isMetricsData", "meta", "confidence"]
        response = spans.api("GET", "/organizations/acme/events-stats/?dataset=spans&query=count():>1")
        assert response.status_code == 400
        assert "there are none here" in orjson.loads(response.content)["detail"]

    def test_time_series(self, spans: SpanWorld):
        body = spans.chart("events-timeseries", yAxis=["avg(measurements.lcp)", "count()"])
        assert body["meta"]["dataset"] == "spans"
        assert [series["yAxis"] for series in body["timeSeries"]] == ["avg(measurements.lcp)", "count()"]
        average, counts = body["timeSeries"]
        assert average["groupBy"] is None
        assert average["meta"] == {
            "interval": 86400000, "valueType": "duration", "valueUnit": "millisecond", "dataScanned": "full",
        }  # fmt: skip
        lcp = number("measurements.lcp")
        for point in average["values"]:
            mine = [row for row in having(spans.rows, "measurements.lcp") if _day(row) * 1000 == point["timestamp"]]
            assert point["value"] == (pytest.approx(total(mine, lcp) / weigh(mine)) if mine else None)
        for point in counts["values"]:
            mine = [row for row in spans.rows if _day(row) * 1000 == point["timestamp"]]
            assert point["value"] == round(weigh(mine))
            assert point["sampleCount"] == len(mine)
            assert point["sampleRate"] == (pytest.approx(len(mine) / weigh(mine)) if mine else None)
        assert counts["values"][-1]["incomplete"] is True
        assert counts["values"][0]["incomplete"] is False

    def test_time_series_of_groups(self, spans: SpanWorld):
        body = spans.chart("events-timeseries", yAxis="count()", groupBy="span.op", topEvents=2)
        assert [series["meta"]["isOther"] for series in body["timeSeries"]] == [False, False, True]
        assert [series["meta"]["order"] for series in body["timeSeries"]] == [0, 1, 2]
        assert body["timeSeries"][0]["groupBy"][0]["key"] == "span.op"


class TestAttributes:
    def _attributes(self, spans: SpanWorld, query: str = "") -> dict[str, Any]:
        path = f"/organizations/acme/trace-items/attributes/?itemType=spans&project=-1&{query}"
        return {item["key"]: item for item in spans.api.get(path)}

    def test_keys(self, spans: SpanWorld):
        found = self._attributes(spans)
        assert found["span.op"]["attributeSource"] == {"source_type": "sentry"}
        assert (found["shop.plan"]["attributeType"], found["shop.plan"]["name"]) == ("string", "shop.plan")
        assert found["shop.plan"]["attributeSource"] == {"source_type": "user"}
        assert (found["tags[items,number]"]["attributeType"], found["tags[items,number]"]["name"]) == (
            "number",
            "items",
        )
        assert found["measurements.lcp"]["attributeType"] == "number"
        assert found["cache.hit"]["attributeType"] == "boolean"
        numbers = self._attributes(spans, "attributeType=number")
        assert {item["attributeType"] for item in numbers.values()} == {"number"}
        assert set(self._attributes(spans, "substringMatch=PLAN")) == {"shop.plan"}
        assert "tags[items,number]" not in self._attributes(spans, "query=!has:items")

    def test_values(self, spans: SpanWorld):
        def values(key: str, query: str = "") -> dict[str, int]:
            path = f"/organizations/acme/trace-items/attributes/{key}/values/?itemType=spans&project=-1&{query}"
            return {item["value"]: item["count"] for item in spans.api.get(path)}

        weights: dict[str, float] = {}
        for row in spans.rows:
            weights[row["op"]] = weights.get(row["op"], 0) + row["sample_weight"]
        assert values("span.op") == {op: round(weight) for op, weight in weights.items()}
        assert set(values("span.op", "substringMatch=HTTP")) == {"http.client", "http.server"}
        assert set(values("shop.plan")) == {"free", "Pro", "10"}
        assert set(values("project")) == {"shop", "blog"}
        assert set(values("is_transaction")) == {"true", "false"}
        assert len(values("span.op", "per_page=2")) == 2

    def test_distributions(self, spans: SpanWorld):
        path = "/organizations/acme/trace-items/stats/?itemType=spans&statsType=attributeDistributions&project=-1"
        found = spans.api.get(path)["data"][0]["attribute_distributions"]["data"]
        free = weigh(row for row in spans.rows if row["attributes_string"].get("shop.plan") == "free")
        assert {item["label"]: item["value"] for item in found["shop.plan"]}["free"] == pytest.approx(free)
        assert "secret" not in {item["label"] for item in found["span.op"]}
        assert set(spans.api.get(path + "&substringMatch=cache")["data"][0]["attribute_distributions"]["data"]) == {
            "cache.hit"
        }

    @pytest.mark.parametrize(
        "path",
        [
            "attributes/", "attributes/?itemType=profiles", "attributes/?itemType=spans&attributeType=x",
            "attributes/a'b/values/?itemType=spans", "stats/?itemType=spans", "stats/?itemType=spans&statsType=x",
        ],
    )  # fmt: skip
    def test_what_cannot_be_answered_is_400(self, spans: SpanWorld, path: str):
        response = spans.api("GET", f"/organizations/acme/trace-items/{path}")
        assert response.status_code == 400, response.content
        assert isinstance(orjson.loads(response.content)["detail"], str)


class TestErrors:
    """What the dataset of errors gained."""

    def test_equations_and_filters_on_functions(self, issues: IssueWorld):
        path = f"{issues.organization}/events/?field=title&field={quote('equation|count() / 2 + 1')}&sort=-equation[0]"
        rows = issues.api.get(path)["data"]
        assert [(row["title"], row["equation|count() / 2 + 1"]) for row in rows] == [
            ("ValueError: bad", 2.5),
            ("KeyError: id", 1.5),
        ]
        rows = issues.api.get(f"{issues.organization}/events/?field=title&field=count()&query=count():>1")["data"]
        assert [row["title"] for row in rows] == ["ValueError: bad"]
        chart = issues.api.get(f"{issues.organization}/events-timeseries/?yAxis=count()&statsPeriod=48h&interval=1h")
        assert sum(point["value"] for point in chart["timeSeries"][0]["values"]) == 4
