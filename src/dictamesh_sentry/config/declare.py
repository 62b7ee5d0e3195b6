"""How a setting is declared."""

from __future__ import annotations

from typing import Any

from pydantic import Field


def setting(
    default: Any,
    *,
    env: str | None = None,
    option: str | None = None,
    doc: str,
    secret: bool = False,
    **constraints: Any,
) -> Any:
    """Declare one setting. ``env`` is the environment variable, ``option`` the dotted key of ``config.yml``."""
    extra = {"env": env, "option": option, "secret": secret}
    if callable(default):
        return Field(default_factory=default, description=doc, json_schema_extra=extra, **constraints)
    return Field(default=default, description=doc, json_schema_extra=extra, **constraints)
