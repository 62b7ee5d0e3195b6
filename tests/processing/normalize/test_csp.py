"""Content-Security-Policy reports as events."""

from __future__ import annotations

from typing import Any

import pytest

from tests.processing.cases import CLIENT_IP, data, tags

DOCUMENT = "https://shop.example.com/cart"
_FONT = "Blocked 'font' from 'data'"


def _report(**changes: Any) -> dict[str, Any]:
    report = {
        "document-uri": DOCUMENT,
        "referrer": "https://search.example/",
        "violated-directive": "img-src https://shop.example.com/ https://cdn.example.com",
        "effective-directive": "img-src",
        "blocked-uri": "https://evil.example.org:8443/x.png",
        "status-code": 200,
    }
    return {**report, **changes}


def test_a_report_becomes_a_complete_event():
    event = data({"csp": _report()}, user_agent="Mozilla/5.0 Firefox/130.0")
    assert (event["type"], event["logger"]) == ("csp", "csp")
    assert event["logentry"] == {"formatted": "Blocked 'image' from 'evil.example.org:8443'"}
    assert event["culprit"] == "img-src 'self' https://cdn.example.com"
    assert event["request"]["url"] == DOCUMENT
    assert ["Referer", "https://search.example/"] in event["request"]["headers"]
    assert event["user"]["ip_address"] == CLIENT_IP
    own = tags(event)
    assert own["effective-directive"] == "img-src"
    assert own["blocked-uri"] == "https://evil.example.org:8443/x.png"
    assert own["blocked-host"] == "evil.example.org:8443"


def test_the_reporting_api_says_the_same():
    body = {
        "documentURL": DOCUMENT,
        "blockedURL": "inline",
        "effectiveDirective": "script-src-elem",
        "originalPolicy": "default-src 'self'",
        "lineNumber": 10,
        "statusCode": "200",
    }
    event = data({"csp": body})
    assert event["csp"] == {
        "document_uri": DOCUMENT,
        "blocked_uri": "inline",
        "effective_directive": "script-src-elem",
        "original_policy": "default-src 'self'",
        "line_number": 10,
        "status_code": 200,
    }
    assert event["logentry"]["formatted"] == "Blocked inline 'script element'"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"blocked-uri": "self"}, "Blocked 'image' from 'self'"),
        ({"blocked-uri": "data"}, "Blocked 'image' from 'data'"),
        ({"blocked-uri": ""}, "Blocked 'image'"),
        ({"effective-directive": "script-src", "blocked-uri": "eval"}, "Blocked unsafe eval() 'script'"),
        ({"effective-directive": "style-src", "blocked-uri": ""}, "Blocked inline 'style'"),
        ({"effective-directive": "form-action"}, "Blocked form action to 'evil.example.org:8443'"),
        (
            {"effective-directive": "", "violated-directive": "font-src x"},
            "Blocked 'font' from 'evil.example.org:8443'",
        ),
    ],
)
def test_messages(changes: dict[str, Any], message: str):
    assert data({"csp": _report(**changes)})["logentry"]["formatted"] == message


@pytest.mark.parametrize("directive", ["made-up-src", "", 5, None])
def test_unknown_directives_leave_no_report(directive: Any):
    event = data({"csp": _report(**{"effective-directive": directive, "violated-directive": directive})})
    assert "csp" not in event
    assert event["type"] == "default"
