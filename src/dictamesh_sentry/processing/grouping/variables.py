"""``{{ variables }}`` in fingerprints and titles."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from dictamesh_sentry.processing.grouping.frames import text_of
from dictamesh_sentry.processing.grouping.view import EventView

_ALIASES = {
    "type": "error.type",
    "value": "error.value",
    "function": "stack.function",
    "module": "stack.module",
    "package": "stack.package",
    "path": "stack.abs_path",
    "sdk": "sdk.name",
}
# The braces are found first and the name is bounded, so the search is linear.
_VARIABLE = re.compile(r"\{\{[ ]{0,4}([A-Za-z0-9_.:-]{1,80})[ ]{0,4}\}\}")


def _of_exception(key: str) -> Callable[[EventView], str]:
    return lambda view: text_of((view.main_exception or {}).get(key))


def _of_frame(key: str) -> Callable[[EventView], str]:
    def read(view: EventView) -> str:
        frame: dict[str, Any] = view.crash_frame or {}
        return text_of(frame.get(key))

    return read


def _of_event(key: str) -> Callable[[EventView], str]:
    return lambda view: view.text(key)


_READERS: dict[str, Callable[[EventView], str]] = {
    "error.type": _of_exception("type"),
    "error.value": _of_exception("value"),
    "stack.function": _of_frame("function"),
    "stack.module": _of_frame("module"),
    "stack.package": _of_frame("package"),
    "stack.abs_path": lambda view: _of_frame("abs_path")(view) or _of_frame("filename")(view),
    "stack.filename": lambda view: _of_frame("filename")(view) or _of_frame("abs_path")(view),
    "transaction": _of_event("transaction"),
    "logger": _of_event("logger"),
    "level": lambda view: view.text("level") or "error",
    "release": _of_event("release"),
    "dist": _of_event("dist"),
    "environment": _of_event("environment"),
    "platform": lambda view: view.platform,
    "sdk.name": lambda view: view.sdk,
    "message": lambda view: view.message or text_of((view.main_exception or {}).get("value")),
}


def is_default(value: str) -> bool:
    """Whether a fingerprint value stands for the grouping the algorithm would choose by itself."""
    match = _VARIABLE.fullmatch(value.strip())
    return match is not None and match.group(1).lower() == "default"


def is_variable(name: str) -> bool:
    """Whether a name between double braces means anything."""
    return name == "default" or (name.startswith("tags.") and len(name) > 5) or _ALIASES.get(name, name) in _READERS


def _read(name: str, view: EventView) -> str | None:
    if name.startswith("tags."):
        return view.tags.get(name[5:], "")
    reader = _READERS.get(_ALIASES.get(name, name))
    return None if reader is None else reader(view)


def expand(text: str, view: EventView) -> str:
    """``text`` with its variables filled in. A missing value reads ``<no-name>``, an unknown variable stays."""
    if "{{" not in text:
        return text

    def fill(match: re.Match[str]) -> str:
        name = match.group(1)
        value = _read(name, view)
        if value is None:
            return match.group()
        return value or f"<no-{name}>"

    return _VARIABLE.sub(fill, text)
