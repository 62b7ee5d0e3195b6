"""Who a comment addresses: ``@person`` and ``#team``."""

from __future__ import annotations

from dataclasses import dataclass, field

import re2
from django.db.models import Q

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations.models import OrganizationMember, Team

MAX_MENTIONS = 50
_PERSON = re2.compile(r"(?:^|[\s(,;:])@([\w.+-]+(?:@[\w-]+(?:\.[\w-]+)+)?)")
_TEAM = re2.compile(r"(?:^|[\s(,;:])#([a-z0-9][a-z0-9_-]*)")


@dataclass(slots=True)
class Mentions:
    """Members and teams of one organization."""

    users: list[User] = field(default_factory=list)
    teams: list[Team] = field(default_factory=list)

    def references(self) -> list[str]:
        """As stored with the comment: ``user:1``, ``team:2``."""
        return [f"user:{user.pk}" for user in self.users] + [f"team:{team.pk}" for team in self.teams]


def find_mentions(organization_id: int, text: str) -> Mentions:
    """Members and teams a text names: by address, by its local part, or by name without spaces.

    A name that fits several members addresses none of them: telling a stranger is worse than telling nobody.
    """
    names = {name.rstrip(".-").lower() for name in _PERSON.findall(text)[:MAX_MENTIONS]}
    slugs = set(_TEAM.findall(text)[:MAX_MENTIONS])
    mentions = Mentions()
    if slugs:
        mentions.teams = list(Team.objects.filter(organization_id=organization_id, slug__in=slugs).order_by("pk"))
    if names:
        mentions.users = _match_people(organization_id, names)
    return mentions


def _match_people(organization_id: int, names: set[str]) -> list[User]:
    condition = Q()
    for name in names:
        local = name if "@" in name else f"{name}@"
        condition |= Q(user__email__istartswith=local) | Q(user__name__istartswith=name[:3])
    members = OrganizationMember.objects.filter(condition, organization_id=organization_id, user__is_active=True)
    matches: dict[str, list[User]] = {name: [] for name in names}
    for member in members.select_related("user").order_by("user_id")[:1000]:
        user = member.user
        if user is None:
            continue
        for name in {user.email.lower(), user.email.split("@")[0].lower(), user.name.replace(" ", "").lower()}:
            if name in matches:
                matches[name].append(user)
    found = {users[0].pk: users[0] for users in matches.values() if len(users) == 1}
    return [found[key] for key in sorted(found)]
