"""Whatever JSON a client sends, the pure steps neither fail nor take long, and their result can be stored."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dictamesh_sentry.processing.filters import first_match
from dictamesh_sentry.processing.normalize import InvalidEventError, normalize_event, parse_event
from dictamesh_sentry.processing.scrub import scrub_event
from dictamesh_sentry.projects.options import FilterOptions, ScrubOptions
from tests.processing.cases import CLIENT_IP, EVENTS, config, request
from tests.support.payloads import error_event

PROJECT = config(
    filters=FilterOptions(
        browser_extensions=True,
        legacy_browsers=["ie", "chrome", "default"],
        web_crawlers=True,
        localhost=True,
        error_messages=["*never matches this*", "[", "x?{a,b}"],
        releases=["0.0.*"],
        ip_addresses=["203.0.113.0/24"],
        csp_disallowed_sources=["https://nobody.example:9", "*.x"],
    ),
    scrub=ScrubOptions(
        ip_addresses=True,
        sensitive_fields=["inner"],
        safe_fields=["extra.safe", "fine"],
        pii_config={
            "rules": {"p": {"type": "pattern", "pattern": "(z+)y", "redaction": {"method": "mask"}}},
            "applications": {"$string && !$frame.**": ["p", "@email:hash"], "extra.**": ["@anything:replace"]},
        },
    ),
)
KEYS = st.sampled_from(
    [
        "values", "frames", "type", "value", "mechanism", "stacktrace", "vars", "data", "message",
        "formatted", "params", "headers", "cookies", "query_string", "url", "env", "method", "id", "email",
        "ip_address", "username", "name", "version", "trace_id", "span_id", "replay_id", "timestamp", "level",
        "category", "abs_path", "filename", "function", "lineno", "instruction_addr", "pre_context",
        "context_line", "registers", "images", "debug_id", "image_addr", "meta", "signal", "settings",
        "infer_ip", "packages", "integrations", "blocked-uri", "effective-directive", "violated-directive",
        "document-uri", "password", "os", "browser", "device", "trace", "flags", "feedback", "response",
        "variables", "api_target", "raw_description", "rem", "err", "len",
    ]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=2**63, max_value=2**80),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["\ud800", "\x00", "{{auto}}", "127.0.0.1", "0xff", "?", "error", "2026-11-20T10:15:30Z", "a" * 9000,
         "Bearer x",         "%s {} %(a)s", "TypeError: x", "http://[::1/?a=b#c", "password=x",
         "4571 2345 6789 0111", "img-src", "{\"a\":1}"]
    ),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda children: st.lists(children, max_size=5) | st.dictionaries(KEYS | st.text(max_size=8), children, max_size=6),
    max_leaves=30,
)
TOP = [
    "event_id", "timestamp", "type", "level", "platform", "logger", "transaction", "culprit",
    "server_name", "release", "dist", "environment", "site", "tags", "extra", "modules", "fingerprint",
    "errors", "logentry", "message", "exception", "threads", "stacktrace", "breadcrumbs", "request",
    "user", "contexts", "sdk", "debug_meta", "spans", "measurements", "checksum", "template", "csp",
    "_meta", "received", "key_id", "sentry.interfaces.Http", "made_up",
]  # fmt: skip


def run(event: dict[str, Any]) -> dict[str, Any]:
    started = time.perf_counter()
    result = normalize_event(event, PROJECT, request(sent_at=5.0))
    first_match(result.data, PROJECT, CLIENT_IP)
    scrub_event(result.data, PROJECT)
    assert time.perf_counter() - started < 5
    stored = orjson.loads(orjson.dumps(result.data))
    assert b"\\u0000" not in orjson.dumps(result.data)
    assert stored["event_id"]
    assert stored["type"]
    return result.data


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.dictionaries(st.sampled_from(TOP), VALUES, max_size=6))
def test_any_json_is_survived_and_scrubbed_once(event: dict[str, Any]):
    try:
        parsed = parse_event(json.dumps(event).encode("utf-8", "surrogatepass"))
    except InvalidEventError:
        pytest.fail("JSON must be read")
    scrubbed = run(parsed)
    again = copy.deepcopy(scrubbed)
    scrub_event(again, PROJECT)
    for event_ in (scrubbed, again):
        event_.pop("_meta", None)
    assert again == scrubbed


LEAVES = [
    (path.stem, where)
    for path in sorted(EVENTS.glob("*.json"))
    for where in range(0, 60, 7)
]  # fmt: skip


def _replace_nth(value: Any, position: list[int], new: Any) -> Any:
    position[0] -= 1
    if position[0] < 0:
        position[0] = 1 << 30
        return new
    if type(value) is dict:
        return {key: _replace_nth(child, position, new) for key, child in value.items()}
    if type(value) is list:
        return [_replace_nth(child, position, new) for child in value]
    return value


@settings(max_examples=120, deadline=None)
@given(st.sampled_from(LEAVES), st.integers(min_value=1, max_value=80), VALUES)
def test_real_events_with_one_damaged_place_are_survived(leaf: tuple[str, int], offset: int, damage: Any):
    event = json.loads((EVENTS / f"{leaf[0]}.json").read_text())
    run(_replace_nth(event, [leaf[1] + offset], damage))


@pytest.mark.parametrize("key", TOP)
def test_deep_nesting_and_width_are_bounded(key: str):
    deep: Any = "x"
    for level in range(900):
        deep = [deep] if level % 2 else {"values": deep}
    run({key: deep})
    run({key: {f"key{number}": "auth " * 10 for number in range(3000)}})
    run({key: [{"a": "http://x:y@z/" * 3}] * 3000})
    run({key: "a:b@" * 50_000})


def test_the_budget_of_a_full_event():
    """Generous against a loaded machine: it notices a step that became ten times slower."""
    payloads = [orjson.dumps(error_event("full", seed, timestamp=request().received)) for seed in range(20)]
    assert 38_000 < len(payloads[0]) < 46_000
    events = [parse_event(payload) for payload in payloads]
    run(parse_event(payloads[0]))
    project = config()
    started = time.process_time()
    for event in events:
        result = normalize_event(event, project, request())
        assert first_match(result.data, project, CLIENT_IP) is None
        scrub_event(result.data, project)
        assert result.errors == []
    assert (time.process_time() - started) / len(events) < 0.006
