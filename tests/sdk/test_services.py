"""The services of the guide: what docs/SENTRY-INTEGRATION.md promises of them is what the API gives back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.sdk.checks import Reports
from tests.sdk.conftest import Service
from tests.support.server import Server

pytestmark = pytest.mark.sdk


class Expected(NamedTuple):
    """What one framework's service reports."""

    component: str
    panic: str
    culprit: str
    answer: int
    traces: str
    profiles: bool
    source_file: str


EXPECTED = {
    "nethttp": Expected("adapter", "nil pointer", "in OwnerOf", 0, "transaction", False, "catalog.go"),
    "echo": Expected("adapter", "nil pointer", "in OwnerOf", 500, "transaction", False, "catalog.go"),
    "gin": Expected("adapter", "nil pointer", "in OwnerOf", 500, "transaction", False, "catalog.go"),
    "express": Expected("gateway", "TypeError", "GET /entities/:id/owner", 500, "span", True, "app.ts"),
    "flask": Expected("catalog", "TypeError", "/entities/<entity_id>/owner", 500, "transaction", True, "app.py"),
}


@pytest.mark.parametrize("framework", EXPECTED)
def test_service(server: Server, run_service: Callable[..., Service], framework: str) -> None:
    expected = EXPECTED[framework]
    project = server.create_project(f"service {framework}")
    service = run_service(
        framework, project["dsn"], SENTRY_ENVIRONMENT="staging", SENTRY_TRACES_SAMPLE_RATE="1.0", SENTRY_RELEASE=""
    )
    assert service.call("/health") == (200, b"ok\n" if framework == "nethttp" else b"ok")
    status, body = service.call("/entities/17?email=ada@example.com")
    assert (status, json.loads(body)) == (200, {"id": "17"})
    assert service.call("/entities/17/owner?email=ada@example.com")[0] == expected.answer
    if expected.profiles:
        time.sleep(0.3)  # a profiler hands over what it has once no request runs; errors need no such pause
    assert service.call("/sync", "POST")[0] == 502
    assert service.stop() == 0  # at once: what is not delivered yet is delivered on the way out

    reports = Reports(server, project["slug"])
    _check_sync(reports, expected)
    _check_panic(reports, expected)
    server.eventually(lambda: reports.quantity(expected.traces) >= 3, 30)
    if expected.traces == "transaction":
        assert reports.quantity("transaction") == 3  # none of /health
    if expected.profiles:
        assert server.eventually(lambda: reports.quantity("profile_chunk"), 30)


def _check_sync(reports: Reports, expected: Expected) -> None:
    """The captured error: cause, tags, user, breadcrumbs, context, and nothing of the taxpayer's number."""
    issue = reports.issue("source orders")
    assert "SourceError" in issue["title"]
    event = reports.event(issue)
    tags = {tag["key"]: tag["value"] for tag in event["tags"]}
    assert tags["component"] == expected.component
    assert tags["adapter.source"] == "orders"
    assert tags["environment"] == "staging"
    assert event["release"]["version"] == f"dictamesh-{expected.component}@1.4.0"
    assert event["user"]["id"] == "tenant-7"
    assert not event["user"].get("email")
    assert not event["user"].get("ip_address")
    assert event["contexts"]["batch"]["size"] == 500
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    assert "requesting changes of orders" in [crumb["message"] for crumb in entries["breadcrumbs"]["values"]]
    values = entries["exception"]["values"]
    assert values[-1]["value"].endswith("record of [cpf] was not answered")
    assert "no answer within 5 s" in [value["value"] for value in values[:-1]]
    assert entries["request"]["method"] == "POST"
    whole = json.dumps(event)
    assert "529.982" not in whole, whole[whole.index("529.982") - 200 :][:300]


def _check_panic(reports: Reports, expected: Expected) -> None:
    """The error nobody caught: reported once, with its place (sentry-go names the function, the others the route) and the
    source file as written."""
    issue = reports.issue(expected.panic)
    event = reports.event(issue)
    assert expected.culprit in issue["culprit"]
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    frames = entries["exception"]["values"][-1]["stacktrace"]["frames"]
    in_app = [frame for frame in frames if frame["inApp"]]
    assert in_app[-1]["filename"].endswith(expected.source_file)
    if not expected.source_file.endswith(".go"):  # a Go binary does not carry its source
        assert in_app[-1]["context"]
    for personal in ("ada@example.com", "203.0.113.9"):  # of the query, and of the proxy's headers and a cookie
        whole = json.dumps(event)
        assert personal not in whole, whole[max(0, whole.index(personal) - 200) :][:300]
