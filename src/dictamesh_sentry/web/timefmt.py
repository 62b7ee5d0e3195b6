"""Moments, durations and numbers as people read them. ``assets/js/time.js`` says the same in the browser."""

from __future__ import annotations

import datetime as dt

STEPS = ((60, 1, "s"), (3600, 60, "min"), (86400, 3600, "h"), (14 * 86400, 86400, "d"), (60 * 86400, 604800, "wk"),
         (730 * 86400, 2592000, "mo"))  # fmt: skip


def duration(seconds: float) -> str:
    """The largest unit that keeps the number small: "42 s", "3 min", "5 h", "9 d", "4 wk", "7 mo", "2 y"."""
    seconds = max(0.0, seconds)
    for below, unit, name in STEPS:
        if seconds < below:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // 31536000)} y"


def ago(moment: dt.datetime, now: dt.datetime) -> str:
    """ "5 min ago", "just now", or "in 5 min"."""
    seconds = (now - moment).total_seconds()
    if abs(seconds) < 10:
        return "just now"
    return f"in {duration(-seconds)}" if seconds < 0 else f"{duration(seconds)} ago"


def age(moment: dt.datetime, now: dt.datetime) -> str:
    """ "5 min"."""
    return duration((now - moment).total_seconds())


def absolute(local: dt.datetime) -> str:
    """ "23 Nov 2026, 22:14:05 CET"; the moment must already be in the reader's time zone."""
    return f"{local.day} {local:%b %Y, %H:%M:%S} {local.tzname() or ''}".rstrip()


def compact(value: int) -> str:
    """9999 → "9,999", 12345 → "12.3k", 1234567 → "1.2m"."""
    if abs(value) < 10_000:
        return f"{value:,}"
    for limit, unit in ((1_000_000, "k"), (1_000_000_000, "m"), (1_000_000_000_000, "b")):
        if abs(value) < limit:
            return f"{value / (limit / 1000):.1f}".removesuffix(".0") + unit
    return f"{value / 1_000_000_000_000:.1f}t"


def elapsed(milliseconds: float) -> str:
    """A length of time in its fitting unit: ``0.42ms``, ``12ms``, ``1.35s``, ``2m 5s``, ``1h 3m``."""
    if not milliseconds:
        return "0ms"
    if milliseconds < 10:
        return f"{milliseconds:.2f}ms"
    if milliseconds < 1000:
        return f"{milliseconds:.0f}ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.2f}s"
    if seconds < 3600:
        return f"{int(seconds // 60)}m {int(seconds % 60)}s"
    return f"{int(seconds // 3600)}h {int(seconds % 3600 // 60)}m"
