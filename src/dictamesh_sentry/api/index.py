"""The root, the caller, and whether this server works."""

from __future__ import annotations

from django.db import connection
from pydantic import Field
from typing_extensions import TypedDict

import dictamesh_sentry
from dictamesh_sentry.accounts import actions
from dictamesh_sentry.api.core import ANYONE, SIGNED_IN, Body, Call, operation
from dictamesh_sentry.api.serializers_users import SelfBody, UserBody, serialize_self, serialize_user
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations.queries import get_acquaintance


class AuthBody(TypedDict):
    scopes: list[str]


class IndexBody(TypedDict):
    version: str
    serverVersion: str
    auth: AuthBody | None
    user: SelfBody | None


@operation("GET", "/", scopes=ANYONE, response=IndexBody, tag="Index")
def index(call: Call) -> IndexBody:
    """Who is calling, and with which scopes. Answers without credentials too."""
    user = call.user_or_none
    return {
        "version": "0",
        "serverVersion": dictamesh_sentry.__version__,
        "auth": {"scopes": list(call.token.scopes)} if call.token else None,
        "user": serialize_self(user) if user else None,
    }


@operation("GET", "/auth/", scopes=SIGNED_IN, response=SelfBody, tag="Users")
def get_auth(call: Call) -> SelfBody:
    """The caller."""
    return serialize_self(call.user)


@operation("GET", "/users/me/", scopes=SIGNED_IN, response=SelfBody, tag="Users")
def get_me(call: Call) -> SelfBody:
    """The caller."""
    return serialize_self(call.user)


class ProfileOptionsInput(Body):
    theme: str | None = Field(None, pattern="^(system|light|dark)$")
    timezone: str | None = None


class ProfileInput(Body):
    name: str | None = Field(None, max_length=128)
    options: ProfileOptionsInput | None = None


@operation("PUT", "/users/me/", scopes=SIGNED_IN, response=SelfBody, tag="Users")
def update_me(call: Call, body: ProfileInput) -> SelfBody:
    """Change the caller's name, theme or time zone."""
    changes = {"name": body.name} if body.name is not None else {}
    if body.options is not None:
        changes.update({name: value for name, value in body.options.changes().items() if value is not None})
    return serialize_self(actions.update_profile(call.user, **changes))


class RegionBody(TypedDict):
    name: str
    url: str


class RegionsBody(TypedDict):
    regions: list[RegionBody]


@operation("GET", "/users/me/regions/", scopes=SIGNED_IN, response=RegionsBody, tag="Users")
def list_regions(call: Call) -> RegionsBody:  # noqa: ARG001
    """This installation is the only region. Clients take its URL as the base of later calls."""
    return {"regions": [{"name": "self-hosted", "url": get_settings().public_url}]}


@operation("GET", "/users/{user_id}/", scopes=SIGNED_IN, response=UserBody, tag="Users")
def get_user(call: Call, user_id: str) -> UserBody:
    """A user: oneself, or somebody who shares an organization with the caller."""
    return serialize_user(get_acquaintance(call.user, user_id))


class HealthBody(TypedDict):
    healthy: dict[str, bool]
    problems: list[str]


@operation("GET", "/internal/health/", scopes=SIGNED_IN, response=HealthBody, tag="Index")
def health(call: Call) -> HealthBody:  # noqa: ARG001
    """Whether the API can serve. Clients call it first, to check the URL and the token."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        healthy = cursor.fetchone() == (1,)
    return {"healthy": {"metadata": healthy}, "problems": [] if healthy else ["The metadata database does not answer."]}
