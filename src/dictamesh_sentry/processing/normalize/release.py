"""Release, environment and distribution: which names are valid."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.meta import Meta

_DIST = re.compile(r"^[A-Za-z0-9_.\-]{1,64}$")


def _has_forbidden_character(name: str) -> bool:
    return any(character in "/\\\x7f" or character < " " for character in name)


@lru_cache(maxsize=4096)
def is_valid_release(name: str) -> bool:
    """Whether a release may have this name."""
    if len(name) > 200 or len(name.encode()) > 200 or name in ("", ".", "..") or name.lower() == "latest":
        return False
    return not _has_forbidden_character(name)


@lru_cache(maxsize=4096)
def is_valid_environment(name: str) -> bool:
    """Whether an environment may have this name."""
    if len(name) > 64 or len(name.encode()) > 64 or name in ("", ".", "..") or name.lower() == "none":
        return False
    return not _has_forbidden_character(name)


def is_valid_dist(name: str) -> bool:
    """Whether a distribution may have this name."""
    return _DIST.match(name) is not None


def normalize_release(event: dict[str, Any], meta: Meta) -> None:
    """Remove invalid ``release``, ``environment`` and ``dist``, with an error."""
    for key, is_valid in (
        ("release", is_valid_release),
        ("environment", is_valid_environment),
        ("dist", is_valid_dist),
    ):
        if key not in event:
            continue
        raw = event.pop(key)
        text = values.to_text(raw)
        if text is None:
            if raw is not None:
                meta.invalid((key,), raw, "expected a string")
            continue
        text = text.strip()
        if is_valid(text):
            event[key] = text
        elif text:
            meta.invalid((key,), raw, f"invalid {key}")
