"""Figures as people read them. What was not measured is a dash, not a zero."""

from __future__ import annotations

from dictamesh_sentry.web.timefmt import elapsed

NOTHING = "–"


def length(milliseconds: float | None) -> str:
    """1350 → "1.35s"."""
    return NOTHING if milliseconds is None else elapsed(milliseconds)


def share(part: float | None) -> str:
    """0.0123 → "1.23%"."""
    return NOTHING if part is None else f"{part * 100:.3g}%"


def per_minute(count: float | None, minutes: float) -> str:
    """Three significant digits; a small rate is not zero."""
    if count is None or minutes <= 0:
        return NOTHING
    value = count / minutes
    return f"{value:,.0f}/min" if value >= 100 else f"{value:.3g}/min"


def quantity(value: float | None) -> str:
    """A count, which is a sum of weights and need not be whole."""
    return NOTHING if value is None else f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def size(octets: float | None) -> str:
    """1400000 → "1.40 MB"."""
    if octets is None:
        return NOTHING
    for unit in ("B", "KB", "MB", "GB"):
        if octets < 1000:
            return f"{octets:.0f} {unit}" if unit == "B" else f"{octets:.3g} {unit}"
        octets /= 1000
    return f"{octets:.3g} TB"


def points(score: float | None) -> str:
    """A score between 0 and 1 as points of 100."""
    return NOTHING if score is None else f"{score * 100:.0f}"


def vital_value(name: str, value: float | None) -> str:
    """A web vital: layout shift is a number, the others are times."""
    if value is None:
        return NOTHING
    return f"{value:.3f}" if name == "cls" else elapsed(value)
