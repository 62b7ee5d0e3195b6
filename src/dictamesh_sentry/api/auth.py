"""Who is calling: a bearer token, a browser's session protected against forged requests, or a project's DSN."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from ninja.utils import check_csrf

from dictamesh_sentry.accounts.actions import note_token_used
from dictamesh_sentry.accounts.models import ApiToken, User
from dictamesh_sentry.accounts.queries import find_token
from dictamesh_sentry.api.errors import INVALID_TOKEN, NO_CREDENTIALS, ApiError
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.organizations.queries import by_id_or_slug
from dictamesh_sentry.projects.models import Project, ProjectKey
from dictamesh_sentry.protocol.auth import AuthError, parse_basic_header
from dictamesh_sentry.protocol.dsn import DsnError, parse_dsn

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


def project_of_client_key(request: HttpRequest, organization: str, project: str) -> Project | None:
    """The named project when the request carries one of its active client keys; None when it carries no client key.

    Raises ApiError 401 for a key that is unknown, inactive or another project's: all the same to the caller.
    """
    header = request.headers.get("Authorization", "")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() not in {"dsn", "basic"}:
        return None
    try:
        auth = parse_basic_header(header) if scheme.lower() == "basic" else None
        public_key = auth.public_key if auth else parse_dsn(rest.strip()).public_key
    except (AuthError, DsnError) as error:
        raise ApiError(401, INVALID_TOKEN) from error
    owners = ProjectKey.objects.filter(public_key=public_key, is_active=True).values("project")
    found = Project.objects.filter(
        by_id_or_slug(project),
        pk__in=owners,
        is_pending_deletion=False,
        organization__in=Organization.objects.filter(by_id_or_slug(organization)),
    ).first()
    if found is None:
        raise ApiError(401, INVALID_TOKEN)
    return found
