"""OpenTelemetry's trace export, protobuf or JSON, as elements of a v2 container (section 18)."""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Iterator
from typing import Any

import orjson

from dictamesh_sentry.processing.normalize import InvalidEventError
from dictamesh_sentry.processing.normalize.parse import parse_event

_KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
_ENTRY_KINDS = frozenset({"server", "consumer"})
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200
_SEVERITIES = {
    f"{name}{suffix}": first + step
    for first, name in ((1, "TRACE"), (5, "DEBUG"), (9, "INFO"), (13, "WARN"), (17, "ERROR"), (21, "FATAL"))
    for step, suffix in enumerate(("", "2", "3", "4"))
}
_THRESHOLD = re.compile(r"(?:^|,)ot=(?:[^,]*;)?th:([0-9a-f]{1,14})")
_NAMESPACE = uuid.UUID("0f2f3a7d-6f2b-5c55-8d2e-0c1c4c9c7a10")

Element = dict[str, Any]


def read_export(body: bytes, *, protobuf: bool) -> list[Element]:
    """The spans of an ExportTraceServiceRequest. Raises InvalidEventError for what is none."""
    export = export_as_json(body, "traces", protobuf=protobuf)
    return [_element(span, around, protobuf) for span, around in walk(export, "resourceSpans", "scopeSpans", "spans")]


def export_as_json(body: bytes, signal: str, *, protobuf: bool) -> dict[str, Any]:
    """An export request of ``traces`` or ``logs`` in OTLP's JSON form; bytes of protobuf are base64 in it."""
    if not protobuf:
        return parse_event(body)
    # The generated classes take a tenth of a second and some megabytes, which only users of OTLP should pay.
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError

    if signal == "traces":
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as Export
    else:
        from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest as Export
    request = Export()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise InvalidEventError("invalid_proto", str(error)) from None
    return MessageToDict(request)


def walk(export: dict[str, Any], *path: str) -> Iterator[tuple[Element, Element]]:
    """Every element of an export, with the attributes of its resource and scope."""
    resources, scopes, elements = path
    for owner in _list(export, resources):
        resource = key_values(_dict(owner, "resource").get("attributes"), "resource.")
        for scoped in _list(owner, scopes):
            scope = _dict(scoped, "scope")
            around = {**resource, **key_values(scope.get("attributes"), "instrumentation.")}
            for name in ("name", "version"):
                if type(scope.get(name)) is str and scope[name]:
                    around[f"instrumentation.{name}"] = typed(scope[name])
            language = around.get("resource.telemetry.sdk.language")
            if language:
                around.setdefault("sentry.platform", language)
            for element in _list(scoped, elements):
                yield element, around


def _element(span: dict[str, Any], around: dict[str, Any], base64_ids: bool) -> Element:
    attributes = {**around, **key_values(span.get("attributes"))}
    status = _dict(span, "status")
    failed = status.get("code") in (2, "STATUS_CODE_ERROR")
    if failed and type(status.get("message")) is str and status["message"]:
        attributes["sentry.status.message"] = typed(status["message"])
    kind = _kind(span.get("kind"))
    attributes["sentry.kind"] = typed(kind)
    attributes.setdefault("sentry.origin", typed("auto.otlp.spans"))
    rate = _sample_rate(span.get("traceState"))
    if rate is not None:
        attributes["sentry.client_sample_rate"] = typed(rate)
    parent = identifier(span.get("parentSpanId"), 16, base64_ids)
    span_id = identifier(span.get("spanId"), 16, base64_ids)
    trace_id = identifier(span.get("traceId"), 32, base64_ids)
    return {
        # The protocol wants a trace for every span; made from the span's id it is the same whenever this is read.
        "trace_id": trace_id or uuid.uuid5(_NAMESPACE, span_id).hex,
        "span_id": span_id,
        "parent_span_id": parent,
        "name": span.get("name"),
        "status": "error" if failed else "ok",
        "is_segment": not parent or _is_remote(span.get("flags")) or kind in _ENTRY_KINDS,
        "start_timestamp": nanoseconds(span.get("startTimeUnixNano")),
        "end_timestamp": nanoseconds(span.get("endTimeUnixNano")),
        "attributes": attributes,
        "links": [
            {
                "trace_id": identifier(link.get("traceId"), 32, base64_ids),
                "span_id": identifier(link.get("spanId"), 16, base64_ids),
                "attributes": key_values(link.get("attributes")),
            }
            for link in _list(span, "links")
        ],
    }


def _list(owner: dict[str, Any], name: str) -> list[dict[str, Any]]:
    found = owner.get(name)
    return [entry for entry in found if type(entry) is dict] if type(found) is list else []


def _dict(owner: dict[str, Any], name: str) -> dict[str, Any]:
    found = owner.get(name)
    return found if type(found) is dict else {}


def _kind(value: object) -> str:
    if type(value) is int:
        return _KINDS[value] if 0 <= value < len(_KINDS) else "unspecified"
    name = value.removeprefix("SPAN_KIND_").lower() if type(value) is str else ""
    return name if name in _KINDS else "unspecified"


def _is_remote(flags: object) -> bool:
    return type(flags) is int and bool(flags & _HAS_REMOTE) and bool(flags & _IS_REMOTE)


def _sample_rate(trace_state: object) -> float | None:
    """The probability behind ``ot=th:…`` (OpenTelemetry's consistent sampling): 1 - threshold / 2^56."""
    found = _THRESHOLD.search(trace_state) if type(trace_state) is str else None
    if found is None:
        return None
    rate = 1 - int(found[1].ljust(14, "0"), 16) / 2**56
    return rate if rate > 0 else None


def identifier(value: object, digits: int, base64_ids: bool) -> str:
    """An id of ``digits`` hex digits. Hex in JSON; protobuf's bytes arrive as base64."""
    if type(value) is not str or not value:
        return ""
    if not base64_ids:
        return value.lower()
    try:
        found = base64.b64decode(value, validate=True).hex()
    except binascii.Error:
        return ""
    return found if len(found) == digits and found.strip("0") else ""


def nanoseconds(value: object) -> float | None:
    """Epoch seconds of a time in nanoseconds, number or text; None for none."""
    try:
        return int(value) / 1e9 if type(value) in (int, str) else None  # type: ignore[call-overload]
    except ValueError:
        return None


def severity(value: object) -> int:
    """The severity number, 1 to 24, of a number or an enum's name; 0 for none."""
    if type(value) is str:
        value = _SEVERITIES.get(value.removeprefix("SEVERITY_NUMBER_"), 0)
    return value if type(value) is int and 1 <= value <= 24 else 0


def key_values(raw: object, prefix: str = "") -> dict[str, Any]:
    """A list of OTLP key-values in the protocol's typed form."""
    found: dict[str, Any] = {}
    for entry in raw if type(raw) is list else ():
        if type(entry) is not dict or type(entry.get("key")) is not str:
            continue
        value = any_value(entry.get("value"))
        if value is not None:
            found[prefix + entry["key"]] = typed(value)
    return found


def typed(value: Any) -> dict[str, Any]:
    """A plain value in the protocol's typed form."""
    kinds = {str: "string", bool: "boolean", int: "integer", float: "double", list: "array"}
    return {"value": value, "type": kinds.get(type(value), "string")}


def any_value(holder: object, depth: int = 0) -> Any:
    """The Python value of an AnyValue; nested lists and maps as plain ones, at most ten deep."""
    if type(holder) is not dict or not holder or depth > 10:
        return None
    kind, value = next(iter(holder.items()))
    match kind:
        case "stringValue" | "bytesValue" | "boolValue":
            return value
        case "intValue":
            return int(value) if str(value).lstrip("-").isdigit() else None
        case "doubleValue":
            return float(value) if type(value) in (int, float) else None
        case "arrayValue":
            values = [any_value(entry, depth + 1) for entry in _list(_dict(holder, kind), "values")]
            return [entry for entry in values if type(entry) in (str, bool, int, float)]
        case "kvlistValue":
            pairs = _list(_dict(holder, kind), "values")
            plain = {str(pair.get("key")): any_value(pair.get("value"), depth + 1) for pair in pairs}
            return orjson.dumps(plain).decode()
        case _:
            return None
