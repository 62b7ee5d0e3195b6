"""Reads of organizations, members and teams, scoped to what a user may know of."""

from __future__ import annotations

from django.db.models import Count, Prefetch, Q, QuerySet

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import AuditLogEntry, Organization, OrganizationMember, Team, TeamMembership

_ABSENT = "The requested resource does not exist"
_LARGEST_ID = 2**63 - 1


def by_id_or_slug(value: str | int) -> Q:
    """The condition for "numeric id or slug". Slugs are never all digits, so there is no ambiguity."""
    text = str(value)
    if text.isascii() and text.isdigit():
        return Q(pk=int(text)) if int(text) <= _LARGEST_ID else Q(pk=None)
    return Q(slug=text)


def organizations_for(user: User) -> QuerySet[Organization]:
    """Organizations the user is a member of, by name; all of them for a superuser."""
    found = Organization.objects.order_by("name", "pk")
    return found if user.is_superuser else found.filter(members__user=user)


def get_organization(user: object, slug_or_id: str | int) -> Organization:
    """An organization the user is a member of. Raises NotVisibleError."""
    if not isinstance(user, User) or not user.is_active:
        raise NotVisibleError(_ABSENT)
    organization = organizations_for(user).filter(by_id_or_slug(slug_or_id)).first()
    if organization is None:
        raise NotVisibleError(_ABSENT)
    return organization


def for_command(slug: str | None, team_slug: str | None = None) -> tuple[Organization, Team | None]:
    """For the operator's command, which authorises by shell access: organization (the only one when unnamed) and team.

    The team is the named one or the oldest. Raises NotVisibleError with a message for the terminal.
    """
    found = list(Organization.objects.filter(slug=slug)[:2] if slug else Organization.objects.order_by("pk")[:2])
    if not found:
        raise NotVisibleError(f"no organization with the slug {slug!r}" if slug else "there is no organization yet")
    if len(found) > 1:
        raise NotVisibleError("there are several organizations; name one with --organization")
    organization = found[0]
    candidates = Team.objects.filter(organization=organization).order_by("pk")
    team = (candidates.filter(slug=team_slug) if team_slug else candidates).first()
    if team is None and team_slug:
        raise NotVisibleError(f"no team with the slug {team_slug!r} in {organization.slug}")
    return organization, team


def members(organization: Organization) -> QuerySet[OrganizationMember]:
    """Members and open invitations, oldest first, with users, inviters and teams loaded."""
    memberships = TeamMembership.objects.select_related("team").order_by("team__slug")
    return (
        OrganizationMember.objects.filter(organization=organization)
        .select_related("user", "inviter", "organization")
        .prefetch_related(Prefetch("teammembership_set", queryset=memberships))
        .order_by("date_added", "pk")
    )


def get_member(organization: Organization, member_id: str | int, user: User | None = None) -> OrganizationMember:
    """A member by id; ``me`` is ``user``'s own membership. Raises NotVisibleError."""
    found = members(organization)
    text = str(member_id)
    if text == "me" and user is not None:
        member = found.filter(user=user).first()
    elif text.isascii() and text.isdigit() and int(text) <= _LARGEST_ID:
        member = found.filter(pk=int(text)).first()
    else:
        member = None
    if member is None:
        raise NotVisibleError(_ABSENT)
    return member


def teams(organization: Organization) -> QuerySet[Team]:
    """Teams by slug, each with ``member_count`` (people, not invitations)."""
    joined = Count("members", filter=Q(members__user__isnull=False), distinct=True)
    return Team.objects.filter(organization=organization).annotate(member_count=joined).order_by("slug", "pk")


def get_team(organization: Organization, slug_or_id: str | int) -> Team:
    """A team of the organization with ``member_count``. Raises NotVisibleError."""
    team = teams(organization).filter(by_id_or_slug(slug_or_id)).first()
    if team is None:
        raise NotVisibleError(_ABSENT)
    return team


def audit_entries(
    organization: Organization, *, event: str | None = None, actor_id: int | None = None
) -> QuerySet[AuditLogEntry]:
    """The audit log, newest first, with actors loaded."""
    entries = AuditLogEntry.objects.filter(organization=organization).select_related("actor")
    if event:
        entries = entries.filter(event=event)
    if actor_id is not None:
        entries = entries.filter(actor_id=actor_id)
    return entries.order_by("-datetime", "-pk")


def audit_events(organization: Organization) -> list[str]:
    """The kinds of entries the log holds."""
    found = AuditLogEntry.objects.filter(organization=organization).order_by("event")
    return list(found.values_list("event", flat=True).distinct())


def get_acquaintance(user: User, user_id: str) -> User:
    """The user with this id: oneself, or a member of an organization of ``user``. Raises NotVisibleError."""
    if user_id == str(user.pk):
        return user
    found = None
    if user_id.isascii() and user_id.isdigit() and int(user_id) <= _LARGEST_ID:
        shared = OrganizationMember.objects.filter(organization__in=organizations_for(user).values("pk"))
        found = User.objects.filter(pk=int(user_id), pk__in=shared.values("user_id")).first()
    if found is None:
        raise NotVisibleError(_ABSENT)
    return found
