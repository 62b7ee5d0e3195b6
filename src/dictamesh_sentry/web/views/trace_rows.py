"""What the trace page shows of a window of a trace: rows, bars, marks, matches of a search."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.tracing.trace_reads import Label, Pin, Trace
from dictamesh_sentry.tracing.waterfall import GROUP, MISSING, SPAN

WINDOW = 150
MOST_TOGGLES = 400
MOST_MATCHES = 10_000
WIDTH = 1000.0
_DEEPEST = 24
_NOT_FAILED = ("", "ok", "cancelled", "unknown")
_COLOURS = {
    "db": "db", "http": "http", "cache": "cache", "queue": "queue", "resource": "resource", "browser": "browser",
    "ui": "browser", "pageload": "browser", "navigation": "browser", "template": "view", "view": "view",
}  # fmt: skip
_TERM = re.compile(r"(op|status|duration|project|category|id):(\S+)|(\S+)")
_LENGTH = re.compile(r"([<>]=?)?(\d+(?:\.\d+)?)(ms|s|m)?\Z")
_UNITS = {"ms": 1.0, "s": 1000.0, "m": 60_000.0, None: 1.0}


@dataclass(frozen=True)
class Row:
    """One line of the waterfall. ``key`` names the node in the URL; ``bar_x`` and ``bar_width`` are of ``WIDTH``."""

    key: str
    kind: str
    depth: int
    indent: int
    level: int
    op: str
    text: str
    colour: str
    status: str
    failed: bool
    project: Project | None
    start: float
    duration: float
    bar_x: float
    bar_width: float
    count: int
    below: int
    is_open: bool
    is_segment: bool
    is_critical: bool
    is_orphan: bool
    shift: float
    pins: Sequence[Pin]
    logs: int
    profile_id: str
    replay_id: str
    transaction: str
    is_match: bool = False
    is_selected: bool = False
    toggle_url: str = ""
    url: str = ""


@dataclass
class Window:
    """The rows from ``offset`` on, of ``total`` that are shown in the present state of folding."""

    rows: list[Row]
    offset: int
    total: int
    next_offset: int | None
    previous_offset: int | None
    matches: list[int] = field(default_factory=list)


def key_of(trace: Trace, node: int) -> str:
    """The node's name in URLs: a span's id, ``m`` and the id of a missing one, ``g`` and the id of a group's first."""
    tree = trace.tree
    kind = tree.kind[node]
    if kind == SPAN:
        return f"{tree.spans.span_id[node]:016x}"
    if kind == MISSING:
        return f"m{tree.missing_id[node]:016x}"
    return f"g{tree.spans.span_id[tree.children[node][0]]:016x}"


def node_of_key(trace: Trace, key: str) -> int | None:
    """The node a key names; None when the trace has no such."""
    prefix, digits = (key[0], key[1:]) if key[:1] in ("g", "m") and len(key) == 17 else ("", key)
    try:
        found = trace.tree.node_of(int(digits, 16)) if len(digits) == 16 else None
    except ValueError:
        return None
    if prefix != "g" or found is None:
        return found
    parent = trace.tree.parent[found]
    return parent if parent >= 0 and trace.tree.kind[parent] == GROUP else None


def toggles(trace: Trace, keys: Sequence[str]) -> frozenset[int]:
    """The nodes somebody folded or unfolded."""
    found = (node_of_key(trace, key) for key in keys[:MOST_TOGGLES])
    return frozenset(node for node in found if node is not None)


def opened_for(trace: Trace, toggled: frozenset[int], node: int) -> frozenset[int]:
    """The state of folding in which a node is to be seen."""
    tree = trace.tree
    closed = [one for one in tree.ancestors(node) if (tree.kind[one] == GROUP) != (one in toggled)]
    return toggled.symmetric_difference(closed)


def search(trace: Trace, query: str, slugs: Mapping[int, str]) -> list[int]:
    """The spans a search finds, in the order they are shown. Words are looked for in operation and description;
    ``op:``, ``status:``, ``category:``, ``project:``, ``id:`` and ``duration:>100ms`` narrow it down."""
    terms = [(name, value.lower(), word.lower()) for name, value, word in _TERM.findall(query)]
    if not terms:
        return []
    tree = trace.tree
    found: list[int] = []
    for node in tree.order:
        if tree.kind[node] == SPAN and _matches(trace, node, terms, slugs):
            found.append(node)
            if len(found) >= MOST_MATCHES:
                break
    return found


def _matches(trace: Trace, node: int, terms: Sequence[tuple[str, str, str]], slugs: Mapping[int, str]) -> bool:
    label = trace.label(node)
    spans = trace.tree.spans
    for name, value, word in terms:
        if word:
            hit = word in label.op.lower() or word in label.text.lower() or word in label.transaction.lower()
        elif name == "duration":
            hit = _within(spans.duration[node], value)
        elif name == "status":
            hit = label.status not in _NOT_FAILED if value in ("error", "failed") else label.status == value
        elif name == "id":
            hit = f"{spans.span_id[node]:016x}" == value
        elif name == "project":
            hit = slugs.get(spans.project_id[node], "") == value
        else:
            hit = (label.op if name == "op" else label.category).lower().startswith(value)
        if not hit:
            return False
    return True


def _within(length: float, text: str) -> bool:
    found = _LENGTH.match(text)
    if found is None:
        return False
    bound = float(found[2]) * _UNITS[found[3]]
    match found[1]:
        case ">":
            return length > bound
        case ">=":
            return length >= bound
        case "<":
            return length < bound
        case "<=":
            return length <= bound
        case _:
            return abs(length - bound) <= max(0.5, bound / 100)


def build_window(
    trace: Trace,
    projects: Mapping[int, Project],
    *,
    toggled: frozenset[int],
    offset: int | None,
    selected: int | None,
    matches: Sequence[int],
) -> Window:
    """The rows around ``offset``; without one, those around the selected node."""
    shown = trace.tree.visible(toggled)
    total = len(shown)
    if offset is None:
        place = shown.index(selected) if selected is not None and selected in shown else 0
        offset = max(0, place - WINDOW // 3)
    offset = min(max(0, offset), max(0, total - 1))
    matched = frozenset(matches)
    rows = [
        _row(trace, node, projects, toggled, node in matched, node == selected)
        for node in shown[offset : offset + WINDOW]
    ]
    end = offset + len(rows)
    return Window(
        rows, offset, total, end if end < total else None, max(0, offset - WINDOW) if offset else None, list(matches)
    )


def _row(
    trace: Trace,
    node: int,
    projects: Mapping[int, Project],
    toggled: frozenset[int],
    is_match: bool,
    is_selected: bool,
) -> Row:
    tree = trace.tree
    kind = tree.kind[node]
    below = tree.children.get(node, [])
    label, project = _label(trace, node, projects)
    length = max(tree.last - tree.first, 0.001)
    start, lasted = tree.start[node] - tree.first, max(0.0, tree.end[node] - tree.start[node])
    is_span = kind == SPAN
    span_id = tree.spans.span_id[node] if is_span else 0
    return Row(
        key=key_of(trace, node),
        kind=("span", "missing", "group")[kind],
        depth=tree.depth[node],
        indent=min(tree.depth[node], _DEEPEST),
        level=tree.depth[node] + 1,
        op=label.op,
        text=label.text,
        colour=_COLOURS.get(label.category.partition(".")[0], "other"),
        status=label.status,
        failed=is_span and label.status not in _NOT_FAILED,
        project=project,
        start=start,
        duration=lasted,
        bar_x=WIDTH * start / length,
        bar_width=max(2.0, WIDTH * lasted / length),
        count=len(below),
        below=tree.size[node] - 1,
        is_open=(kind == GROUP) == (node in toggled),
        is_segment=is_span and bool(tree.spans.is_segment[node]),
        is_critical=bool(tree.critical[node]),
        is_orphan=node in tree.orphans,
        shift=tree.shift.get(node, 0.0),
        pins=trace.pins.get(span_id, []) if is_span else [],
        logs=trace.logs.get(span_id, 0) if is_span else 0,
        profile_id=label.profile_id if is_span else "",
        replay_id=label.replay_id if is_span else "",
        transaction=label.transaction,
        is_match=is_match,
        is_selected=is_selected,
    )


def _label(trace: Trace, node: int, projects: Mapping[int, Project]) -> tuple[Label, Project | None]:
    tree = trace.tree
    kind = tree.kind[node]
    if kind == MISSING:
        return Label("", "Not received", "", "", "", "", "", ""), None
    first = node if kind == SPAN else tree.children[node][0]
    return trace.label(first), projects.get(tree.spans.project_id[first])


def overview(trace: Trace, projects: Mapping[int, Project]) -> dict[str, Any]:
    """The mini-map: the spans that take longest, drawn on few lanes; and where errors are."""
    tree = trace.tree
    length = max(tree.last - tree.first, 0.001)
    spans = [node for node in tree.order if tree.kind[node] == SPAN]
    longest = sorted(spans, key=lambda node: tree.start[node] - tree.end[node])[:400]
    lanes = 10
    marks = [
        {
            "x": WIDTH * (tree.start[node] - tree.first) / length,
            "width": max(1.0, WIDTH * (tree.end[node] - tree.start[node]) / length),
            "y": 4 + 4 * (tree.depth[node] % lanes),
            "colour": _COLOURS.get(trace.label(node).category.partition(".")[0], "other"),
        }
        for node in sorted(longest, key=lambda one: tree.depth[one])
    ]
    errors = []
    for span_id, pins in trace.pins.items():
        node = tree.node_of(span_id) if span_id else None
        if node is not None and any(not pin.is_performance for pin in pins):
            errors.append(WIDTH * (tree.start[node] - tree.first) / length)
    services: dict[int, int] = {}
    for project_id in tree.spans.project_id:
        services[project_id] = services.get(project_id, 0) + 1
    return {
        "marks": marks,
        "errors": errors,
        "duration": length if spans else 0.0,
        "services": [
            {"project": projects[project_id], "count": count}
            for project_id, count in sorted(services.items(), key=lambda pair: -pair[1])
            if project_id in projects
        ],
    }
