"""A transaction as the event it arrived as: the segment's payload with the spans put back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from dictamesh_sentry.issues.event_queries import Event
from dictamesh_sentry.issues.presentation.values import as_list
from dictamesh_sentry.tracing.trace_spans import spans_of_transaction, transaction_row

_USER = (("id", "user_id"), ("email", "user_email"), ("username", "user_username"), ("ip_address", "user_ip"))


def transaction_event(project_ids: Sequence[int], event_id: str) -> Event | None:
    """The transaction of one of the projects with this event id; it belongs to no issue."""
    row = transaction_row(project_ids, event_id)
    if row is None:
        return None
    payload: Mapping[str, Any] = row["payload"]
    spans = [_span(span, row["trace_id"].hex) for span in spans_of_transaction(row)]
    name = row["transaction"]
    data = {
        **payload,
        "type": "transaction",
        "event_id": row["event_id"].hex,
        "transaction": name,
        "start_timestamp": row["timestamp"].timestamp(),
        "timestamp": row["end_timestamp"].timestamp(),
        "spans": spans,
    }
    encoded = orjson.dumps(data)
    return Event(
        project_id=row["project_id"],
        id=row["event_id"].hex,
        issue_id=0,
        timestamp=row["end_timestamp"],
        received=row["received"],
        title=name,
        message="",
        culprit=name,
        location=name,
        level="info",
        type="transaction",
        platform=row["platform"],
        environment=row["environment"],
        release=row["release"],
        dist=row["dist"],
        transaction=name,
        user=row["user"],
        user_fields={key: row[column] for key, column in _USER if row[column]},
        trace_id=row["trace_id"].hex,
        replay_id=row["replay_id"],
        tags=_tags(payload),
        size=len(encoded),
        payload=encoded,
    )


def _tags(payload: Mapping[str, Any]) -> dict[str, str]:
    tags = payload.get("tags")
    pairs = tags.items() if isinstance(tags, dict) else (one for one in as_list(tags) if len(as_list(one)) == 2)
    return {str(key): str(value) for key, value in pairs if key is not None and value is not None}


def _span(row: Mapping[str, Any], trace_id: str) -> dict[str, Any]:
    start = row["timestamp"].timestamp()
    numbers: Mapping[str, float] = row["attributes_number"]
    return {
        "trace_id": trace_id,
        "span_id": f"{row['span_id']:016x}",
        "parent_span_id": f"{row['parent_span_id']:016x}" if row["parent_span_id"] else None,
        "op": row["op"],
        "description": row["description"],
        "status": row["status"] or None,
        "origin": row["origin"] or None,
        "start_timestamp": start,
        "timestamp": start + row["duration"] / 1000,
        "exclusive_time": row["self_time"],
        "hash": f"{row['group_hash']:016x}" if row["group_hash"] else None,
        "data": {**row["attributes_string"], **numbers},
        "tags": None,
    }
