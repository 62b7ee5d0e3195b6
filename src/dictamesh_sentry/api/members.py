"""Members and invitations, and their places in teams."""

from __future__ import annotations

from django.db.models import Q
from ninja.params.functions import Query
from pydantic import Field
from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Body, Call, Page, Reply, operation
from dictamesh_sentry.api.errors import field_error
from dictamesh_sentry.api.serializers_organizations import (
    MemberBody,
    MemberDetailBody,
    TeamBody,
    serialize_member,
    serialize_member_detail,
    serialize_team,
)
from dictamesh_sentry.organizations import actions, queries
from dictamesh_sentry.organizations.access import ForbiddenError
from dictamesh_sentry.organizations.models import Organization, OrganizationMember, Team, TeamMembership

_MEMBER_PATH = "/organizations/{organization}/members/{member}/"
_TEAM_PATH = "/organizations/{organization}/members/{member}/teams/{team}/"


class TeamRoleInput(Body):
    team_slug: str
    role: str | None = None


class InviteInput(Body):
    email: str
    org_role: str | None = None
    role: str | None = None
    teams: list[str] = Field(default_factory=list, max_length=200)
    team_roles: list[TeamRoleInput] = Field(default_factory=list, max_length=200)


class MemberInput(Body):
    org_role: str | None = None
    role: str | None = None
    teams: list[str] | None = Field(None, max_length=200)
    team_roles: list[TeamRoleInput] | None = Field(None, max_length=200)
    reinvite: bool = False


class TeamPlaceInput(Body):
    team_role: str | None = None


class TeamPlaceBody(TypedDict):
    isActive: bool
    teamRole: str


class JoinedTeamBody(TeamBody):
    isActive: bool  # noqa: N815 - the name on the wire


@operation(
    "GET",
    "/organizations/{organization}/members/",
    scopes=("member:read",),
    response=list[MemberBody],
    paginated=True,
)
def list_members(call: Call, query: str = Query("", max_length=200)) -> Page:
    """Members and open invitations, oldest first."""
    found = queries.members(call.organization)
    if query:
        found = found.filter(
            Q(email__icontains=query) | Q(user__email__icontains=query) | Q(user__name__icontains=query)
        )
    return call.paginate(found, lambda rows: [serialize_member(row) for row in rows])


def _teams(organization: Organization, slugs: list[str]) -> dict[str, Team]:
    found = {team.slug: team for team in Team.objects.filter(organization=organization, slug__in=slugs)}
    missing = [slug for slug in slugs if slug not in found]
    if missing:
        raise field_error("teams", f"No such team: {', '.join(missing)}")
    return found


@operation(
    "POST",
    "/organizations/{organization}/members/",
    scopes=("member:invite", "member:write"),
    response=MemberDetailBody,
    status=201,
)
def invite_member(call: Call, body: InviteInput) -> MemberDetailBody:
    """Invite an address by mail. Nobody invites to a role above their own."""
    roles = {item.team_slug: item.role or "contributor" for item in body.team_roles}
    teams = _teams(call.organization, [*body.teams, *roles])
    role = body.org_role or body.role or call.organization.default_role
    member = actions.invite_member(call.user, call.organization, body.email, role, teams.values())
    _apply_team_roles(call, member, teams, roles)
    return _detail(call, member)


def _apply_team_roles(call: Call, member: OrganizationMember, teams: dict[str, Team], roles: dict[str, str]) -> None:
    for slug, role in roles.items():
        if role != "contributor":
            call.access.require_team([teams[slug].pk], "team:write")
            actions.set_team_role(call.user, teams[slug], member, role)


def _detail(call: Call, member: OrganizationMember) -> MemberDetailBody:
    return serialize_member_detail(queries.get_member(call.organization, member.pk), call.access)


@operation("GET", _MEMBER_PATH, scopes=("member:read",), response=MemberDetailBody)
def get_member(call: Call, member: str) -> MemberDetailBody:
    """A member or an invitation by id; ``me`` is the caller."""
    return serialize_member_detail(queries.get_member(call.organization, member, call.user), call.access)


@operation("PUT", _MEMBER_PATH, scopes=("member:write", "member:invite"), response=MemberDetailBody)
def update_member(call: Call, member: str, body: MemberInput) -> MemberDetailBody:
    """Change a member's role and teams, or send an invitation again.

    ``member:invite`` alone suffices for the invitations the caller sent.
    """
    found = queries.get_member(call.organization, member, call.user)
    own_invitation = found.user_id is None and found.inviter_id == call.user.pk
    if not own_invitation:
        call.access.require("member:write")
    role = body.org_role or body.role
    if role is not None:
        actions.change_role(call.user, found, role)
    if body.teams is not None or body.team_roles is not None:
        _replace_teams(call, found, body)
    if body.reinvite:
        actions.resend_invitation(call.user, found)
    return _detail(call, found)


def _replace_teams(call: Call, member: OrganizationMember, body: MemberInput) -> None:
    """Make the member's teams exactly those named."""
    wanted = dict.fromkeys(body.teams or [], "contributor")
    wanted.update({item.team_slug: item.role or "contributor" for item in body.team_roles or []})
    teams = _teams(call.organization, list(wanted))
    current = {row.team.slug: row for row in TeamMembership.objects.filter(member=member).select_related("team")}
    for slug, row in current.items():
        if slug not in wanted:
            actions.remove_from_team(call.user, row.team, member)
    for slug, role in wanted.items():
        if slug not in current:
            actions.add_to_team(call.user, teams[slug], member, role)
        elif current[slug].role != role:
            actions.set_team_role(call.user, teams[slug], member, role)


@operation("DELETE", _MEMBER_PATH, scopes=("member:read",), status=204)
def remove_member(call: Call, member: str) -> None:
    """Remove a member or withdraw an invitation. Anybody may leave, except the last owner."""
    found = queries.get_member(call.organization, member, call.user)
    if found.user_id != call.user.pk:
        own_invitation = found.user_id is None and found.inviter_id == call.user.pk
        call.access.require(*(("member:admin", "member:invite") if own_invitation else ("member:admin",)))
    actions.remove_member(call.user, found)


def _may_manage(call: Call, *scopes: str) -> bool:
    return call.access.has_team_scope([call.team.pk], *scopes) or call.access.has_scope("member:write")


@operation("POST", _TEAM_PATH, scopes=("org:read", "team:write"), response=JoinedTeamBody, status=201)
def join_team(call: Call, member: str) -> JoinedTeamBody | Reply:
    """Put a member into a team. Members join by themselves where membership is open. 204: was in it already."""
    found = queries.get_member(call.organization, member, call.user)
    joins_freely = found.user_id == call.user.pk and call.organization.open_membership
    if not (joins_freely or _may_manage(call, "team:write")):
        raise ForbiddenError("Joining this team needs one of its admins.", ("team:write",))
    if not actions.add_to_team(call.user, call.team, found):
        return Reply(status=204)
    return {**_team(call), "isActive": True, "teamRole": "contributor"}


def _team(call: Call) -> TeamBody:
    return serialize_team(queries.get_team(call.organization, call.team.pk), call.access_to(call.organization))


@operation("PUT", _TEAM_PATH, scopes=("member:read", "org:read", "team:write"), response=TeamPlaceBody)
def change_team_role(call: Call, member: str, body: TeamPlaceInput) -> TeamPlaceBody:
    """Change a member's role in a team."""
    found = queries.get_member(call.organization, member, call.user)
    if not _may_manage(call, "team:write"):
        raise ForbiddenError(scopes=("team:write",))
    role = body.team_role or "contributor"
    actions.set_team_role(call.user, call.team, found, role)
    return {"isActive": True, "teamRole": role}


@operation("DELETE", _TEAM_PATH, scopes=("org:read", "team:admin"), response=TeamBody)
def leave_team(call: Call, member: str) -> TeamBody:
    """Take a member out of a team. Anybody may leave."""
    found = queries.get_member(call.organization, member, call.user)
    if found.user_id != call.user.pk and not _may_manage(call, "team:admin"):
        raise ForbiddenError(scopes=("team:admin",))
    actions.remove_from_team(call.user, call.team, found)
    return _team(call)
