"""What a user may do in an organization.

``access_for`` is the only door: it finds the membership, turns the role and the organization's switches into
scopes, and raises ``NotVisibleError`` for everybody else, so that a stranger cannot tell a foreign organization from
one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.accounts.scopes import expand
from dictamesh_sentry.organizations.models import Organization, OrganizationMember, TeamMembership

_MEMBER = (
    "event:admin", "project:read", "project:releases", "org:read",
    "member:read", "member:invite", "team:read", "alerts:write",
)  # fmt: skip
_ADMIN = (*_MEMBER, "project:admin", "team:admin", "org:integrations")
_MANAGER = (*_ADMIN, "member:admin", "org:write", "org:ci")
_OWNER = (*_MANAGER, "org:admin")

#: Role → scopes, lower scopes of each family included. Order: weakest first.
ROLE_SCOPES: Mapping[str, frozenset[str]] = {
    "member": expand(_MEMBER),
    "admin": expand(_ADMIN),
    "manager": expand(_MANAGER),
    "owner": expand(_OWNER),
}
ROLE_ORDER = tuple(ROLE_SCOPES)
GLOBAL_ROLES = frozenset({"manager", "owner"})
ROLE_DESCRIPTIONS: Mapping[str, str] = {
    "member": "Works with issues and events, sees projects, and invites other members.",
    "admin": "Member, and also creates and changes projects and teams.",
    "manager": "Admin of every team, and also manages members and the organization's settings.",
    "owner": "Unrestricted: also removes the organization and its projects.",
}
TEAM_ROLE_SCOPES: Mapping[str, frozenset[str]] = {
    "contributor": frozenset(),
    "admin": expand(("team:admin", "project:admin", "org:integrations")),
}
TEAM_ROLE_DESCRIPTIONS: Mapping[str, str] = {
    "contributor": "Sees and acts on the issues of the team's projects.",
    "admin": "Also manages the team's projects and membership.",
}


class NotVisibleError(Exception):
    """The object does not exist, or this user may not know that it does (HTTP 404)."""


class ForbiddenError(Exception):
    """The user sees the object but may not do this to it (HTTP 403). Any one of ``scopes`` would have sufficed."""

    def __init__(self, message: str = "", scopes: Iterable[str] = ()) -> None:
        super().__init__(message or "You do not have permission to perform this action.")
        self.scopes = tuple(scopes)


@dataclass(frozen=True)
class Access:
    """A user's rights in one organization. ``member`` is None for a superuser who is no member."""

    user: User
    organization: Organization
    member: OrganizationMember | None
    role: str
    scopes: frozenset[str]
    team_roles: Mapping[int, str] = field(default_factory=dict)
    limit: frozenset[str] | None = None

    @property
    def team_ids(self) -> frozenset[int]:
        """Teams the user belongs to."""
        return frozenset(self.team_roles)

    @property
    def is_global(self) -> bool:
        """Sees every project and team whatever the organization's openness."""
        return self.role in GLOBAL_ROLES

    def has_scope(self, *alternatives: str) -> bool:
        """Whether one of the scopes is held."""
        return not self.scopes.isdisjoint(alternatives)

    def require(self, *alternatives: str) -> None:
        """Raise ForbiddenError unless one of the scopes is held."""
        if not self.has_scope(*alternatives):
            raise ForbiddenError(scopes=alternatives)

    def has_team_scope(self, team_ids: Iterable[int], *alternatives: str) -> bool:
        """Whether one of the scopes is held here, or through being an admin of one of these teams."""
        if self.has_scope(*alternatives):
            return True
        granted: frozenset[str] = frozenset().union(
            *(TEAM_ROLE_SCOPES[self.team_roles[team]] for team in team_ids if team in self.team_roles)
        )
        if self.limit is not None:
            granted &= self.limit
        return not granted.isdisjoint(alternatives)

    def require_team(self, team_ids: Iterable[int], *alternatives: str) -> None:
        """Raise ForbiddenError unless ``has_team_scope``."""
        if not self.has_team_scope(team_ids, *alternatives):
            raise ForbiddenError(scopes=alternatives)

    def limited_to(self, scopes: Iterable[str]) -> Access:
        """The same rights through a token that carries only these scopes."""
        limit = expand(scopes)
        return replace(self, scopes=self.scopes & limit, limit=limit)

    def may_grant(self, role: str) -> bool:
        """Nobody hands out more than they have."""
        return ROLE_ORDER.index(role) <= ROLE_ORDER.index(self.role)


def access_for(user: object, organization: Organization) -> Access:
    """The user's access. Raises NotVisibleError when they are no member (superusers act as owners everywhere)."""
    if not isinstance(user, User) or not user.is_active:
        raise NotVisibleError("The requested resource does not exist")
    member = OrganizationMember.objects.filter(organization=organization, user=user).first()
    if member is None and not user.is_superuser:
        raise NotVisibleError("The requested resource does not exist")
    role = "owner" if user.is_superuser or member is None else member.role
    roles = dict(TeamMembership.objects.filter(member=member).values_list("team_id", "role")) if member else {}
    return Access(user, organization, member, role, _scopes(role, organization), roles)


def _scopes(role: str, organization: Organization) -> frozenset[str]:
    scopes = ROLE_SCOPES[role]
    if role != "member":
        return scopes
    options = organization.options
    removed = {
        scope
        for switch, scope in (
            ("allow_member_invite", "member:invite"),
            ("events_member_admin", "event:admin"),
            ("alerts_member_write", "alerts:write"),
        )
        if options.get(switch) is False
    }
    return scopes - removed
