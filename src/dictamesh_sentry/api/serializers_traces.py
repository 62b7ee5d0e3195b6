"""Spans, transactions and logs in the shapes of the web API reference, 5.8."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from dictamesh_sentry.api.responses import iso
from dictamesh_sentry.issues.short_id import short_id
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.tracing.logs import Log
from dictamesh_sentry.tracing.trace_spans import issues_of, spans_of_trace
from dictamesh_sentry.tracing.trace_store import Pin, Trace

#: Columns of a span that are attributes to clients, under the names the protocol gives them.
_COLUMNS = {
    "op": "span.op", "description": "span.description", "name": "span.name", "status": "span.status",
    "category": "span.category", "action": "span.action", "domain": "span.domain", "system": "span.system",
    "normalized_description": "sentry.normalized_description", "origin": "origin", "transaction": "transaction",
    "environment": "environment", "release": "release", "platform": "platform", "sdk_name": "sdk.name",
    "sdk_version": "sdk.version", "user_id": "user.id", "user_email": "user.email", "user_username": "user.username",
    "user_ip": "user.ip", "profile_id": "profile.id", "profiler_id": "profiler.id", "replay_id": "replay.id",
    "thread_id": "thread.id", "status_code": "span.status_code",
}  # fmt: skip
# Below this depth spans stand beside one another, with the ids of their parents: parsers refuse what is nested deeper.
MAX_DEPTH = 100
_NUMBERS = {"duration": "span.duration", "self_time": "span.self_time"}


def _hex(number: int) -> str:
    return f"{number:016x}" if number else ""


def _uuid(identifier: uuid.UUID) -> str | None:
    return identifier.hex if identifier.int else None


def _error_body(pin: Pin, projects: Mapping[int, Project]) -> dict[str, Any]:
    return {
        "event_id": pin.event_id,
        "event_type": "occurrence" if pin.is_performance else "error",
        "issue_id": pin.issue_id,
        "project_id": pin.project_id,
        "project_slug": projects[pin.project_id].slug,
        "span_id": _hex(pin.span_id) or None,
        "start_timestamp": pin.timestamp.timestamp(),
        "end_timestamp": pin.timestamp.timestamp(),
        "timestamp": iso(pin.timestamp),
        "transaction": pin.culprit,
        "description": pin.title,
        "title": pin.title,
        "message": pin.title,
        "culprit": pin.culprit,
        "level": pin.level,
        "short_id": None,
    }


def _pins(trace: Trace, projects: Mapping[int, Project]) -> dict[int, list[dict[str, Any]]]:
    """Errors and problems by span, issues named by their short ids in one query."""
    issues = {issue.pk: issue for issue in issues_of(trace)}
    found: dict[int, list[dict[str, Any]]] = {}
    for span_id, pins in trace.pins.items():
        for pin in pins:
            body = _error_body(pin, projects)
            issue = issues.get(pin.issue_id)
            body["short_id"] = short_id(issue) if issue is not None else None
            found.setdefault(span_id, []).append(body)
    return found


def span_bodies(
    trace: Trace, projects: Mapping[int, Project], limit: int, additional: Sequence[str]
) -> list[dict[str, Any]]:
    """The roots of the tree; errors of no span, or of one that is not there, stand beside them."""
    tree = trace.tree
    wanted = [node for node in tree.order if not tree.is_missing(node)][:limit]
    rows = spans_of_trace(trace, wanted)
    pinned = _pins(trace, projects)
    nesting = _Nesting()
    for node in wanted:
        row = rows.get(node)
        if row is None:
            continue
        body = _span_body(row, projects, additional)
        here = pinned.pop(tree.span_id[node], [])
        body["errors"] = [one for one in here if one["event_type"] == "error"]
        body["occurrences"] = [one for one in here if one["event_type"] == "occurrence"]
        nesting.add(trace, node, body)
    return [*nesting.roots, *(body for left in pinned.values() for body in left)]


class _Nesting:
    """Puts bodies below those of their ancestors, which must have been added before."""

    def __init__(self) -> None:
        self.roots: list[dict[str, Any]] = []
        self.bodies: dict[int, dict[str, Any]] = {}
        self._inside: dict[int, tuple[list[dict[str, Any]], int]] = {}

    def add(self, trace: Trace, node: int, body: dict[str, Any]) -> dict[str, Any] | None:
        """The body that was found above, None for a root."""
        above = next((one for one in trace.tree.ancestors(node) if one in self._inside), None)
        place, depth = self._inside[above] if above is not None else (self.roots, 0)
        place.append(body)
        self._inside[node] = (body["children"], depth + 1) if depth < MAX_DEPTH else (place, depth)
        self.bodies[node] = body
        return self.bodies[above] if above is not None else None


def _span_body(row: Mapping[str, Any], projects: Mapping[int, Project], additional: Sequence[str]) -> dict[str, Any]:
    start = row["timestamp"].timestamp()
    numbers: Mapping[str, float] = row["attributes_number"]
    measurements = {name[13:]: value for name, value in numbers.items() if name.startswith("measurements.")}
    strings: Mapping[str, str] = row["attributes_string"]
    transaction_id = _uuid(row["event_id"])
    return {
        "event_id": _hex(row["span_id"]),
        "span_id": _hex(row["span_id"]),
        "transaction_id": transaction_id or _hex(row["segment_id"]),
        "project_id": row["project_id"],
        "project_slug": projects[row["project_id"]].slug,
        "parent_span_id": _hex(row["parent_span_id"]) or None,
        "start_timestamp": start,
        "end_timestamp": start + row["duration"] / 1000,
        "duration": row["duration"],
        "op": row["op"],
        "description": row["description"],
        "name": row["name"] or row["op"],
        "is_transaction": bool(row["is_segment"]),
        "transaction": row["transaction"],
        "event_type": "span",
        "status": row["status"],
        "profile_id": row["profile_id"],
        "profiler_id": row["profiler_id"],
        "sdk_name": row["sdk_name"],
        "measurements": measurements,
        "additional_attributes": {
            name: strings.get(name, numbers.get(name)) for name in additional if name in strings or name in numbers
        },
        "children": [],
        "errors": [],
        "occurrences": [],
    }


def transaction_bodies(
    trace: Trace, transactions: Sequence[Mapping[str, Any]], projects: Mapping[int, Project]
) -> dict[str, Any]:
    """The segments as a tree of their own: each below the nearest segment that it was called from."""
    tree = trace.tree
    pinned = _pins(trace, projects)
    nodes = tree.find({row["span_id"] for row in transactions})
    rows = {nodes[row["span_id"]]: row for row in transactions if row["span_id"] in nodes}
    nesting = _Nesting()
    for node in sorted(rows, key=tree.place.__getitem__):
        body = _transaction_body(rows[node], projects)
        above = nesting.add(trace, node, body)
        if above is not None:
            body["generation"] = above["generation"] + 1
            body["parent_event_id"] = above["event_id"]
    _place_errors(trace, nesting.bodies, pinned)
    return {"transactions": nesting.roots, "orphan_errors": [body for left in pinned.values() for body in left]}


def _transaction_body(row: Mapping[str, Any], projects: Mapping[int, Project]) -> dict[str, Any]:
    start = row["timestamp"].timestamp()
    return {
        "event_id": _uuid(row["event_id"]) or _hex(row["span_id"]),
        "span_id": _hex(row["span_id"]),
        "parent_span_id": _hex(row["parent_span_id"]) or None,
        "parent_event_id": None,
        "generation": 0,
        "project_id": row["project_id"],
        "project_slug": projects[row["project_id"]].slug,
        "transaction": row["transaction"],
        "transaction.op": row["op"],
        "transaction.duration": row["duration"],
        "transaction.status": row["status"],
        "start_timestamp": start,
        "timestamp": start + row["duration"] / 1000,
        "profile_id": row["profile_id"],
        "profiler_id": row["profiler_id"],
        "errors": [],
        "performance_issues": [],
        "children": [],
    }


def _place_errors(trace: Trace, by_node: Mapping[int, dict[str, Any]], pinned: dict[int, list[dict[str, Any]]]) -> None:
    """Give each transaction the errors of its spans; what belongs to none stays in ``pinned``."""
    for span_id, node in trace.tree.find({one for one in pinned if one}).items():
        owner = node if node in by_node else next((one for one in trace.tree.ancestors(node) if one in by_node), None)
        if owner is not None:
            for body in pinned.pop(span_id):
                kind = "performance_issues" if body["event_type"] == "occurrence" else "errors"
                by_node[owner][kind].append(body)


# Items


def attributes_body(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every attribute of a span with its type, by name."""
    found: list[dict[str, Any]] = [
        {"name": name, "type": "str", "value": row[column]} for column, name in _COLUMNS.items() if row[column]
    ]
    found += [{"name": name, "type": "float", "value": row[column]} for column, name in _NUMBERS.items()]
    found += [
        {"name": "id", "type": "str", "value": _hex(row["span_id"])},
        {"name": "trace", "type": "str", "value": row["trace_id"].hex},
        {"name": "parent_span", "type": "str", "value": _hex(row["parent_span_id"])},
        {"name": "is_transaction", "type": "bool", "value": bool(row["is_segment"])},
    ]
    found += _mapped(row["attributes_string"], row["attributes_number"])
    return sorted(found, key=lambda one: one["name"])


def log_attributes_body(log: Log) -> list[dict[str, Any]]:
    """Every attribute of a log with its type, by name."""
    texts = {
        "severity": log.severity, "message": log.message, "trace": log.trace_id, "span_id": log.span_id,
        "environment": log.environment, "release": log.release, "sdk.name": log.sdk_name,
        "sdk.version": log.sdk_version, "origin": log.origin, "replay.id": log.replay_id,
    }  # fmt: skip
    found: list[dict[str, Any]] = [{"name": k, "type": "str", "value": v} for k, v in texts.items() if v]
    found.append({"name": "severity_number", "type": "int", "value": log.severity_number})
    return sorted([*found, *_mapped(log.strings, log.numbers)], key=lambda one: one["name"])


def _mapped(strings: Mapping[str, str], numbers: Mapping[str, float]) -> list[dict[str, Any]]:
    return [
        *({"name": name, "type": "str", "value": value} for name, value in strings.items()),
        *({"name": name, "type": "float", "value": value} for name, value in numbers.items()),
    ]


def log_body(log: Log, project: str) -> dict[str, Any]:
    """A row of the list of logs."""
    return {
        "sentry.item_id": log.id,
        "id": log.id,
        "project": project,
        "project.id": log.project_id,
        "trace": log.trace_id,
        "span_id": log.span_id or None,
        "severity": log.severity,
        "severity_number": log.severity_number,
        "timestamp": iso(log.timestamp),
        "timestamp_precise": log.nanoseconds,
        "message": log.message,
        "environment": log.environment or None,
        "release": log.release or None,
    }
