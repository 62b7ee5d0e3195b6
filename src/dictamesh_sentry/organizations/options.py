"""How typed options become the JSON that is stored."""

from __future__ import annotations

from typing import Any

import msgspec


def without_defaults(options: msgspec.Struct) -> dict[str, Any]:
    """JSON of the options without what equals their defaults, so that a later version may change a default."""
    # ``omit_defaults`` alone leaves in lists with a non-empty default and nested structs.
    defaults = msgspec.to_builtins(type(options)())
    missing = object()
    return {key: value for key, value in msgspec.to_builtins(options).items() if value != defaults.get(key, missing)}
