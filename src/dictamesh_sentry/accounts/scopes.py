"""The permission scopes of the web API, and which scope includes which."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

#: Families whose later scopes include the earlier ones.
_LADDERS = (
    ("org:read", "org:write", "org:admin"),
    ("member:read", "member:write", "member:admin"),
    ("member:read", "member:invite"),
    ("member:invite", "member:write"),
    ("team:read", "team:write", "team:admin"),
    ("project:read", "project:write", "project:admin"),
    ("event:read", "event:write", "event:admin"),
    ("alerts:read", "alerts:write"),
    ("org:integrations", "org:admin"),
)
#: Scopes that include nothing and are included by nothing.
_ALONE = ("org:ci", "project:releases", "project:distribution", "openid", "profile", "email")

SCOPES: frozenset[str] = frozenset(scope for ladder in _LADDERS for scope in ladder) | frozenset(_ALONE)
READ_SCOPES: frozenset[str] = frozenset(scope for scope in SCOPES if scope.endswith(":read"))


def _direct() -> dict[str, set[str]]:
    included: dict[str, set[str]] = {scope: set() for scope in SCOPES}
    for ladder in _LADDERS:
        for lower, higher in pairwise(ladder):
            included[higher].add(lower)
    return included


def _closure() -> dict[str, frozenset[str]]:
    direct = _direct()
    result: dict[str, frozenset[str]] = {}
    for scope in SCOPES:
        seen, waiting = {scope}, [scope]
        while waiting:
            for lower in direct[waiting.pop()] - seen:
                seen.add(lower)
                waiting.append(lower)
        result[scope] = frozenset(seen)
    return result


_INCLUDED = _closure()


def expand(scopes: Iterable[str]) -> frozenset[str]:
    """The scopes and everything they include; unknown names give nothing."""
    return frozenset(lower for scope in scopes for lower in _INCLUDED.get(scope, ()))
