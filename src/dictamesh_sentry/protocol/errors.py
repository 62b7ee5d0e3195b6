"""The body of every error answer of the ingest endpoints."""

from __future__ import annotations

import orjson


def error_body(detail: str, causes: tuple[str, ...] = ()) -> bytes:
    """``{"detail": …, "causes": […]}``; ``causes`` is left out when empty."""
    body: dict[str, object] = {"detail": detail}
    if causes:
        body["causes"] = list(causes)
    return orjson.dumps(body)
