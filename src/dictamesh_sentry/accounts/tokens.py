"""The text of user auth tokens: how it is made, recognised and hashed. Only the hash is ever stored."""

from __future__ import annotations

import hashlib
import secrets

from dictamesh_sentry.accounts.scopes import SCOPES

USER_TOKEN_PREFIX = "sntryu_"  # noqa: S105 - the public form of a token, not a token
#: Scopes a person may give a token, in the order forms show them.
USER_TOKEN_SCOPES: tuple[str, ...] = tuple(
    scope
    for scope in (
        "org:read", "org:write", "org:admin", "org:integrations", "org:ci",
        "member:read", "member:invite", "member:write", "member:admin",
        "team:read", "team:write", "team:admin",
        "project:read", "project:write", "project:admin", "project:releases", "project:distribution",
        "event:read", "event:write", "event:admin",
        "alerts:read", "alerts:write",
    )
    if scope in SCOPES
)  # fmt: skip


def new_token_text() -> str:
    """A fresh user auth token: ``sntryu_`` and 64 hex digits (256 random bits)."""
    return USER_TOKEN_PREFIX + secrets.token_hex(32)


def hash_token(text: str) -> str:
    """The SHA-256 under which a token is stored. The token has full entropy, so a slow hash would add nothing."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
