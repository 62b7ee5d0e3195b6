"""Charts as inline SVG: no script, no style attribute, a table's worth of text for screen readers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from dictamesh_sentry.web.timefmt import compact

Point = tuple[int, int]


def sparkline(points: Sequence[Point], width: int = 120, height: int = 24, label: str = "Events") -> SafeString:
    """Bars of one path; the highest stands out. ``points`` are (epoch seconds, count)."""
    counts = [count for _, count in points]
    if not counts:
        return format_html('<svg class="spark" width="{}" height="{}" aria-hidden="true"></svg>', width, height)
    top = max(counts) or 1
    step = width / len(counts)
    bar = max(1.0, step - (1 if step >= 3 else 0.4))
    highest = counts.index(max(counts)) if max(counts) else -1
    rest, peak = [], ""
    for index, count in enumerate(counts):
        tall = max(1.5, (height - 2) * count / top) if count else 0
        if not tall:
            continue
        path = f"M{index * step:.1f} {height}v-{tall:.1f}h{bar:.1f}v{tall:.1f}z"
        if index == highest:
            peak = path
        else:
            rest.append(path)
    summary = f"{label}: {sum(counts):,} in total, at most {max(counts):,} at once"
    return format_html(
        '<svg class="spark" width="{}" height="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">'
        '<path d="M0 {}h{}v-.7H0z" fill="currentColor" opacity=".35"/><path d="{}" fill="currentColor"/>'
        '<path class="max" d="{}" fill="currentColor"/></svg>',
        width, height, width, height, summary, height, width, "".join(rest), peak,
    )  # fmt: skip


def bar_chart(
    points: Sequence[Point],
    *,
    width: int = 640,
    height: int = 132,
    label: str = "Events",
    rollup: int = 3600,
    marks: Sequence[tuple[int, str]] = (),
) -> SafeString:
    """Bars with a scale, hover titles and vertical marks such as releases: (epoch seconds, name)."""
    counts = [count for _, count in points]
    if not counts:
        return mark_safe("")
    top = nice_ceiling(max(counts))
    left, bottom, head = 34, 18, 8
    plot_w, plot_h = width - left - 4, height - bottom - head
    step = plot_w / len(points)
    bar = max(1.0, step - (2 if step > 6 else 0.5))
    day_wise = rollup >= 86400
    bars = format_html_join(
        "",
        '<g><title>{}: {}</title><rect class="hit" x="{}" y="{}" width="{}" height="{}"/>'
        '<rect class="bar" x="{}" y="{}" width="{}" height="{}" rx="1"/></g>',
        (
            (
                moment_label(epoch, day_wise=day_wise), f"{count:,}",
                f"{left + index * step:.1f}", head, f"{step:.2f}", plot_h,
                f"{left + index * step + (step - bar) / 2:.1f}", f"{head + plot_h - tall:.1f}",
                f"{bar:.2f}", f"{tall:.1f}",
            )
            for index, (epoch, count) in enumerate(points)
            for tall in (_tall(count, top, plot_h),)
        ),
    )  # fmt: skip
    summary = f"{label} over time: {sum(counts):,} in total, at most {max(counts):,} in one interval"
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}{}{}{}</svg>',
        width, height, width, height, summary,
        _scale(top, left, head, plot_h, width), bars, _marks(points, marks, left, head, plot_w, plot_h, rollup),
        _axis(points, left, plot_w, height, day_wise=day_wise),
    )  # fmt: skip


def meter(share: float) -> SafeString:
    """A bar from 0 to 1, decorative: the number stands beside it."""
    width = max(0.0, min(1.0, share)) * 100
    return format_html(
        '<svg class="meter" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
        '<rect width="{}" height="6" fill="currentColor"/></svg>',
        f"{width:.1f}",
    )


def nice_ceiling(value: int) -> int:
    """The next 1, 2, 4, 5 or 10 times a power of ten, so that the middle of the scale is a round number."""
    if value <= 4:
        return max(2, value + value % 2)
    power = 10 ** (len(str(value)) - 1)
    return next(power * factor for factor in (1, 2, 4, 5, 10) if power * factor >= value)


def moment_label(epoch: int, *, day_wise: bool) -> str:
    """A bar's time in the reader's time zone."""
    local = timezone.localtime(dt.datetime.fromtimestamp(epoch, dt.UTC))
    return f"{local.day} {local:%b}" if day_wise else f"{local.day} {local:%b %H:%M}"


def _tall(count: int, top: int, plot_h: float) -> float:
    return max(1.5, plot_h * count / top) if count else 0.0


def _scale(top: int, left: int, head: int, plot_h: int, width: int) -> SafeString:
    rows = ((top, head), (top // 2, head + plot_h / 2), (0, head + plot_h))
    return format_html_join(
        "",
        '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" text-anchor="end">{}</text>',
        ((left, width - 4, f"{y:.1f}", f"{y:.1f}", left - 6, f"{y + 4:.1f}", compact(value)) for value, y in rows),
    )


def _axis(points: Sequence[Point], left: int, plot_w: float, height: int, *, day_wise: bool) -> SafeString:
    places = (("start", 0, left), ("end", len(points) - 1, left + plot_w))
    return format_html_join(
        "",
        '<text x="{}" y="{}" text-anchor="{}">{}</text>',
        (
            (f"{x:.0f}", height - 3, anchor, moment_label(points[index][0], day_wise=day_wise))
            for anchor, index, x in places
        ),
    )


def _marks(
    points: Sequence[Point],
    marks: Sequence[tuple[int, str]],
    left: int,
    head: int,
    plot_w: float,
    plot_h: float,
    rollup: int,
) -> SafeString:
    start, end = points[0][0], points[-1][0] + rollup
    inside = [(epoch, name) for epoch, name in marks if start <= epoch <= end][:20]
    return format_html_join(
        "",
        '<g><title>{}</title><line class="mark" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<circle class="mark-head" cx="{}" cy="{}" r="3.5"/></g>',
        (
            (name, x, x, head, head + plot_h, x, head)
            for epoch, name in inside
            for x in (f"{left + plot_w * (epoch - start) / max(1, end - start):.1f}",)
        ),
    )
