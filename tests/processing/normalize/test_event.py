"""Rules that concern the event as a whole: leniency, defaults, times, addresses, tags, errors."""

from __future__ import annotations

from typing import Any

import pytest

from dictamesh_sentry.projects.options import ScrubOptions
from tests.processing.cases import CLIENT_IP, RECEIVED, config, data, meta_at, normalized, tags

DAY = 86400


def test_an_empty_event_gets_all_defaults():
    event = data({}, sentry_client="sentry.python/2.75.0", key_id=7)
    assert len(event.pop("event_id")) == 32
    trace = event.pop("contexts")["trace"]
    assert (len(trace["trace_id"]), len(trace["span_id"])) == (32, 16)
    assert event.pop("project") >= 1000
    assert event == {
        "type": "default",
        "level": "error",
        "platform": "other",
        "logger": "",
        "version": "7",
        "received": RECEIVED,
        "timestamp": RECEIVED,
        "key_id": "7",
        "sdk": {"name": "sentry.python", "version": "2.75.0"},
        "tags": [["level", "error"], ["sdk.name", "sentry.python"]],
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("exception", 5),
        ("threads", "x"),
        ("breadcrumbs", True),
        ("request", []),
        ("user", "bob"),
        ("contexts", [1]),
        ("sdk", "sentry"),
        ("debug_meta", 1.5),
        ("extra", "x"),
        ("release", {}),
        ("environment", []),
        ("timestamp", "yesterday"),
        ("event_id", "x"),
        ("level", "loud"),
        ("transaction", 5),
        ("tags", 7),
        ("logger", {}),
    ],
)
def test_a_wrong_type_is_removed_kept_in_meta_and_reported(key: str, value: Any):
    result = normalized({"message": "still here", key: value})
    assert result.data["logentry"] == {"formatted": "still here"}
    assert result.data.get(key) != value
    assert meta_at(result.data, key)["val"] == value
    assert [(error["name"], error["type"], error["value"]) for error in result.errors] == [(key, "invalid_data", value)]


@pytest.mark.parametrize(
    ("raw", "level"),
    [("log", "info"), ("critical", "fatal"), (10, "debug"), (50, "fatal"), ("WARNING", "warning"), ("?", "error")],
)
def test_levels(raw: Any, level: str):
    assert data({"level": raw})["level"] == level


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (RECEIVED - 5, RECEIVED - 5),
        (int(RECEIVED), RECEIVED),
        ("2026-11-20T10:15:30Z", 1795169730.0),
        ("2026-11-20T10:15:30", 1795169730.0),
        ("2026-11-20T12:15:30.25+02:00", 1795169730.25),
        ("2026-11-20T10:15:30.123456789Z", 1795169730.123456),
        (-5, RECEIVED),
        (1e40, RECEIVED),
        ("10000-01-01T00:00:00Z", RECEIVED),
        (None, RECEIVED),
    ],
)
def test_timestamps(raw: Any, seconds: float):
    assert data({"timestamp": raw})["timestamp"] == pytest.approx(seconds, abs=1e-5)


def test_the_ids_of_the_envelope_win():
    own, other = "a" * 32, "B" * 8 + "-bbbb-4bbb-8bbb-" + "b" * 12
    assert data({"event_id": own})["event_id"] == own
    assert data({"event_id": own}, event_id=other)["event_id"] == other.replace("-", "").lower()


def test_a_wrong_client_clock_moves_all_times():
    crumbs = [{"timestamp": RECEIVED - 7205, "message": "x"}]
    result = normalized({"timestamp": RECEIVED - 7200, "breadcrumbs": crumbs}, sent_at=RECEIVED - 7190)
    assert result.data["timestamp"] == RECEIVED - 10
    assert result.data["breadcrumbs"]["values"][0]["timestamp"] == RECEIVED - 15
    assert [error["type"] for error in result.errors] == ["clock_drift"]


def test_a_small_drift_is_left_alone():
    result = normalized({"timestamp": RECEIVED - 3000}, sent_at=RECEIVED - 3000)
    assert (result.data["timestamp"], result.errors) == (RECEIVED - 3000, [])


@pytest.mark.parametrize(
    ("offset", "kind"),
    [(61, "future_timestamp"), (59, None), (-91 * DAY, "past_timestamp"), (-89 * DAY, None)],
)
def test_impossible_times_become_now(offset: float, kind: str | None):
    result = normalized({"timestamp": RECEIVED + offset})
    assert result.data["timestamp"] == (RECEIVED if kind else RECEIVED + offset)
    assert [error["type"] for error in result.errors] == ([kind] if kind else [])


def _infer(value: str | None) -> dict[str, Any]:
    return {"name": "x", "settings": {"infer_ip": value}} if value else {"name": "x"}


@pytest.mark.parametrize(
    ("infer", "platform", "user_ip", "remote", "expected"),
    [
        ("auto", "python", None, None, CLIENT_IP),
        ("auto", "python", None, "192.0.2.1", "192.0.2.1"),
        ("never", "javascript", None, None, None),
        ("never", "javascript", "{{auto}}", None, None),
        ("never", "javascript", "192.0.2.9", None, "192.0.2.9"),
        (None, "javascript", None, None, CLIENT_IP),
        (None, "cocoa", None, None, CLIENT_IP),
        (None, "objc", None, None, CLIENT_IP),
        (None, "python", None, None, None),
        (None, "python", None, "192.0.2.1", "192.0.2.1"),
        (None, "python", "{{auto}}", None, CLIENT_IP),
        (None, "python", "{{auto}}", "192.0.2.1", "192.0.2.1"),
        (None, "python", "2001:DB8::1", None, "2001:db8::1"),
        (None, "python", "not an address", None, None),
    ],
)
def test_user_addresses(
    infer: str | None, platform: str, user_ip: str | None, remote: str | None, expected: str | None
):
    event: dict[str, Any] = {"platform": platform, "sdk": _infer(infer), "user": {"id": 1}}
    if user_ip:
        event["user"]["ip_address"] = user_ip
    if remote:
        event["request"] = {"env": {"REMOTE_ADDR": remote}}
    assert data(event)["user"].get("ip_address") == expected


def test_auto_is_never_stored_even_without_a_known_address():
    event = data({"user": {"ip_address": "{{auto}}"}, "request": {"env": {"REMOTE_ADDR": "{{auto}}"}}}, client_ip="")
    assert "{{auto}}" not in str(event)


def test_a_project_that_scrubs_addresses_infers_none():
    project = config(scrub=ScrubOptions(ip_addresses=True))
    event = data(
        {
            "platform": "javascript",
            "user": {"id": "1", "ip_address": "192.0.2.1"},
            "request": {"env": {"REMOTE_ADDR": "192.0.2.2"}},
            "sdk": {"name": "x", "client_ip": "192.0.2.3"},
        },
        project,
    )
    assert "192.0.2" not in str(event)
    assert CLIENT_IP not in str(event)


@pytest.mark.parametrize("release", ["latest", "LATEST", ".", "..", "a/b", "a\\b", "a\nb", "x" * 201, "é" * 101])
def test_invalid_releases_are_removed(release: str):
    result = normalized({"release": release})
    assert "release" not in result.data
    assert [error["name"] for error in result.errors] == ["release"]


@pytest.mark.parametrize("environment", ["none", "None", ".", "a/b", "x" * 65])
def test_invalid_environments_are_removed(environment: str):
    assert "environment" not in data({"environment": environment})


@pytest.mark.parametrize(("dist", "kept"), [(" 42 ", "42"), ("a b", None), ("", None), (42, "42"), ("x" * 65, None)])
def test_dist(dist: Any, kept: str | None):
    assert data({"dist": dist}).get("dist") == kept


def test_valid_release_and_environment_are_trimmed():
    event = data({"release": " shop@1.0+5 ", "environment": " prod "})
    assert (event["release"], event["environment"]) == ("shop@1.0+5", "prod")


def test_tags_are_cleaned_and_reserved_ones_removed():
    event = data(
        {
            "tags": [
                ["a b", 1],
                ["dup", "first"],
                ["dup", "second"],
                ["nothing", None],
                ["release", "x"],
                ["filename", "x"],
                ["user", "x"],
                ["environment", "staging"],
                ["device.class", "9"],
                ["level", "custom"],
                ["", "x"],
                ["lines", "a\nb"],
                ["long", "x" * 300],
                ["empty", " "],
                "no pair",
            ]
        }
    )
    own = tags(event)
    assert own.pop("long") == "x" * 197 + "..."
    assert own == {"a-b": "1", "dup": "first", "lines": "a b", "environment": "staging", "level": "error"}
    assert event["environment"] == "staging"
    assert meta_at(event, "tags.12.1") == {"rem": [["!limit", "s", 197, 200]], "len": 300}
    assert {error["name"] for error in event["errors"]} == {"tags.10.0", "tags.13.1"}


def test_type_follows_the_content():
    exception = {"type": "E", "value": "v"}
    assert data({"type": "csp", "exception": exception})["type"] == "error"
    assert data({"type": "transaction", "exception": exception})["type"] == "transaction"
    assert data({"type": "made up"})["type"] == "default"
    assert data({"type": "transaction"})["level"] == "info"


def test_trace_and_replay_come_from_the_sampling_context():
    event = data({}, trace={"replay_id": "a" * 32, "sample_rate": "0.25"})
    assert event["contexts"]["replay"]["replay_id"] == "a" * 32
    assert event["contexts"]["trace"]["client_sample_rate"] == 0.25
    assert tags(event)["replayId"] == "a" * 32


def test_meta_of_the_client_survives_and_damaged_meta_does_not_hurt():
    remark = {"extra": {"x": {"": {"rem": [["!limit", "s", 1, 4]], "len": 99, "junk": 1}}}}
    assert data({"_meta": remark, "extra": {"x": "y..."}})["_meta"] == {
        "extra": {"x": {"": {"rem": [["!limit", "s", 1, 4]], "len": 99}}}
    }
    assert "_meta" not in data({"_meta": {"a": [1], "": 5, "b": {"": {"rem": "x"}}}})


def test_feedback_is_held_to_its_attributes():
    contexts = {"feedback": {"message": "x" * 5000, "associated_event_id": "z", "source": "widget", "odd": 1}}
    event = data({"type": "feedback", "contexts": contexts})
    feedback = event["contexts"]["feedback"]
    assert len(feedback["message"]) == 4096
    assert "odd" not in feedback
    assert "associated_event_id" not in feedback
    assert event["type"] == "feedback"
    assert "feedback" not in data({"type": "feedback", "contexts": {"feedback": {"message": "  "}}})["contexts"]
