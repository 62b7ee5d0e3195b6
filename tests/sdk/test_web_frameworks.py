"""Unmodified SDKs inside web frameworks: every kind of report."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Callable

import pytest

from tests.sdk.checks import Reports
from tests.sdk.conftest import Service
from tests.support.server import Server

pytestmark = pytest.mark.sdk
SCENARIOS = ("error", "message", "fingerprint", "attachment", "feedback", "burst")
RunService = Callable[..., Service]


def test_flask(server: Server, run_service: RunService) -> None:
    project = server.create_project("flask", "python-flask")
    service = run_service("flask", project["dsn"], SENTRY_ENVIRONMENT="example")
    answers = {name: service.call(f"/{name}")[1] for name in SCENARIOS}
    reports = Reports(server, project["slug"])
    event = reports.check_error("PaymentDeclinedError", chained=False, function="error", release="dictamesh-catalog@")
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    assert entries["request"]["method"] == "GET"
    assert entries["request"]["url"].endswith("/error")
    assert event["tags"]
    reports.check_message()
    reports.check_fingerprint()
    reports.check_attachment()
    # What the crash-report dialog in a browser sends about the event the page shows.
    event_id = json.loads(answers["feedback"])["event_id"]
    query = urllib.parse.urlencode({"dsn": project["dsn"], "eventId": event_id})
    form = {"name": "Ada", "email": "ada@example.com", "comments": "The page froze when I paid"}
    with urllib.request.urlopen(
        f"{server.url}/api/embed/error-page/?{query}", data=urllib.parse.urlencode(form).encode(), timeout=10
    ) as answer:
        assert answer.status == 200
    reports.check_feedback()
    reports.check_burst(300)


def test_express(server: Server, run_service: RunService) -> None:
    project = server.create_project("express", "node-express")
    service = run_service("express", project["dsn"], SENTRY_ENVIRONMENT="example")
    for name in SCENARIOS:
        service.call(f"/{name}")
    reports = Reports(server, project["slug"])
    event = reports.check_error("PaymentDeclinedError", chained=False, release="dictamesh-gateway@")
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    assert entries["request"]["url"].endswith("/error")
    reports.check_message()
    reports.check_fingerprint()
    reports.check_attachment()
    reports.check_feedback()
    reports.check_burst(300)


@pytest.mark.parametrize("framework", ["nethttp", "echo", "gin"])
def test_go(server: Server, run_service: RunService, framework: str) -> None:
    project = server.create_project(f"go {framework}", "go")
    service = run_service(framework, project["dsn"], SENTRY_ENVIRONMENT="example")
    for name in (*SCENARIOS, "panic"):
        service.call(f"/{name}")
    reports = Reports(server, project["slug"])
    event = reports.check_error("PaymentDeclinedError", chained=True, release="dictamesh-adapter@")
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    assert entries["request"]["url"].endswith("/error")
    reports.check_message()
    reports.check_fingerprint()
    reports.check_attachment()
    reports.check_feedback()
    reports.check_burst(300)
    panic = reports.issue("the warehouse is on fire")
    assert panic["level"] == "fatal"
