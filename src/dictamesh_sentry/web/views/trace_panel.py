"""The panel beside a trace: everything about one span, or what is known of a group or of a span that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.tracing.logs import logs_of_trace
from dictamesh_sentry.tracing.trace_spans import issues_of, span_details
from dictamesh_sentry.tracing.trace_store import Trace, labels
from dictamesh_sentry.tracing.trace_tree import FAILED
from dictamesh_sentry.tracing.trace_view import View
from dictamesh_sentry.web.views.trace_rows import span_of

_MOST_LOGS = 1000
_SHOWN_LOGS = 100


def build_panel(trace: Trace, row: int, view: View, projects: Mapping[int, Project]) -> dict[str, Any] | None:
    """What the panel shows of a row; None for a span that has just gone."""
    if row < 0:
        return _group(trace, row, view)
    if trace.tree.is_missing(row):
        return {
            "kind": "missing",
            "id": f"{trace.tree.span_id[row]:016x}",
            "children": sum(1 for _ in trace.tree.below(row)),
        }
    return _span(trace, row, projects)


def _group(trace: Trace, row: int, view: View) -> dict[str, Any] | None:
    members = view.groups.get(row)
    if members is None:
        return None
    tree = trace.tree
    durations = sorted(tree.duration[node] / 1000 for node in members)
    start, end = span_of(tree, members)
    return {
        "kind": "group",
        "label": labels(trace, [~row]).get(~row),
        "count": len(members),
        "failed": sum(tree.has(node, FAILED) for node in members),
        "sum": sum(durations),
        "lasted": (end - start) / 1000,
        "shortest": durations[0],
        "median": durations[len(durations) // 2],
        "longest": durations[-1],
    }


def _span(trace: Trace, node: int, projects: Mapping[int, Project]) -> dict[str, Any] | None:
    tree = trace.tree
    span_id = tree.span_id[node]
    found = span_details(trace.project_ids, trace.id, span_id, tree.start[node])
    if found is None or found["project_id"] not in projects:
        return None
    strings: Mapping[str, str] = found["attributes_string"]
    numbers: Mapping[str, float] = found["attributes_number"]
    issues = {issue.pk: issue for issue in issues_of(trace)}
    has_logs = trace.logs.get(span_id)
    logs = logs_of_trace(trace.project_ids, trace.id, limit=_MOST_LOGS) if has_logs else []
    return {
        "kind": "span",
        "row": found,
        "id": f"{span_id:016x}",
        "parent_id": f"{found['parent_span_id']:016x}" if found["parent_span_id"] else "",
        "alike": _alike(found),
        "event_id": found["event_id"].hex if found["event_id"].int and found["is_segment"] else "",
        "project": projects[found["project_id"]],
        "attributes": sorted([*strings.items(), *((key, written(value)) for key, value in numbers.items())]),
        "issues": [
            {"pin": pin, "issue": issues[pin.issue_id]} for pin in trace.pinned.get(node, []) if pin.issue_id in issues
        ],
        "logs": [log for log in logs if log.span_id == f"{span_id:016x}"][:_SHOWN_LOGS],
        "shift": tree.shift(node) / 1000,
        "is_orphan": tree.is_orphan(node),
        "is_circular": node in tree.cut,
        "waited": trace.structure.critical.own(node) / 1000 if trace.structure.critical.part(node) else None,
    }


def _alike(row: Mapping[str, Any]) -> str:
    """A search for spans that do the same."""
    if row["group_hash"]:
        return f"span.group:{row['group_hash']:016x}"
    if row["is_segment"] and row["transaction"]:
        return f"is_transaction:true transaction:{_quoted(row['transaction'])}"
    return f"span.op:{_quoted(row['op'])}" if row["op"] else f"trace:{row['trace_id'].hex}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    return f'"{escaped}"'


def written(value: float) -> str:
    """A number as people write it: whole where it is, else with six digits."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.6g}"
