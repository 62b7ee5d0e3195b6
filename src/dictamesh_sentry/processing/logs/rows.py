"""From log records to rows of the event store."""

from __future__ import annotations

import uuid
from typing import Any

from dictamesh_sentry.processing.logs.read import LogRecord
from dictamesh_sentry.processing.rows import to_datetime, user_identity
from dictamesh_sentry.processing.spans.rows import split_attributes

COLUMNS = (
    "project_id", "item_id", "timestamp", "received", "retention_days", "origin_partition", "origin_offset", "trace_id",
    "span_id", "severity", "severity_number", "message", "environment", "release", "platform", "sdk_name",
    "sdk_version", "origin", "user", "replay_id", "payload_size", "attributes_string", "attributes_number",
)  # fmt: skip
ITEM_ID = COLUMNS.index("item_id")
_NAMESPACE = uuid.UUID("3a8f4a53-9f1e-5d0e-8a13-7d6a0f5b2f11")


def build_row(
    record: LogRecord,
    *,
    project_id: int,
    received: float,
    retention_days: int,
    origin: tuple[int, int],
    index: int,
) -> list[Any]:
    """A row in the order of ``COLUMNS``. Its id follows from the message and ``index``: a replay makes the same."""
    strings, numbers = split_attributes(record.attributes)
    user = {
        "id": strings.get("user.id"),
        "username": strings.get("user.name"),
        "email": strings.get("user.email"),
        "ip_address": strings.get("user.ip_address"),
    }
    return [
        project_id,
        uuid.uuid5(_NAMESPACE, f"{origin[0]}/{origin[1]}/{received}/{index}"),
        record.nanoseconds,
        to_datetime(received),
        retention_days,
        *origin,
        uuid.UUID(record.trace_id),
        int(record.span_id, 16) if record.span_id else 0,
        record.severity,
        record.severity_number,
        record.body,
        strings.get("sentry.environment", strings.get("resource.deployment.environment.name", ""))[:64],
        strings.get("sentry.release", strings.get("resource.service.version", ""))[:250],
        strings.get("sentry.platform", strings.get("resource.telemetry.sdk.language", ""))[:64],
        strings.get("sentry.sdk.name", "")[:256],
        strings.get("sentry.sdk.version", "")[:256],
        strings.get("sentry.origin", "")[:128],
        user_identity({key: value for key, value in user.items() if value}),
        strings.get("sentry.replay_id", "")[:36].replace("-", ""),
        record.size,
        strings,
        numbers,
    ]
