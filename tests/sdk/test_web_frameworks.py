"""Unmodified SDKs inside web frameworks."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable

import pytest

from tests.sdk.checks import Reports
from tests.support.requirements import require
from tests.support.server import Server

pytestmark = pytest.mark.sdk
SCENARIOS = ("error", "message", "fingerprint", "attachment", "feedback", "burst")


def _call(url: str) -> bytes:
    """The answer's body, whatever its status: /error is supposed to fail."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.read()
    except urllib.error.HTTPError as error:
        return error.read()


def test_flask(server: Server, run_web_example: Callable[..., str]) -> None:
    project = server.create_project("flask", "python-flask")
    base = run_web_example([sys.executable, "-m", "flask", "--app", "app", "run"], "python-flask", project["dsn"])
    answers = {name: _call(f"{base}/{name}") for name in SCENARIOS}
    reports = Reports(server, project["slug"])
    event = reports.check_error("PaymentDeclinedError", chained=False, function="error")
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


def test_express(server: Server, run_web_example: Callable[..., str]) -> None:
    project = server.create_project("express", "node-express")
    command = [require("node"), "--import", "./instrument.mjs", "app.mjs"]
    base = run_web_example(command, "node-express", project["dsn"])
    for name in SCENARIOS:
        _call(f"{base}/{name}")
    reports = Reports(server, project["slug"])
    event = reports.check_error("PaymentDeclinedError", chained=False)
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    assert entries["request"]["url"].endswith("/error")
    reports.check_message()
    reports.check_fingerprint()
    reports.check_attachment()
    reports.check_feedback()
    reports.check_burst(300)


@pytest.mark.parametrize("framework", ["nethttp", "echo", "gin"])
def test_go(server: Server, run_web_example: Callable[..., str], framework: str) -> None:
    require("go")
    project = server.create_project(f"go {framework}", "go")
    base = run_web_example([f"./bin/{framework}"], "go", project["dsn"])
    for name in SCENARIOS:
        _call(f"{base}/{name}")
    reports = Reports(server, project["slug"])
    event = reports.check_error("PaymentDeclinedError", chained=True)
    entries = {entry["type"]: entry["data"] for entry in event["entries"]}
    assert entries["request"]["url"].endswith("/error")
    reports.check_message()
    reports.check_fingerprint()
    reports.check_attachment()
    reports.check_feedback()
    reports.check_burst(300)
    with contextlib.suppress(ConnectionError):  # net/http closes the connection, the frameworks answer 500
        _call(f"{base}/panic")
    panic = reports.issue("the warehouse is on fire")
    assert panic["level"] == "fatal"
