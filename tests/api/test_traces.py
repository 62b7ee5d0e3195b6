"""Traces as clients of the API read them."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dictamesh_sentry.tracing.trace_store import forget_traces
from tests.api.issue_world import IssueWorld, issues_fixture, store_event
from tests.support.events import insert_events
from tests.support.factories import make_project
from tests.support.spans import insert_spans

__all__ = ["issues_fixture"]
pytestmark = pytest.mark.django_db

TRACE = "4" * 32
NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
ROOT, CALL, QUERY, REMOTE = (f"{n:016x}" for n in (0xA1, 0xA2, 0xA3, 0xB1))


@pytest.fixture
def trace(issues: IssueWorld, event_store: Any) -> IssueWorld:
    """shop: GET /cart → http.client → billing: POST /price, and a query with an error on it."""
    forget_traces()
    shop = issues.world.project.pk
    billing = make_project(issues.world.organization, slug="billing", teams=(issues.world.team,)).pk
    event_id = uuid.uuid4().hex
    shared = {"trace_id": TRACE, "event_id": event_id, "project_id": shop, "segment_id": ROOT, "transaction": "/cart"}
    insert_spans(
        event_store,
        [
            {**shared, "span_id": ROOT, "is_segment": 1, "timestamp": NOW, "duration": 100, "op": "http.server",
             "attributes_number": {"measurements.lcp": 1200.0}, "payload": json.dumps({"type": "transaction"})},
            {**shared, "span_id": CALL, "parent_span_id": ROOT, "timestamp": NOW + timedelta(milliseconds=10),
             "duration": 50, "op": "http.client", "attributes_string": {"peer": "billing"}},
            {**shared, "span_id": QUERY, "parent_span_id": ROOT, "timestamp": NOW + timedelta(milliseconds=70),
             "duration": 20, "op": "db"},
            {"trace_id": TRACE, "event_id": uuid.uuid4().hex, "project_id": billing, "span_id": REMOTE,
             "segment_id": REMOTE, "parent_span_id": CALL, "is_segment": 1, "op": "http.server", "transaction": "/price",
             "timestamp": NOW + timedelta(milliseconds=20), "duration": 30},
        ],
    )  # fmt: skip
    error = store_event(issues.first, hours=1, title="ValueError: x")
    error.trace_id, error.span_id = TRACE, QUERY
    insert_events(event_store, [error])
    return issues


def test_the_tree(trace: IssueWorld) -> None:
    found = trace.api.get(f"{trace.organization}/trace/{TRACE}/?project=-1&additional_attributes=peer")
    (root,) = found
    assert (root["event_id"], root["is_transaction"], root["transaction"]) == (ROOT, True, "/cart")
    assert root["measurements"] == {"lcp": 1200.0}
    assert root["end_timestamp"] - root["start_timestamp"] == pytest.approx(0.1)
    call, query = root["children"]
    assert (call["op"], call["additional_attributes"]) == ("http.client", {"peer": "billing"})
    assert [child["project_slug"] for child in call["children"]] == ["billing"]
    assert [error["title"] for error in query["errors"]] == ["ValueError: x"]
    assert query["occurrences"] == []


def test_a_limit_keeps_the_first_spans(trace: IssueWorld) -> None:
    (root,) = trace.api.get(f"{trace.organization}/trace/{TRACE}/?limit=2")[:1]
    assert [child["event_id"] for child in root["children"]] == [CALL]
    assert root["children"][0]["children"] == []


def test_only_the_projects_asked_for(trace: IssueWorld) -> None:
    found = trace.api.get(f"{trace.organization}/trace/{TRACE}/?project=billing")
    assert [span["event_id"] for span in found] == [REMOTE]


def test_counts_in_both_spellings(trace: IssueWorld) -> None:
    found = trace.api.get(f"{trace.organization}/trace-meta/{TRACE}/")
    assert (found["span_count"], found["errors"], found["performance_issues"], found["logs"]) == (4, 1, 0, 0)
    assert (found["spansCount"], found["errorsCount"]) == (4, 1)
    assert found["span_count_map"] == {"http.server": 2, "http.client": 1, "db": 1}
    assert sorted(row["count()"] for row in found["transaction_child_count_map"]) == [1, 3]


def test_transactions(trace: IssueWorld) -> None:
    found = trace.api.get(f"{trace.organization}/events-trace/{TRACE}/")
    (root,) = found["transactions"]
    assert (root["transaction"], root["generation"]) == ("/cart", 0)
    assert [error["title"] for error in root["errors"]] == ["ValueError: x"]
    (child,) = root["children"]
    assert (child["transaction"], child["parent_event_id"], child["generation"]) == ("/price", root["event_id"], 1)
    assert found["orphan_errors"] == []
    light = trace.api.get(f"{trace.organization}/events-trace-light/{TRACE}/?event_id={child['event_id']}")
    assert light["transactions"][0]["children"][0]["event_id"] == child["event_id"]
    assert trace.api.get(f"{trace.organization}/events-trace-meta/{TRACE}/")["transactions"] == 2


def test_a_span_with_its_attributes(trace: IssueWorld) -> None:
    found = trace.api.get(f"{trace.project}/trace-items/{CALL}/?item_type=spans&trace_id={TRACE}")
    named = {one["name"]: one["value"] for one in found["attributes"]}
    assert (found["itemId"], named["span.op"], named["peer"]) == (CALL, "http.client", "billing")
    assert trace.api("GET", f"{trace.project}/trace-items/{REMOTE}/?trace_id={TRACE}").status_code == 404


@pytest.mark.parametrize("path", ["trace/xyz/", "trace-meta/12/", "trace-logs/?traceId=1", f"trace/{TRACE}/?limit=no"])
def test_bad_requests(trace: IssueWorld, path: str) -> None:
    assert trace.api("GET", f"{trace.organization}/{path}").status_code == 400


def test_an_unknown_trace_is_empty(trace: IssueWorld) -> None:
    assert trace.api.get(f"{trace.organization}/trace/{'5' * 32}/") == []
    assert trace.api.get(f"{trace.organization}/trace-logs/?traceId={TRACE}")["data"] == []


def test_a_transaction_is_an_event(trace: IssueWorld) -> None:
    (found,) = trace.api.get(f"{trace.organization}/events-trace/{TRACE}/")["transactions"]
    body = trace.api.get(f"{trace.project}/events/{found['event_id']}/")
    assert (body["eventID"], body["type"], body["title"], body["groupID"]) == (
        found["event_id"], "transaction", "/cart", None,
    )  # fmt: skip
    assert body["endTimestamp"] - body["startTimestamp"] == pytest.approx(0.1)
    (spans,) = [entry["data"] for entry in body["entries"] if entry["type"] == "spans"]
    assert [(span["span_id"], span["op"]) for span in spans] == [(CALL, "http.client"), (QUERY, "db")]
    assert spans[0]["data"] == {"peer": "billing"}
    child = found["children"][0]["event_id"]
    assert trace.api("GET", f"{trace.project}/events/{child}/").status_code == 404
    located = trace.api.get(f"{trace.organization}/eventids/{child}/")
    assert (located["projectSlug"], located["event"]["type"]) == ("billing", "transaction")


def test_a_deep_trace_can_be_parsed(trace: IssueWorld, event_store: Any) -> None:
    deep = "7" * 32
    rows = [
        {"trace_id": deep, "project_id": trace.world.project.pk, "span_id": n, "parent_span_id": n - 1,
         "is_segment": n == 1, "timestamp": NOW + timedelta(microseconds=n)}
        for n in range(1, 1001)
    ]  # fmt: skip
    insert_spans(event_store, rows)
    bodies, seen, depth = trace.api.get(f"{trace.organization}/trace/{deep}/"), 0, 0
    while bodies:
        seen, depth = seen + len(bodies), depth + 1
        bodies = [child for body in bodies for child in body["children"]]
    assert (seen, depth) == (1000, 101)
