"""Every endpoint that is not the envelope: how it reads, what it makes of it, what it answers."""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import lzma
import uuid
import zlib
from urllib.parse import quote

import msgspec
import pytest

from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.items import MIB
from tests.edge.conftest import AUTH, EVENT, EVENT_ID, KEY, PROJECT, UNKNOWN_KEY, Answer, Edge, envelope

API = f"/api/{PROJECT}"
STORE = json.dumps({"event_id": EVENT_ID, "message": "hi"}).encode()
DUMP = b"MDMP" + b"\x00" * 64

ALL_PATHS = [
    ("POST", f"{API}/envelope/"),
    ("POST", f"{API}/store/"),
    ("POST", "/api/store/"),
    ("POST", f"{API}/security/"),
    ("POST", f"{API}/csp-report/"),
    ("POST", f"{API}/nel/"),
    ("POST", f"{API}/minidump/"),
    ("POST", f"{API}/unreal/{KEY}/"),
    ("POST", f"{API}/events/{EVENT_ID}/attachments/"),
    ("POST", f"{API}/cron/job/{KEY}/"),
    ("POST", f"{API}/integration/otlp/v1/traces/"),
    ("POST", f"{API}/integration/otlp/v1/logs/"),
    ("POST", f"{API}/integration/vercel/logs/"),
    ("POST", f"{API}/upload/"),
    ("GET", "/api/embed/error-page/"),
    ("GET", f"/js-sdk-loader/{KEY}.min.js"),
    ("POST", f"{API}/no-such-endpoint/"),
]


def assert_cors(answer: Answer) -> None:
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "x-sentry-rate-limits" in answer.headers["access-control-expose-headers"]
    assert "retry-after" in answer.headers["access-control-expose-headers"]
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize(("method", "path"), ALL_PATHS)
@pytest.mark.parametrize("slash", [True, False])
def test_cors_is_on_every_answer(edge: Edge, method: str, path: str, slash: bool) -> None:
    path = path if slash else path.rstrip("/")
    preflight = edge.request("OPTIONS", path, headers={"Origin": "https://x.example"})
    assert preflight.status == 200
    assert_cors(preflight)
    assert preflight.headers["access-control-max-age"] == "3600"
    assert method in preflight.headers["access-control-allow-methods"]
    wrong = edge.request("PROPFIND", path)
    assert wrong.status == 405
    assert_cors(wrong)
    assert_cors(edge.request(method, path))  # without credentials or body: some refusal


def test_preflight_allows_the_headers_of_sdks(edge: Edge) -> None:
    allowed = edge.request("OPTIONS", f"{API}/envelope/").headers["access-control-allow-headers"].split(", ")
    assert {"x-sentry-auth", "content-type", "content-encoding", "authorization"} <= set(allowed)


def test_wrong_methods_and_paths(edge: Edge) -> None:
    answer = edge.request("GET", f"{API}/envelope/", headers=AUTH)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST, OPTIONS"
    assert edge.post(f"{API}/expect-ct/", b"{}").status == 404


@pytest.mark.parametrize(
    "path", ["/api/relay/healthcheck/live/", "/api/relay/healthcheck/ready", "/api/0/relays/live/"]
)
def test_health_checks(edge: Edge, path: str) -> None:
    answer = edge.request("GET", path)
    assert (answer.status, answer.json) == (200, {"is_healthy": True})


def test_not_ready_while_the_stream_takes_nothing(edge: Edge) -> None:
    edge.producer._min_free_bytes = 1 << 60
    answer = edge.request("GET", "/api/relay/healthcheck/ready/")
    assert (answer.status, answer.json) == (503, {"is_healthy": False})


class TestStore:
    @pytest.mark.parametrize("path", [f"{API}/store/", f"{API}/store", "/api/store/"])
    def test_json_becomes_an_event_item(self, edge: Edge, path: str) -> None:
        answer = edge.post(path, STORE)
        assert (answer.status, answer.json) == (200, {"id": EVENT_ID})
        [stored] = edge.envelopes()
        assert stored.event_id == EVENT_ID
        assert (stored.items[0].type, stored.items[0].payload) == ("event", STORE)

    @pytest.mark.parametrize(
        "body", [base64.b64encode(zlib.compress(STORE)), base64.b64encode(STORE), b"\n " + STORE + b"\n"]
    )
    def test_older_forms(self, edge: Edge, body: bytes) -> None:
        assert edge.post(f"{API}/store/", body).status == 200
        assert edge.envelopes()[0].items[0].payload == STORE

    def test_compressed_in_transit(self, edge: Edge) -> None:
        assert edge.post(f"{API}/store/", gzip.compress(STORE), {"Content-Encoding": "gzip"}).status == 200
        assert edge.envelopes()[0].items[0].payload == STORE

    @pytest.mark.parametrize(
        ("event_type", "item_type"),
        [("transaction", "transaction"), ("csp", "security"), ("error", "event"), (None, "event"), (5, "event")],
    )
    def test_the_type_decides_the_item(self, edge: Edge, event_type: object, item_type: str) -> None:
        edge.post(f"{API}/store/", json.dumps({"type": event_type}).encode())
        assert edge.envelopes()[0].items[0].type == item_type

    def test_an_envelope_on_the_store_path(self, edge: Edge) -> None:
        answer = edge.post(f"{API}/store/", envelope(EVENT), {"Content-Type": "application/x-sentry-envelope"})
        assert answer.json == {"id": EVENT_ID}
        assert edge.envelopes()[0].items[0].payload == EVENT[1]

    def test_get_answers_a_pixel(self, edge: Edge) -> None:
        query = f"sentry_key={KEY}&sentry_data={quote(base64.b64encode(STORE))}"
        answer = edge.request("GET", f"{API}/store/?{query}")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/gif")
        assert answer.body.startswith(b"GIF89a")
        assert edge.envelopes()[0].items[0].payload == STORE

    def test_nan_is_tolerated_from_python_clients_alone(self, edge: Edge) -> None:
        body = b'{"extra":{"x":NaN}}'
        python = {"X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_client=raven-python/6.1"}
        assert edge.request("POST", f"{API}/store/", body, python).status == 200
        assert edge.post(f"{API}/store/", body).status == 400

    @pytest.mark.parametrize(
        ("body", "status", "reason"),
        [
            (b"", 400, "empty_body"),
            (b"{", 400, "invalid_json"),
            (b"!!", 400, "invalid_json"),
            (base64.b64encode(b"\x78\x9cgarbage"), 400, "invalid_compression"),
            (b'{"a":' + b"[" * 600 + b"]" * 600 + b"}", 400, "nesting_too_deep"),
            (b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}", 400, "invalid_json"),
            (b'{"a":"' + b"x" * MIB + b'"}', 413, "request_too_large"),
            (base64.b64encode(zlib.compress(b'{"a":"' + b"x" * (2 * MIB) + b'"}')), 413, "too_large:event"),
        ],
    )
    def test_refusals(self, edge: Edge, body: bytes, status: int, reason: str) -> None:
        assert edge.post(f"{API}/store/", body).status == status
        assert edge.reasons() == {(DataCategory.DEFAULT, Outcome.INVALID, reason, 1)}
        assert edge.messages() == []


class TestReports:
    REPORT = b'{"csp-report":{"document-uri":"https://x.example/"}}'

    @pytest.mark.parametrize("content_type", ["application/csp-report", "application/json", "application/reports+json"])
    def test_a_report_becomes_a_raw_security_item(self, edge: Edge, content_type: str) -> None:
        path = f"{API}/security/?sentry_key={KEY}&sentry_release=1.0&sentry_environment=prod"
        answer = edge.request("POST", path, self.REPORT, {"Content-Type": content_type})
        assert (answer.status, answer.body) == (200, b"")
        [stored] = edge.envelopes()
        item = stored.items[0]
        assert (item.type, item.payload) == ("raw_security", self.REPORT)
        assert (item.headers["sentry_release"], item.headers["sentry_environment"]) == ("1.0", "prod")
        assert stored.event_id

    def test_an_array_is_an_event_each(self, edge: Edge) -> None:
        body = b"[" + self.REPORT + b", " + self.REPORT + b"]"
        assert edge.post(f"{API}/csp-report/", body, {"Content-Type": "application/reports+json"}).status == 200
        stored = edge.envelopes()
        assert [item.items[0].payload for item in stored] == [self.REPORT, self.REPORT]
        assert len({item.event_id for item in stored}) == 2

    @pytest.mark.parametrize(("content_type", "body", "status"), [
        ("text/plain", REPORT, 415),
        ("", REPORT, 415),
        ("application/json", b"{", 400),
        ("application/json", b"", 400),
        ("application/json", b'{"a":"' + b"x" * MIB + b'"}', 413),
    ])  # fmt: skip
    def test_refusals(self, edge: Edge, content_type: str, body: bytes, status: int) -> None:
        assert edge.post(f"{API}/security/", body, {"Content-Type": content_type}).status == status

    def test_network_errors_are_passed_on(self, edge: Edge) -> None:
        answer = edge.post(f"{API}/nel/", b'[{"type":"network-error"}]', {"Content-Type": "application/reports+json"})
        assert (answer.status, answer.body) == (200, b"")
        assert edge.envelopes()[0].items[0].type == "nel"
        assert edge.post(f"{API}/nel/", b"[]", {"Content-Type": "text/plain"}).status == 415


def form(*parts: tuple[str, str | None, bytes], boundary: str = "xXx") -> tuple[bytes, dict[str, str]]:
    body = b""
    for name, filename, data in parts:
        extra = f'; filename="{filename}"' if filename is not None else ""
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{extra}\r\n\r\n'.encode() + data + b"\r\n"
        )
    body += f"--{boundary}--\r\n".encode()
    return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}


class TestMinidump:
    PATH = f"{API}/minidump/?sentry_key={KEY}"

    def send(self, edge: Edge, body: bytes, headers: dict[str, str] | None = None) -> Answer:
        return edge.request("POST", self.PATH, body, headers)

    def test_a_raw_dump_is_an_event_with_an_attachment(self, edge: Edge) -> None:
        answer = self.send(edge, DUMP, {"Content-Type": "application/x-dmp"})
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/plain")
        event_id = uuid.UUID(answer.body.decode())
        assert str(event_id) == answer.body.decode()
        [stored] = edge.envelopes()
        assert stored.event_id == event_id.hex
        event, dump = stored.items
        assert json.loads(event.payload)["event_id"] == event_id.hex
        assert json.loads(event.payload)["exception"]["values"][0]["mechanism"]["type"] == "minidump"
        assert (dump.payload, dump.headers["attachment_type"]) == (DUMP, "event.minidump")

    @pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
    def test_containers_are_opened(self, edge: Edge, pack) -> None:
        body, headers = form(("upload_file_minidump", "core.dmp.gz", pack(DUMP)))
        assert self.send(edge, body, headers).status == 200
        dump = edge.envelopes()[0].items[1]
        assert (dump.payload, dump.headers["filename"]) == (DUMP, "core.dmp")

    def test_a_form_within_the_part(self, edge: Edge) -> None:
        inner, _ = form(("upload_file_minidump", "inner.dmp", DUMP), boundary="inner")
        body, headers = form(("upload_file_minidump", "outer", inner))
        assert self.send(edge, body, headers).status == 200
        assert edge.envelopes()[0].items[1].payload == DUMP

    def test_fields_and_files(self, edge: Edge) -> None:
        crumbs = b"".join(msgspec.msgpack.encode({"timestamp": n, "message": f"crumb {n}"}) for n in range(3))
        body, headers = form(
            ("sentry", None, b'{"release":"1.0","tags":{"a":"b"}}'),
            ("sentry[user][id]", None, b"u1"),
            ("sentry__1", None, b'{"environ'),
            ("sentry__2", None, b'ment":"prod"}'),
            ("product", None, b"MyApp"),
            ("__sentry-event", "__sentry-event", msgspec.msgpack.encode({"event_id": EVENT_ID, "dist": "7"})),
            ("__sentry-breadcrumb1", "__sentry-breadcrumb1", crumbs),
            ("log", "C:\\logs\\app.log", b"log text"),
            ("view", "view-hierarchy.json", b"{}"),
            ("upload_file_minidump", "core.dmp", DUMP),
        )
        answer = self.send(edge, body, headers)
        assert answer.body.decode() == str(uuid.UUID(EVENT_ID))
        [stored] = edge.envelopes()
        event = json.loads(stored.items[0].payload)
        assert (event["release"], event["environment"], event["dist"]) == ("1.0", "prod", "7")
        assert event["user"] == {"id": "u1"}
        assert event["extra"] == {"product": "MyApp"}
        assert [crumb["message"] for crumb in event["breadcrumbs"]["values"]] == ["crumb 0", "crumb 1", "crumb 2"]
        names = {item.headers["filename"]: item.headers["attachment_type"] for item in stored.items[1:]}
        assert names == {
            "core.dmp": "event.minidump",
            "app.log": "event.attachment",
            "view-hierarchy.json": "event.view_hierarchy",
        }

    @pytest.mark.parametrize(
        ("body", "headers", "reason"),
        [
            (b"", {}, "empty_body"),
            (b"ELF", {}, "invalid_minidump"),
            (b"\x1f\x8bxx", {}, "invalid_minidump"),
            (*form(("other", "x", b"y")), "missing_minidump_upload"),
            (b"--nope", {"Content-Type": "multipart/form-data; boundary=xXx"}, "invalid_multipart"),
            (b"--xXx\r\nno end", {"Content-Type": "multipart/form-data; boundary=xXx"}, "invalid_multipart"),
        ],
    )
    def test_refusals(self, edge: Edge, body: bytes, headers: dict[str, str], reason: str) -> None:
        assert self.send(edge, body, headers).status == 400
        assert edge.reasons() == {(DataCategory.DEFAULT, Outcome.INVALID, reason, 1)}

    def test_breadcrumbs_that_are_no_msgpack_do_not_hurt(self, edge: Edge) -> None:
        body, headers = form(
            ("__sentry-breadcrumb1", "c", b"\xdd\xff\xff\xff\xff"), ("upload_file_minidump", "core.dmp", DUMP)
        )
        assert self.send(edge, body, headers).status == 200


def test_unreal_archives_are_kept_whole(edge: Edge) -> None:
    answer = edge.request("POST", f"{API}/unreal/{KEY}/?UserID=u%7Ce%7Cm", b"archive")
    assert str(uuid.UUID(answer.body.decode())) == answer.body.decode()
    [stored] = edge.envelopes()
    assert (stored.items[0].type, stored.items[0].payload) == ("unreal_report", b"archive")
    assert stored.items[0].headers["user_id"] == "u|e|m"


def test_attachments_of_an_earlier_event(edge: Edge) -> None:
    body, headers = form(("a", "a.txt", b"1\r\n--x\r\n2"), ("text", None, b"ignored"), ("b", "b.bin", b"\x00"))
    answer = edge.post(f"{API}/events/{uuid.UUID(EVENT_ID)}/attachments/", body, headers)
    assert (answer.status, answer.body) == (201, b"")
    [stored] = edge.envelopes()
    assert stored.event_id == EVENT_ID
    assert [(item.headers["filename"], item.payload) for item in stored.items] == [
        ("a.txt", b"1\r\n--x\r\n2"),
        ("b.bin", b"\x00"),
    ]
    assert edge.post(f"{API}/events/nope/attachments/", body, headers).status == 400
    assert edge.post(f"{API}/events/{EVENT_ID}/attachments/", body).status == 400


class TestCron:
    def test_a_get_is_a_check_in(self, edge: Edge) -> None:
        path = f"{API}/cron/nightly/{KEY}/?status=ok&environment=prod&duration=2.5&check_in_id={EVENT_ID}"
        answer = edge.request("GET", path)
        assert (answer.status, answer.body) == (202, b"")
        [stored] = edge.envelopes()
        assert stored.items[0].type == "check_in"
        assert json.loads(stored.items[0].payload) == {
            "monitor_slug": "nightly",
            "status": "ok",
            "environment": "prod",
            "duration": 2.5,
            "check_in_id": EVENT_ID,
        }

    def test_a_posted_body(self, edge: Edge) -> None:
        body = b'{"status":"error","monitor_slug":"other","monitor_config":{"timezone":"UTC"}}'
        assert edge.post(f"{API}/cron/nightly/", body).status == 202
        payload = json.loads(edge.envelopes()[0].items[0].payload)
        assert (payload["monitor_slug"], payload["status"]) == ("nightly", "error")

    @pytest.mark.parametrize("query", ["", "?status=missed", "?status=ok&duration=x"])
    def test_refusals(self, edge: Edge, query: str) -> None:
        assert edge.request("GET", f"{API}/cron/nightly/{KEY}/{query}").status == 400

    def test_an_unknown_key(self, edge: Edge) -> None:
        assert edge.request("GET", f"{API}/cron/nightly/{UNKNOWN_KEY}/?status=ok").status == 403


def otlp_export(signal: str, *, elements: int, protobuf: bool) -> bytes:
    """An export request of ``elements`` nearly empty elements in two scopes."""
    path = {"traces": ("resourceSpans", "scopeSpans", "spans"), "logs": ("resourceLogs", "scopeLogs", "logRecords")}
    if not protobuf:
        resources, scopes, name = path[signal]
        groups = [{name: [{}] * (elements - 1)}, {name: [{}]}]
        return json.dumps({resources: [{"resource": {}, scopes: groups}]}).encode()
    element = b"\x12\x03\x2a\x01x"  # field 2, holding field 5
    first, second = element * (elements - 1), element
    scopes_ = b"".join(b"\x12" + bytes([len(part)]) + part for part in (first, second))
    return b"\x0a" + bytes([len(scopes_)]) + scopes_


class TestNotOffered:
    @pytest.mark.parametrize("signal", ["traces", "logs"])
    @pytest.mark.parametrize(("kind", "answered"), [("application/json", b"{}"), ("application/x-protobuf", b"")])
    def test_otlp_goes_into_the_stream_as_it_came(self, edge: Edge, signal: str, kind: str, answered: bytes) -> None:
        path = f"{API}/integration/otlp/v1/{signal}"
        body = otlp_export(signal, elements=3, protobuf="protobuf" in kind)
        answer = edge.post(path, gzip.compress(body), {"Content-Type": kind, "Content-Encoding": "gzip"})
        assert (answer.status, answer.body, answer.headers["content-type"]) == (200, answered, kind)
        (item,) = edge.envelopes()[0].items
        assert (item.payload, item.headers["integration"], item.headers["item_count"]) == (body, f"otlp_{signal}", 3)

    @pytest.mark.parametrize("kind", ["application/json", "application/x-protobuf"])
    def test_an_empty_export_is_fine(self, edge: Edge, kind: str) -> None:
        body = b"{}" if "json" in kind else b""
        assert edge.post(f"{API}/integration/otlp/v1/traces", body, {"Content-Type": kind}).status == 200
        assert edge.messages() == []

    @pytest.mark.parametrize(
        ("kind", "reason"), [("application/json", "invalid_json"), ("application/x-protobuf", "invalid_proto")]
    )
    def test_what_is_no_export_is_refused(self, edge: Edge, kind: str, reason: str) -> None:
        answer = edge.post(f"{API}/integration/otlp/v1/traces", b"\x0a\xff", {"Content-Type": kind})
        assert answer.status == 400
        assert edge.reasons() == {(DataCategory.DEFAULT, Outcome.INVALID, reason, 1)}

    def test_otlp_errors_are_rpc_statuses(self, edge: Edge) -> None:
        path = f"{API}/integration/otlp/v1/traces"
        answer = edge.request("POST", path, b"{}", {"Content-Type": "application/json"})
        assert (answer.status, answer.json["code"]) == (401, 16)
        assert_cors(answer)
        answer = edge.request("POST", path, b"{}", {"Content-Type": "application/x-protobuf"})
        assert (answer.status, answer.body[:3]) == (401, b"\x08\x10\x12")
        assert answer.body[4:] == b"missing authorization information"
        assert edge.post(path, b"x", {"Content-Type": "text/plain"}).status == 415
        assert edge.post(path, b"x" * (13 * MIB), {"Content-Type": "application/json"}).status == 413

    def test_vercel_drains(self, edge: Edge) -> None:
        path = f"{API}/integration/vercel/logs/"
        assert edge.post(path, b"[]", {"Content-Type": "application/json"}).status == 202
        assert edge.post(path, b"[]", {"Content-Type": "text/csv"}).status == 415
        assert edge.reasons() == {(DataCategory.LOG_ITEM, Outcome.INVALID, "feature_disabled", 1)}

    def test_uploads_are_refused_unread(self, edge: Edge) -> None:
        answer = edge.post(f"{API}/upload/", b"x")
        assert (answer.status, answer.read_chunks) == (403, 0)
        assert edge.reasons() == {(DataCategory.ATTACHMENT_ITEM, Outcome.INVALID, "feature_disabled", 1)}
