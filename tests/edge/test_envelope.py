"""``POST /api/{pid}/envelope/``: authentication, encodings, limits, answers."""

from __future__ import annotations

import base64
import gzip
import json
import time
import zlib

import brotli
import pytest
import zstandard

from dictamesh_sentry.edge import request as edge_request
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.items import MIB
from tests.edge.conftest import (
    AUTH,
    DISABLED_KEY,
    EVENT,
    EVENT_ID,
    FOREIGN_KEY,
    KEY,
    KEY_ID,
    PROJECT,
    UNKNOWN_KEY,
    Edge,
    envelope,
)

PATH = f"/api/{PROJECT}/envelope/"
DSN = f"https://{KEY}@sentry.example.com/{PROJECT}"


def test_an_accepted_envelope_is_in_the_stream_as_it_was_sent(edge: Edge) -> None:
    body = envelope(EVENT)
    answer = edge.send_envelope(body, {"User-Agent": "UA/1", "Sec-CH-UA-Model": '"Pixel"'})
    assert (answer.status, answer.json) == (200, {"id": EVENT_ID})
    assert answer.headers["content-type"] == "application/json"
    [message] = edge.messages()
    assert message.body == body
    assert (message.project_id, message.key_id, message.event_id) == (PROJECT, KEY_ID, EVENT_ID)
    assert (message.client_ip, message.user_agent, message.sentry_client) == ("203.0.113.9", "UA/1", "test/1.0")
    assert message.client_hints == {"sec-ch-ua-model": '"Pixel"'}
    assert edge.outcomes() == []


@pytest.mark.parametrize(
    "path", [PATH, PATH.rstrip("/"), f"//api//{PROJECT}///envelope//", f"/api/{PROJECT}/envelope//"]
)
def test_slashes_do_not_matter(edge: Edge, path: str) -> None:
    assert edge.post(path, envelope(EVENT)).status == 200


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (PATH, AUTH),
        (PATH, {"X-Sentry-Auth": f"sentry sentry_key = {KEY} ,foo=bar"}),
        (PATH, {"Authorization": f"Sentry sentry_key={KEY}"}),
        (PATH, {"Authorization": "Basic " + base64.b64encode(f"{KEY}:".encode()).decode()}),
        (PATH, {"Authorization": "Bearer proxy-token", **AUTH}),
        (f"{PATH}?sentry_key={KEY}&sentry_version=7&sentry_client=x%2F1", {}),
    ],
)
def test_every_carrier_of_credentials_is_accepted(edge: Edge, path: str, headers: dict[str, str]) -> None:
    assert edge.request("POST", path, envelope(EVENT), headers).status == 200
    assert len(edge.messages()) == 1


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain;charset=UTF-8"}])
def test_the_dsn_in_the_envelope_is_enough(edge: Edge, headers: dict[str, str]) -> None:
    answer = edge.request("POST", PATH, envelope(EVENT, dsn=DSN), headers)
    assert (answer.status, answer.json) == (200, {"id": EVENT_ID})


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (PATH, {}, 401),
        (PATH, {"X-Sentry-Auth": "Sentry foo=bar"}, 401),
        (PATH, {"X-Sentry-Auth": "Basic x"}, 401),
        (PATH, {"X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_version=x"}, 401),
        (PATH, {**AUTH, "Authorization": f"Sentry sentry_key={KEY}"}, 401),
        (f"{PATH}?sentry_key={KEY}", AUTH, 401),
        (PATH, {"X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_version=8"}, 400),
        (PATH, {"X-Sentry-Auth": "Sentry sentry_key=short"}, 400),
        ("/api/abc/envelope/", AUTH, 400),
        (PATH, {"X-Sentry-Auth": f"Sentry sentry_key={UNKNOWN_KEY}"}, 403),
        (PATH, {"X-Sentry-Auth": f"Sentry sentry_key={DISABLED_KEY}"}, 403),
        (PATH, {"X-Sentry-Auth": f"Sentry sentry_key={FOREIGN_KEY}"}, 403),
    ],
)
def test_bad_credentials(edge: Edge, path: str, headers: dict[str, str], status: int) -> None:
    answer = edge.request("POST", path, envelope(EVENT), headers)
    assert answer.status == status
    assert isinstance(answer.json["detail"], str)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert edge.messages() == []


@pytest.mark.parametrize(
    "dsn",
    [f"https://{FOREIGN_KEY}@sentry.example.com/{PROJECT}", f"https://{KEY}@sentry.example.com/43", "nonsense", 5, [1]],
)
def test_a_dsn_that_contradicts_the_request_is_refused(edge: Edge, dsn: object) -> None:
    answer = edge.send_envelope(envelope(EVENT, dsn=dsn))
    assert answer.status == 400
    assert "causes" in answer.json


def test_a_rejected_key_is_told_before_the_body_is_read(edge: Edge) -> None:
    answer = edge.request("POST", PATH, envelope(EVENT), {"X-Sentry-Auth": f"Sentry sentry_key={UNKNOWN_KEY}"})
    assert (answer.status, answer.read_chunks) == (403, 0)


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
    "identity": bytes,
    "": bytes,
    "utf-8": bytes,
    "GZIP": gzip.compress,
}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_content_encodings(edge: Edge, encoding: str) -> None:
    body = ENCODERS[encoding](envelope(EVENT))
    assert edge.send_envelope(body, {"Content-Encoding": encoding}).status == 200
    [stored] = edge.envelopes()
    assert stored.items[0].payload == EVENT[1]


def test_an_unknown_encoding_is_415_and_says_which_are_known(edge: Edge) -> None:
    answer = edge.send_envelope(envelope(EVENT), {"Content-Encoding": "lzw"})
    assert answer.status == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate, br, zstd"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("damage", [lambda body: body[:-3], lambda body: b"garbage" + body, lambda body: b""])
def test_damaged_compression_is_400(edge: Edge, encoding: str, damage) -> None:
    body = damage(ENCODERS[encoding](envelope(EVENT)))
    answer = edge.send_envelope([body], {"Content-Encoding": encoding})
    assert answer.status == 400
    assert edge.messages() == []
    assert edge.reasons() == {(DataCategory.DEFAULT, Outcome.INVALID, "invalid_compression", 1)}


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_stopped_at_the_limit(edge: Edge, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dictamesh_sentry.edge import endpoints

    monkeypatch.setattr(endpoints, "MAX_ENVELOPE", 4 * MIB)
    body = ENCODERS[encoding](b"{}\n" + b" " * (40 * MIB))
    answer = edge.send_envelope(body, {"Content-Encoding": encoding})
    assert answer.status == 413
    assert edge.reasons() == {(DataCategory.DEFAULT, Outcome.INVALID, "request_too_large", 1)}
    assert edge.application._budget._left == 640 * MIB


def test_a_chunked_body_without_a_length(edge: Edge) -> None:
    body = envelope(EVENT)
    assert edge.send_envelope([body[:5], body[5:9], b"", body[9:]]).status == 200
    assert edge.messages()[0].body == body


def test_an_announced_body_above_the_limit_is_refused_unread(edge: Edge) -> None:
    answer = edge.send_envelope(b"{}", {"Content-Length": str(201 * MIB)})
    assert (answer.status, answer.read_chunks) == (413, 0)


def test_a_chunked_body_above_the_limit_is_refused(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    from dictamesh_sentry.edge import endpoints

    monkeypatch.setattr(endpoints, "MAX_ENVELOPE", 1000)
    answer = edge.send_envelope([b"{}\n" + b" " * 600, b" " * 600, b" " * 600])
    assert (answer.status, answer.read_chunks) == (413, 2)


def test_a_slow_body_times_out(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_request, "BODY_SECONDS", -1000.0)
    began = time.monotonic()
    assert edge.send_envelope([b"{}"], stall=True).status == 408
    assert time.monotonic() - began < 3
    monkeypatch.undo()
    assert edge.send_envelope(envelope(EVENT)).status == 200


def test_too_many_large_bodies_at_once_are_put_off(edge: Edge) -> None:
    edge.application._budget._left = 2 * MIB
    answer = edge.send_envelope([b"x" * MIB] * 4)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "10"
    assert edge.application._budget._left == 2 * MIB


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n",
        b"[]",
        b"{",
        b'{"event_id":"nope"}\n',
        b'{}\n{"type":1}\n',
        b"{}\n{}\n",
        b'{}\n{"type":"event","length":50}\nshort',
        b'{}\n{"type":"event","length":2}\n{}trailing',
        b'{}\n{"type":"event","length":-1}\n{}',
        b"{}\r\n",
        b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}\n",
        b"{}\n" + b'{"type":"session"}\n{}\n' * 501,
        b'{}\n{"type":"integration","length":2}\n{}',
    ],
)
def test_malformed_envelopes_are_400(edge: Edge, body: bytes) -> None:
    answer = edge.send_envelope([body])
    assert answer.status == 400
    assert answer.json["detail"]
    assert edge.messages() == []


def test_an_envelope_without_items_is_fine(edge: Edge) -> None:
    answer = edge.send_envelope(b"{}")
    assert (answer.status, answer.json) == (200, {})
    assert edge.messages() == []


@pytest.mark.parametrize("item_type", ["session", "client_report", "log", "span"])
def test_items_that_are_no_events_get_no_id(edge: Edge, item_type: str) -> None:
    answer = edge.send_envelope(b'{}\n{"type":"%s","item_count":1}\n{}\n' % item_type.encode())
    assert (answer.status, answer.json) == (200, {})
    assert len(edge.messages()) == 1


def test_the_event_id_of_the_payload_is_used_when_the_header_has_none(edge: Edge) -> None:
    body = b'{}\n{"type":"event"}\n{"event_id":"%s"}\n' % EVENT_ID.upper().encode()
    assert edge.send_envelope(body).json == {"id": EVENT_ID}
    [stored] = edge.envelopes()
    assert stored.event_id == EVENT_ID


def test_a_missing_event_id_is_generated_and_stored(edge: Edge) -> None:
    answer = edge.send_envelope(b'{"sdk":{"name":"x"}}\n{"type":"event"}\n{"a":1}\n')
    [stored] = edge.envelopes()
    assert stored.headers == {"sdk": {"name": "x"}, "event_id": answer.json["id"]}
    assert len(answer.json["id"]) == 32


@pytest.mark.parametrize(
    "item_type",
    [
        "event", "transaction", "security", "raw_security", "attachment", "form_data", "unreal_report", "user_report",
        "feedback", "session", "sessions", "client_report", "profile", "profile_chunk", "profile_chunk_ui",
        "replay_event", "replay_recording", "replay_video", "check_in", "log", "span", "trace_metric",
        "metric_buckets", "statsd", "metric_meta", "otel_span", "otel_log", "nel",
    ],
)  # fmt: skip
def test_every_item_type_is_recognised_and_passed_on_unchanged(edge: Edge, item_type: str) -> None:
    payload = b"\x00\n binary \xff"
    answer = edge.send_envelope(envelope(({"type": item_type, "custom": 1, "item_count": 1}, payload)))
    assert answer.status == 200
    [stored] = edge.envelopes()
    assert stored.items[0].payload == payload
    assert stored.items[0].headers["custom"] == 1
    assert edge.outcomes() == []


def test_unknown_items_are_dropped_and_counted(edge: Edge) -> None:
    strange = ({"type": "attachment", "attachment_type": "strange", "filename": "x"}, b"abc")
    answer = edge.send_envelope(envelope(EVENT, ({"type": "hologram"}, b"{}"), strange))
    assert answer.status == 200
    [stored] = edge.envelopes()
    assert [item.type for item in stored.items] == ["event"]
    assert edge.reasons() == {
        (DataCategory.DEFAULT, Outcome.INVALID, "unknown_item_type", 1),
        (DataCategory.ATTACHMENT, Outcome.INVALID, "unknown_attachment_type", 3),
        (DataCategory.ATTACHMENT_ITEM, Outcome.INVALID, "unknown_attachment_type", 1),
    }


def test_surplus_containers_are_dropped_as_duplicates(edge: Edge) -> None:
    logs = ({"type": "log", "item_count": 2}, b"{}")
    assert edge.send_envelope(envelope(logs, logs)).status == 200
    [stored] = edge.envelopes()
    assert len(stored.items) == 1
    assert (DataCategory.LOG_ITEM, Outcome.INVALID, "duplicate_item", 2) in edge.reasons()


@pytest.mark.parametrize(
    ("items", "named"),
    [
        ([({"type": "event"}, b"x" * (MIB + 1))], "event"),
        ([EVENT, ({"type": "transaction"}, b"{}")], "transaction"),
        ([({"type": "attachment", "filename": "a"}, b"")] * 31, "attachment"),
        ([({"type": "client_report"}, b"x" * 60_000)] * 2, "client_report"),
        ([({"type": "check_in"}, b"x" * 103_000)], "check_in"),
        ([({"type": "profile"}, b"{}")] * 2, "profile"),
        ([({"type": "log", "item_count": 1}, b"x" * (3 * MIB))], "log"),
        ([({"type": "span"}, b"{}")] * 26, "span"),
        ([({"type": "hologram"}, b"x" * (2 * MIB))], "unknown"),
    ],
)
def test_a_broken_size_limit_rejects_the_whole_envelope(edge: Edge, items: list, named: str) -> None:
    answer = edge.send_envelope(envelope(*items))
    assert answer.status == 413
    assert named in answer.json["detail"]
    assert edge.messages() == []
    outcomes = edge.outcomes()
    if named != "client_report":
        assert {entry.reason for entry in outcomes} >= {f"too_large:{named}"}
    assert all(entry.reason.startswith("too_large:") for entry in outcomes)


@pytest.mark.parametrize("size", [MIB - 200, 3 * MIB])
def test_large_bodies_go_to_the_blob_store(edge: Edge, size: int) -> None:
    attachment = ({"type": "attachment", "filename": "core"}, b"\x01" * size)
    assert edge.send_envelope(envelope(EVENT, attachment)).status == 200
    [message] = edge.messages()
    assert bool(message.blob_key) == (size > MIB)
    body = edge.blobs.read(message.blob_key) if message.blob_key else message.body
    assert len(body) > size
    assert (message.body == b"") == bool(message.blob_key)


def test_origins(edge: Edge) -> None:
    edge.configure(allowed_origins=("https://app.example.com", "*.shop.example"))
    good = edge.send_envelope(envelope(EVENT), {"Origin": "https://app.example.com"})
    assert good.status == 200
    assert edge.messages()[0].origin == "https://app.example.com"
    assert edge.send_envelope(envelope(EVENT), {"Referer": "http://www.shop.example/cart"}).status == 200
    assert edge.send_envelope(envelope(EVENT), {"Origin": "null"}).status == 200
    assert edge.send_envelope(envelope(EVENT)).status == 200
    bad = edge.send_envelope(envelope(EVENT), {"Origin": "https://evil.example"})
    assert (bad.status, bad.read_chunks) == (403, 0)
    assert bad.headers["access-control-allow-origin"] == "*"
    assert edge.reasons() == {(DataCategory.DEFAULT, Outcome.INVALID, "cors", 1)}


def test_an_envelope_origin_must_agree(edge: Edge) -> None:
    body = envelope(EVENT, origin="https://a.example")
    assert edge.send_envelope(body, {"Origin": "https://b.example"}).status == 400
    assert edge.send_envelope(body, {"Origin": "https://a.example"}).status == 200


def test_forwarded_addresses_count_only_behind_a_trusted_proxy(edge: Edge) -> None:
    forged = {"X-Forwarded-For": "198.51.100.1, 198.51.100.2", "CF-Connecting-IP": "198.51.100.3"}
    edge.send_envelope(envelope(EVENT), forged)
    assert edge.messages()[0].client_ip == "203.0.113.9"


class TestBehindProxy:
    @pytest.fixture
    def settings_environment(self) -> dict[str, str]:
        return {"SENTRY_TRUSTED_PROXIES": "1"}

    @pytest.mark.parametrize(
        ("headers", "expected"),
        [
            ({"X-Forwarded-For": "10.0.0.1, 198.51.100.2"}, "198.51.100.2"),
            ({"X-Forwarded-For": "1.1.1.1", "CF-Connecting-IP": "198.51.100.3"}, "198.51.100.3"),
            ({"X-Forwarded-For": "nonsense"}, "203.0.113.9"),
            ({}, "203.0.113.9"),
        ],
    )
    def test_the_address_of_the_client(self, edge: Edge, headers: dict[str, str], expected: str) -> None:
        edge.send_envelope(envelope(EVENT), headers)
        assert edge.messages()[0].client_ip == expected


def test_a_full_stream_is_503_with_retry_after(edge: Edge) -> None:
    edge.producer._max_bytes = 1
    answer = edge.send_envelope(envelope(EVENT, ({"type": "attachment", "filename": "a"}, b"x" * (2 * MIB))))
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert list(edge.blobs.keys("")) == []


def test_an_unexpected_error_is_500_with_a_json_body(edge: Edge, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(edge.ingest, "accept", broken)
    answer = edge.send_envelope(envelope(EVENT))
    assert (answer.status, json.loads(answer.body)) == (500, {"detail": "internal error"})
