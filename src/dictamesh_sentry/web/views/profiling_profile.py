"""The page of one profile, or of what a profiler saw in a range of time; and its downloads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.profiling import queries
from dictamesh_sentry.profiling.flamegraph import Graph, call_tree, time_ordered
from dictamesh_sentry.profiling.functions import Functions, weighted_chains
from dictamesh_sentry.profiling.model import Profile
from dictamesh_sentry.profiling.queries import ProfileMissingError, SpanWindow, StoredProfile
from dictamesh_sentry.profiling.speedscope import raw_profile, speedscope, thread_label
from dictamesh_sentry.profiling.windows import between, merge
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.search.period import PeriodError, parse_moment
from dictamesh_sentry.web.pages import PageRequest
from dictamesh_sentry.web.views.organization_scope import project_page
from dictamesh_sentry.web.views.profiling import down
from dictamesh_sentry.web.views.profiling_state import (
    State,
    function_lines,
    read_state,
    sandwich,
    tree_lines,
    zoomable,
)

VIEWS = ("time", "tree", "function")
VIEW_LABELS = [("time", "In time"), ("tree", "Left heavy"), ("function", "One function")]
_DEFAULT_RANGE = timedelta(seconds=60)
_LONGEST_RANGE = timedelta(minutes=10)


@dataclass(frozen=True)
class Shown:
    """``row`` is the profile, or the first of the chunks; ``chunks`` are those put together, empty for one profile."""

    row: StoredProfile
    profile: Profile
    chunks: list[StoredProfile]
    span: SpanWindow | None


def load(request: PageRequest, project: Project, profile_id: str) -> Shown:
    """What the URL names: a profile, a chunk, or a profiler and a range. Raises Http404, ProfileMissingError."""
    row = queries.find_profile([project.pk], profile_id)
    span_id = request.GET.get("span", "")[:16]
    if row is not None:
        margin = timedelta(hours=1)
        window = (row.timestamp - margin, row.end + margin)
        span = queries.span_window([project.pk], span_id, window) if span_id else None
        return Shown(row, queries.read_profile(row), [], span)
    span = queries.span_window([project.pk], span_id) if span_id else None
    start, end = _range(request, project, profile_id, span)
    chunks = queries.chunks_between([project.pk], profile_id, start, end)
    if not chunks:
        raise Http404
    if "start" not in request.GET and span is None:
        start = max(start, chunks[0].timestamp)
    merged = between(merge([queries.read_profile(chunk) for chunk in chunks]), start.timestamp(), end.timestamp())
    return Shown(chunks[0], merged, chunks, span)


def _range(
    request: PageRequest, project: Project, profiler_id: str, span: SpanWindow | None
) -> tuple[datetime, datetime]:
    """From ``start`` and ``end``, else around the span, else the last minute of the profiler."""
    try:
        start, end = (parse_moment(request.GET.get(name, ""), name) for name in ("start", "end"))
        if start < end:
            return start, min(end, start + _LONGEST_RANGE)
    except PeriodError:
        pass
    if span is not None:
        return span.start, min(max(span.end, span.start + timedelta(milliseconds=1)), span.start + _LONGEST_RANGE)
    latest = queries.latest_chunk([project.pk], profiler_id)
    if latest is None:
        raise Http404
    return latest.end - _DEFAULT_RANGE, latest.end


@require_safe
@project_page("project:read")
def profile_page(request: PageRequest, _access: Access, project: Project, profile_id: str) -> HttpResponse:
    """The flame graph of a profile, its functions, and what it belongs to."""
    state = read_state(request, VIEWS)
    context: dict[str, Any] = {"project": project, "state": state, "views": VIEW_LABELS, "profile_id": profile_id}
    try:
        shown = load(request, project, profile_id)
        context |= _context(state, shown)
    except ProfileMissingError:
        return render(request, "profiling/profile.html", {**context, "gone": True}, status=404)
    except (StoreUnavailableError, QueryTimeoutError) as error:
        context["down"] = down(error)
    return render(request, "profiling/profile.html", context)


def _context(state: State, shown: Shown) -> dict[str, Any]:
    profile = shown.profile
    thread = _thread(state, shown)
    functions = Functions()
    part, window, mark = profile, None, _mark(shown)
    if state.view == "time":
        state = _zoomed_to_span(state, profile, mark)
        window = state.clamped(profile.duration_ns)
        if window != (0, profile.duration_ns):
            part = between(profile, profile.start + window[0] / 1e9, profile.start + window[1] / 1e9)
    chains = weighted_chains(part, functions, [thread], in_app_only=state.in_app_only)
    tree = call_tree(functions, chains)
    graph = _graph(state, profile, functions, thread, tree)
    lines, count = function_lines(state, functions, chains)
    return {
        "shown": shown,
        "row": shown.row,
        "profile": profile,
        "started": datetime.fromtimestamp(profile.start, UTC),
        "transaction": profile.meta.get("transaction", {}),
        "measurements": measurements(profile),
        "threads": _threads(profile),
        "thread": thread,
        "thread_label": thread_label(profile, thread) if profile.threads else "",
        "drawing": zoomable(state, graph, f"Flame graph of {thread_label(profile, thread)}", mark) if graph else None,
        "is_zoomed": graph is not None and state.clamped(graph.total) != (0, graph.total),
        "whole": graph.total if graph else 0,
        "sandwich": sandwich(state, functions, chains) if state.view == "function" else None,
        "lines": lines,
        "line_count": count,
        "tree_lines": tree_lines(tree),
        "busy_ns": sum(chain.nanoseconds for chain in chains if chain.functions),
        "download": f"?{state.request.GET.urlencode()}" if shown.chunks else "",
    }


def _graph(state: State, profile: Profile, functions: Functions, thread: int, tree: Graph) -> Graph | None:
    if state.view == "function" or not profile.threads:
        return None
    if state.view == "tree":
        return tree
    return time_ordered(profile, functions, thread, in_app_only=state.in_app_only)


def _mark(shown: Shown) -> tuple[int, int, str] | None:
    """Where the span of the URL is in the profile, in nanoseconds."""
    span = shown.span
    if span is None:
        return None
    start = round((span.start.timestamp() - shown.profile.start) * 1e9)
    return start, start + round(span.duration * 1e6), f"Span {span.label}"


def _zoomed_to_span(state: State, profile: Profile, mark: tuple[int, int, str] | None) -> State:
    """Without a window of its own the page shows the span, with a little before and after it."""
    if mark is None or state.window is not None or mark[1] <= 0 or mark[0] >= profile.duration_ns:
        return state
    margin = max((mark[1] - mark[0]) // 10, 1_000_000)
    window = max(0, mark[0] - margin), min(profile.duration_ns, mark[1] + margin)
    return replace(state, window=window)


def _thread(state: State, shown: Shown) -> int:
    """The thread of the URL, else the span's, else the transaction's, else the busiest."""
    profile = shown.profile
    wanted = state.thread or (shown.span.thread_id if shown.span else "")
    index = profile.thread_index(wanted) if wanted else None
    if index is not None:
        return index
    if profile.active >= 0:
        return profile.active
    busy = [sum(1 for _, stack in samples if profile.stacks[stack]) for samples in profile.samples_by_thread()]
    return busy.index(max(busy)) if busy else 0


def _threads(profile: Profile) -> list[dict[str, Any]]:
    return [
        {
            "id": thread.id,
            "label": thread_label(profile, index),
            "active": index == profile.active,
            "samples": len(samples),
        }
        for index, (thread, samples) in enumerate(zip(profile.threads, profile.samples_by_thread(), strict=True))
    ]


def measurements(profile: Profile) -> list[dict[str, Any]]:
    """Readings the SDK took meanwhile: their lowest, mean and highest value."""
    found = []
    for name, entry in profile.meta.get("measurements", {}).items():
        values = [float(one["value"]) for one in entry["values"]]
        found.append(
            {
                "name": name.replace("_", " "),
                "unit": entry["unit"],
                "low": min(values),
                "mean": sum(values) / len(values),
                "high": max(values),
                "count": len(values),
            }
        )
    return found


@require_safe
@project_page("project:read")
def profile_speedscope(request: PageRequest, _access: Access, project: Project, profile_id: str) -> HttpResponse:
    """The profile as a file for speedscope."""
    shown = _loaded(request, project, profile_id)
    name = shown.row.transaction or f"{project.slug} {shown.row.timestamp.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return _file(speedscope(shown.profile, name), f"{profile_id}.speedscope.json")


@require_safe
@project_page("project:read")
def profile_raw(request: PageRequest, _access: Access, project: Project, profile_id: str) -> HttpResponse:
    """The profile in the form SDKs send."""
    shown = _loaded(request, project, profile_id)
    return _file(raw_profile(shown.profile, request.organization.pk, project.pk), f"{profile_id}.json")


def _loaded(request: PageRequest, project: Project, profile_id: str) -> Shown:
    try:
        return load(request, project, profile_id)
    except ProfileMissingError:
        raise Http404 from None


def _file(body: dict[str, Any], name: str) -> HttpResponse:
    safe = "".join(char for char in name if char.isalnum() or char in "-._")
    return HttpResponse(
        orjson.dumps(body),
        content_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{safe}"'},
    )
