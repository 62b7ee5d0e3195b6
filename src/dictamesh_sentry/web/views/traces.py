"""The pages of traces: one as a waterfall, a window of it, one of its spans; and the latest of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.tracing.logs import logs_of_trace
from dictamesh_sentry.tracing.trace_reads import (
    Trace,
    find_transaction,
    issues_of,
    load_trace,
    parse_trace_id,
    span_details,
)
from dictamesh_sentry.tracing.waterfall import SPAN
from dictamesh_sentry.web.pages import PageRequest, is_fragment, organization_page
from dictamesh_sentry.web.views.trace_rows import (
    Window,
    build_window,
    key_of,
    node_of_key,
    opened_for,
    overview,
    search,
    toggles,
)

_MOST_LOGS = 200
_OWN_KEYS = frozenset({"node", "toggle", "q", "offset"})


def _load(request: PageRequest, trace_id: str) -> tuple[Trace, dict[int, Project]]:
    projects = {project.pk: project for project in visible_to(request.user, request.organization, request.access)}
    trace = load_trace(list(projects), trace_id) if parse_trace_id(trace_id) else None
    if trace is None:
        raise NotVisibleError
    return trace, projects


def _address(request: PageRequest, trace: Trace, pairs: list[tuple[str, str]]) -> str:
    base = f"/organizations/{request.organization.slug}/traces/{trace.id}/"
    return f"{base}?{urlencode(pairs)}" if pairs else base


@require_safe
@organization_page
def trace_page(request: PageRequest, trace_id: str) -> HttpResponse:
    """A trace. htmx asks for further rows, or for a state of folding, of the same address."""
    trace, projects = _load(request, trace_id)
    context = _context(request, trace, projects)
    if is_fragment(request):
        further = "offset" in request.GET and request.headers.get("HX-Target") != "trace"
        return render(request, "traces/_row_list.html" if further else "traces/_trace.html", context)
    return render(request, "traces/trace.html", context | _head(trace, projects))


def _context(request: PageRequest, trace: Trace, projects: Mapping[int, Project]) -> dict[str, Any]:
    query = request.GET.get("q", "").strip()[:200]
    slugs = {project.pk: project.slug for project in projects.values()}
    matches = search(trace, query, slugs) if query else []
    selected = node_of_key(trace, request.GET.get("node", ""))
    if selected is None and matches:
        selected = matches[0]
    toggled = toggles(trace, request.GET.getlist("toggle"))
    if selected is not None:
        toggled = opened_for(trace, toggled, selected)
    window = build_window(trace, projects, toggled=toggled, offset=_offset(request), selected=selected, matches=matches)
    keys = sorted(key_of(trace, node) for node in toggled)
    state = [("toggle", key) for key in keys] + ([("q", query)] if query else [])
    selection = [("node", key_of(trace, selected))] if selected is not None else []
    _link(request, trace, window, keys, state)
    return {
        "trace": trace,
        "window": window,
        "query": query,
        "state": state,
        "match": _match(request, trace, matches, selected, state),
        "next_url": _window_url(request, trace, window.next_offset, state + selection),
        "previous_url": _window_url(request, trace, window.previous_offset, state + selection),
        "panel": _panel(request, trace, projects, selected),
    }


def _offset(request: PageRequest) -> int | None:
    text = request.GET.get("offset", "")
    return int(text) if text.isdigit() and len(text) < 9 else None


def _link(request: PageRequest, trace: Trace, window: Window, keys: list[str], state: list[tuple[str, str]]) -> None:
    """Give the rows their links: one to select, one to fold or unfold."""
    others = [pair for pair in state if pair[0] != "toggle"]
    linked = []
    for row in window.rows:
        changed = sorted(set(keys) ^ {row.key})
        folded = [("toggle", key) for key in changed] + others
        linked.append(
            replace(
                row,
                url=_address(request, trace, [("node", row.key), *state]),
                toggle_url=_address(request, trace, [*folded, ("node", row.key)]),
            )
        )
    window.rows = linked


def _window_url(request: PageRequest, trace: Trace, offset: int | None, pairs: list[tuple[str, str]]) -> str:
    return "" if offset is None else _address(request, trace, [*pairs, ("offset", str(offset))])


def _match(
    request: PageRequest, trace: Trace, matches: list[int], selected: int | None, state: list[tuple[str, str]]
) -> dict[str, Any]:
    """Which of the found spans is selected, and the way to the next."""
    if not matches:
        return {}
    place = matches.index(selected) if selected in matches else -1

    def link(position: int) -> str:
        return _address(request, trace, [("node", key_of(trace, matches[position % len(matches)])), *state])

    return {"number": place + 1, "count": len(matches), "next": link(place + 1), "previous": link(place - 1)}


def _head(trace: Trace, projects: Mapping[int, Project]) -> dict[str, Any]:
    tree = trace.tree
    root = tree.roots[0] if tree.roots else None
    pins = [pin for found in trace.pins.values() for pin in found]
    names = {issue.pk: issue for issue in issues_of(trace)}
    return {
        "map": overview(trace, projects),
        "root": trace.label(root) if root is not None and tree.kind[root] == SPAN else None,
        "started": datetime.fromtimestamp(tree.first / 1000, UTC) if tree.roots else None,
        "issues": [{"pin": pin, "issue": names[pin.issue_id]} for pin in pins[:50] if pin.issue_id in names],
        "error_count": sum(not pin.is_performance for pin in pins),
        "problem_count": sum(pin.is_performance for pin in pins),
        "log_count": sum(trace.logs.values()),
        "orphan_count": len(tree.orphans),
        "shifted": len(tree.shift),
    }


def _panel(
    request: PageRequest, trace: Trace, projects: Mapping[int, Project], selected: int | None
) -> dict[str, Any] | None:
    """Everything about the selected span."""
    tree = trace.tree
    if selected is None or tree.kind[selected] != SPAN:
        return None
    span_id = tree.spans.span_id[selected]
    row = span_details(sorted(trace.project_ids), trace.id, span_id)
    if row is None:
        return None
    strings, numbers = row["attributes_string"], row["attributes_number"]
    names = {issue.pk: issue for issue in issues_of(trace)}
    logs = [
        log
        for log in (logs_of_trace(list(projects), trace.id, limit=_MOST_LOGS) if trace.logs.get(span_id) else [])
        if log.span_id == f"{span_id:016x}"
    ]
    return {
        "row": row,
        "id": f"{span_id:016x}",
        "parent_id": f"{row['parent_span_id']:016x}" if row["parent_span_id"] else "",
        "event_id": row["event_id"].hex if row["event_id"].int else "",
        "project": projects[row["project_id"]],
        "attributes": sorted([*strings.items(), *((key, _number(value)) for key, value in numbers.items())]),
        "issues": [
            {"pin": pin, "issue": names[pin.issue_id]} for pin in trace.pins.get(span_id, []) if pin.issue_id in names
        ],
        "logs": logs,
        "shift": tree.shift.get(selected, 0.0),
        "is_orphan": selected in tree.orphans,
        "close_url": _address(
            request,
            trace,
            [(key, value) for key, values in request.GET.lists() if key in _OWN_KEYS - {"node"} for value in values],
        ),
    }


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else f"{value:.6g}"


@require_safe
@organization_page
def transaction_event(request: PageRequest, project: str, event_id: str) -> HttpResponse:
    """A transaction by its event id: its place in its trace."""
    visible = {one.slug: one.pk for one in visible_to(request.user, request.organization, request.access)}
    found = find_transaction([visible[project]], event_id) if project in visible else None
    if found is None:
        raise Http404
    trace_id, span_id, _ = found
    return HttpResponseRedirect(f"/organizations/{request.organization.slug}/traces/{trace_id}/?node={span_id:016x}")
