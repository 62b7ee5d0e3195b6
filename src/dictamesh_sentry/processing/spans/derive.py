"""What a span says of itself, made comparable: category, normalized description, action, domain, system."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from dictamesh_sentry.processing.spans.categories import category_of
from dictamesh_sentry.processing.spans.descriptions import Described, describe
from dictamesh_sentry.processing.spans.span import Span

_MAX_TEXT = 10_000
_SYSTEMS = ("db.system.name", "db.system", "messaging.system", "rpc.system", "cache.system", "gen_ai.system")
_ALIASES = {"postgres": "postgresql", "mssql": "mssql", "sqlserver": "mssql", "mongo": "mongodb"}
_KNOWN_SYSTEMS = (
    "postgresql", "postgres", "mysql", "mariadb", "sqlite", "mongodb", "redis", "elasticsearch", "mssql", "oracle",
    "clickhouse", "cassandra", "kafka", "rabbitmq", "sqs", "celery", "memcached",
)  # fmt: skip
_STATEMENTS = ("db.query.text", "db.statement")


class _Derived(NamedTuple):
    category: str
    described: Described
    group_hash: str
    system: str


def derive_span(span: Span) -> None:
    """Fill in the derived fields. Never raises; the same span always gives the same."""
    if not span.op or span.op == "default":
        span.op = infer_op(span) or span.op
    text = _text(span, *_STATEMENTS) if span.op.startswith("db") else ""
    system = _text(span, *_SYSTEMS)
    found = _derive(
        span.op,
        text or span.description[:_MAX_TEXT],
        system.lower()[:64],
        _text(span, "url.full", "http.url", "url") if span.op.startswith(("http", "resource")) else "",
        _text(span, "http.request.method", "http.method", "method", "db.operation.name", "db.operation"),
        _text(
            span,
            "messaging.destination.name",
            "db.collection.name",
            "db.sql.table",
            "server.address",
            "net.peer.name",
        ),
    )
    span.category = found.category
    span.normalized_description = found.described.normalized
    span.action = found.described.action
    span.domain = found.described.domain
    span.system = found.system
    span.group_hash = found.group_hash


def _text(span: Span, *names: str) -> str:
    for name in names:
        value = span.attributes.get(name)
        if type(value) is str and value:
            return value[:_MAX_TEXT]
    return ""


@lru_cache(maxsize=8192)
def _derive(op: str, description: str, system: str, url: str, method: str, target: str) -> _Derived:
    category = category_of(op)
    system = _ALIASES.get(system, system) or _system_of(op)
    described = describe(op, category, description, system, url, method, target)
    digest = ""
    if described.normalized:
        digest = hashlib.md5(f"{category}\0{described.normalized}".encode(), usedforsecurity=False).hexdigest()[:16]
        digest = digest if digest.strip("0") else "1" * 16
    return _Derived(category, described, digest, system)


def _system_of(op: str) -> str:
    """The system an operation names, such as ``db.sql.sqlite`` or ``queue.task.celery``."""
    parts = op.lower().split(".")
    found = next((name for name in _KNOWN_SYSTEMS if name in parts), "")
    return _ALIASES.get(found, found)


def infer_op(span: Span) -> str:
    """The operation by OpenTelemetry's conventions; empty when nothing tells."""
    attributes = span.attributes
    kind = attributes.get("sentry.kind") or attributes.get("otel.kind") or ""
    kind = kind.lower() if type(kind) is str else ""
    if _has(attributes, "db.system.name", "db.system", "db.statement", "db.query.text"):
        return "db"
    if _has(attributes, "http.request.method", "http.method"):
        return "http.server" if kind == "server" else "http.client" if kind == "client" else "http"
    if _has(attributes, "rpc.system", "rpc.service"):
        return "grpc" if attributes.get("rpc.system") == "grpc" else "rpc"
    if _has(attributes, "messaging.system", "messaging.destination.name"):
        return "queue.publish" if kind == "producer" else "queue.process" if kind == "consumer" else "queue"
    if _has(attributes, "gen_ai.system", "gen_ai.operation.name"):
        return "ai"
    if _has(attributes, "faas.trigger"):
        return "function"
    return {"server": "http.server", "producer": "queue.publish", "consumer": "queue.process"}.get(kind, "")


def _has(attributes: Mapping[str, object], *names: str) -> bool:
    return any(name in attributes for name in names)
