"""Writes of organizations, members and teams. Each authorises nothing by itself beyond what its text says
(callers check scopes), validates, and writes its audit entry in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import structlog
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F

from dictamesh_sentry.accounts.actions import clean_email
from dictamesh_sentry.accounts.errors import ConflictError
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations import audit
from dictamesh_sentry.organizations.access import (
    ROLE_ORDER,
    TEAM_ROLE_SCOPES,
    ForbiddenError,
    NotVisibleError,
    access_for,
)
from dictamesh_sentry.organizations.invitations import (
    accept_invitation,
    invitation_url,
    mail_invitation,
    renew,
)
from dictamesh_sentry.organizations.models import Organization, OrganizationMember, Team, TeamMembership
from dictamesh_sentry.organizations.options import without_defaults
from dictamesh_sentry.organizations.slugs import clean_name, slug_from, validate_slug

log = structlog.get_logger(__name__)

__all__ = [
    "accept_invitation", "add_member", "add_member_by_slug", "add_to_team", "change_role", "create_organization",
    "create_team", "delete_organization", "delete_team", "invitation_url", "invite_member", "remove_from_team",
    "remove_member", "resend_invitation", "set_team_role", "update_organization", "update_team",
]  # fmt: skip

_ORGANIZATION_FIELDS = ("name", "slug", "default_role", "open_membership")


def create_organization(actor: User | None, name: str, *, slug: str | None = None) -> Organization:
    """Create an organization; the actor becomes its first owner. Raises ValidationError, ConflictError."""
    name = clean_name(name)
    if slug is None:
        slug = slug_from(name, "organization", lambda text: Organization.objects.filter(slug=text).exists())
    else:
        validate_slug(slug)
        if Organization.objects.filter(slug=slug).exists():
            raise ConflictError({"slug": [f'The slug "{slug}" is already in use.']})
    with transaction.atomic():
        organization = Organization.objects.create(name=name, slug=slug)
        if actor is not None:
            OrganizationMember.objects.create(organization=organization, user=actor, role="owner")
        audit.record(actor, organization, "org.create", slug, {"name": name, "slug": slug})
    return organization


def update_organization(
    actor: User | None, organization: Organization, *, options: Any = None, **changes: Any
) -> Organization:
    """Change ``name``, ``slug``, ``default_role``, ``open_membership``, and ``options`` (an OrganizationOptions).

    Raises every project's ``config_version``, because processing reads the organization's options too.
    """
    unknown = set(changes) - set(_ORGANIZATION_FIELDS)
    if unknown:
        raise TypeError(f"not a field of an organization: {', '.join(sorted(unknown))}")
    before = {field: getattr(organization, field) for field in _ORGANIZATION_FIELDS}
    before["options"] = organization.options
    if "name" in changes:
        changes["name"] = clean_name(changes["name"])
    if "slug" in changes and changes["slug"] != organization.slug:
        validate_slug(changes["slug"])
        if Organization.objects.filter(slug=changes["slug"]).exists():
            raise ConflictError({"slug": [f'The slug "{changes["slug"]}" is already in use.']})
    if changes.get("default_role", "member") not in ROLE_ORDER:
        raise ValidationError({"defaultRole": ["Unknown role."]})
    for field, value in changes.items():
        setattr(organization, field, value)
    if options is not None:
        organization.options = without_defaults(options)
    after = {field: getattr(organization, field) for field in before}
    different = audit.changes(before, after)
    if not different:
        return organization
    with transaction.atomic():
        organization.save(update_fields=list(different))
        organization.projects.update(config_version=F("config_version") + 1)  # type: ignore[attr-defined]
        audit.record(actor, organization, "org.edit", organization.slug, different)
    return organization


def delete_organization(actor: User | None, organization: Organization) -> None:
    """Delete an organization that has no project left. Raises ConflictError while it has."""
    if organization.projects.exists():  # type: ignore[attr-defined]
        raise ConflictError("Delete the organization's projects first.")
    log.info("organization deleted", organization=organization.slug, actor=actor.email if actor else audit.SYSTEM_LABEL)
    organization.delete()


def add_member(
    actor: User | None, organization: Organization, user: User, role: str = "member", teams: Iterable[Team] = ()
) -> OrganizationMember:
    """Make an existing account a member without an invitation (operators, registration). Idempotent by user."""
    _check_role(role)
    with transaction.atomic():
        member, created = OrganizationMember.objects.get_or_create(
            organization=organization, user=user, defaults={"role": role}
        )
        for team in _own_teams(organization, teams):
            TeamMembership.objects.get_or_create(team=team, member=member)
        if created:
            audit.record(actor, organization, "member.add", user.email, {"role": role})
    return member


def add_member_by_slug(user: User, slug: str, role: str) -> OrganizationMember:
    """For the operator's command: join by slug, or take the role when a member already. Raises NotVisibleError."""
    _check_role(role)
    organization = Organization.objects.filter(slug=slug).first()
    if organization is None:
        raise NotVisibleError(f"no organization with the slug {slug!r}")
    member = add_member(None, organization, user, role)
    return member if member.role == role else change_role(None, member, role)


def invite_member(
    actor: User | None, organization: Organization, email: str, role: str, teams: Iterable[Team] = ()
) -> OrganizationMember:
    """Create an invitation and mail its link. Raises ConflictError when the address is a member or invited already.

    Nobody invites to a role above their own: ForbiddenError.
    """
    _check_role(role)
    _check_grant(actor, organization, role)
    address = clean_email(email)
    known = OrganizationMember.objects.filter(organization=organization)
    if known.filter(user__email=address).exists() or known.filter(email=address).exists():
        raise ConflictError({"email": [f"{address} is already a member or invited."]})
    member = OrganizationMember(organization=organization, email=address, role=role, inviter=actor)
    renew(member)
    try:
        with transaction.atomic():
            member.save()
            for team in _own_teams(organization, teams):
                TeamMembership.objects.create(team=team, member=member)
            audit.record(actor, organization, "member.invite", address, {"role": role})
            mail_invitation(member)
    except IntegrityError as error:
        raise ConflictError({"email": [f"{address} is already a member or invited."]}) from error
    return member


def resend_invitation(actor: User | None, member: OrganizationMember) -> OrganizationMember:
    """Renew an invitation's expiry and link, and mail it again. Earlier links stop working."""
    if member.user_id is not None:
        raise ValidationError("This invitation has been accepted.")
    with transaction.atomic():
        renew(member)
        member.save(update_fields=["invite_token", "invite_expires"])
        audit.record(actor, member.organization, "member.reinvite", member.email)
        mail_invitation(member)
    return member


def change_role(actor: User | None, member: OrganizationMember, role: str) -> OrganizationMember:
    """Give a member another role. The last owner stays one (ConflictError).

    Nobody grants a role above their own, or changes the role of somebody above them (ForbiddenError).
    """
    _check_role(role)
    _check_grant(actor, member.organization, role)
    _check_grant(actor, member.organization, member.role)
    if member.role == role:
        return member
    with transaction.atomic():
        _protect_last_owner(member, "change the role of")
        before, member.role = member.role, role
        member.save(update_fields=["role"])
        audit.record(actor, member.organization, "member.edit", _label(member), {"from": before, "to": role})
    return member


def remove_member(actor: User | None, member: OrganizationMember) -> None:
    """End a membership or withdraw an invitation. The last owner cannot leave (ConflictError)."""
    if actor is None or member.user_id != actor.pk:
        _check_grant(actor, member.organization, member.role)
    with transaction.atomic():
        _protect_last_owner(member, "remove")
        event = "member.remove" if member.user_id else "member.withdraw-invite"
        audit.record(actor, member.organization, event, _label(member), {"role": member.role})
        member.delete()


def create_team(actor: User | None, organization: Organization, name: str = "", *, slug: str | None = None) -> Team:
    """Create a team; an actor who is a member joins it as its admin. Raises ValidationError, ConflictError."""
    name = clean_name(name or slug or "")
    known = Team.objects.filter(organization=organization)
    if slug is None:
        slug = slug_from(name, "team", lambda text: known.filter(slug=text).exists())
    else:
        validate_slug(slug)
    try:
        with transaction.atomic():
            team = Team.objects.create(organization=organization, name=name, slug=slug)
            member = OrganizationMember.objects.filter(organization=organization, user=actor).first() if actor else None
            if member is not None:
                TeamMembership.objects.create(team=team, member=member, role="admin")
            audit.record(actor, organization, "team.create", slug, {"name": name})
    except IntegrityError as error:
        raise ConflictError("The slug is in use by another team of the organization.") from error
    return team


def update_team(actor: User | None, team: Team, *, name: str | None = None, slug: str | None = None) -> Team:
    """Rename a team. Raises ValidationError, ConflictError."""
    before = {"name": team.name, "slug": team.slug}
    after = dict(before)
    if name is not None:
        after["name"] = clean_name(name)
    if slug is not None and slug != team.slug:
        after["slug"] = validate_slug(slug)
    different = audit.changes(before, after)
    if not different:
        return team
    team.name, team.slug = after["name"], after["slug"]
    try:
        with transaction.atomic():
            team.save(update_fields=["name", "slug"])
            audit.record(actor, team.organization, "team.edit", team.slug, different)
    except IntegrityError as error:
        raise ConflictError("The slug is in use by another team of the organization.") from error
    return team


def delete_team(actor: User | None, team: Team) -> None:
    """Delete a team; its projects stay."""
    with transaction.atomic():
        audit.record(actor, team.organization, "team.remove", team.slug, {"name": team.name})
        team.delete()


def add_to_team(actor: User | None, team: Team, member: OrganizationMember, role: str = "contributor") -> bool:
    """Put a member into a team. Returns whether they were not in it before."""
    _check_team_role(role)
    _same_organization(team, member)
    with transaction.atomic():
        _, created = TeamMembership.objects.get_or_create(team=team, member=member, defaults={"role": role})
        if created:
            audit.record(actor, team.organization, "member.join-team", _label(member), {"team": team.slug})
    return created


def set_team_role(actor: User | None, team: Team, member: OrganizationMember, role: str) -> None:
    """Change the role of a member in a team. Raises NotVisibleError when they are not in it."""
    _check_team_role(role)
    with transaction.atomic():
        changed = TeamMembership.objects.filter(team=team, member=member).update(role=role)
        if not changed:
            raise NotVisibleError("The member is not in this team")
        audit.record(
            actor, team.organization, "member.edit-team-role", _label(member), {"team": team.slug, "role": role}
        )


def remove_from_team(actor: User | None, team: Team, member: OrganizationMember) -> bool:
    """Take a member out of a team. Returns whether they were in it."""
    _same_organization(team, member)
    with transaction.atomic():
        removed, _ = TeamMembership.objects.filter(team=team, member=member).delete()
        if removed:
            audit.record(actor, team.organization, "member.leave-team", _label(member), {"team": team.slug})
    return bool(removed)


def _label(member: OrganizationMember) -> str:
    return member.user.email if member.user is not None else member.email


def _check_role(role: str) -> None:
    if role not in ROLE_ORDER:
        raise ValidationError({"orgRole": [f'"{role}" is not a role. Choose one of: {", ".join(ROLE_ORDER)}.']})


def _check_team_role(role: str) -> None:
    if role not in TEAM_ROLE_SCOPES:
        raise ValidationError({"teamRole": [f'"{role}" is not a role of a team.']})


def _check_grant(actor: User | None, organization: Organization, role: str) -> None:
    """An actor of None is the operator (command line, setup), who may grant everything."""
    if actor is not None and not access_for(actor, organization).may_grant(role):
        raise ForbiddenError("You cannot manage a role above your own.")


def _protect_last_owner(member: OrganizationMember, verb: str) -> None:
    if member.role != "owner" or member.user_id is None:
        return
    # Locked, so that two owners cannot remove each other at the same time.
    owners: Sequence[int] = list(
        OrganizationMember.objects.select_for_update()
        .filter(organization=member.organization, role="owner", user__isnull=False, user__is_active=True)
        .values_list("pk", flat=True)
    )
    if set(owners) <= {member.pk}:
        raise ConflictError(f"You cannot {verb} the last owner of an organization.")


def _own_teams(organization: Organization, teams: Iterable[Team]) -> list[Team]:
    found = list(teams)
    if any(team.organization_id != organization.pk for team in found):
        raise NotVisibleError("A team belongs to another organization")
    return found


def _same_organization(team: Team, member: OrganizationMember) -> None:
    if team.organization_id != member.organization_id:
        raise NotVisibleError("The member belongs to another organization")
