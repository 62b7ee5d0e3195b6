"""Advanced rules: types, methods, selectors, and the errors of wrong ones."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from dictamesh_sentry.processing.scrub import (
    PiiConfigError,
    SelectorError,
    scrub_event,
    validate_pii_config,
    validate_scrub,
    validate_selector,
)
from dictamesh_sentry.projects.options import ScrubOptions
from tests.processing.cases import config, data, meta_at, tags


def applied(event: dict[str, Any], pii_config: dict[str, Any]) -> dict[str, Any]:
    project = config(scrub=ScrubOptions(enabled=False, pii_config=pii_config))
    event = data(event, project)
    scrub_event(event, project)
    return event


def rule(kind: str, method: str = "replace", selector: str = "extra.**", **more: Any) -> dict[str, Any]:
    redaction = {"method": method, **({"text": more.pop("text")} if "text" in more else {})}
    return {"rules": {"r": {"type": kind, "redaction": redaction, **more}}, "applications": {selector: ["r"]}}


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("email", "to ana@example.com!", "to [email]!"),
        ("@email", "to ana@example.com!", "to [email]!"),
        ("ip", "at 192.0.2.1 and ::1", "at [ip] and [ip]"),
        ("imei", "imei 35-209900-176148-1", "imei [imei]"),
        ("mac", "4a:00:04:10:9b:50", "[mac]"),
        ("uuid", "id ceee0822-ed8f-4622-b2a3-789e73e75cd1", "id [uuid]"),
        ("iban", "DE89370400440532013000", "[iban]"),
        ("creditcard", "4571234567890111", "[creditcard]"),
        ("urlauth", "https://a:b@c.d/", "https://a:[urlauth]@c.d/"),
        ("usssn", "078-05-1120", "[us-ssn]"),
        ("userpath", "/home/ana/x", "/home/[userpath]/x"),
        ("bearer", "Bearer xyz", "[bearer]"),
        ("password", "the secret", "[password]"),
        ("anything", "whatever", "[Filtered]"),
    ],
)
def test_types(kind: str, text: str, expected: str):
    assert applied({"extra": {"x": text, "n": True}}, rule(kind, selector="extra.x"))["extra"] == {
        "x": expected,
        "n": True,
    }


@pytest.mark.parametrize(
    ("method", "more", "expected", "remark"),
    [
        ("replace", {}, "to [email]", ["r", "s", 3, 10]),
        ("replace", {"text": "<who>"}, "to <who>", ["r", "s", 3, 8]),
        ("mask", {}, "to ******", ["r", "m", 3, 9]),
        ("filter", {}, "to [Filtered]", ["r", "s", 3, 13]),
        ("remove", {}, "to ", ["r", "x", 3, 3]),
        ("hash", {}, "to 4AA99C9D6A0B7E2B5D8C6A2C6C2F3C6E", ["r", "p", 3, 43]),
    ],
)
def test_methods(method: str, more: dict[str, Any], expected: str, remark: list[Any]):
    event = applied({"extra": {"x": "to a@b.co"}}, rule("email", method, **more))
    if method == "hash":
        assert len(event["extra"]["x"]) == 43
        assert "@" not in event["extra"]["x"]
    else:
        assert event["extra"]["x"] == expected
    assert meta_at(event, "extra.x") == {"rem": [remark], "len": 9}


def test_the_same_text_has_the_same_pseudonym():
    event = applied({"extra": {"x": "a@b.co", "y": "a@b.co", "z": "c@b.co"}}, rule("email", "hash"))["extra"]
    assert event["x"] == event["y"] != event["z"]


def test_patterns_replace_their_groups():
    event = {"extra": {"x": "order A-17 of B-18"}}
    assert applied(event, rule("pattern", pattern=r"[A-Z]-\d+"))["extra"]["x"] == "order [r] of [r]"
    event = {"extra": {"x": "order A-17 of B-18"}}
    assert (
        applied(event, rule("pattern", pattern=r"([A-Z])-(\d+)", replaceGroups=[2]))["extra"]["x"]
        == "order A-[r] of B-[r]"
    )


def test_redact_pair_alias_multiple_and_builtin_ids():
    pii = {
        "rules": {
            "pair": {"type": "redact_pair", "keyPattern": "(?i)iban", "redaction": {"method": "remove"}},
            "again": {"type": "alias", "rule": "pair"},
            "both": {"type": "multiple", "rules": ["again", "@email:mask"]},
        },
        "applications": {"extra.**": ["both"]},
    }
    event = applied({"extra": {"myIban": "x", "list": [["iban", "y"], ["other", "a@b.co"]]}}, pii)
    assert event["extra"] == {"myIban": None, "list": [["iban", ""], ["other", "******"]]}


def test_removing_anything():
    event = applied({"extra": {"a": {"b": 1}, "c": 5, "d": "x"}, "user": {"id": "1"}}, rule("anything", "remove"))
    assert event["extra"] == {"a": None, "c": None, "d": None}
    assert event["user"] == {"id": "1"}
    assert "extra" not in applied({"extra": {"a": 1}}, rule("anything", "remove", "extra"))


EVENT: dict[str, Any] = {
    "user": {"id": "U", "email": "U"},
    "extra": {"foo": "E", "Bar": "E", "list": ["L0", "L1"], "my key": "E"},
    "request": {"headers": {"X-Token": "H", "Accept": "H"}, "url": "/"},
    "tags": {"color": "T"},
    "message": "M",
    "exception": {"type": "X", "value": "X", "stacktrace": {"frames": [{"function": "F", "vars": {"foo": "V"}}]}},
}


def _hits(selector: str) -> set[str]:
    event = applied(copy.deepcopy(EVENT), rule("anything", "replace", selector, text="*"))
    frame = event["exception"]["values"][0]["stacktrace"]["frames"][0]
    found = {
        "user.id": event["user"]["id"],
        "user.email": event["user"]["email"],
        "foo": event["extra"]["foo"],
        "bar": event["extra"]["Bar"],
        "l0": event["extra"]["list"][0] if event["extra"]["list"] else "*",
        "l1": event["extra"]["list"][1] if event["extra"]["list"] else "*",
        "key": event["extra"]["my key"],
        "x-token": event["request"]["headers"][0][1],
        "accept": event["request"]["headers"][1][1],
        "color": tags(event)["color"],
        "message": event["logentry"]["formatted"],
        "value": event["exception"]["values"][0]["value"],
        "function": frame["function"],
        "var": (frame["vars"] or {"foo": "*"})["foo"],
    }
    return {name for name, value in found.items() if value == "*"}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("$user.email", {"user.email"}),
        ("user.email", {"user.email"}),
        ("$http.headers.x-token", {"x-token"}),
        ("request.headers.*", {"x-token", "accept"}),
        ("extra.foo", {"foo"}),
        ("foo", {"foo", "var"}),
        ("**.foo", {"foo", "var"}),
        ("extra.bar", {"bar"}),
        ("extra.list.1", {"l1"}),
        ("extra.'my key'", {"key"}),
        ("extra.foo || tags.color", {"foo", "color"}),
        ("extra.* && !extra.foo && $string", {"bar", "key"}),
        ("$string && !(extra.** || $user.** || $http.**)", {"color", "message", "value", "var"}),
        ("$frame.vars.foo", {"var"}),
        ("$frame.function", {"function"}),
        ("$error.value", {"value"}),
        ("$message.formatted", {"message"}),
        ("extra.nothing", set()),
    ],
)
def test_selectors(selector: str, expected: set[str]):
    assert _hits(selector) == expected


def test_a_sweeping_rule_leaves_what_the_product_runs_on():
    event = applied({**copy.deepcopy(EVENT), "release": "r"}, rule("anything", "remove", "**"))
    assert event["release"] == "r"
    assert event["exception"]["values"][0]["type"] == "X"
    assert event["event_id"]
    assert "extra" not in event


def test_a_sweeping_text_rule_leaves_frames_and_types():
    source = {"type": "a@b.co", "value": "a@b.co", "stacktrace": [{"filename": "a@b.co", "vars": {"x": "a@b.co"}}]}
    exception = applied({"exception": source}, rule("email", selector="**"))["exception"]["values"][0]
    frame = exception["stacktrace"]["frames"][0]
    assert (exception["type"], exception["value"]) == ("a@b.co", "[email]")
    assert (frame["filename"], frame["vars"]) == ("a@b.co", {"x": "[email]"})


def test_an_identity_that_was_scrubbed_leaves_no_tag():
    event = applied({"user": {"email": "ana@example.com"}}, rule("email", "mask", "$user.email"))
    assert tags(event)["user"] == "email:" + "*" * 15


@pytest.mark.parametrize(
    ("pii", "field"),
    [
        ([], None),
        ("text", "relayPiiConfig"),
        ({"rules": []}, "rules"),
        ({"rules": {"r": {"type": "nope"}}}, "rules.r.type"),
        ({"rules": {"r": {"type": "pattern", "pattern": "("}}}, "rules.r.pattern"),
        ({"rules": {"r": {"type": "pattern"}}}, "rules.r.pattern"),
        ({"rules": {"r": {"type": "pattern", "pattern": "(a)", "replaceGroups": [2]}}}, "rules.r.replaceGroups"),
        ({"rules": {"r": {"type": "email", "redaction": {"method": "burn"}}}}, "rules.r.redaction.method"),
        ({"rules": {"r": {"type": "email", "redaction": {"method": "replace", "text": 5}}}}, "rules.r.redaction.text"),
        ({"rules": {"r": {"type": "redact_pair", "keyPattern": "["}}}, "rules.r.keyPattern"),
        ({"rules": {"r": {"type": "alias", "rule": "r"}}}, "rules.r"),
        ({"rules": {"r": {"type": "multiple", "rules": "x"}}}, "rules.r.rules"),
        ({"applications": {"extra.**": ["missing"]}}, "applications.extra.**"),
        ({"applications": {"extra.**": ["@email:burn"]}}, "applications.extra.**"),
        ({"applications": {"extra..x": []}}, "applications.extra..x"),
        ({"applications": {"x": "@ip"}}, "applications.x"),
    ],
)
def test_wrong_configurations_are_named(pii: Any, field: str | None):
    if field is None:
        validate_pii_config(pii)
        return
    with pytest.raises(PiiConfigError) as error:
        validate_pii_config(pii)
    assert error.value.field == field
    assert error.value.message


@pytest.mark.parametrize(
    ("selector", "position"), [("", 0), ("a..b", 2), ("(a", 2), ("a)", 1), ("$nope.x", 0), ("a &&", 4)]
)
def test_wrong_selectors_are_pointed_at(selector: str, position: int):
    with pytest.raises(SelectorError) as error:
        validate_selector(selector)
    assert error.value.position == position


def test_settings_are_checked_and_broken_stored_ones_stop_nothing():
    assert validate_scrub(ScrubOptions()) == {}
    assert validate_scrub(ScrubOptions(pii_config={"rules": 5}, sensitive_fields=["*"])).keys() == {
        "pii_config",
        "sensitive_fields",
    }
    assert applied({"extra": {"x": "a@b.co"}}, {"rules": 5})["extra"] == {"x": "a@b.co"}
