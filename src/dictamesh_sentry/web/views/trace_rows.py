"""What the trace page shows of a window of a trace: rows, bars, what is pinned to them, and the mini-map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.tracing.trace_store import Label, Pin, Trace, labels
from dictamesh_sentry.tracing.trace_tree import FAILED, SEGMENT
from dictamesh_sentry.tracing.trace_view import Folding, View

WINDOW = 100
MOST_FOLDED = 400
WIDTH = 1000.0
_DEEPEST = 24
_MAP_ROWS = 80
_COLOURS = {
    "db": "db", "http": "http", "cache": "cache", "queue": "queue", "resource": "resource", "browser": "browser",
    "ui": "browser", "pageload": "browser", "navigation": "browser", "template": "view", "view": "view",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the waterfall: ``number`` is the row of the view, ``key`` names it in the URL. Times are in ms,
    ``bar_x`` and ``bar_width`` parts of ``WIDTH``."""

    number: int
    key: str
    kind: str
    position: int
    depth: int
    indent: int
    label: Label
    colour: str
    failed: int
    project: Project | None
    start: float
    duration: float
    bar_x: float
    bar_width: float
    part_x: float
    part_width: float
    count: int
    is_open: bool
    is_segment: bool
    is_critical: bool
    is_orphan: bool
    is_circular: bool
    shift: float
    pins: Sequence[Pin]
    inside: int
    logs: int
    is_match: bool
    is_selected: bool
    url: str = ""
    toggle_url: str = ""


@dataclass(frozen=True)
class Window:
    """The rows from ``offset`` on, of ``total`` that are shown in the present state of folding."""

    rows: list[Row]
    offset: int
    total: int
    labels: Mapping[int, Label]

    @property
    def end(self) -> int:
        return self.offset + len(self.rows)


def key_of(trace: Trace, row: int) -> str:
    """The row's name in URLs: the span's id, ``g`` and the first span's for a group; ``.2`` tells the second span of an
    id from the first."""
    tree = trace.tree
    node = row if row >= 0 else ~row
    again = tree.again.get(node, 1)
    return f"{'g' if row < 0 else ''}{tree.span_id[node]:016x}{f'.{again}' if again > 1 else ''}"


def row_of(trace: Trace, key: str) -> int | None:
    """The row a key names; None when the trace has no such."""
    digits, _, again = key.removeprefix("g").partition(".")
    if len(digits) != 16 or (again and not (again.isdigit() and len(again) < 7)):
        return None
    try:
        node = trace.tree.node_of(int(digits, 16), int(again or "1"))
    except ValueError:
        return None
    return ~node if node is not None and key.startswith("g") else node


def read_folding(trace: Trace, opened: str, closed: str) -> Folding:
    """The state of folding that the URL names; rows that are not there are left out."""

    def rows(text: str) -> frozenset[int]:
        found = (row_of(trace, key) for key in text.split(",")[:MOST_FOLDED] if key)
        return frozenset(row for row in found if row is not None)

    first = rows(opened)
    return Folding(first, rows(closed) - first)


def build_window(
    trace: Trace,
    view: View,
    projects: Mapping[int, Project],
    *,
    offset: int | None,
    until: int | None = None,
    selected: int | None,
    matches: frozenset[int],
    also: Sequence[int] = (),
) -> Window:
    """The rows from ``offset``, not beyond ``until``; without an offset, those around the selected node.

    ``also`` are further spans whose labels are needed.
    """
    total = len(view)
    if offset is None:
        place = view.places.get(view.holder(selected), 0) if selected is not None else 0
        offset = max(0, place - WINDOW // 3) if place > WINDOW // 2 else 0
    offset = max(0, min(offset, total - 1))
    end = offset + WINDOW if until is None else min(until, offset + WINDOW)
    shown = view.rows[offset:end]
    named = labels(trace, [*(row if row >= 0 else ~row for row in shown), *also])
    inside = _inside(trace, view)
    builder = _Rows(trace, view, projects, named, inside)
    rows = [
        replace(builder.row(row, offset + number), is_match=row in matches, is_selected=row == selected)
        for number, row in enumerate(shown)
    ]
    return Window(rows, offset, total, named)


def _inside(trace: Trace, view: View) -> dict[int, int]:
    """How many errors and problems are hidden in each closed row."""
    found: dict[int, int] = {}
    for node, pins in trace.pinned.items():
        row = view.holder(node) if node >= 0 else -1
        if node >= 0 and row != node:
            found[row] = found.get(row, 0) + len(pins)
    return found


@dataclass
class _Rows:
    trace: Trace
    view: View
    projects: Mapping[int, Project]
    named: Mapping[int, Label]
    inside: Mapping[int, int]

    def row(self, row: int, position: int) -> Row:
        """One row, not yet linked."""
        tree, critical = self.trace.tree, self.trace.structure.critical
        node = row if row >= 0 else ~row
        is_span = 0 <= row < tree.count
        members = self.view.groups[row] if row < 0 else []
        first, last = tree.extent
        start, end = span_of(tree, members) if members else tree.times(node)
        part = critical.part(node) if row >= 0 else None
        if members:
            parts = [one for member in members if (one := critical.part(member)) is not None]
            part = (min(one[0] for one in parts), max(one[1] for one in parts)) if parts else None
        length = max(last - first, 1)
        label = self.named.get(node, Label())
        depth = self.view.depths[position]
        return Row(
            number=row,
            key=key_of(self.trace, row),
            kind="group" if row < 0 else "span" if is_span else "missing",
            position=position + 1,
            depth=depth,
            indent=min(depth, _DEEPEST),
            label=label,
            colour=colour_of(label),
            failed=sum(tree.has(one, FAILED) for one in members) if members else int(tree.has(node, FAILED)),
            project=self.projects.get(tree.project(node)),
            start=(start - first) / 1000,
            duration=(end - start) / 1000,
            bar_x=WIDTH * (start - first) / length,
            bar_width=max(2.0, WIDTH * (end - start) / length),
            part_x=WIDTH * (part[0] - first) / length if part else 0.0,
            part_width=max(2.0, WIDTH * (part[1] - part[0]) / length) if part else 0.0,
            count=len(members) if members else sum(1 for _ in tree.below(node)),
            is_open=self.view.is_open(row),
            is_segment=is_span and tree.has(node, SEGMENT),
            is_critical=part is not None,
            is_orphan=is_span and tree.is_orphan(node),
            is_circular=node in tree.cut,
            shift=tree.shifts.get(node, 0) / 1000,
            pins=self.trace.pinned.get(node, []) if row >= 0 else [],
            inside=self.inside.get(row, 0),
            logs=self.trace.logs.get(tree.span_id[node], 0) if is_span else 0,
            is_match=False,
            is_selected=False,
        )


def span_of(tree: Any, nodes: Sequence[int]) -> tuple[int, int]:
    """From when to when several nodes last together."""
    times = [tree.times(node) for node in nodes]
    return min(start for start, _ in times), max(end for _, end in times)


def colour_of(label: Label) -> str:
    """The class of the colour of a span's category."""
    return _COLOURS.get(label.category.partition(".")[0], "other")


def overview(trace: Trace, view: View, projects: Sequence[int]) -> dict[str, Any]:
    """The mini-map: all rows from top to bottom in a few bands, each as long as the longest in it; and the errors.

    ``projects`` are those of the trace in the order of their colours.
    """
    tree = trace.tree
    total = len(view)
    first, last = tree.extent
    length = max(last - first, 1)
    bands = min(_MAP_ROWS, total)
    colours = {project: number % 6 + 1 for number, project in enumerate(projects)}

    def longest(row: int) -> int:
        return tree.duration[row if row >= 0 else ~row]

    marks: list[dict[str, Any]] = []
    for band in range(bands):
        offset, end = band * total // bands, (band + 1) * total // bands
        row = max(view.rows[offset:end], key=longest)
        start, stop = span_of(tree, view.groups[row]) if row < 0 else tree.times(row)
        marks.append(
            {
                "x": WIDTH * (start - first) / length,
                "width": max(2.0, WIDTH * (stop - start) / length),
                "y": band,
                "colour": colours.get(tree.project(row if row >= 0 else ~row), 6),
            }
        )
    errors = []
    for node, pins in trace.pinned.items():
        place = view.places.get(view.holder(node)) if node >= 0 else None
        if place is not None and any(not pin.is_performance for pin in pins):
            errors.append({"x": WIDTH * (tree.times(node)[0] - first) / length, "y": place * bands / total + 0.5})
    return {"marks": marks, "errors": errors, "height": bands, "colours": colours}
