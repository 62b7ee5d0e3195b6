"""Flame graphs as inline SVG whose boxes are links: no script, no style attribute, any width.

Horizontal places are percentages, so the drawing fits every screen while its text keeps its size. Neighbours too narrow
to be seen are drawn as one grey block, which zooms to where they can be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

from django.utils.safestring import SafeString, mark_safe

from dictamesh_sentry.profiling.flamegraph import Graph
from dictamesh_sentry.profiling.functions import Function
from dictamesh_sentry.web.timefmt import elapsed

ROW = 20
MOST_BOXES = 900
MOST_CROWDS = 300
# Of the visible width: less is not a pixel on a large screen.
_NARROWEST = 0.0007
_NARROWEST_TEXT = 0.018
_COLOURS = 6
_TICKS = 5


@dataclass(frozen=True)
class Drawing:
    """The SVG, and what is beside it: labels of the axis, boxes shown and left out, boxes that match the search."""

    svg: SafeString
    ticks: list[str]
    shown: int
    hidden: int
    matches: int
    matched_ns: int


@dataclass(frozen=True)
class Style:
    """``link``: where a box leads, by start, end and function. ``inverted``: root at the bottom. ``mark``: a range.

    ``zooms``: whether a link leads to its part of the graph, so that what is too narrow can be made wide.
    """

    link: Callable[[int, int, int], str]
    label: str
    search: str = ""
    inverted: bool = False
    mark: tuple[int, int, str] | None = None
    of: str = "of this view"
    zooms: bool = True


def duration(nanoseconds: float) -> str:
    """A length of time in its fitting unit."""
    if 0 < nanoseconds < 10_000:
        return f"{nanoseconds / 1000:.1f}µs"
    return elapsed(nanoseconds / 1e6)


def draw(graph: Graph, window: tuple[int, int], style: Style) -> Drawing:
    """The part of a graph inside a window (start, end)."""
    start, end = window
    total = max(1, end - start)
    visible = graph if (start, end) == (0, graph.total) else graph.between(start, end)
    wide = [index for index in range(len(visible)) if visible.width[index] >= total * _NARROWEST]
    if len(wide) > MOST_BOXES:
        wide = sorted(sorted(wide, key=lambda index: (-visible.width[index], index))[:MOST_BOXES])
    search = style.search.lower()
    matching = [bool(search) and search in _searched(function) for function in graph.functions]
    crowds = _crowds(visible, set(wide), total)
    rows = 1 + max((*(visible.depth[index] for index in wide), *(crowd.depth for crowd in crowds)), default=0)
    parts = [_mark(style, start, total, rows), *(_crowd(crowd, start, total, rows, style) for crowd in crowds)]
    for position, index in enumerate(wide):
        parts.append(_box(visible, index, start, total, rows, style, matching, is_first=not position))
    svg = (
        f'<svg class="flame" width="100%" height="{rows * ROW}" role="group" aria-label="{escape(style.label)}"'
        f"{' data-searched' if search else ''}>{''.join(parts)}</svg>"
    )
    return Drawing(
        svg=mark_safe(svg),  # noqa: S308 - every text in it is escaped
        ticks=[duration(start + total * step / (_TICKS - 1)) for step in range(_TICKS)],
        shown=len(wide),
        hidden=len(visible) - len(wide),
        matches=sum(matching[visible.function[index]] for index in wide),
        matched_ns=_matched(visible, matching) if search else 0,
    )


@dataclass(slots=True)
class _Crowd:
    """Neighbours in one row, each too narrow to be drawn."""

    depth: int
    start: int
    end: int
    count: int = 1


def _crowds(graph: Graph, drawn: set[int], total: int) -> list[_Crowd]:
    """What is not drawn, neighbours put together; the widest, and only what is wide enough together."""
    gap = total * _NARROWEST
    found: list[_Crowd] = []
    # Boxes of one row come in the order of their starts, whatever the graph.
    last: dict[int, _Crowd] = {}
    for index, depth in enumerate(graph.depth):
        if index in drawn:
            continue
        start = graph.start[index]
        crowd = last.get(depth)
        if crowd is not None and start - crowd.end <= gap:
            crowd.end, crowd.count = start + graph.width[index], crowd.count + 1
        else:
            last[depth] = crowd = _Crowd(depth, start, start + graph.width[index])
            found.append(crowd)
    found = [crowd for crowd in found if crowd.end - crowd.start >= gap]
    return sorted(found, key=lambda crowd: crowd.start - crowd.end)[:MOST_CROWDS]


def _crowd(crowd: _Crowd, start: int, total: int, rows: int, style: Style) -> str:
    y = (rows - 1 - crowd.depth if style.inverted else crowd.depth) * ROW
    share = (crowd.end - crowd.start) / total
    title = f"{crowd.count:,} calls too narrow to draw · {duration(crowd.end - crowd.start)} ({share:.1%} {style.of})"
    inner = (
        f'<svg x="{_percent(crowd.start / total)}" y="{y}" width="{_percent(share)}" height="{ROW}">'
        f'<rect width="100%" height="{ROW - 1}"/></svg>'
    )
    if not style.zooms:
        return f'<g class="crowd"><title>{escape(title)}</title>{inner}</g>'
    link = style.link(crowd.start + start, crowd.end + start, -1)
    return f'<a href="{escape(link)}" tabindex="-1" class="crowd"><title>{escape(title)}</title>{inner}</a>'


def _searched(function: Function) -> str:
    return f"{function.place}.{function.name} {function.file}".lower()


def _matched(graph: Graph, matching: list[bool]) -> int:
    """Width of the outermost boxes that match."""
    inside: list[bool] = []
    width = 0
    for index in range(len(graph)):
        parent = graph.parent[index]
        above = parent >= 0 and inside[parent]
        own = matching[graph.function[index]]
        if own and not above:
            width += graph.width[index]
        inside.append(above or own)
    return width


def _percent(value: float) -> str:
    return f"{value * 100:.4g}%" if value >= 1e-4 else f"{value * 100:.4f}%"


def _mark(style: Style, start: int, total: int, rows: int) -> str:
    if style.mark is None:
        return ""
    first, last, label = style.mark
    x, right = max(0.0, (first - start) / total), min(1.0, (last - start) / total)
    if right <= x:
        return ""
    return (
        f'<rect class="span-mark" x="{_percent(x)}" width="{_percent(right - x)}" y="0" height="{rows * ROW}">'
        f"<title>{escape(label)}</title></rect>"
    )


def _box(
    graph: Graph, index: int, start: int, total: int, rows: int, style: Style, matching: list[bool], *, is_first: bool
) -> str:
    function = graph.functions[graph.function[index]]
    width, share = graph.width[index], graph.width[index] / total
    y = (rows - 1 - graph.depth[index] if style.inverted else graph.depth[index]) * ROW
    begin = graph.start[index] + start
    link = style.link(begin, begin + width, graph.function[index])
    # What a box is called is said once: it is its tooltip, its accessible name and what is copied beside the graph.
    title = (
        f"{function.name} · {function.place or 'place unknown'} · {duration(width)} ({share:.1%} {style.of})"
        f" · itself {duration(graph.own[index])}"
    )
    text = f'<text x="4" y="14">{escape(function.name)}</text>' if share >= _NARROWEST_TEXT else ""
    css = f"c{hash_colour(function.place)}" if function.in_app else "lib"
    match = " match" if matching[graph.function[index]] else ""
    return (
        f'<a href="{escape(link)}" tabindex="{0 if is_first else -1}" class="{css}{match}"'
        f' data-fn="{function.fingerprint:x}"><title>{escape(title)}</title>'
        f'<svg x="{_percent(graph.start[index] / total)}" y="{y}" width="{_percent(share)}" height="{ROW}">'
        f'<rect width="100%" height="{ROW - 1}"/>{text}</svg></a>'
    )


def hash_colour(text: str) -> int:
    """One of a few colours, the same for everything of one module."""
    return sum((position + 1) * ord(char) for position, char in enumerate(text[:64])) % _COLOURS
