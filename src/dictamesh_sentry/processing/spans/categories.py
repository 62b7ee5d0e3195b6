"""The category of a span, from its operation (ingest protocol reference, section 13)."""

from __future__ import annotations

from functools import lru_cache

_BY_FIRST = frozenset(
    (
        "ai", "app", "browser", "cache", "console", "db", "event", "file", "function", "gen_ai", "graphql", "grpc",
        "http", "mcp", "measure", "middleware", "navigation", "pageload", "queue", "resource", "rpc", "serialize",
        "socket", "subprocess", "task", "template", "topic", "ui", "view", "websocket",
    )
)  # fmt: skip
_BY_TWO = frozenset(
    (
        "ai.pipeline", "function.aws", "function.azure", "function.gcp", "function.gpc", "function.nextjs",
        "function.remix", "ui.angular", "ui.ember", "ui.react", "ui.svelte", "ui.vue",
    )
)  # fmt: skip
OTHER = "other"


@lru_cache(maxsize=4096)
def category_of(op: str) -> str:
    """The known first part of an operation, for some the first two; ``other`` for the rest.

    Rows are sorted by category, so there is a fixed number of them whatever operations applications invent.
    """
    first, _, rest = op.strip().lower().partition(".")
    second = rest.partition(".")[0]
    if second and f"{first}.{second}" in _BY_TWO:
        return f"{first}.{second}"
    return first if first in _BY_FIRST else OTHER
