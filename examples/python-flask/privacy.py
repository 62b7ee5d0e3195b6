"""What must not leave the process, whatever raised it."""

from __future__ import annotations

import re
from typing import Any

# guide:python-before-send
PERSONAL = {
    "[cpf]": re.compile(r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b"),
    "[email]": re.compile(r"\b[\w.+-]+@[\w-]+\.[\w.]+\b"),
}


def masked(value: Any) -> Any:
    """The same value without personal data, at any depth."""
    if isinstance(value, str):
        for replacement, pattern in PERSONAL.items():
            value = pattern.sub(replacement, value)
        return value
    if isinstance(value, dict):
        return {key: masked(item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def scrub(event: dict[str, Any], hint: dict[str, Any]) -> dict[str, Any] | None:
    """Every error event before it leaves the process. Messages of errors are not scrubbed by the server, so what must
    not leave is removed here, local variables of the stack trace included. Returning None drops the event."""
    kind = hint.get("exc_info", (None,))[0]
    if kind is not None and issubclass(kind, BrokenPipeError):
        return None  # the client went away; nothing is wrong
    event.get("request", {}).pop("query_string", None)  # send_default_pii=False leaves it in
    for part in ("message", "logentry", "exception", "breadcrumbs"):
        if part in event:
            event[part] = masked(event[part])
    return event


# guide:end
