"""Measurements of a transaction, and what is computed from them and from its spans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dictamesh_sentry.processing.spans.span import Span

MAX_CUSTOM = 10
_LONGEST_MOBILE = 180_000.0
_TO_MILLISECONDS = {
    "nanosecond": 1e-6, "microsecond": 1e-3, "millisecond": 1.0, "second": 1e3, "minute": 60e3, "hour": 3_600e3,
    "day": 86_400e3, "week": 604_800e3,
}  # fmt: skip
_ALIASES = {"app.start.cold": "app_start_cold", "app.start.warm": "app_start_warm"}
#: Names with a meaning and a unit of their own; times are milliseconds whatever unit is claimed.
_TIMES = frozenset(
    {
        "fcp", "lcp", "fid", "fp", "inp", "ttfb", "ttfb.requesttime", "app_start_cold", "app_start_warm",
        "stall_total_time", "stall_longest_time", "time_to_initial_display", "time_to_full_display",
    }
)  # fmt: skip
_COUNTS = frozenset({"cls", "frames_total", "frames_slow", "frames_frozen", "frames_delay", "stall_count"})
_MOBILE = frozenset({"app_start_cold", "app_start_warm", "time_to_initial_display", "time_to_full_display"})
_BREAKDOWNS = ("browser", "db", "http", "resource", "ui")


def read_measurements(source: object) -> dict[str, float]:
    """Name → value, durations in milliseconds. Negative, endless and surplus custom ones are left out (section 13)."""
    found: dict[str, float] = {}
    custom = 0
    for raw_name, entry in source.items() if type(source) is dict else ():
        value: Any = entry.get("value") if type(entry) is dict else entry
        if type(raw_name) is not str or type(value) not in (int, float) or not 0 <= value < 1e15:
            continue
        name = _ALIASES.get(raw_name, raw_name)[:200]
        known = name in _TIMES or name in _COUNTS
        if not known:
            custom += 1
            if custom > MAX_CUSTOM:
                continue
        unit = entry.get("unit") if type(entry) is dict else None
        amount = float(value) if known else float(value) * _TO_MILLISECONDS.get(str(unit), 1.0)
        if name in _MOBILE and amount > _LONGEST_MOBILE:
            continue
        found[name] = amount
    return found


def breakdowns(children: Iterable[Span]) -> dict[str, float]:
    """``spans.db``, ``spans.http`` …: milliseconds during which a span of that kind ran, however many at once."""
    intervals: dict[str, list[tuple[float, float]]] = {}
    for span in children:
        kind = span.op.partition(".")[0]
        if kind in _BREAKDOWNS:
            intervals.setdefault(kind, []).append((span.start, span.end))
    return {f"spans.{kind}": _covered(found) for kind, found in intervals.items()}


def _covered(intervals: list[tuple[float, float]]) -> float:
    """Milliseconds covered by intervals of seconds."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        if end > reached:
            total += end - max(start, reached)
            reached = end
    return total * 1000
