"""The pure steps over anything: bad data becomes an outcome, never an exception."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.processing.crash import merge_crash_items
from dictamesh_sentry.processing.pipeline import process_message
from dictamesh_sentry.processing.results import EventRecord, MessageResult
from dictamesh_sentry.processing.rows import COLUMNS
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.envelope import Item
from tests.processing.support import config, envelope, error_event, event_envelope, ingest

CONFIG = config()


def run(body: bytes, **more: Any) -> MessageResult:
    return process_message(ingest(1, body, **more), CONFIG, 0, 1)


def counted(result: MessageResult) -> set[tuple[str, str, str, int]]:
    return {
        (Outcome(one.outcome).api_name, DataCategory(one.category).api_name, one.reason, one.quantity)
        for one in result.outcomes
    }


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"content_encoding": "br"}, "invalid_compression"),
        ({"content_encoding": "rot13"}, "invalid_compression"),
        ({"content_encoding": ""}, "invalid_envelope"),
    ],
)
def test_bodies_that_cannot_be_opened(more, reason):
    assert counted(run(event_envelope(error_event()), **more)) == {("invalid", "default", reason, 1)}


def test_the_same_message_gives_the_same_result():
    message = ingest(1, envelope(({"type": "event"}, b'{"message": "no id"}')))
    first, second = (process_message(message, CONFIG, 0, 9) for _ in range(2))
    assert first.events[0].event_id == second.events[0].event_id
    assert process_message(message, CONFIG, 0, 10).events[0].event_id != first.events[0].event_id


def test_the_envelope_names_the_event():
    event = error_event()
    told = "f" * 32
    [record] = run(envelope(({"type": "event"}, json.dumps(event).encode()), event_id=told)).events
    assert record.event_id == told
    assert json.loads(record.row[-1])["event_id"] == told
    [record] = run(envelope(({"type": "event"}, json.dumps(event).encode())), event_id="e" * 32).events
    assert record.event_id == "e" * 32


def test_several_reports_in_one_envelope_are_several_events():
    report = {"csp-report": {"effective-directive": "img-src", "blocked-uri": "https://evil.example/"}}
    items = [({"type": "raw_security"}, json.dumps(report).encode())] * 3
    records = run(envelope(*items, event_id="a" * 32)).events
    assert len({record.event_id for record in records}) == 3
    assert [record.data_category for record in records] == [DataCategory.SECURITY] * 3


def test_client_reports_keep_their_reasons_and_times():
    now = 1_795_000_000.0
    report = {
        "timestamp": now - 60,
        "discarded_events": [
            {"reason": "before_send", "category": "error", "quantity": 2},
            {"reason": "sample_rate", "category": "user_report_v2", "quantity": 1},
            {"reason": "x", "category": "from_the_future", "quantity": 1},
            {"reason": "x", "category": "error", "quantity": -5},
            "nonsense",
        ],
        "rate_limited_events": [{"reason": "quota", "category": "attachment", "quantity": 9}],
    }
    item = ({"type": "client_report"}, json.dumps(report).encode())
    result = run(envelope(item), received=now)
    assert counted(result) == {
        ("client_discard", "error", "before_send", 2),
        ("client_discard", "feedback", "sample_rate", 1),
        ("rate_limited", "attachment", "quota", 9),
    }
    assert {one.timestamp for one in result.outcomes} == {now - 60}
    report["timestamp"] = now - 86400 * 60
    assert not run(envelope(({"type": "client_report"}, json.dumps(report).encode())), received=now).outcomes


def test_attachment_without_any_event_id_is_counted():
    result = run(envelope(({"type": "attachment", "filename": "x"}, b"abc")))
    assert counted(result) == {
        ("invalid", "attachment", "no_event_payload", 3),
        ("invalid", "attachment_item", "no_event_payload", 1),
    }


class TestCrashItems:
    def merged(self, event: dict[str, Any], *items: tuple[str, bytes]) -> dict[str, Any]:
        merge_crash_items(event, [Item({"type": "attachment", "attachment_type": kind}, data) for kind, data in items])
        return event

    def test_payload_fills_what_is_missing(self):
        payload = msgspec.msgpack.encode({"release": "a@1", "level": "fatal", "extra": {"b": b"raw"}})
        event = self.merged({"level": "error"}, ("event.payload", payload))
        assert event == {"level": "error", "release": "a@1", "extra": {"b": "raw"}}

    def test_breadcrumbs_of_two_files_are_put_in_order(self):
        crumbs = [{"timestamp": moment, "message": "m" * 300} for moment in (3, 1, 2)]
        one = msgspec.msgpack.encode(crumbs[:2])
        two = msgspec.msgpack.encode(crumbs[2]) + msgspec.msgpack.encode({"timestamp": "1970-01-01T00:00:09Z"})
        event = self.merged({"breadcrumbs": {"values": []}}, ("event.breadcrumbs", one), ("event.breadcrumbs", two))
        moments = [crumb["timestamp"] for crumb in event["breadcrumbs"]["values"]]
        assert moments == [1, 2, 3, "1970-01-01T00:00:09Z"]

    def test_a_dump_is_a_crash_unless_the_event_says_what_happened(self):
        event = self.merged({}, ("event.minidump", b"MDMP"))
        assert (event["level"], event["exception"]["values"][0]["type"]) == ("fatal", "Minidump")
        own = {"exception": {"values": [{"type": "OutOfMemory"}]}}
        assert self.merged(dict(own), ("event.minidump", b"MDMP"))["exception"] == own["exception"]

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=60), st.binary(max_size=60))
    def test_damaged_files_change_nothing_worse(self, payload, crumbs):
        self.merged({}, ("event.payload", payload), ("event.breadcrumbs", crumbs))


TYPES = st.sampled_from(
    [
        "event",
        "feedback",
        "raw_security",
        "security",
        "attachment",
        "user_report",
        "client_report",
        "transaction",
        "log",
        "span",
        "session",
        "profile_chunk",
        "trace_metric",
        "form_data",
        "unheard_of",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMED = st.dictionaries(
    st.sampled_from(
        [
            "event_id",
            "items",
            "spans",
            "discarded_events",
            "comments",
            "csp-report",
            "csp",
            "contexts",
            "exception",
            "tags",
            "user",
            "timestamp",
            "message",
            "fingerprint",
            "request",
            "release",
            "environment",
        ]
    ),
    JSON,
    max_size=5,
)
PAYLOADS = st.binary(max_size=30) | (NAMED | JSON).map(lambda value: json.dumps(value).encode())
HEADERS = st.dictionaries(
    st.sampled_from(["filename", "content_type", "attachment_type", "item_count", "span_count", "platform"]),
    JSON,
    max_size=3,
)
ITEMS = st.lists(st.tuples(st.builds(lambda kind, more: {**more, "type": kind}, TYPES, HEADERS), PAYLOADS), max_size=5)


@settings(max_examples=300, deadline=None)
@given(ITEMS, st.booleans(), st.dictionaries(st.sampled_from(["sent_at", "trace", "sdk"]), JSON, max_size=2))
def test_any_envelope_ends_in_rows_and_outcomes(items, named, headers):
    result = run(envelope(*items, event_id="a" * 32 if named else None, **headers))
    for record in result.events:
        assert isinstance(record, EventRecord)
        assert len(record.row) == len(COLUMNS)
        json.loads(record.row[-1])
    assert all(one.quantity > 0 for one in result.outcomes)
    kept = len(result.events) + len(result.attachments) + len(result.reports) + len(result.ignored)
    assert kept + len(result.outcomes) > 0 or all(
        item[0]["type"] in ("form_data", "client_report", "attachment", "user_report") for item in items
    )
