"""One trace from a click in Chromium through Node.js, Go and Python, sent by their SDKs and read back over the API."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import sync_playwright

from tests.sdk.checks import Reports
from tests.sdk.conftest import Service, start_service
from tests.support.requirements import require
from tests.support.server import Server

pytestmark = [pytest.mark.sdk, pytest.mark.browser]
LINES = 12
Node = dict[str, Any]
#: Op and name of every span from the click down to the first query. SDKs of version 11 name requests by their host.
DESCENT = [
    ("page", "ui.action.click", "place order"),
    ("page", "http.client", "POST"),
    ("gateway", "http.server", "POST /api/checkout/:order"),
    ("gateway", "handler", "/api/checkout/:order"),
    ("gateway", "http.client", "GET"),
    ("stock", "http.server", "GET /reservations/{order}"),
    ("stock", "http.client", "GET"),
    ("orders", "http.server", "/orders/<int:order_id>"),
    ("orders", "db", "SELECT sku, quantity FROM order_line WHERE order_id = ?"),
]


@dataclass
class Journey:
    """The trace of one click, and the projects the four services report to."""

    server: Server
    trace_id: str
    total: str
    projects: dict[str, dict[str, str]]

    def get(self, path: str, **parameters: Any) -> Any:
        """Read of the organization's part of the API."""
        query = urlencode(parameters, doseq=True)
        return self.server.get(f"/organizations/{self.server.organization}{path}?{query}")

    def tree(self) -> list[Node]:
        """The trace's roots."""
        return self.get(f"/trace/{self.trace_id}/")

    def service(self, node: Node) -> str:
        """Which of the services a span came from."""
        return next(name for name, project in self.projects.items() if project["slug"] == node["project_slug"])


def walk(nodes: list[Node]) -> Iterator[Node]:
    """Every span of a tree, parents first."""
    for node in nodes:
        yield node
        yield from walk(node["children"])


def _order(page_url: str) -> tuple[str, str]:
    """Click in Chromium; the trace's id and the total of the order."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=require("chromium", "chromium-browser", "google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        page = chromium.new_page()
        page.goto(page_url)
        page.wait_for_timeout(1500)  # the page load ends when nothing has happened for a second
        page.click("#buy")
        page.wait_for_function("document.getElementById('state').textContent.startsWith('ordered')", timeout=30_000)
        state = page.locator("#state")
        found = state.get_attribute("data-trace"), state.get_attribute("data-total")
        page.goto("about:blank")  # hands over what the page still has
        page.wait_for_timeout(300)
        chromium.close()
    assert found[0]
    assert found[1]
    return found[0], found[1]


@pytest.fixture(scope="module")
def journey(server: Server) -> Journey:
    """The four services of examples/distributed, and one order placed in them. They are stopped, which delivers."""
    node = require("node")
    require("go")
    projects = {name: server.create_project(f"shop {name}") for name in ("page", "gateway", "stock", "orders")}
    dsn = {name: project["dsn"] for name, project in projects.items()}
    started: list[Service] = []

    def start(command: list[str], name: str, **environment: str) -> Service:
        started.append(start_service(command, "distributed", dsn[name], **environment))
        return started[-1]

    try:
        orders = start([sys.executable, "orders.py"], "orders")
        stock = start(["./bin/stock"], "stock", UPSTREAM_URL=orders.url)
        gateway_command = [node, "--enable-source-maps", "--import", "./bin/instrument.js", "bin/gateway.js"]
        gateway = start(gateway_command, "gateway", UPSTREAM_URL=stock.url, BROWSER_DSN=dsn["page"])
        trace_id, total = _order(f"{gateway.url}/")
    finally:
        codes = [service.stop() for service in started]
    assert codes == [0, 0, 0]
    journey = Journey(server, trace_id, total, projects)

    def is_complete() -> bool:
        found = list(walk(journey.tree()))
        kinds = [(journey.service(one), one.get("op")) for one in found]
        roots = [one for one in found if one.get("is_transaction")]
        return len(roots) >= 5 and kinds.count(("orders", "db")) == 1 + LINES and ("page", "pageload") in kinds

    server.eventually(is_complete, 40)
    return journey


def _child(journey: Journey, nodes: list[Node], wanted: tuple[str, str, str]) -> Node:
    service, op, name = wanted
    found = [
        node
        for node in nodes
        if journey.service(node) == service and node["op"] == op and node["description"].startswith(name)
    ]
    assert len(found) == 1, (wanted, [(journey.service(node), node["op"], node["description"]) for node in nodes])
    return found[0]


def test_the_tree_leads_from_the_click_to_the_query(journey: Journey) -> None:
    assert journey.total != "0.00"
    nodes = journey.tree()
    path: list[Node] = []
    for wanted in DESCENT:
        path.append(_child(journey, nodes, wanted))
        nodes = path[-1]["children"]
    assert [node["parent_span_id"] for node in path[1:]] == [node["span_id"] for node in path[:-1]]
    assert [node["is_transaction"] for node in path] == [
        op in ("ui.action.click", "http.server") for _, op, _ in DESCENT
    ]
    for above, below in pairwise(path):
        # One machine, one clock. Ends prove nothing: a client's span ends with the headers, before the server's.
        assert above["start_timestamp"] - 0.002 <= below["start_timestamp"] <= above["end_timestamp"]
    server_of_orders = path[-2]
    assert len([node for node in server_of_orders["children"] if node["op"] == "db"]) == 1 + LINES
    stock = path[5]
    assert [node["op"] for node in stock["children"]] == ["cache.get", "http.client", "function"]
    assert [node["op"] for node in stock["children"][2]["children"]] == ["queue.publish"] * 3


def test_counts_agree_with_the_tree(journey: Journey) -> None:
    meta = journey.get(f"/trace-meta/{journey.trace_id}/")
    spans = [node for node in walk(journey.tree()) if node["event_type"] == "span"]
    assert meta["span_count"] == len(spans)
    assert meta["span_count_map"]["db"] == 1 + LINES
    assert (meta["errors"], meta["performance_issues"]) == (1, 1)


def _uncovered(span: Node, children: list[Node]) -> float:
    """Milliseconds of a span in which none of the children runs, counted piece by piece."""
    start, end = span["start_timestamp"], span["end_timestamp"]
    times = {start, end}
    for child in children:
        times |= {min(max(child[edge], start), end) for edge in ("start_timestamp", "end_timestamp")}
    ordered = sorted(times)
    return 1000 * sum(
        right - left
        for left, right in pairwise(ordered)
        if not any(c["start_timestamp"] <= left and right <= c["end_timestamp"] for c in children)
    )


def test_time_is_attributed_to_the_span_that_spent_it(journey: Journey) -> None:
    """The server's own time of each span, against one computed here out of the tree."""
    rows = journey.get(
        "/events/",
        dataset="spans",
        query=f"trace:{journey.trace_id}",
        field=["id", "span.self_time", "span.duration", "transaction"],
        per_page=100,
        statsPeriod="1h",
    )["data"]
    own = {row["id"]: row["span.self_time"] for row in rows}
    compared = 0
    for node in walk(journey.tree()):
        if node["event_type"] != "span" or journey.service(node) == "page":
            continue  # the page's SDK sends a span's children later, in messages of their own
        inside = [child for child in node["children"] if not child["is_transaction"]]
        assert own[node["span_id"]] == pytest.approx(_uncovered(node, inside), abs=0.02), node["description"]
        compared += 1
    assert compared >= 25
    publishing = [node for node in walk(journey.tree()) if node["op"] == "queue.publish"]
    [reserving] = [node for node in walk(journey.tree()) if node["description"] == "reserve stock"]
    assert sum(node["duration"] for node in publishing) > reserving["duration"]  # they overlap, so time counts once
    assert own[reserving["span_id"]] < reserving["duration"] / 2


def test_the_queries_in_a_loop_are_an_issue(journey: Journey) -> None:
    reports = Reports(journey.server, journey.projects["orders"]["slug"])
    issue = journey.server.eventually(
        lambda: next(
            (
                one
                for one in journey.server.issues(journey.projects["orders"]["slug"])
                if one["issueType"] == "performance_n_plus_one_db_queries"
            ),
            None,
        )
    )
    assert issue["count"] == "1"
    evidence = reports.event(issue)["occurrence"]["evidenceData"]
    queries = [n for n in walk(journey.tree()) if n.get("description") == "SELECT cents FROM product WHERE sku = ?"]
    assert sorted(evidence["offenderSpanIds"]) == sorted(node["span_id"] for node in queries)
    assert len(queries) == LINES
    [pinned] = [node for node in walk(journey.tree()) if node.get("occurrences")]
    assert (journey.service(pinned), pinned["occurrences"][0]["issue_id"]) == ("orders", int(issue["id"]))


def test_an_error_belongs_to_the_span_it_happened_in(journey: Journey) -> None:
    [carrier] = [node for node in walk(journey.tree()) if node.get("errors")]
    assert (journey.service(carrier), carrier["op"]) == ("orders", "http.server")
    [error] = carrier["errors"]
    assert "PriceMissingError" in error["title"]
    issue = Reports(journey.server, journey.projects["orders"]["slug"]).issue("without a discount")
    assert error["issue_id"] == int(issue["id"])


def test_the_page_load_has_vitals(journey: Journey) -> None:
    loading = next(node for node in walk(journey.tree()) if node.get("op") == "pageload")
    vitals: dict[str, float] = {}
    for node in walk([loading]):
        vitals |= node["measurements"]
    assert 0 < vitals["fcp"] < 30_000
    assert 0 < vitals["lcp"] < 30_000
    assert vitals["cls"] >= 0
