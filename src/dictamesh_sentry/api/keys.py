"""Client keys."""

from __future__ import annotations

from typing import Any, Literal

from ninja.params.functions import Query
from pydantic import Field, field_validator

from dictamesh_sentry.api.core import Body, Call, Page, operation
from dictamesh_sentry.api.serializers_projects import (
    BROWSER_SDK_VERSIONS,
    KeyBody,
    serialize_key,
    serialize_keys,
)
from dictamesh_sentry.projects import actions, queries
from dictamesh_sentry.projects.models import ProjectKey

_KEYS = "/projects/{organization}/{project}/keys/"


class RateLimitInput(Body):
    window: int | None = None
    count: int | None = None


class KeyInput(Body):
    name: str | None = Field(None, max_length=64)
    is_active: bool | None = None
    rate_limit: RateLimitInput | None = None
    browser_sdk_version: str | None = None
    dynamic_sdk_loader_options: dict[str, bool] | None = None

    @field_validator("browser_sdk_version")
    @classmethod
    def _known_version(cls, value: str | None) -> str | None:
        if value is not None and value not in BROWSER_SDK_VERSIONS:
            raise ValueError(f'"{value}" is not a valid choice.')
        return value

    def settings(self) -> dict[str, Any]:
        """What the client sent, as columns of a key."""
        sent = self.changes()
        found: dict[str, Any] = {}
        if sent.get("is_active") is not None:
            found["is_active"] = self.is_active
        if "rate_limit" in sent:
            limit = self.rate_limit
            # Clients clear a limit with null, or with zeros in both fields.
            unset = limit is None or not (limit.window or limit.count)
            found["rate_limit_count"] = None if unset or limit is None else limit.count
            found["rate_limit_window"] = None if unset or limit is None else limit.window
        if sent.get("browser_sdk_version") is not None:
            found["browser_sdk_version"] = self.browser_sdk_version
        return found


def _loader(key: ProjectKey | None, body: KeyInput) -> dict[str, Any]:
    if not body.dynamic_sdk_loader_options:
        return {}
    return {"loader_options": {**(key.loader_options if key else {}), **body.dynamic_sdk_loader_options}}


@operation("GET", _KEYS, scopes=("project:read",), response=list[KeyBody], paginated=True)
def list_keys(call: Call, status: Literal["active", "inactive", ""] = Query("")) -> Page:
    """The project's client keys, oldest first."""
    found = queries.keys(call.project)
    if status:
        found = found.filter(is_active=status == "active")
    return call.paginate(found, serialize_keys)


@operation("POST", _KEYS, scopes=("project:write",), response=KeyBody, status=201)
def create_key(call: Call, body: KeyInput) -> KeyBody:
    """Create a client key."""
    settings = {**body.settings(), **_loader(None, body)}
    return serialize_key(actions.create_key(call.user, call.project, body.name or "", **settings))


@operation("GET", _KEYS + "{key}/", scopes=("project:read",), response=KeyBody)
def get_key(call: Call, key: str) -> KeyBody:
    """A client key by its public part."""
    return serialize_key(queries.get_key(call.project, key))


@operation("PUT", _KEYS + "{key}/", scopes=("project:write",), response=KeyBody)
def update_key(call: Call, key: str, body: KeyInput) -> KeyBody:
    """Change a client key: name, state, rate limit, loader. Acts at the edge within seconds."""
    found = queries.get_key(call.project, key)
    changes = {**body.settings(), **_loader(found, body)}
    if body.name is not None:
        changes["label"] = body.name
    return serialize_key(actions.update_key(call.user, found, **changes))


@operation("DELETE", _KEYS + "{key}/", scopes=("project:admin",), status=204)
def delete_key(call: Call, key: str) -> None:
    """Delete a client key; clients that use it are refused."""
    actions.delete_key(call.user, queries.get_key(call.project, key))


@operation(
    "GET",
    "/organizations/{organization}/project-keys/",
    scopes=("org:read",),
    response=list[KeyBody],
    paginated=True,
)
def list_organization_keys(
    call: Call, status: Literal["active", "inactive", ""] = Query(""), team: str = Query("")
) -> Page:
    """Client keys of every project the caller may see; ``team`` (id or slug) and ``status`` narrow it."""
    projects = call.visible_projects()
    if team:
        named = {"teams__pk": int(team)} if team.isascii() and team.isdigit() else {"teams__slug": team}
        projects = projects.filter(**named)
    found = ProjectKey.objects.filter(project__in=projects.order_by()).order_by("project_id", "date_created", "pk")
    if status:
        found = found.filter(is_active=status == "active")
    return call.paginate(found, serialize_keys)
