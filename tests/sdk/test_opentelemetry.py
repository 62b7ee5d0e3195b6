"""OpenTelemetry's own SDK and exporter, protobuf over HTTP, into a trace like any other."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.sdk.checks import Reports
from tests.sdk.conftest import EXAMPLES
from tests.support.server import Server

pytestmark = pytest.mark.sdk


def _run(dsn: str) -> str:
    """Run the example; the id of its trace. The exporter logs what it cannot deliver."""
    environment = {**os.environ, "SENTRY_DSN": dsn, "SENTRY_ENVIRONMENT": "staging", "SENTRY_RELEASE": ""}
    done = subprocess.run(
        [sys.executable, "importer.py"], cwd=EXAMPLES / "python-opentelemetry", env=environment,
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_trace_over_otlp(server: Server) -> None:
    project = server.create_project("importer", "python")
    trace_id = _run(project["dsn"])
    path = f"/organizations/{server.organization}/trace/{trace_id}/"
    [root] = server.eventually(lambda: server.get(path), 30)
    assert (root["description"], root["transaction"], root["is_transaction"]) == ("import orders",) * 2 + (True,)
    assert root["status"] not in ("ok", "")
    records = root["children"]
    assert [node["description"] for node in records] == ["import record"] * 3
    assert [node["status"] == "ok" for node in records] == [True, False, True]
    queries = [child for node in records for child in node["children"]]
    assert [node["parent_span_id"] for node in queries] == [records[0]["span_id"], records[2]["span_id"]]
    assert all(node["duration"] >= 2 for node in queries)
    rows = _rows(server, trace_id)
    assert {row["span.category"] for row in rows if row["id"] in {node["span_id"] for node in queries}} == {"db"}
    for row in (one for one in rows if one["span.category"] == "db"):
        assert (row["span.action"], row["span.domain"], row["span.system"]) == ("INSERT", "record", "sqlite")
    own = {row["id"]: row["span.self_time"] for row in rows}
    for node in (root, records[0]):
        below = sum(child["duration"] for child in node["children"])
        assert own[node["span_id"]] == pytest.approx(node["duration"] - below, abs=0.02)
    assert {(row["environment"], row["release"]) for row in rows} == {("staging", "dictamesh-importer@1.4.0")}
    assert Reports(server, project["slug"]).quantity("span") == 6


def _rows(server: Server, trace_id: str) -> list[dict[str, Any]]:
    fields = ["id", "span.category", "span.action", "span.domain", "span.system", "span.self_time", "environment"]
    query = urlencode(
        {"dataset": "spans", "query": f"trace:{trace_id}", "field": [*fields, "release"], "statsPeriod": "1h"},
        doseq=True,
    )
    return server.get(f"/organizations/{server.organization}/events/?{query}")["data"]
