"""A ``log`` container, or OpenTelemetry's log export → records (ingest protocol reference, sections 15 and 18)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from dictamesh_sentry.processing.items import element_size
from dictamesh_sentry.processing.normalize import InvalidEventError, RequestInfo
from dictamesh_sentry.processing.normalize.parse import parse_event
from dictamesh_sentry.processing.scrub import scrub_event
from dictamesh_sentry.processing.spans import otlp
from dictamesh_sentry.processing.spans.span import AttributeValue
from dictamesh_sentry.processing.spans.values import hex_id, seconds, text, typed_attributes
from dictamesh_sentry.projects.options import ProjectConfig

MAX_BODY = 64 * 1024
MAX_FUTURE = 60
_DAY = 86_400
_NAMESPACE = uuid.UUID("e6a1ad0e-3d6c-5b3f-a9a1-5a7a0f0d4c55")
#: The first number of each level; a level spans four (1-4 is trace).
_FIRST_NUMBER = {"trace": 1, "debug": 5, "info": 9, "warn": 13, "error": 17, "fatal": 21}
_LEVELS = tuple(_FIRST_NUMBER)


@dataclass(slots=True)
class LogRecord:
    """A valid record. ``nanoseconds`` since the epoch; ``size`` in bytes as quotas count it."""

    nanoseconds: int
    trace_id: str
    span_id: str
    severity: str
    severity_number: int
    body: str
    attributes: dict[str, AttributeValue]
    size: int


def read_container(
    payload: bytes, config: ProjectConfig, request: RequestInfo
) -> tuple[list[LogRecord], dict[str, int]]:
    """The valid records of a container, and how many were dropped for which reason. Raises InvalidEventError."""
    found = parse_event(payload).get("items")
    if type(found) is not list:
        raise InvalidEventError("invalid_log", "items: expected a list")
    return _read_all(found, config, request)


def read_export(
    body: bytes, config: ProjectConfig, request: RequestInfo, *, protobuf: bool
) -> tuple[list[LogRecord], dict[str, int]]:
    """As ``read_container``, for an ExportLogsServiceRequest."""
    return _read_all(
        _elements(otlp.export_as_json(body, "logs", protobuf=protobuf), protobuf, request), config, request
    )


def _read_all(
    elements: Sequence[Any], config: ProjectConfig, request: RequestInfo
) -> tuple[list[LogRecord], dict[str, int]]:
    records: list[LogRecord] = []
    dropped: dict[str, int] = {}
    for element in elements:
        try:
            records.append(_read(element, config, request))
        except InvalidEventError as error:
            dropped[error.reason] = dropped.get(error.reason, 0) + 1
    return records, dropped


def _read(raw: Any, config: ProjectConfig, request: RequestInfo) -> LogRecord:
    if type(raw) is not dict:
        raise InvalidEventError("invalid_log", "expected an object")
    moment, trace_id = seconds(raw.get("timestamp")), hex_id(raw.get("trace_id"), 32)
    level, body = raw.get("level"), raw.get("body")
    if moment is None or not trace_id or type(level) is not str or type(body) is not str:
        raise InvalidEventError("invalid_log", "timestamp, trace_id, level and body are required")
    if moment < request.received - config.retention_days * _DAY:
        raise InvalidEventError("timestamp", "older than the retention")
    moment = min(moment, request.received + MAX_FUTURE)
    size = element_size(raw)
    body, attributes = _scrubbed(text(body, MAX_BODY), typed_attributes(raw.get("attributes")), config)
    severity = level.strip().lower()[:32]
    number = raw.get("severity_number")
    if type(number) is not int or not 1 <= number <= 24:
        number = _FIRST_NUMBER.get(severity, 0)
    sequence = attributes.get("sentry.timestamp.sequence")
    nanoseconds = round(moment * 1e6) * 1000 + (sequence if type(sequence) is int and 0 <= sequence < 1000 else 0)
    return LogRecord(nanoseconds, trace_id, hex_id(raw.get("span_id"), 16), severity, number, body, attributes, size)


def _scrubbed(
    body: str, attributes: dict[str, AttributeValue], config: ProjectConfig
) -> tuple[str, dict[str, AttributeValue]]:
    """The project's scrubbing: of a body only what is sensitive is replaced, as in a log message."""
    holder: dict[str, Any] = {"type": "default", "logentry": {"formatted": body}, "extra": attributes}
    scrub_event(holder, config)
    kept = {key: value for key, value in (holder.get("extra") or {}).items() if value is not None}
    return text((holder.get("logentry") or {}).get("formatted"), MAX_BODY), kept


def _elements(export: dict[str, Any], base64_ids: bool, request: RequestInfo) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for record, around in otlp.walk(export, "resourceLogs", "scopeLogs", "logRecords"):
        number = record.get("severityNumber")
        level = _level(number, record.get("severityText"))
        attributes = {**around, **otlp.key_values(record.get("attributes"))}
        attributes.setdefault("sentry.origin", otlp.typed("auto.otlp.logs"))
        if type(record.get("eventName")) is str and record["eventName"]:
            attributes["event.name"] = otlp.typed(record["eventName"])
        moment = otlp.nanoseconds(record.get("timeUnixNano")) or otlp.nanoseconds(record.get("observedTimeUnixNano"))
        trace_id = otlp.identifier(record.get("traceId"), 32, base64_ids)
        found.append(
            {
                "timestamp": moment or request.received,
                "trace_id": trace_id or uuid.uuid5(_NAMESPACE, f"{request.received}/{len(found)}").hex,
                "span_id": otlp.identifier(record.get("spanId"), 16, base64_ids),
                "level": level,
                "severity_number": otlp.severity(number),
                "body": _body(record.get("body")),
                "attributes": attributes,
            }
        )
    return found


def _level(number: object, name: object) -> str:
    value = otlp.severity(number)
    if value:
        return _LEVELS[min(5, (value - 1) // 4)]
    lowered = name.strip().lower() if type(name) is str else ""
    return {"warning": "warn", "information": "info", "critical": "fatal"}.get(lowered, lowered) or "info"


def _body(raw: object) -> str:
    value = otlp.any_value(raw)
    if type(value) is str:
        return value
    return "" if value is None else orjson.dumps(value, default=str).decode()
