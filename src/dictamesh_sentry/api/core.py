"""Declaring operations of the web API.

    @operation("GET", "/projects/{organization}/{project}/keys/", scopes=("project:read",), response=list[KeyBody])
    def list_keys(call: Call) -> Page:
        return call.paginate(queries.keys(call.project), serialize_keys)

The path says what is authorised: ``{organization}``, ``{project}`` and ``{team}`` are resolved for the caller before
the function runs (404 when not visible), and one of ``scopes`` must be held (403). An operation therefore cannot
forget to check. Everything declared lands in ``REGISTRY``, which the URLs, the OpenAPI document and the policy test
are built from.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from ninja.params.functions import Path as PathParameter
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from dictamesh_sentry.accounts.models import ApiToken, User
from dictamesh_sentry.accounts.scopes import SCOPES, expand
from dictamesh_sentry.api import pagination
from dictamesh_sentry.api.auth import identify, project_of_client_key, require
from dictamesh_sentry.api.errors import ApiError
from dictamesh_sentry.api.pagination import Page
from dictamesh_sentry.api.responses import json_response
from dictamesh_sentry.organizations.access import Access, ForbiddenError, access_for
from dictamesh_sentry.organizations.models import Organization, Team
from dictamesh_sentry.organizations.queries import get_organization, get_team
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import (
    get_project,
    member_projects,
    projects_by_reference,
    visible_to,
)

__all__ = ["ANYONE", "REGISTRY", "SIGNED_IN", "ApiError", "Body", "Call", "Operation", "Page", "Reply", "operation"]

#: ``scopes`` of an operation that answers without credentials.
ANYONE: tuple[str, ...] = ("*anyone*",)
#: ``scopes`` of an operation that needs a caller but no particular scope.
SIGNED_IN: tuple[str, ...] = ()

_PARAMETER = re.compile(r"{(?:\w+:)?(\w+)}")
View = TypeVar("View", bound=Callable[..., Any])


class Body(BaseModel):
    """A request body in camelCase. Unknown keys are ignored; ``changes`` has only what the client sent."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    def changes(self) -> dict[str, Any]:
        """Attribute → value, of the keys that were present."""
        return {name: getattr(self, name) for name in self.model_fields_set}


@dataclass(frozen=True)
class Reply:
    """An answer whose status or headers differ from the operation's."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """One method of one path. ``scopes`` are alternatives: any one suffices."""

    method: str
    path: str
    scopes: tuple[str, ...]
    view: Callable[..., Any]
    response: Any
    status: int
    tag: str
    paginated: bool
    accepts_client_key: bool = False

    @property
    def parameters(self) -> list[str]:
        """Names in the path, in order."""
        return _PARAMETER.findall(self.path)

    @property
    def name(self) -> str:
        """Unique: module and function."""
        return f"{self.view.__module__.rpartition('.')[2]}.{self.view.__name__}"


REGISTRY: list[Operation] = []


def operation(
    method: str,
    path: str,
    *,
    scopes: Sequence[str],
    response: Any = None,
    status: int = 200,
    tag: str = "",
    paginated: bool = False,
    accepts_client_key: bool = False,
) -> Callable[[View], View]:
    """Declare the decorated function as an operation.

    The function takes ``call``, then a ``str`` for each other name in the path, a ``Body`` subclass, or query
    parameters as django-ninja understands them. It returns JSON-ready data (answered with ``status``), a ``Page``,
    a ``Reply``, an ``HttpResponse``, or None for an empty 204. ``response`` documents the body: a TypedDict, or a
    list of one. ``tag`` groups the documentation. With ``accepts_client_key`` a DSN of the path's project is enough;
    ``call.user_or_none`` is None then, and only ``call.project`` is known.
    """
    unknown = set(scopes) - SCOPES - set(ANYONE)
    if unknown:
        raise ValueError(f"unknown scopes: {unknown}")

    def declare(view: View) -> View:
        title = tag or view.__module__.rpartition(".")[2].replace("_", " ").capitalize()
        REGISTRY.append(
            Operation(method, path, tuple(scopes), view, response, status, title, paginated, accepts_client_key)
        )
        return view

    return declare


class Call:
    """A request that passed authentication and authorisation."""

    def __init__(self, request: HttpRequest, user: User | None, token: ApiToken | None) -> None:
        self.request = request
        self._user = user
        self.token = token
        self._access: Access | None = None
        self._project: Project | None = None
        self._team: Team | None = None

    @property
    def user(self) -> User:
        """The caller. Not to be asked in an operation for ANYONE, which uses ``user_or_none``."""
        if self._user is None:
            raise ApiError(401, "Authentication credentials were not provided.")
        return self._user

    @property
    def user_or_none(self) -> User | None:
        """The caller, if any."""
        return self._user

    @property
    def access(self) -> Access:
        """The caller's rights in the organization of the path, limited to the token's scopes."""
        assert self._access is not None, "the path has no {organization}"
        return self._access

    @property
    def organization(self) -> Organization:
        """The organization of the path."""
        return self.access.organization

    @property
    def project(self) -> Project:
        """The project of the path."""
        assert self._project is not None, "the path has no {project}"
        return self._project

    @property
    def team(self) -> Team:
        """The team of the path, with ``member_count``."""
        assert self._team is not None, "the path has no {team}"
        return self._team

    @cached_property
    def token_scopes(self) -> frozenset[str] | None:
        """What the token carries, lower scopes included; None for a session, which carries everything."""
        return None if self.token is None else expand(self.token.scopes)

    def access_to(self, organization: Organization) -> Access:
        """The caller's rights in another organization, limited likewise. Raises NotVisibleError."""
        access = access_for(self.user, organization)
        return access if self.token is None else access.limited_to(self.token.scopes)

    def visible_projects(self) -> QuerySet[Project]:
        """Projects of the organization the caller sees, organization loaded."""
        return visible_to(self.user, self.organization, self.access).select_related("organization")

    def projects_param(self) -> list[Project]:
        """The projects of ``project=`` parameters: those named, all visible for ``-1``, "my projects" when absent.

        Who belongs to no team with projects gets all visible ones instead of nothing. Raises NotVisibleError.
        """
        named = [value for value in self.request.GET.getlist("project") if value]
        if named:
            return projects_by_reference(self.user, self.organization, named, self.access)
        visible = self.visible_projects()
        return list(member_projects(self.access, visible)) or list(visible)

    def environments_param(self) -> list[str]:
        """Names of ``environment=`` parameters; the empty name is "no environment"."""
        return self.request.GET.getlist("environment")

    def paginate(
        self,
        rows: QuerySet[Any] | Sequence[Any] | pagination.Sliceable,
        serialize: Callable[[list[Any]], Sequence[Any]],
        *,
        default: int = pagination.MAX_PER_PAGE,
        count: bool = False,
    ) -> Page:
        """The page of a small ordered list that ``cursor`` and ``per_page`` ask for."""
        parameters = self.request.GET
        cursor, limit = pagination.cursor_of(parameters), pagination.limit_of(parameters, default)
        return pagination.by_offset(rows, serialize, cursor, limit, count=count)

    def paginate_by_time(
        self,
        rows: QuerySet[Any],
        column: str,
        serialize: Callable[[list[Any]], Sequence[Any]],
        *,
        default: int = pagination.MAX_PER_PAGE,
    ) -> Page:
        """The page of a growing list, newest first by a datetime column."""
        parameters = self.request.GET
        cursor, limit = pagination.cursor_of(parameters), pagination.limit_of(parameters, default)
        return pagination.by_time(rows, column, serialize, cursor, limit)


def authorise(found: Operation, request: HttpRequest) -> Call:
    """Turn a request into a Call, or raise: 401, 404 for what is not visible, 403 for a missing scope."""
    arguments = request.resolver_match.kwargs if request.resolver_match else {}
    if found.accepts_client_key:
        project = project_of_client_key(request, arguments["organization"], arguments["project"])
        if project is not None:
            call = Call(request, None, None)
            call._project = project
            return call
    identity = identify(request)
    if found.scopes == ANYONE:
        return Call(request, identity.user if identity else None, identity.token if identity else None)
    identity = require(identity)
    call = Call(request, identity.user, identity.token)
    if "organization" not in arguments:
        _require_token_scope(call, found.scopes)
        return call
    access = access_for(identity.user, get_organization(identity.user, arguments["organization"]))
    call._access = access if identity.token is None else access.limited_to(identity.token.scopes)
    if "project" in arguments:
        call._project = get_project(identity.user, call.organization, arguments["project"], call.access)
    if "team" in arguments:
        call._team = get_team(call.organization, arguments["team"])
    _require_scope(call, found.scopes)
    return call


def _require_token_scope(call: Call, scopes: tuple[str, ...]) -> None:
    if scopes and call.token_scopes is not None and call.token_scopes.isdisjoint(scopes):
        raise ForbiddenError(scopes=scopes)


def _require_scope(call: Call, scopes: tuple[str, ...]) -> None:
    """Held in the organization, or as admin of a team of the project, or of the team."""
    if not scopes or call.access.has_scope(*scopes):
        return
    teams: list[int] = []
    if call._project is not None:
        # Not the team of the path as well: its admin could otherwise pull in any project.
        teams.extend(call._project.teams.values_list("pk", flat=True))
    elif call._team is not None:
        teams.append(call._team.pk)
    call.access.require_team(teams, *scopes)


def adapt(found: Operation) -> Callable[..., HttpResponseBase]:
    """The operation as a django-ninja view: path names in its signature, any result as an HTTP answer."""
    signature = inspect.signature(found.view, eval_str=True)
    first, *rest = signature.parameters.values()
    taken = {parameter.name for parameter in rest}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=str, default=PathParameter(...))
        for name in found.parameters
        if name not in taken
    ]

    def view(request: HttpRequest, **values: Any) -> HttpResponseBase:
        call: Call = request.auth  # type: ignore[attr-defined]
        result = found.view(call, **{name: value for name, value in values.items() if name in taken})
        return respond(request, found, result)

    view.__name__, view.__doc__, view.__module__ = found.view.__name__, found.view.__doc__, found.view.__module__
    request_parameter = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    view.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [request_parameter, *added, *(item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in rest)]
    )
    del first
    return view


def respond(request: HttpRequest, found: Operation, result: Any) -> HttpResponseBase:
    """An operation's result as an answer."""
    if isinstance(result, HttpResponseBase):
        return result
    if isinstance(result, Page):
        return json_response(list(result.items), found.status, result.response_headers(request))
    if isinstance(result, Reply):
        if result.status == 204:
            return HttpResponse(status=204, headers=dict(result.headers))
        return json_response(result.body, result.status, dict(result.headers))
    if result is None:
        return HttpResponse(status=204)
    return json_response(result, found.status)
