"""The demo's traces are taken in whole, and what they are meant to show is to be seen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest

from tests.browser import demo
from tests.support import traces
from tests.support.server import Server

pytestmark = [pytest.mark.server, pytest.mark.browser]


@pytest.fixture(scope="module")
def projects(server: Server) -> dict[str, dict[str, str]]:
    return {name: server.create_project(f"traces {name}", kind) for name, kind in traces.SERVICES.items()}


@pytest.fixture(scope="module")
def sent(server: Server, projects: dict[str, dict[str, str]]) -> traces.Sent:
    found = demo.fill_traces({name: project["dsn"] for name, project in projects.items()}, share=0.5)
    for name, project in projects.items():
        server.eventually(lambda: _spans(server, project, ["count(span.duration)"]) >= found.spans[name], 60)  # noqa: B023
    return found


def _spans(server: Server, project: dict[str, str], fields: list[str], query: str = "", period: str = "30d") -> Any:
    """The first figure of the first row over the project's spans."""
    asked = {"dataset": "spans", "field": fields, "query": query, "project": project["id"], "statsPeriod": period}
    rows = server.get(f"/organizations/{server.organization}/events/?{urlencode(asked, doseq=True)}")["data"]
    return rows[0][fields[-1]] if rows else 0


def test_everything_that_was_sent_is_there(
    server: Server, projects: dict[str, dict[str, str]], sent: traces.Sent
) -> None:
    for name, project in projects.items():
        assert _spans(server, project, ["count(span.duration)"]) == sent.spans[name]
        segments = _spans(server, project, ["count(span.duration)"], "is_transaction:true")
        assert segments == sent.transactions[name] > 0
    assert sent.errors
    assert sent.profiles


def test_it_shows_what_it_is_meant_to(server: Server, projects: dict[str, dict[str, str]], sent: traces.Sent) -> None:
    shop = projects[traces.SHOP]
    kinds = {issue["issueType"]: issue for issue in server.issues(shop["slug"])}
    assert "performance_n_plus_one_db_queries" in kinds
    assert int(kinds["error"]["count"]) == sent.errors
    search = 'transaction:"GET /api/search/" is_transaction:true release:shop@'
    before = _spans(server, shop, ["p50(span.duration)"], f"{search}3.14.2")
    after = _spans(server, shop, ["p50(span.duration)"], f"{search}3.15.0")
    assert after > 2 * before > 0
    [root] = server.get(f"/organizations/{server.organization}/trace/{sent.traces['error']}/")
    found = list(_walk(root))
    assert {node["project_slug"] for node in found} == {
        projects[name]["slug"] for name in (traces.STOREFRONT, traces.SHOP)
    }
    [failed] = [node for node in found if node["errors"]]
    assert failed["description"].startswith("POST https://pay.example.com")
    assert _spans(server, projects[traces.STOREFRONT], ["p75(measurements.lcp)"], "span.op:pageload") > 500


def _walk(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for child in node["children"] for below in _walk(child))]
