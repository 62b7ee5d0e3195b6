"""Rows of the spans table for tests that ask about them."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from dictamesh_sentry.eventstore.interface import EventStore

_IDS = frozenset({"span_id", "parent_span_id", "segment_id", "group_hash"})
_UUIDS = frozenset({"trace_id", "event_id"})
_DEFAULTS: dict[str, Any] = {
    "project_id": 1, "is_segment": 0, "category": "other", "retention_days": 90, "origin_partition": 0,
    "origin_offset": 0, "parent_span_id": 0, "event_id": uuid.UUID(int=0), "duration": 100.0, "op": "default",
    "name": "", "description": "", "status": "ok", "status_code": "", "origin": "manual", "group_hash": 0,
    "normalized_description": "", "action": "", "domain": "", "system": "", "transaction": "", "transaction_op": "",
    "transaction_method": "", "transaction_source": "", "environment": "production", "release": "", "dist": "",
    "platform": "python", "sdk_name": "sentry.python", "sdk_version": "2.0.0", "user": "", "user_id": "",
    "user_email": "", "user_username": "", "user_ip": "", "geo_country_code": "", "browser_name": "", "os_name": "",
    "device_class": "", "profile_id": "", "profiler_id": "", "thread_id": "", "replay_id": "", "sample_weight": 1.0,
    "attributes_string": {}, "attributes_number": {}, "links": "", "payload": "",
}  # fmt: skip


def span_columns(**given: Any) -> dict[str, Any]:
    """A complete row. Ids may be hex text; ``timestamp`` defaults to an hour ago, ``self_time`` to the duration."""
    row = {**_DEFAULTS, "trace_id": uuid.uuid4(), "span_id": uuid.uuid4().int >> 65, **given}
    for name in _IDS & row.keys():
        if isinstance(row[name], str):
            row[name] = int(row[name] or "0", 16)
    for name in _UUIDS:
        if isinstance(row[name], str):
            row[name] = uuid.UUID(row[name])
    row.setdefault("timestamp", datetime.now(UTC) - timedelta(hours=1))
    row.setdefault("received", row["timestamp"])
    row.setdefault("self_time", row["duration"])
    row.setdefault("segment_id", row["span_id"] if row["is_segment"] else 0)
    return row


def insert_spans(store: EventStore, spans: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Insert rows given by column names, defaults filled in; returns them as inserted."""
    rows = [span_columns(**span) for span in spans]
    columns = sorted(rows[0]) if rows else []
    store.insert("spans", columns, [[row[name] for name in columns] for row in rows])
    return rows
