"""Projects: lists, creation, settings, teams, environments, people."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NotRequired

from django.db.models import Q, QuerySet
from ninja.params.functions import Query
from pydantic import Field
from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Body, Call, Page, operation
from dictamesh_sentry.api.errors import NOT_FOUND, bad_request
from dictamesh_sentry.api.project_settings import ProjectSettingsInput, apply_settings
from dictamesh_sentry.api.responses import required_iso
from dictamesh_sentry.api.serializers_organizations import (
    MemberBody,
    TeamBody,
    serialize_member,
    serialize_organization,
)
from dictamesh_sentry.api.serializers_projects import (
    ProjectBody,
    ProjectDetailBody,
    serialize_project,
    serialize_project_detail,
    serialize_projects,
    with_relations,
)
from dictamesh_sentry.api.teams import serialize_teams
from dictamesh_sentry.organizations import actions as organization_actions
from dictamesh_sentry.organizations import queries as organization_queries
from dictamesh_sentry.organizations.access import ForbiddenError, NotVisibleError
from dictamesh_sentry.organizations.models import Team
from dictamesh_sentry.projects import actions, queries
from dictamesh_sentry.projects.affected_users import AffectedUser, AffectedUsers
from dictamesh_sentry.projects.models import Project, ProjectEnvironment
from dictamesh_sentry.projects.options import load_organization_options

_PROJECT = "/projects/{organization}/{project}/"


def _searched(projects: QuerySet[Project], query: str) -> QuerySet[Project]:
    """Words match name and slug; ``slug:``, ``id:``, ``platform:`` and ``dsn:`` (a public key) match exactly."""
    for word in query.split():
        key, separator, value = word.partition(":")
        if separator and key in {"slug", "platform"}:
            projects = projects.filter(**{key: value})
        elif separator and key == "id":
            projects = projects.filter(organization_queries.by_id_or_slug(value) if value.isdigit() else Q(pk=None))
        elif separator and key == "dsn":
            projects = projects.filter(pk__in=Project.objects.filter(keys__public_key=value).values("pk"))
        else:
            projects = projects.filter(Q(name__icontains=word) | Q(slug__icontains=word))
    return projects


@operation("GET", "/projects/", scopes=("project:read",), response=list[ProjectBody], paginated=True)
def list_every_project(call: Call, query: str = Query("", max_length=200)) -> Page:
    """Projects of all organizations of the caller. ``query=dsn:<public key>`` finds the one a DSN belongs to."""
    accesses = {row.pk: call.access_to(row) for row in organization_queries.organizations_for(call.user)}
    condition = Q(pk=None)
    for access in accesses.values():
        if access.has_scope("project:read"):
            condition |= Q(pk__in=queries.visible_to(call.user, access.organization, access).order_by().values("pk"))
    found = _searched(Project.objects.filter(condition).select_related("organization"), query).order_by("slug", "pk")

    def serialize(rows: Sequence[Project]) -> list[ProjectBody]:
        bodies: dict[str, ProjectBody] = {}
        for organization_id, access in accesses.items():
            own = [row for row in rows if row.organization_id == organization_id]
            for body in serialize_projects(own, access) if own else []:
                body["organization"] = serialize_organization(access.organization)
                bodies[body["id"]] = body
        return [bodies[str(row.pk)] for row in rows]

    return call.paginate(with_relations(found), serialize)


@operation(
    "GET", "/organizations/{organization}/projects/", scopes=("org:read",), response=list[ProjectBody], paginated=True
)
def list_projects(call: Call, query: str = Query("", max_length=200)) -> Page:
    """The organization's projects that the caller may see, by slug."""
    found = with_relations(_searched(call.visible_projects(), query))
    return call.paginate(found, lambda rows: serialize_projects(rows, call.access))


class NewProjectInput(Body):
    name: str
    slug: str | None = None
    platform: str | None = None
    default_rules: bool | None = Field(None, alias="default_rules")


class CreatedProjectBody(ProjectBody):
    team_slug: NotRequired[str]


@operation(
    "POST", "/teams/{organization}/{team}/projects/", scopes=("project:write",), response=ProjectBody, status=201
)
def create_team_project(call: Call, body: NewProjectInput) -> ProjectBody:
    """Create a project that the team owns, with a client key."""
    return serialize_project(_create(call, body, call.team), call.access)


def _create(call: Call, body: NewProjectInput, team: Team) -> Project:
    return actions.create_project(
        call.user,
        call.organization,
        body.name,
        slug=body.slug or None,
        platform=body.platform or "",
        teams=[team],
    )


@operation(
    "POST",
    "/organizations/{organization}/projects/",
    scopes=("project:read",),
    response=CreatedProjectBody,
    status=201,
)
def create_project(call: Call, body: NewProjectInput) -> CreatedProjectBody:
    """Create a project for the caller's first team; who has none gets a team of their own.

    Members may, unless the organization reserves creation to those with ``project:write``.
    """
    allowed = load_organization_options(call.organization.options).allow_member_project_creation
    if not (allowed or call.access.has_scope("project:write")):
        raise ForbiddenError("In this organization members do not create projects.", ("project:write",))
    team = Team.objects.filter(pk__in=call.access.team_ids).order_by("pk").first()
    if team is None:
        name = f"team-{call.user.email.partition('@')[0]}"[:60]
        team = organization_actions.create_team(call.user, call.organization, name)
    project = _create(call, body, team)
    return {**serialize_project(project, call.access_to(call.organization)), "team_slug": team.slug}


@operation("GET", _PROJECT, scopes=("project:read",), response=ProjectDetailBody)
def get_project(call: Call) -> ProjectDetailBody:
    """A project with its settings."""
    return serialize_project_detail(call.project, call.access)


class ProjectInput(ProjectSettingsInput):
    name: str | None = None
    slug: str | None = None
    platform: str | None = None


@operation("PUT", _PROJECT, scopes=("project:write",), response=ProjectDetailBody)
def update_project(call: Call, body: ProjectInput) -> ProjectDetailBody:
    """Change a project. Keys that are left out stay as they are; every value comes back exactly as written."""
    options = apply_settings(call.project, body)
    sent = body.changes()
    columns = {name: sent[name] for name in ("name", "slug") if sent.get(name) is not None}
    if "platform" in sent:
        columns["platform"] = sent["platform"] or ""
    project = actions.update_project(call.user, call.project, **columns)
    actions.update_options(call.user, project, options)
    return serialize_project_detail(project, call.access)


@operation("DELETE", _PROJECT, scopes=("project:admin",), status=204)
def delete_project(call: Call) -> None:
    """Delete a project. It vanishes at once; what it stored is deleted in the background."""
    actions.delete_project(call.user, call.project)


@operation("GET", _PROJECT + "teams/", scopes=("project:read",), response=list[TeamBody], paginated=True)
def list_project_teams(call: Call) -> Page:
    """Teams that own the project."""
    found = organization_queries.teams(call.organization).filter(
        pk__in=call.project.teams.order_by().values_list("pk", flat=True)
    )
    return call.paginate(found, lambda rows: serialize_teams(call, rows, with_projects=False))


@operation("POST", _PROJECT + "teams/{team}/", scopes=("project:write",), response=ProjectDetailBody, status=201)
def add_project_team(call: Call) -> ProjectDetailBody:
    """Give a team the project."""
    actions.add_team(call.user, call.project, call.team)
    return serialize_project_detail(call.project, call.access)


@operation("DELETE", _PROJECT + "teams/{team}/", scopes=("project:write",), response=ProjectDetailBody)
def remove_project_team(call: Call) -> ProjectDetailBody:
    """Take the project from a team."""
    actions.remove_team(call.user, call.project, call.team)
    return serialize_project_detail(call.project, call.access)


class ProjectEnvironmentBody(TypedDict):
    id: str
    name: str
    isHidden: bool


class ProjectEnvironmentInput(Body):
    is_hidden: bool


def _environment(row: ProjectEnvironment) -> ProjectEnvironmentBody:
    return {"id": str(row.environment_id), "name": row.environment.name, "isHidden": row.is_hidden}


@operation("GET", _PROJECT + "environments/", scopes=("project:read",), response=list[ProjectEnvironmentBody])
def list_environments(call: Call, visibility: str = Query("visible")) -> list[ProjectEnvironmentBody]:
    """Environments seen in the project; ``visibility`` is visible, hidden or all."""
    if visibility not in {"visible", "hidden", "all"}:
        raise bad_request("visibility: write visible, hidden or all.")
    return [_environment(row) for row in queries.project_environments([call.project], visibility)]


def _find_environment(call: Call, name: str) -> ProjectEnvironment:
    row = queries.project_environments([call.project], "all").filter(environment__name=name).first()
    if row is None:
        raise NotVisibleError(NOT_FOUND)
    return row


@operation("GET", _PROJECT + "environments/{environment}/", scopes=("project:read",), response=ProjectEnvironmentBody)
def get_environment(call: Call, environment: str) -> ProjectEnvironmentBody:
    """An environment of the project."""
    return _environment(_find_environment(call, environment))


@operation("PUT", _PROJECT + "environments/{environment}/", scopes=("project:write",), response=ProjectEnvironmentBody)
def update_environment(call: Call, environment: str, body: ProjectEnvironmentInput) -> ProjectEnvironmentBody:
    """Show or hide an environment in the project's filters."""
    row = _find_environment(call, environment)
    return _environment(actions.set_environment_hidden(call.user, row, body.is_hidden))


@operation("GET", _PROJECT + "members/", scopes=("project:read",), response=list[MemberBody])
def list_project_members(call: Call) -> list[MemberBody]:
    """Active members of the teams that own the project."""
    teams = call.project.teams.order_by().values_list("pk", flat=True)
    found = organization_queries.members(call.organization).filter(user__is_active=True, teams__in=teams).distinct()
    return [serialize_member(row) for row in found]


class AffectedUserBody(TypedDict):
    id: str
    tagValue: str
    identifier: str | None
    username: str | None
    email: str | None
    name: None
    ipAddress: str | None
    avatarUrl: str
    hash: str
    dateCreated: str


def _affected(user: AffectedUser) -> AffectedUserBody:
    digest = hashlib.md5(user.value.encode(), usedforsecurity=False).hexdigest()
    return {
        "id": digest,
        "tagValue": user.value,
        "identifier": user.id or None,
        "username": user.username or None,
        "email": user.email or None,
        "name": None,
        "ipAddress": user.ip or None,
        "avatarUrl": "",
        "hash": digest,
        "dateCreated": required_iso(user.last_seen),
    }


@operation("GET", _PROJECT + "users/", scopes=("project:read",), response=list[AffectedUserBody], paginated=True)
def list_affected_users(call: Call, query: str = Query("", max_length=250)) -> Page:
    """Users that events of the last 90 days came from, most recent first.

    ``query`` is ``id:``, ``email:``, ``username:`` or ``ip:`` with an exact value, or a part of any of them.
    """
    return call.paginate(AffectedUsers(call.project, query), lambda rows: [_affected(row) for row in rows])
