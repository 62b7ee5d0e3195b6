"""Organizations, roles, teams and members in the API's shapes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NotRequired

from typing_extensions import TypedDict

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.api.responses import required_iso
from dictamesh_sentry.api.serializers_users import AvatarBody, UserBody, letter_avatar, serialize_user
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations.access import (
    GLOBAL_ROLES,
    ROLE_DESCRIPTIONS,
    ROLE_ORDER,
    ROLE_SCOPES,
    TEAM_ROLE_DESCRIPTIONS,
    TEAM_ROLE_SCOPES,
    Access,
)
from dictamesh_sentry.organizations.invitations import is_expired
from dictamesh_sentry.organizations.models import Organization, OrganizationMember, Team, TeamMembership
from dictamesh_sentry.projects.options import OrganizationOptions, load_organization_options

FEATURES = ["issue-platform", "open-membership", "shared-issues", "team-roles"]


class StatusBody(TypedDict):
    id: str
    name: str


class LinksBody(TypedDict):
    organizationUrl: str
    regionUrl: str


class OrganizationBody(TypedDict):
    id: str
    slug: str
    name: str
    dateCreated: str
    status: StatusBody
    isEarlyAdopter: bool
    require2FA: bool
    requireEmailVerification: bool
    features: list[str]
    avatar: AvatarBody
    links: LinksBody
    hasAuthProvider: bool
    allowMemberInvite: bool
    allowMemberProjectCreation: bool
    allowSuperuserAccess: bool
    onboardingTasks: list[Any]
    access: NotRequired[list[str]]


class RoleBody(TypedDict):
    id: str
    name: str
    desc: str
    scopes: list[str]
    isAllowed: bool
    isRetired: bool
    isGlobal: bool
    minimumTeamRole: str
    is_global: bool


class TeamRoleBody(TypedDict):
    id: str
    name: str
    desc: str
    scopes: list[str]
    isAllowed: bool
    isRetired: bool
    isMinimumRoleFor: str | None


class QuotaBody(TypedDict):
    maxRate: int | None
    maxRateInterval: int
    accountLimit: int
    projectLimit: int


class AvailableRoleBody(TypedDict):
    id: str
    name: str


class OrganizationDetailBody(OrganizationBody):
    role: str
    orgRole: str
    availableRoles: list[AvailableRoleBody]
    orgRoleList: list[RoleBody]
    teamRoleList: list[TeamRoleBody]
    defaultRole: str
    quota: QuotaBody
    isDefault: bool
    openMembership: bool
    eventsMemberAdmin: bool
    alertsMemberWrite: bool
    attachmentsRole: str
    debugFilesRole: str
    dataScrubber: bool
    dataScrubberDefaults: bool
    sensitiveFields: list[str]
    safeFields: list[str]
    storeCrashReports: int
    scrubIPAddresses: bool
    scrapeJavaScript: bool
    relayPiiConfig: str | None
    trustedRelays: list[Any]
    allowSharedIssues: bool
    enhancedPrivacy: bool
    pendingAccessRequests: int
    teams: NotRequired[list[Any]]
    projects: NotRequired[list[Any]]


def serialize_organization(organization: Organization, access: Access | None = None) -> OrganizationBody:
    """The summary. With ``access``, the caller's scopes too."""
    options = load_organization_options(organization.options)
    url = get_settings().public_url
    body: OrganizationBody = {
        "id": str(organization.pk),
        "slug": organization.slug,
        "name": organization.name,
        "dateCreated": required_iso(organization.date_created),
        "status": {"id": "active", "name": "active"},
        "isEarlyAdopter": bool(options.extra.get("isEarlyAdopter", False)),
        "require2FA": options.require_two_factor,
        "requireEmailVerification": False,
        "features": FEATURES,
        "avatar": letter_avatar(),
        "links": {"organizationUrl": f"{url}/organizations/{organization.slug}/", "regionUrl": url},
        "hasAuthProvider": False,
        "allowMemberInvite": options.allow_member_invite,
        "allowMemberProjectCreation": options.allow_member_project_creation,
        "allowSuperuserAccess": True,
        "onboardingTasks": [],
    }
    if access is not None:
        body["access"] = sorted(access.scopes)
    return body


def serialize_organization_detail(access: Access) -> OrganizationDetailBody:
    """An organization with its settings, as the caller sees it."""
    organization = access.organization
    options = load_organization_options(organization.options)
    return {
        **serialize_organization(organization, access),
        "role": access.role,
        "orgRole": access.role,
        "availableRoles": [{"id": role, "name": role.capitalize()} for role in ROLE_ORDER],
        "orgRoleList": organization_roles(access),
        "teamRoleList": team_roles(access),
        "defaultRole": organization.default_role,
        "quota": {"maxRate": None, "maxRateInterval": 60, "accountLimit": 0, "projectLimit": 100},
        "isDefault": get_settings().single_organization,
        "openMembership": organization.open_membership,
        "eventsMemberAdmin": options.events_member_admin,
        "alertsMemberWrite": options.alerts_member_write,
        "attachmentsRole": options.attachments_role,
        "debugFilesRole": str(options.extra.get("debugFilesRole", "admin")),
        "dataScrubber": options.scrub.enabled,
        "dataScrubberDefaults": options.scrub.defaults,
        "sensitiveFields": options.scrub.sensitive_fields,
        "safeFields": options.scrub.safe_fields,
        "storeCrashReports": int(options.extra.get("storeCrashReports", 0)),
        "scrubIPAddresses": options.scrub.ip_addresses,
        "scrapeJavaScript": bool(options.extra.get("scrapeJavaScript", True)),
        "relayPiiConfig": pii_text(options),
        "trustedRelays": [],
        "allowSharedIssues": options.allow_shared_issues,
        "enhancedPrivacy": False,
        "pendingAccessRequests": 0,
    }


def pii_text(options: OrganizationOptions) -> str | None:
    """The advanced scrubbing rules as the text they were written in; None when there are none."""
    return written_json(options.scrub.pii_config, options.extra.get("relayPiiConfig"))


def written_json(value: Mapping[str, Any], text: Any) -> str | None:
    """The text a JSON setting was written as, unless somebody changed the setting since."""
    if isinstance(text, str):
        try:
            if (json.loads(text) or {}) == value:
                return text
        except ValueError:
            pass
    return json.dumps(value) if value else None


def organization_roles(access: Access) -> list[RoleBody]:
    """Roles, weakest first; ``isAllowed`` says whether the caller may grant them."""
    return [
        {
            "id": role,
            "name": role.capitalize(),
            "desc": ROLE_DESCRIPTIONS[role],
            "scopes": sorted(ROLE_SCOPES[role]),
            "isAllowed": access.may_grant(role) and access.has_scope("member:write", "member:invite"),
            "isRetired": role == "admin",
            "isGlobal": role in GLOBAL_ROLES,
            "is_global": role in GLOBAL_ROLES,
            "minimumTeamRole": "admin" if role in GLOBAL_ROLES else "contributor",
        }
        for role in ROLE_ORDER
    ]


def team_roles(access: Access) -> list[TeamRoleBody]:
    """Roles within a team, weakest first."""
    return [
        {
            "id": role,
            "name": "Team Admin" if role == "admin" else "Contributor",
            "desc": TEAM_ROLE_DESCRIPTIONS[role],
            "scopes": sorted(TEAM_ROLE_SCOPES[role]),
            "isAllowed": access.has_scope("team:write"),
            "isRetired": False,
            "isMinimumRoleFor": "manager" if role == "admin" else None,
        }
        for role in TEAM_ROLE_SCOPES
    ]


class TeamReferenceBody(TypedDict):
    id: str
    slug: str
    name: str


class TeamBody(TeamReferenceBody):
    dateCreated: str
    isMember: bool
    hasAccess: bool
    isPending: bool
    teamRole: str | None
    memberCount: int
    avatar: AvatarBody
    flags: dict[str, bool]
    access: list[str]
    externalTeams: list[Any]
    projects: NotRequired[list[Any]]
    organization: NotRequired[OrganizationBody]


def team_reference(team: Team) -> TeamReferenceBody:
    """A team inside another object."""
    return {"id": str(team.pk), "slug": team.slug, "name": team.name}


def serialize_team(team: Team, access: Access) -> TeamBody:
    """A team that came with ``member_count`` (see organizations.queries)."""
    role = access.team_roles.get(team.pk)
    granted = access.scopes | {scope for scope in TEAM_ROLE_SCOPES.get(role or "", ()) if _within(access, scope)}
    return {
        "id": str(team.pk),
        "slug": team.slug,
        "name": team.name,
        "dateCreated": required_iso(team.date_created),
        "isMember": role is not None,
        "hasAccess": role is not None or access.is_global or access.organization.open_membership,
        "isPending": False,
        "teamRole": role,
        "memberCount": int(getattr(team, "member_count", 0)),
        "avatar": letter_avatar(),
        "flags": {"idp:provisioned": False},
        "access": sorted(granted),
        "externalTeams": [],
    }


def _within(access: Access, scope: str) -> bool:
    return access.limit is None or scope in access.limit


class MemberTeamRoleBody(TypedDict):
    teamSlug: str
    role: str | None


class MemberBody(TypedDict):
    id: str
    email: str
    name: str
    orgRole: str
    role: str
    roleName: str
    pending: bool
    expired: bool
    user: UserBody | None
    flags: dict[str, bool]
    dateCreated: str
    inviteStatus: str
    inviterName: str | None
    teams: list[str]
    teamRoles: list[MemberTeamRoleBody]
    externalUsers: list[Any]
    projects: NotRequired[list[str]]
    teamRole: NotRequired[str | None]
    teamSlug: NotRequired[str]


class MemberDetailBody(MemberBody):
    orgRoleList: list[RoleBody]
    teamRoleList: list[TeamRoleBody]
    roles: list[RoleBody]


def serialize_member(member: OrganizationMember) -> MemberBody:
    """A member or an invitation, loaded by ``organizations.queries.members``."""
    user: User | None = member.user
    memberships: Sequence[TeamMembership] = list(member.teammembership_set.all())  # type: ignore[attr-defined]
    return {
        "id": str(member.pk),
        "email": user.email if user else member.email,
        "name": user.display_name if user else member.email,
        "orgRole": member.role,
        "role": member.role,
        "roleName": member.role.capitalize(),
        "pending": user is None,
        "expired": is_expired(member),
        "user": serialize_user(user) if user else None,
        "flags": {
            "idp:provisioned": False,
            "idp:role-restricted": False,
            "sso:linked": False,
            "sso:invalid": False,
            "member-limit:restricted": False,
            "partnership:restricted": False,
        },
        "dateCreated": required_iso(member.date_added),
        "inviteStatus": "approved",
        "inviterName": member.inviter.display_name if member.inviter else None,
        "teams": [membership.team.slug for membership in memberships],
        "teamRoles": [{"teamSlug": membership.team.slug, "role": membership.role} for membership in memberships],
        "externalUsers": [],
    }


def serialize_member_detail(member: OrganizationMember, access: Access) -> MemberDetailBody:
    """A member with the roles there are."""
    roles = organization_roles(access)
    return {
        **serialize_member(member),
        "orgRoleList": roles,
        "teamRoleList": team_roles(access),
        "roles": roles,
    }


def member_projects_of(member: OrganizationMember, by_team: Mapping[int, Collection[str]]) -> list[str]:
    """Slugs of the projects a member's teams own."""
    memberships: Sequence[TeamMembership] = member.teammembership_set.all()  # type: ignore[attr-defined]
    return sorted({slug for membership in memberships for slug in by_team.get(membership.team_id, ())})
