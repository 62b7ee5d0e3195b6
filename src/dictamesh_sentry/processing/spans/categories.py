"""The category of a span, from its operation (ingest protocol reference, section 13)."""

from __future__ import annotations

from functools import lru_cache

_BY_FIRST = frozenset(
    [
        "ai",
        "app",
        "browser",
        "cache",
        "console",
        "db",
        "event",
        "file",
        "graphql",
        "grpc",
        "http",
        "measure",
        "middleware",
        "navigation",
        "pageload",
        "queue",
        "resource",
        "rpc",
        "serialize",
        "subprocess",
        "template",
        "topic",
        "view",
        "websocket",
    ]
)
_BY_TWO = frozenset(
    [
        "ui.react",
        "ui.vue",
        "ui.svelte",
        "ui.angular",
        "ui.ember",
        "ai.pipeline",
        "function.nextjs",
        "function.remix",
        "function.gpc",
        "function.aws",
        "function.azure",
    ]
)


@lru_cache(maxsize=4096)
def category_of(op: str) -> str:
    """The first part of the operation, for some the first two; ``other`` without one."""
    parts = op.lower().split(".")
    if ".".join(parts[:2]) in _BY_TWO:
        return ".".join(parts[:2])
    if not parts[0] or parts[0] == "default":
        return "other"
    return parts[0] if parts[0] in _BY_FIRST else parts[0][:64]
