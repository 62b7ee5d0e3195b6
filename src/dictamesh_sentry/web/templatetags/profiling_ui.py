"""Filters of the profiling pages. Registered as built-ins."""

from __future__ import annotations

from typing import Any

from django import template

from dictamesh_sentry.web.presenters.flame import duration
from dictamesh_sentry.web.templatetags.ui import filesize
from dictamesh_sentry.web.timefmt import elapsed

register = template.Library()


@register.filter
def nanoseconds(value: Any) -> str:
    """1350000 → "1.35ms"; a dash for nothing."""
    return "–" if value is None else duration(float(value))


@register.filter
def seconds_long(value: Any) -> str:
    """125.0 → "2m 5s"."""
    return elapsed(float(value) * 1000)


@register.filter
def fingerprint_hex(value: Any) -> str:
    """A function's fingerprint as it stands in URLs."""
    return f"{int(value):x}"


@register.filter
def unlocalized_int(value: Any) -> str:
    """A whole number as URLs want it."""
    return str(int(value))


@register.filter
def reading(value: Any, unit: str) -> str:
    """A measurement in its unit."""
    if unit in ("byte", "bytes"):
        return filesize(value)
    suffix = {"percent": "%", "nanosecond": "ns", "hz": " Hz", "nanojoule": " nJ"}.get(unit, f" {unit}" if unit else "")
    return f"{float(value):,.3g}{suffix}"
