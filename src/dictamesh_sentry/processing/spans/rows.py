"""From spans to rows of the event store. The one list of the table's columns that processing fills."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import orjson

from dictamesh_sentry.processing.rows import to_datetime
from dictamesh_sentry.processing.spans.span import AttributeValue, Span
from dictamesh_sentry.processing.spans.values import status_code

COLUMNS = (
    "trace_id", "span_id", "parent_span_id", "segment_id", "is_segment", "category", "timestamp", "duration",
    "self_time", "op", "name", "description", "status", "status_code", "origin", "group_hash",
    "normalized_description", "action", "domain", "system", "profile_id", "thread_id",
    "attributes_string", "attributes_number", "links", "payload",
    "project_id", "received", "retention_days", "origin_partition", "origin_offset", "event_id",
    "transaction", "transaction_op", "transaction_method", "transaction_source", "environment", "release", "dist",
    "platform", "sdk_name", "sdk_version", "user", "user_id", "user_email", "user_username", "user_ip",
    "geo_country_code", "browser_name", "os_name", "device_class", "profiler_id", "replay_id", "sample_weight",
)  # fmt: skip
SPAN_ID, IS_SEGMENT, PROFILE_ID = (COLUMNS.index(name) for name in ("span_id", "is_segment", "profile_id"))
_NO_ID = uuid.UUID(int=0)


@dataclass(slots=True)
class Shared:
    """What all spans of a segment have in common. ``event_id`` is empty for spans that were sent alone."""

    project_id: int
    received: float
    retention_days: int
    origin: tuple[int, int]
    event_id: str = ""
    transaction: str = ""
    transaction_op: str = ""
    transaction_method: str = ""
    transaction_source: str = ""
    environment: str = ""
    release: str = ""
    dist: str = ""
    platform: str = ""
    sdk_name: str = ""
    sdk_version: str = ""
    user: str = ""
    user_id: str = ""
    user_email: str = ""
    user_username: str = ""
    user_ip: str = ""
    geo_country_code: str = ""
    browser_name: str = ""
    os_name: str = ""
    device_class: str = ""
    profile_id: str = ""
    profiler_id: str = ""
    replay_id: str = ""
    sample_weight: float = 1.0

    def columns(self) -> list[Any]:
        """The values of ``COLUMNS`` from ``project_id`` on."""
        return [
            self.project_id,
            to_datetime(self.received),
            self.retention_days,
            *self.origin,
            uuid.UUID(self.event_id) if self.event_id else _NO_ID,
            self.transaction,
            self.transaction_op,
            self.transaction_method,
            self.transaction_source,
            self.environment,
            self.release,
            self.dist,
            self.platform,
            self.sdk_name,
            self.sdk_version,
            self.user,
            self.user_id,
            self.user_email,
            self.user_username,
            self.user_ip,
            self.geo_country_code,
            self.browser_name,
            self.os_name,
            self.device_class,
            self.profiler_id,
            self.replay_id,
            self.sample_weight,
        ]


def build_rows(spans: list[Span], shared: Shared, payload: bytes = b"") -> list[list[Any]]:
    """Rows in the order of ``COLUMNS``. ``payload`` goes to the segments."""
    tail = shared.columns()
    return [[*_own_columns(span, shared, payload), *tail] for span in spans]


def _own_columns(span: Span, shared: Shared, payload: bytes) -> list[Any]:
    strings, numbers = split_attributes(span.attributes)
    for name, value in span.measurements.items():
        numbers[f"measurements.{name}"] = value
    return [
        uuid.UUID(span.trace_id),
        int(span.span_id, 16),
        _number(span.parent_span_id),
        _number(span.segment_id),
        1 if span.is_segment else 0,
        span.category,
        to_datetime(span.start),
        span.duration,
        span.exclusive_time,
        span.op,
        span.name,
        span.description,
        span.status,
        status_code(span.attributes),
        span.origin,
        _number(span.group_hash),
        span.normalized_description,
        span.action,
        span.domain,
        span.system,
        strings.get("profile_id", "") or (shared.profile_id if span.is_segment else ""),
        strings.get("thread.id", "") or _whole(numbers.get("thread.id")),
        strings,
        numbers,
        orjson.dumps(span.links).decode() if span.links else "",
        payload if span.is_segment else b"",
    ]


def _number(identifier: str) -> int:
    return int(identifier, 16) if identifier else 0


def _whole(value: float | None) -> str:
    return "" if value is None else str(int(value)) if value.is_integer() else str(value)


def split_attributes(attributes: dict[str, AttributeValue]) -> tuple[dict[str, str], dict[str, float]]:
    """Text and numbers apart; booleans become ``true`` and ``false``, lists their JSON."""
    strings: dict[str, str] = {}
    numbers: dict[str, float] = {}
    for key, value in attributes.items():
        kind = type(value)
        if kind is str:
            strings[key] = value  # type: ignore[assignment]
        elif kind is bool:
            strings[key] = "true" if value else "false"
        elif kind is int or kind is float:
            numbers[key] = float(value)  # type: ignore[arg-type]
        else:
            strings[key] = orjson.dumps(value, default=str).decode()
    return strings, numbers
