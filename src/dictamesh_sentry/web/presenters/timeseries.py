"""Charts of several series as inline SVG lines, with hover titles, marks and a scale. Gaps stay gaps."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from dictamesh_sentry.web.presenters.charts import moment_label

LEFT, RIGHT, HEAD, BOTTOM = 46, 6, 8, 18


@dataclass(frozen=True)
class Series:
    """A line. ``css`` names its colour: s1 to s6."""

    name: str
    values: Sequence[float | None]
    css: str = "s1"


@dataclass(frozen=True)
class Table:
    """The chart's numbers for those who read rather than look."""

    heads: list[str]
    rows: list[list[str]]


def line_chart(
    starts: Sequence[int],
    series: Sequence[Series],
    show: Callable[[float], str],
    *,
    label: str,
    rollup: int,
    marks: Sequence[tuple[int, str]] = (),
    width: int = 640,
    height: int = 150,
    least_top: float = 0.0,
) -> SafeString:
    """Lines over common times (epoch seconds). ``show`` writes a value; ``marks`` are (epoch seconds, name)."""
    values = [value for one in series for value in one.values if value is not None]
    if not starts or not values:
        return mark_safe("")
    top = max(nice_top(max(values)), least_top) or 1.0
    plot_w, plot_h = width - LEFT - RIGHT, height - HEAD - BOTTOM
    step = plot_w / max(1, len(starts) - 1)

    def place(index: int, value: float) -> str:
        return f"{LEFT + index * step:.1f},{HEAD + plot_h * (1 - value / top):.1f}"

    lines = format_html_join(
        "",
        '<path class="line {}" d="{}"/>{}',
        ((one.css, _path(one.values, place), _dots(one, place)) for one in series),
    )
    day_wise = rollup >= 86400
    hovers = format_html_join(
        "",
        '<g><title>{}</title><rect class="hit" x="{}" y="{}" width="{}" height="{}"/></g>',
        (
            (
                _title(start, index, series, show, day_wise),
                f"{LEFT + (index - 0.5) * step:.1f}",
                HEAD,
                f"{max(1.0, step):.1f}",
                plot_h,
            )
            for index, start in enumerate(starts)
        ),
    )
    grid = format_html_join(
        "",
        '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        (
            (LEFT, width - RIGHT, f"{y:.1f}", f"{y:.1f}", LEFT - 5, f"{y + 4:.1f}", show(value))
            for value, y in ((top, HEAD), (top / 2, HEAD + plot_h / 2), (0.0, HEAD + plot_h))
        ),
    )
    axis = format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="{}">{}</text>',
        (
            (f"{x:.0f}", height - 3, anchor, moment_label(starts[index], day_wise=day_wise))
            for anchor, index, x in (("start", 0, LEFT), ("end", -1, width - RIGHT))
        ),
    )
    return format_html(
        '<svg class="chart lines" viewBox="0 0 {} {}" role="img" aria-label="{}; the table below has the numbers">'
        "{}{}{}{}{}</svg>",
        width, height, label, grid, _marks(starts, marks, rollup, step, plot_h), lines, axis, hovers,
    )  # fmt: skip


def chart_table(starts: Sequence[int], series: Sequence[Series], show: Callable[[float], str], rollup: int) -> Table:
    """The same numbers, newest first."""
    rows = [
        [moment_label(start, day_wise=rollup >= 86400), *(_shown(one.values[index], show) for one in series)]
        for index, start in enumerate(starts)
    ]
    return Table(["From", *(one.name for one in series)], rows[::-1])


def nice_top(value: float) -> float:
    """The next 1, 2, 4, 5 or 10 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * factor for factor in (1, 2, 4, 5, 10) if power * factor >= value * 0.999999)


def _shown(value: float | None, show: Callable[[float], str]) -> str:
    return "–" if value is None else show(value)


def _path(values: Sequence[float | None], place: Callable[[int, float], str]) -> str:
    parts: list[str] = []
    drawing = False
    for index, value in enumerate(values):
        if value is None:
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{place(index, value)}")
        drawing = True
    return "".join(parts)


def _dots(one: Series, place: Callable[[int, float], str]) -> SafeString:
    """A point whose neighbours are missing would be invisible as a line."""
    lonely: list[tuple[str, str, str]] = []
    for index, value in enumerate(one.values):
        before = one.values[index - 1] if index else None
        after = one.values[index + 1] if index + 1 < len(one.values) else None
        if value is not None and before is None and after is None:
            x, y = place(index, value).split(",")
            lonely.append((one.css, x, y))
    return format_html_join("", '<circle class="dot {}" cx="{}" cy="{}" r="2.5"/>', lonely)


def _title(start: int, index: int, series: Sequence[Series], show: Callable[[float], str], day_wise: bool) -> str:
    parts = [f"{one.name}: {_shown(one.values[index], show)}" for one in series]
    return f"{moment_label(start, day_wise=day_wise)} · {' · '.join(parts)}"


def _marks(
    starts: Sequence[int], marks: Sequence[tuple[int, str]], rollup: int, step: float, plot_h: float
) -> SafeString:
    inside = [(moment, name) for moment, name in marks if starts[0] <= moment <= starts[-1] + rollup][:20]
    return format_html_join(
        "",
        '<g><title>{}</title><line class="mark" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<circle class="mark-head" cx="{}" cy="{}" r="3.5"/></g>',
        (
            (name, x, x, HEAD, HEAD + plot_h, x, HEAD)
            for moment, name in inside
            for x in (f"{LEFT + step * (moment - starts[0]) / max(1, rollup):.1f}",)
        ),
    )
