"""Filters by what an error says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import re2

from dictamesh_sentry.processing.filters.globs import Globs, compiled

_chunk_load = re2.compile(
    r"(?i)ChunkLoadError|Loading (?:CSS )?chunk [\w~./\-]+ failed|Failed to load chunk |"
    r"Failed to load resource: .{0,80}chunk"
)
_hydration = re2.compile(
    r"(?:reactjs\.org/docs/error-decoder\.html\?invariant=|react\.dev/errors/)(?:418|419|421|422|423|425)\b"
)
_HEALTH_GLOBS = (
    "*healthcheck*",
    "*heartbeat*",
    "*/health",
    "*/healthy",
    "*/healthz",
    "*/live",
    "*/livez",
    "*/ready",
    "*/readyz",
    "*/ping",
)


def _exceptions(event: dict[str, Any]) -> list[dict[str, Any]]:
    return (event.get("exception") or {}).get("values") or []


def error_texts(event: dict[str, Any]) -> Iterator[str]:
    """What an error-message pattern is compared with."""
    logentry = event.get("logentry")
    if logentry:
        yield logentry.get("formatted") or ""
    for exception in _exceptions(event):
        kind, value = exception.get("type"), exception.get("value")
        if kind and value:
            yield f"{kind}: {value}"
        if value:
            yield value
        elif kind:
            yield kind


def matches_error_message(event: dict[str, Any], patterns: Globs) -> bool:
    """Whether a pattern matches the message, or ``Type: value`` or the value of any exception."""
    return any(patterns.matches(text) for text in error_texts(event) if text)


def is_chunk_load_error(event: dict[str, Any]) -> bool:
    """Whether a bundler could not fetch a part of the application (usually a deploy while the page was open)."""
    return any(
        exception.get("type") == "ChunkLoadError" or _chunk_load.search(exception.get("value") or "")
        for exception in _exceptions(event)
    )


def is_hydration_error(event: dict[str, Any]) -> bool:
    """Whether React says that server and client rendered different things (minified error codes)."""
    return any(_hydration.search(exception.get("value") or "") for exception in _exceptions(event))


def is_health_check(transaction: str) -> bool:
    """Whether a transaction's name is that of a health check."""
    return compiled(_HEALTH_GLOBS).matches(transaction)
