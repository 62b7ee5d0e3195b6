"""Who is calling: a bearer token, or a browser's session protected against forged requests."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from ninja.utils import check_csrf

from dictamesh_sentry.accounts.actions import note_token_used
from dictamesh_sentry.accounts.models import ApiToken, User
from dictamesh_sentry.accounts.queries import find_token
from dictamesh_sentry.api.errors import INVALID_TOKEN, NO_CREDENTIALS, ApiError

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Identity:
    """An authenticated caller. ``token`` is None for a session."""

    user: User
    token: ApiToken | None


def identify(request: HttpRequest) -> Identity | None:
    """The caller; None without credentials of a user. Raises ApiError 401 for a bad token, 403 for a forged request.

    An ``Authorization`` header always decides: a session never stands in for a token that does not work.
    """
    header = request.headers.get("Authorization", "")
    if header:
        return _by_token(header)
    user = request.user
    if not isinstance(user, User) or not user.is_active:
        return None
    if request.method not in _SAFE and check_csrf(request) is not None:
        raise ApiError(403, "CSRF Failed: CSRF token missing or incorrect.")
    return Identity(user, None)


def require(identity: Identity | None) -> Identity:
    """The identity. Raises ApiError 401 when there is none."""
    if identity is None:
        raise ApiError(401, NO_CREDENTIALS)
    return identity


def _by_token(header: str) -> Identity | None:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer":
        return None  # a client key, which names no user; the few operations that take one read it themselves
    token = find_token(text.strip())
    if token is None:
        raise ApiError(401, INVALID_TOKEN)
    note_token_used(token)
    return Identity(token.user, token)
