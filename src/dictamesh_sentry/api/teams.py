"""Teams, their members and their projects."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q
from ninja.params.functions import Query
from pydantic import Field

from dictamesh_sentry.api.core import Body, Call, Page, operation
from dictamesh_sentry.api.errors import field_error
from dictamesh_sentry.api.serializers_organizations import (
    MemberBody,
    TeamBody,
    serialize_member,
    serialize_organization,
    serialize_team,
)
from dictamesh_sentry.api.serializers_projects import (
    ProjectBody,
    serialize_projects,
    with_relations,
)
from dictamesh_sentry.organizations import actions, queries
from dictamesh_sentry.organizations.models import OrganizationMember, Team, TeamMembership


class TeamInput(Body):
    name: str | None = Field(None, max_length=64)
    slug: str | None = None


def serialize_teams(call: Call, teams: Sequence[Team], *, with_projects: bool) -> list[TeamBody]:
    """Teams, with the projects the caller sees when asked."""
    bodies = [serialize_team(team, call.access) for team in teams]
    if not with_projects:
        return bodies
    visible = call.visible_projects().filter(teams__in=[team.pk for team in teams]).distinct()
    by_team: dict[str, list[ProjectBody]] = {body["id"]: [] for body in bodies}
    for project in serialize_projects(list(with_relations(visible)), call.access):
        for team in project["teams"]:
            if team["id"] in by_team:
                by_team[team["id"]].append(project)
    for body in bodies:
        body["projects"] = by_team[body["id"]]
    return bodies


@operation(
    "GET",
    "/organizations/{organization}/teams/",
    scopes=("team:read", "org:read"),
    response=list[TeamBody],
    paginated=True,
)
def list_teams(call: Call, query: str = Query("", max_length=200), detailed: str = Query("1")) -> Page:
    """Teams by slug, with their projects unless ``detailed=0``."""
    found = queries.teams(call.organization)
    if query:
        found = found.filter(Q(slug__icontains=query) | Q(name__icontains=query))
    return call.paginate(found, lambda rows: serialize_teams(call, rows, with_projects=detailed != "0"))


@operation("GET", "/organizations/{organization}/user-teams/", scopes=("org:read",), response=list[TeamBody])
def list_user_teams(call: Call) -> list[TeamBody]:
    """The caller's teams."""
    found = queries.teams(call.organization).filter(pk__in=call.access.team_ids)
    return serialize_teams(call, list(found), with_projects=True)


@operation(
    "POST",
    "/organizations/{organization}/teams/",
    scopes=("org:write", "team:write"),
    response=TeamBody,
    status=201,
)
def create_team(call: Call, body: TeamInput) -> TeamBody:
    """Create a team, which the caller joins. ``name`` or ``slug`` is needed."""
    if not (body.name or body.slug):
        raise field_error("name", "Give a name or a slug.")
    team = actions.create_team(call.user, call.organization, body.name or "", slug=body.slug or None)
    return serialize_team(queries.get_team(call.organization, team.pk), call.access_to(call.organization))


@operation("GET", "/teams/{organization}/{team}/", scopes=("team:read",), response=TeamBody)
def get_team(call: Call) -> TeamBody:
    """A team with its projects and organization."""
    body = serialize_teams(call, [call.team], with_projects=True)[0]
    body["organization"] = serialize_organization(call.organization)
    return body


@operation("PUT", "/teams/{organization}/{team}/", scopes=("team:write",), response=TeamBody)
def update_team(call: Call, body: TeamInput) -> TeamBody:
    """Change a team's name or slug."""
    actions.update_team(call.user, call.team, name=body.name, slug=body.slug)
    return serialize_team(queries.get_team(call.organization, call.team.pk), call.access)


@operation("DELETE", "/teams/{organization}/{team}/", scopes=("team:admin",), status=204)
def delete_team(call: Call) -> None:
    """Delete a team. Its projects stay."""
    actions.delete_team(call.user, call.team)


@operation(
    "GET",
    "/teams/{organization}/{team}/projects/",
    scopes=("project:read",),
    response=list[ProjectBody],
    paginated=True,
)
def list_team_projects(call: Call) -> Page:
    """The team's projects that the caller may see."""
    found = with_relations(call.visible_projects().filter(teams=call.team.pk))
    return call.paginate(found, lambda rows: serialize_projects(rows, call.access))


@operation(
    "GET", "/teams/{organization}/{team}/members/", scopes=("team:read",), response=list[MemberBody], paginated=True
)
def list_team_members(call: Call) -> Page:
    """Members of the team, each with the role in it."""
    roles = dict(TeamMembership.objects.filter(team=call.team).values_list("member_id", "role"))

    def serialize(rows: list[OrganizationMember]) -> list[MemberBody]:
        return [{**serialize_member(row), "teamRole": roles[row.pk], "teamSlug": call.team.slug} for row in rows]

    return call.paginate(queries.members(call.organization).filter(pk__in=list(roles)), serialize)
