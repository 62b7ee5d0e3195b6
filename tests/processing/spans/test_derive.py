"""Derived fields of whole spans, as SDKs and OpenTelemetry send them."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.spans.categories import category_of
from dictamesh_sentry.processing.spans.derive import derive_span, infer_op
from dictamesh_sentry.processing.spans.span import Span


def span(op: str = "", description: str = "", attributes: dict[str, Any] | None = None, **values: Any) -> Span:
    return Span("a" * 32, "b" * 16, "", 0.0, 1.0, op=op, description=description, attributes=attributes or {}, **values)


def derived(*args: Any, **values: Any) -> tuple[str, str, str, str, str]:
    one = span(*args, **values)
    derive_span(one)
    return one.category, one.normalized_description, one.action, one.domain, one.system


@pytest.mark.parametrize(
    ("op", "category"),
    [
        ("db.sql.query", "db"), ("http.client", "http"), ("ui.react.render", "ui.react"), ("ui.load", "ui"),
        ("ai.pipeline.x", "ai.pipeline"), ("ai.run", "ai"), ("function.aws", "function.aws"), ("function", "function"),
        ("resource.script", "resource"), ("gen_ai.chat", "gen_ai"), ("DB.Query", "db"), ("my.own", "other"),
        ("default", "other"), ("", "other"), (".", "other"), ("dbx", "other"),
    ],
)  # fmt: skip
def test_categories(op: str, category: str) -> None:
    assert category_of(op) == category


@pytest.mark.parametrize(
    ("attributes", "op"),
    [
        ({}, "default"),
        ({"x": 1}, "default"),
        ({"db.system.name": "postgresql"}, "db"),
        ({"db.statement": "SELECT 1"}, "db"),
        ({"cache.key": "x", "db.system": "redis", "cache.hit": True}, "cache.get"),
        ({"cache.key": "x", "cache.operation": "put"}, "cache.put"),
        ({"http.request.method": "GET", "sentry.kind": "client"}, "http.client"),
        ({"http.method": "GET", "otel.kind": "SERVER"}, "http.server"),
        ({"http.method": "GET", "span.kind": "SPAN_KIND_CLIENT"}, "http.client"),
        ({"http.request.method": "GET", "http.route": "/a"}, "http.server"),
        ({"http.request.method": "GET", "url.full": "https://x.y"}, "http.client"),
        ({"http.request.method": "GET"}, "http"),
        ({"messaging.system": "kafka", "messaging.operation.type": "send"}, "queue.publish"),
        ({"messaging.system": "kafka", "messaging.operation": "process"}, "queue.process"),
        ({"messaging.system": "kafka", "messaging.operation.type": "receive"}, "queue.receive"),
        ({"messaging.system": "kafka", "sentry.kind": "producer"}, "queue.publish"),
        ({"messaging.system": "kafka", "sentry.kind": "consumer"}, "queue.process"),
        ({"messaging.system": "kafka"}, "queue"),
        ({"rpc.system": "grpc", "sentry.kind": "server"}, "grpc.server"),
        ({"rpc.system": "aws-api"}, "rpc"),
        ({"gen_ai.operation.name": "chat"}, "gen_ai.chat"),
        ({"graphql.operation.type": "query"}, "graphql.query"),
        ({"faas.trigger": "http"}, "function"),
        ({"code.function.name": "f"}, "function"),
        ({"db.system": ["odd"], "sentry.kind": 7}, "db"),
    ],
)
def test_operations_that_attributes_tell(attributes: dict[str, Any], op: str) -> None:
    assert infer_op(span(attributes=attributes)) == op
    one = span(attributes=attributes)
    derive_span(one)
    assert one.op == op


def test_an_operation_that_was_sent_stays() -> None:
    one = span("custom", attributes={"db.system": "mysql"})
    derive_span(one)
    assert (one.op, one.category, one.system) == ("custom", "other", "mysql")


def test_databases() -> None:
    sql = "SELECT * FROM carts WHERE id = 42"
    assert derived("db", sql) == ("db", "SELECT * FROM carts WHERE id = %s", "SELECT", "carts", "")
    assert derived("", "SELECT shop", {"db.system.name": "postgresql", "db.query.text": sql}) == (
        "db", "SELECT * FROM carts WHERE id = %s", "SELECT", "carts", "postgresql",
    )  # fmt: skip
    assert derived("db", "connect", {"db.system": "postgres"}) == ("db", "connect", "", "", "postgresql")
    assert derived("db", "users.find", {"db.system": "mongodb"}) == ("db", "users.find", "FIND", "users", "mongodb")
    assert derived("db.redis", "GET 'a'")[1:] == ("GET *", "GET", "", "redis")
    assert derived("db.sql.room", "SELECT 1")[4] == "sqlite"
    assert derived("db", "SELECT 1", origin="auto.db.asyncpg")[4] == "postgresql"
    assert derived("db", "", {"db.operation.name": "insert", "db.collection.name": "t"}) == (
        "db",
        "",
        "INSERT",
        "t",
        "",
    )


def test_an_attribute_that_was_cut_gives_way_to_the_description() -> None:
    whole = "SELECT " + ", ".join(f"column_{n}" for n in range(500)) + " FROM wide"
    assert derived("db", whole, {"db.query.text": whole[:4096]})[1] == "SELECT .. FROM wide"


def test_requests_and_routes() -> None:
    assert derived("http.client", "GET", {"url.full": "https://a.b.io/x", "http.request.method": "GET"}) == (
        "http", "GET https://*.b.io", "GET", "a.b.io", "",
    )  # fmt: skip
    assert derived("http.server", "/users/42", {"http.method": "GET", "http.url": "https://shop.io/users/42"}) == (
        "http", "/users/*", "GET", "", "",
    )  # fmt: skip
    assert derived("http", "GET /users/{id}", is_segment=True)[1:4] == ("GET /users/{id}", "GET", "")
    assert derived("pageload", "/users/42")[1] == "/users/*"
    assert derived("grpc.client", "/shop.Cart/Add", {"rpc.system": "grpc", "rpc.service": "shop.Cart"}) == (
        "grpc", "/shop.Cart/Add", "", "shop.Cart", "grpc",
    )  # fmt: skip


def test_the_rest() -> None:
    assert derived("cache.get", "x", {"cache.key": ["user:1", "user:2"]})[1:4] == ("GET user:*", "GET", "user")
    message = {"messaging.destination.name": "orders", "messaging.system": "Kafka"}
    assert derived("queue.publish", "send", message) == ("queue", "send", "PUBLISH", "orders", "kafka")
    assert derived("file.read", "x", {"file.path": "/a/b.txt"})[1] == "*.txt"
    assert derived("resource.css", "", {"url.full": "https://c.x.io/a.css"})[1] == "https://*.x.io/a.css"
    assert derived("ui.react.render", "<Row id=123456>")[1] == "<Row id=123456>"
    assert derived("my.task", "job 123456")[1] == "job *"


def group(op: str, description: str) -> str:
    one = span(op, description)
    derive_span(one)
    return one.group_hash


def test_groups_are_of_what_was_normalized() -> None:
    assert group("db", "SELECT 1 FROM t") == group("db", "SELECT   2 FROM t;")
    assert group("db", "SELECT 1 FROM t") != group("db", "SELECT 1 FROM u")
    assert len(group("db", "SELECT 1")) == 16
    assert int(group("db", "SELECT 1"), 16) > 0
    for op, nothing in (("file.read", "LICENSE"), ("db", ""), ("function", "0xff"), ("default", "  ")):
        assert group(op, nothing) == ""


OPS = ["", "default", "db", "db.redis", "http", "http.client", "http.server", "cache.get", "queue.publish", "resource.img",
       "file.read", "ui.load", "rpc", "navigation", "x"]  # fmt: skip
KEYS = ["db.system", "db.query.text", "db.operation", "http.url", "http.method", "server.address", "cache.key", "sentry.kind",
        "messaging.destination.name", "messaging.operation.type", "file.path", "rpc.service"]  # fmt: skip
VALUES = st.one_of(
    st.text(),
    st.integers(),
    st.booleans(),
    st.lists(st.text(), max_size=2),
    st.sampled_from(["mongodb", "redis", "mysql"]),
)


@given(st.sampled_from(OPS), st.text(), st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4))
def test_no_span_breaks_it(op: str, description: str, attributes: dict[str, Any]) -> None:
    one, other = span(op, description, attributes), span(op, description, attributes)
    derive_span(one)
    derive_span(other)
    assert one == other
    assert one.op
    one.normalized_description.encode()


def test_lone_surrogates_can_be_hashed() -> None:
    assert group("function", "a\ud800b") != ""


@pytest.mark.parametrize(
    "op", ["db", "db.redis", "http.client", "http.server", "resource.js", "cache.get", "file.read", "x"]
)
@pytest.mark.parametrize("unit", ["'", '{"a":', "a-", "/", ".", ":", "a1", "%", "GET ", "f", "\\", "0x", "*-"])
def test_long_descriptions_take_no_square(op: str, unit: str) -> None:
    began = time.perf_counter()
    derive_span(span(op, (unit * 20_000)[:20_000], {"db.system": "mongodb"} if unit.startswith("{") else {}))
    assert time.perf_counter() - began < 0.5


def test_repeated_descriptions_are_cheap() -> None:
    spans = [span("db", "SELECT * FROM carts WHERE id = %s", {"db.system": "postgresql"}) for _ in range(20_000)]
    began = time.perf_counter()
    for one in spans:
        derive_span(one)
    assert time.perf_counter() - began < 1  # A twentieth of what is reached, for machines that are busy.
