"""From performance items to rows: what is kept, what is derived, and what every drop is counted as."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from dictamesh_sentry.processing.logs import COLUMNS as LOG_COLUMNS
from dictamesh_sentry.processing.pipeline import process_message
from dictamesh_sentry.processing.results import MessageResult
from dictamesh_sentry.processing.spans.rows import COLUMNS
from dictamesh_sentry.projects.options import PerformanceOptions, SamplingRule
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from tests.processing.performance import (
    LOGS,
    V2,
    container,
    log,
    span,
    span_id,
    transaction,
    transaction_envelope,
    typed,
    v2_span,
)
from tests.processing.support import config, envelope, ingest

ROOT = "a" * 16


def process(body: bytes, **options: Any) -> MessageResult:
    return process_message(ingest(1, body), config(**options), 0, 1)


def rows(result: MessageResult) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS, row, strict=True)) for group in result.spans for row in group.rows]


def counted(result: MessageResult) -> dict[tuple[str, str, str], int]:
    """What the pure steps dropped, and what the groups will be accepted as."""
    found: dict[tuple[str, str, str], int] = {}
    for entry in result.outcomes:
        key = (Outcome(entry.outcome).api_name, DataCategory(entry.category).api_name, entry.reason)
        found[key] = found.get(key, 0) + entry.quantity
    for group in (*result.spans, *result.logs):
        for category, quantity in group.quantities:
            key = ("accepted", DataCategory(category).api_name, "")
            found[key] = found.get(key, 0) + quantity
    return found


class TestTransactions:
    def test_a_segment_and_its_children(self) -> None:
        end = time.time()
        event = transaction(
            span(end - 0.9, end - 0.5, ROOT, op="db", description="SELECT * FROM carts WHERE id = 42"),
            span(end - 0.6, end - 0.2, ROOT, op="http.client", description="GET https://api.example.com/prices"),
            span_id=ROOT,
            end=end,
            environment="production",
            release="shop@1.2.3",
            user={"id": "7", "email": "ana@example.com"},
            tags={"plan": "gold"},
            request={"method": "POST", "url": "https://shop.example.com/checkout"},
            measurements={"memory": {"value": 3, "unit": "megabyte"}},
        )
        result = process(transaction_envelope(event))
        segment, database, http = rows(result)
        assert (segment["is_segment"], segment["op"], segment["transaction"]) == (1, "http.server", "/checkout")
        assert segment["event_id"] == uuid.UUID(event["event_id"])
        assert segment["span_id"] == segment["segment_id"] == int(ROOT, 16)
        assert segment["duration"] == pytest.approx(1000)
        # Children cover 0.7 s of the second: 0.1 to 0.8.
        assert segment["self_time"] == pytest.approx(300)
        assert segment["attributes_string"]["plan"] == "gold"
        assert segment["attributes_number"]["measurements.memory"] == 3
        assert segment["attributes_number"]["spans.db"] == pytest.approx(400)
        assert segment["transaction_method"] == "POST"
        assert json.loads(segment["payload"])["user"]["email"] == "ana@example.com"
        assert "spans" not in json.loads(segment["payload"])
        for child in (database, http):
            assert child["segment_id"] == child["parent_span_id"] == int(ROOT, 16)
            assert (child["environment"], child["release"]) == ("production", "shop@1.2.3")
            assert (child["user"], child["payload"]) == ("id:7", b"")
        assert (database["category"], database["action"], database["domain"]) == ("db", "SELECT", "carts")
        assert database["normalized_description"] == "SELECT * FROM carts WHERE id = %s"
        assert database["group_hash"] != 0
        assert (http["category"], http["action"]) == ("http", "GET")
        assert counted(result) == {("accepted", "transaction", ""): 1, ("accepted", "span", ""): 3}

    @pytest.mark.parametrize(
        "broken",
        [
            {"start": 5000},
            {"trace_id": "xyz"},
            {"span_id": "0" * 16},
            {"end": -100 * 86_400},
            {"end": 600},
        ],
        ids=["ends before it starts", "trace id", "span id", "past the retention", "future"],
    )
    def test_what_is_no_transaction(self, broken: dict[str, Any]) -> None:
        now = time.time()
        moved = {name: now + value if isinstance(value, int) else value for name, value in broken.items()}
        result = process(transaction_envelope(transaction(span(now, now, ROOT), **moved)))
        assert rows(result) == []
        reason = "invalid_transaction"
        assert counted(result) == {("invalid", "transaction", reason): 1, ("invalid", "span", reason): 2}

    def test_a_broken_span_leaves_its_siblings(self) -> None:
        now = time.time()
        event = transaction(
            span(now - 0.5, now - 0.1, ROOT, op="db"),
            {"span_id": "nonsense"},
            span(now, now - 1, ROOT),
            span_id=ROOT,
        )
        event["spans"].append(None)
        result = process(transaction_envelope(event))
        assert [row["op"] for row in rows(result)] == ["http.server", "db"]
        assert counted(result)["invalid", "span", "invalid_span"] == 3

    def test_an_unfinished_span_ends_with_its_transaction(self) -> None:
        end = time.time()
        open_span = span(end - 0.4, 0, ROOT, op="http.client")
        del open_span["timestamp"]
        _, child = rows(process(transaction_envelope(transaction(open_span, end=end))))
        assert child["duration"] == pytest.approx(400, abs=0.01)
        assert child["status"] == "deadline_exceeded"

    def test_identifiers_in_urls_are_one_transaction(self) -> None:
        event = transaction(name="/users/12345/orders", transaction_info={"source": "url"})
        (segment,) = rows(process(transaction_envelope(event)))
        assert (segment["transaction"], segment["transaction_source"]) == ("/users/*/orders", "sanitized")

    def test_health_checks_are_filtered(self) -> None:
        result = process(transaction_envelope(transaction(name="GET /healthz")))
        assert rows(result) == []
        assert counted(result) == {
            ("filtered", "transaction", "filtered-transaction"): 1,
            ("filtered", "span", "filtered-transaction"): 1,
        }

    def test_secrets_in_spans_are_scrubbed(self) -> None:
        now = time.time()
        event = transaction(span(now - 0.5, now, ROOT, data={"password": "hunter2", "db.rows": 3}), span_id=ROOT)
        _, child = rows(process(transaction_envelope(event)))
        assert child["attributes_string"]["password"] == "[Filtered]"
        assert child["attributes_number"]["db.rows"] == 3

    def test_an_id_that_looks_like_a_card_stays(self) -> None:
        now = time.time()
        card = span(now - 0.5, now, ROOT, description="pay 4111111111111111")
        card["span_id"] = "4111111111111111"
        _, child = rows(process(transaction_envelope(transaction(card, span_id=ROOT))))
        assert child["span_id"] == 0x4111111111111111
        assert "4111" not in child["description"]

    def test_a_statement_keeps_its_words(self) -> None:
        now = time.time()
        text = "SELECT password, token FROM auth_user WHERE card = '4111 1111 1111 1111'"
        event = transaction(
            span(now - 0.5, now, ROOT, op="db", description=text, data={"db.statement": text, "secret": "x"}),
            span_id=ROOT,
        )
        _, child = rows(process(transaction_envelope(event)))
        expected = "SELECT password, token FROM auth_user WHERE card = '[Filtered]'"
        assert child["description"] == child["attributes_string"]["db.statement"] == expected
        assert child["attributes_string"]["secret"] == "[Filtered]"

    def test_what_the_segment_says_is_scrubbed(self) -> None:
        event = transaction(trace={"data": {"api_key": "abc", "http.route": "/x"}})
        (segment,) = rows(process(transaction_envelope(event)))
        assert segment["attributes_string"]["api_key"] == "[Filtered]"
        assert segment["attributes_string"]["http.route"] == "/x"
        assert "abc" not in segment["payload"].decode()

    def test_a_wrong_clock_moves_the_spans_too(self) -> None:
        wrong = time.time() - 7200
        event = transaction(span(wrong - 0.5, wrong - 0.1, ROOT), end=wrong, span_id=ROOT)
        sent_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(wrong))
        segment, child = rows(process(transaction_envelope(event, sent_at=sent_at)))
        assert abs(segment["timestamp"].timestamp() - (time.time() - 1)) < 5
        assert (child["timestamp"] - segment["timestamp"]).total_seconds() == pytest.approx(0.5, abs=0.01)

    def test_web_vitals_are_scored(self) -> None:
        event = transaction(
            op="pageload",
            platform="javascript",
            measurements={"lcp": {"value": 1200, "unit": "millisecond"}, "cls": {"value": 0.02, "unit": ""}},
        )
        (segment,) = rows(process(transaction_envelope(event)))
        numbers = segment["attributes_number"]
        assert numbers["measurements.lcp"] == 1200
        assert 0.9 < numbers["measurements.score.lcp"] <= 1
        assert 0.9 < numbers["measurements.score.total"] <= 1


class TestSampling:
    def test_what_the_client_sampled_counts_for_more(self) -> None:
        event = transaction()
        trace = {"trace_id": event["contexts"]["trace"]["trace_id"], "public_key": "k", "sample_rate": "0.25"}
        (segment,) = rows(process(transaction_envelope(event, trace=trace)))
        assert segment["sample_weight"] == 4

    def test_rules_of_the_project_keep_a_share(self) -> None:
        options = PerformanceOptions(sampling_rules=[SamplingRule(rate=0.5, transaction="/checkout*")])
        kept = dropped = 0
        for _ in range(400):
            result = process(transaction_envelope(transaction()), performance=options)
            found = rows(result)
            kept += len(found)
            assert all(row["sample_weight"] == 2 for row in found)
            dropped += counted(result).get(("filtered", "transaction", "Sampled:1"), 0)
        assert kept + dropped == 400
        assert 140 < kept < 260

    def test_a_trace_is_kept_or_dropped_as_a_whole(self) -> None:
        options = PerformanceOptions(sampling_rules=[SamplingRule(rate=0.5)])
        for _ in range(20):
            trace_id = uuid.uuid4().hex
            verdicts = {
                bool(rows(process(transaction_envelope(transaction(trace_id=trace_id)), performance=options)))
                for _ in range(3)
            }
            assert len(verdicts) == 1

    def test_a_rate_of_zero_drops_everything(self) -> None:
        options = PerformanceOptions(sampling_rules=[SamplingRule(rate=0.0, environment="dev*")])
        assert rows(process(transaction_envelope(transaction(environment="develop")), performance=options)) == []
        assert len(rows(process(transaction_envelope(transaction(environment="prod")), performance=options))) == 1


class TestSpansSentAlone:
    def test_a_single_v1_span(self) -> None:
        now = time.time()
        one = {**span(now - 1, now, ROOT, op="ui.interaction.click", description="button"), "trace_id": "b" * 32}
        result = process(envelope(({"type": "span"}, json.dumps(one).encode())))
        (row,) = rows(result)
        assert (row["is_segment"], row["op"], row["parent_span_id"]) == (0, "ui.interaction.click", int(ROOT, 16))
        assert counted(result) == {("accepted", "span", ""): 1}

    def test_a_web_vital_sent_alone_is_scored(self) -> None:
        now = time.time()
        one = {**span(now - 1, now, ROOT, op="ui.webvital.inp"), "trace_id": "b" * 32}
        one["measurements"] = {"inp": {"value": 200, "unit": "millisecond"}}
        (row,) = rows(process(envelope(({"type": "span"}, json.dumps(one).encode()))))
        assert row["attributes_number"]["measurements.score.inp"] == pytest.approx(0.9)

    def test_a_container(self) -> None:
        now = time.time()
        trace, segment = "c" * 32, span_id()
        result = process(
            container(
                "span",
                V2,
                v2_span(
                    now - 1, now, trace_id=trace, span_id=segment, name="GET /cart",
                    attributes=typed(sentry__op="http.server", sentry__release="shop@2", sentry__environment="prod",
                                     http__response__status_code=200, user__id="9"),
                ),
                v2_span(
                    now - 0.8, now - 0.3, trace_id=trace, parent_span_id=segment, name="SELECT 1", status="error",
                    attributes=typed(db__system__name="postgresql", db__query__text="SELECT name FROM users WHERE id = 3"),
                ),
            )
        )  # fmt: skip
        head, child = rows(result)
        assert (head["is_segment"], head["transaction"], head["op"]) == (1, "GET /cart", "http.server")
        assert (head["status_code"], head["self_time"]) == ("200", pytest.approx(500))
        assert (child["segment_id"], child["transaction"]) == (int(segment, 16), "GET /cart")
        assert (child["release"], child["environment"], child["user"]) == ("shop@2", "prod", "id:9")
        assert (child["category"], child["system"], child["status"]) == ("db", "postgresql", "internal_error")
        assert counted(result) == {("accepted", "span", ""): 2}

    def test_bad_elements_leave_the_others(self) -> None:
        now = time.time()
        good = v2_span(now - 1, now)
        result = process(
            container("span", V2, good, dict(good), {"name": "x"}, v2_span(now, now - 1), "text", v2_span(1, 2))
        )
        assert len(rows(result)) == 1
        assert counted(result) == {
            ("accepted", "span", ""): 1,
            ("invalid", "span", "duplicate"): 1,
            ("invalid", "span", "invalid_span"): 2,
            ("invalid", "span", "timestamp"): 2,
        }

    def test_a_wrong_count_refuses_the_container(self) -> None:
        result = process(container("span", V2, v2_span(1, 2), count=7))
        assert rows(result) == []
        assert counted(result) == {("invalid", "span", "invalid_span"): 7}

    def test_an_attribute_of_the_wrong_type_is_left_out(self) -> None:
        now = time.time()
        attributes = {"a": {"value": "1", "type": "integer"}, "b": {"value": 1, "type": "double"}, "c": {"value": 1}}
        (row,) = rows(process(container("span", V2, v2_span(now - 1, now, attributes=attributes))))
        assert row["attributes_number"] == {"b": 1.0}
        assert row["attributes_string"] == {}


def otlp_item(signal: str, body: bytes, content_type: str) -> bytes:
    return envelope(({"type": "integration", "integration": f"otlp_{signal}", "content_type": content_type}, body))


def trace_export() -> ExportTraceServiceRequest:
    now = time.time_ns()
    export = ExportTraceServiceRequest()
    resource = export.resource_spans.add()
    for key, value in (("service.name", "billing"), ("telemetry.sdk.language", "python")):
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    scope.scope.name = "opentelemetry.instrumentation.flask"
    server = scope.spans.add(
        trace_id=bytes.fromhex("d" * 32), span_id=bytes.fromhex("1" * 16), parent_span_id=bytes.fromhex("2" * 16),
        name="GET /invoice", kind=2, start_time_unix_nano=now - 10**9, end_time_unix_nano=now,
    )  # fmt: skip
    server.attributes.add(key="http.request.method").value.string_value = "GET"
    server.attributes.add(key="http.response.status_code").value.int_value = 500
    server.status.code = 2
    server.status.message = "boom"
    child = scope.spans.add(
        trace_id=bytes.fromhex("d" * 32), span_id=bytes.fromhex("3" * 16), parent_span_id=bytes.fromhex("1" * 16),
        name="SELECT invoices", kind=3, start_time_unix_nano=now - 8 * 10**8, end_time_unix_nano=now - 4 * 10**8,
    )  # fmt: skip
    child.attributes.add(key="db.system").value.string_value = "sqlite"
    child.attributes.add(key="db.statement").value.string_value = "SELECT total FROM invoices WHERE id = 12"
    values = child.attributes.add(key="list").value.array_value.values
    values.add().int_value = 1
    values.add().string_value = "two"
    return export


class TestOpenTelemetry:
    def check(self, result: MessageResult) -> None:
        server, child = rows(result)
        assert (server["is_segment"], server["parent_span_id"]) == (1, int("2" * 16, 16))
        assert (server["transaction"], server["transaction_method"]) == ("GET /invoice", "GET")
        assert (server["status"], server["status_code"]) == ("internal_error", "500")
        assert server["attributes_string"]["resource.service.name"] == "billing"
        assert server["attributes_string"]["sentry.status.message"] == "boom"
        assert server["platform"] == "python"
        assert (server["category"], server["op"]) == ("http", "http.server")
        assert server["self_time"] == pytest.approx(600, abs=1)
        assert (child["transaction"], child["segment_id"]) == ("GET /invoice", int("1" * 16, 16))
        assert (child["category"], child["system"], child["domain"]) == ("db", "sqlite", "invoices")
        assert child["attributes_string"]["list"] == '[1,"two"]'
        assert child["origin"] == "auto.otlp.spans"
        assert counted(result) == {("accepted", "span", ""): 2}

    def test_protobuf(self) -> None:
        body = trace_export().SerializeToString()
        self.check(process(otlp_item("traces", body, "application/x-protobuf")))

    def test_json(self) -> None:
        # OTLP's JSON writes ids in hex, unlike protobuf's own JSON.
        from google.protobuf.json_format import MessageToDict

        export = MessageToDict(trace_export())
        for one in export["resourceSpans"][0]["scopeSpans"][0]["spans"]:
            for key, size in (("traceId", 16), ("spanId", 8), ("parentSpanId", 8)):
                import base64

                one[key] = base64.b64decode(one[key]).hex()
                assert len(one[key]) == size * 2
        self.check(process(otlp_item("traces", json.dumps(export).encode(), "application/json")))

    @pytest.mark.parametrize(
        ("body", "kind", "reason"),
        [
            (b"\xff\xff", "application/x-protobuf", "invalid_proto"),
            (b"[1]", "application/json", "invalid_json"),
        ],
    )
    def test_what_is_no_export(self, body: bytes, kind: str, reason: str) -> None:
        assert counted(process(otlp_item("traces", body, kind))) == {("invalid", "span", reason): 1}

    def test_logs(self) -> None:
        export = ExportLogsServiceRequest()
        resource = export.resource_logs.add()
        resource.resource.attributes.add(key="service.version").value.string_value = "billing@3"
        record = resource.scope_logs.add().log_records.add(
            time_unix_nano=time.time_ns(), severity_number=17, trace_id=bytes.fromhex("e" * 32)
        )
        record.body.string_value = "card 4111 1111 1111 1111 was declined"
        record.attributes.add(key="attempt").value.int_value = 2
        result = process(otlp_item("logs", export.SerializeToString(), "application/x-protobuf"))
        (row,) = [dict(zip(LOG_COLUMNS, one, strict=True)) for one in result.logs[0].rows]
        assert (row["severity"], row["severity_number"], row["release"]) == ("error", 17, "billing@3")
        assert row["message"] == "card [creditcard] was declined"
        assert row["trace_id"] == uuid.UUID("e" * 32)
        assert row["attributes_number"]["attempt"] == 2


class TestLogs:
    def test_a_container(self) -> None:
        attributes = typed(sentry__release="shop@1", sentry__environment="prod", user__id="4", cart__size=3)
        result = process(container("log", LOGS, log("cart is full", "warn", attributes=attributes), log()))
        first, second = [dict(zip(LOG_COLUMNS, one, strict=True)) for one in result.logs[0].rows]
        assert (first["message"], first["severity"], first["severity_number"]) == ("cart is full", "warn", 13)
        assert (first["release"], first["environment"], first["user"]) == ("shop@1", "prod", "id:4")
        assert first["attributes_number"]["cart.size"] == 3
        assert first["item_id"] != second["item_id"]
        found = counted(result)
        assert found["accepted", "log_item", ""] == 2
        assert found["accepted", "log_byte", ""] > 0

    def test_bad_elements_leave_the_others(self) -> None:
        broken = [{**log(), "body": 4}, {**log(), "trace_id": "x"}, log(timestamp=1.0), None]
        result = process(container("log", LOGS, log(), *broken))
        found = counted(result)
        assert found["accepted", "log_item", ""] == 1
        assert found["invalid", "log_item", "invalid_log"] == 3
        assert found["invalid", "log_item", "timestamp"] == 1
