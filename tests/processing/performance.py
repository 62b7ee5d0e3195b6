"""Transactions, spans and logs as SDKs send them, for the tests of processing."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

from tests.processing.support import envelope

V2 = "application/vnd.sentry.items.span.v2+json"
LOGS = "application/vnd.sentry.items.log+json"


def span_id() -> str:
    return uuid.uuid4().hex[:16]


def span(start: float, end: float, parent: str, **more: Any) -> dict[str, Any]:
    """A v1 span."""
    return {"span_id": span_id(), "parent_span_id": parent, "start_timestamp": start, "timestamp": end, **more}


def transaction(*spans: dict[str, Any], name: str = "/checkout", **more: Any) -> dict[str, Any]:
    """A transaction of one second that ended just now; ``spans`` without a trace id are given its own."""
    end = more.pop("end", time.time())
    trace = {
        "trace_id": more.pop("trace_id", uuid.uuid4().hex),
        "span_id": more.pop("span_id", span_id()),
        "op": more.pop("op", "http.server"),
        "status": more.pop("status", "ok"),
        **more.pop("trace", {}),
    }
    for one in spans:
        one.setdefault("trace_id", trace["trace_id"])
    contexts = {"trace": trace, **more.pop("contexts", {})}
    return {
        "event_id": uuid.uuid4().hex,
        "type": "transaction",
        "platform": "python",
        "transaction": name,
        "transaction_info": {"source": "route"},
        "start_timestamp": more.pop("start", end - 1.0),
        "timestamp": end,
        "contexts": contexts,
        "spans": list(spans),
        **more,
    }


def transaction_envelope(event: dict[str, Any], *more: tuple[dict[str, Any], bytes], **headers: Any) -> bytes:
    return envelope(
        ({"type": "transaction"}, json.dumps(event).encode()), *more, event_id=event.get("event_id"), **headers
    )


def typed(**values: Any) -> dict[str, Any]:
    """Attributes in the typed form; ``__`` in a name is a dot."""
    kinds = {str: "string", bool: "boolean", int: "integer", float: "double", list: "array"}
    return {key.replace("__", "."): {"value": value, "type": kinds[type(value)]} for key, value in values.items()}


def v2_span(start: float, end: float, **more: Any) -> dict[str, Any]:
    """An element of a span container."""
    found = {
        "trace_id": uuid.uuid4().hex, "span_id": span_id(), "name": "work", "status": "ok",
        "start_timestamp": start, "end_timestamp": end, "attributes": {},
    }  # fmt: skip
    return {**found, **more}


def container(kind: str, content_type: str, *elements: Any, count: int | None = None) -> bytes:
    """An envelope with one container."""
    headers = {
        "type": kind,
        "item_count": len(elements) if count is None else count,
        "content_type": content_type,
    }
    return envelope((headers, json.dumps({"items": list(elements)}).encode()))


def log(body: str = "hello", level: str = "info", **more: Any) -> dict[str, Any]:
    return {
        "timestamp": time.time(),
        "trace_id": uuid.uuid4().hex,
        "level": level,
        "body": body,
        "attributes": {},
        **more,
    }
