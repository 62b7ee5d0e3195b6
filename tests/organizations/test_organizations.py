"""Rights, slugs, members, invitations and the audit log."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.accounts.errors import ConflictError
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations import actions, audit, invitations, queries
from dictamesh_sentry.organizations.access import (
    ROLE_ORDER,
    ROLE_SCOPES,
    ForbiddenError,
    NotVisibleError,
    access_for,
)
from dictamesh_sentry.organizations.models import AuditLogEntry, Organization, OrganizationMember
from dictamesh_sentry.organizations.slugs import MAX_LENGTH, RESERVED, slug_from, validate_slug
from tests.support import factories


class TestSlugs:
    @given(st.text(max_size=120))
    def test_every_name_gets_a_valid_free_slug(self, name: str) -> None:
        first = slug_from(name, "project", lambda text: False)
        assert validate_slug(first) == first
        second = slug_from(name, "project", lambda text: text == first)
        assert validate_slug(second) == second != first

    @pytest.mark.parametrize(
        ("name", "slug"),
        [
            ("My App", "my-app"),
            ("  Ünïque — Äpp!  ", "unique-app"),
            ("1234", "project-1234"),
            ("new", "project-new"),
            ("a_b-c", "a_b-c"),
        ],
    )
    def test_names(self, name: str, slug: str) -> None:
        assert slug_from(name, "project", lambda text: False) == slug

    @pytest.mark.parametrize(
        "slug", ["", "123", "-a", "A", "a b", "a/b", "ä", "٣", "a" * (MAX_LENGTH + 1), *sorted(RESERVED)]
    )
    def test_bad_slugs(self, slug: str) -> None:
        with pytest.raises(ValidationError) as caught:
            validate_slug(slug)
        assert list(caught.value.message_dict) == ["slug"]


class TestRoles:
    def test_each_role_includes_the_weaker_ones(self) -> None:
        for weaker, stronger in itertools.pairwise(ROLE_ORDER):
            assert ROLE_SCOPES[weaker] < ROLE_SCOPES[stronger]

    @pytest.mark.parametrize(
        ("role", "has", "lacks"),
        [
            ("member", {"event:admin", "project:read", "project:releases", "member:invite", "alerts:write"},
             {"project:write", "team:write", "member:write", "org:write"}),
            ("admin", {"project:admin", "team:admin", "org:integrations"}, {"member:write", "org:write"}),
            ("manager", {"member:admin", "org:write"}, {"org:admin"}),
            ("owner", {"org:admin"}, set()),
        ],
    )  # fmt: skip
    def test_the_documented_scopes(self, role: str, has: set[str], lacks: set[str]) -> None:
        assert has <= ROLE_SCOPES[role]
        assert not lacks & ROLE_SCOPES[role]


@pytest.mark.django_db
class TestAccess:
    def test_strangers_and_invitees_see_nothing(self) -> None:
        organization = factories.make_organization()
        invited = factories.make_user()
        actions.invite_member(None, organization, invited.email, "owner")
        for user in (factories.make_user(), invited, None, object()):
            with pytest.raises(NotVisibleError):
                access_for(user, organization)
            with pytest.raises(NotVisibleError):
                queries.get_organization(user, organization.slug)

    def test_inactive_members_see_nothing(self) -> None:
        organization = factories.make_organization()
        user = factories.make_member(organization, "owner")
        user.is_active = False
        with pytest.raises(NotVisibleError):
            access_for(user, organization)

    def test_superusers_act_as_owners_everywhere(self) -> None:
        organization = factories.make_organization()
        root = factories.make_user(is_superuser=True)
        assert access_for(root, organization).scopes == ROLE_SCOPES["owner"]
        assert queries.get_organization(root, organization.pk) == organization

    def test_tokens_narrow_team_rights_too(self) -> None:
        organization = factories.make_organization()
        team = factories.make_team(organization)
        user = factories.make_member(organization)
        OrganizationMember.objects.get(user=user).teammembership_set.create(team=team, role="admin")  # type: ignore[attr-defined]
        access = access_for(user, organization)
        assert access.has_team_scope([team.pk], "project:write")
        assert not access.has_scope("project:write")
        narrow = access.limited_to(["project:read"])
        assert not narrow.has_team_scope([team.pk], "project:write")
        assert narrow.scopes == {"project:read"}
        with pytest.raises(ForbiddenError):
            narrow.require_team([team.pk], "project:write")


@pytest.mark.django_db
class TestMembers:
    def test_the_last_owner_stays(self) -> None:
        organization = factories.make_organization()
        owner = factories.make_member(organization, "owner")
        member = OrganizationMember.objects.get(user=owner)
        for attempt in (
            lambda: actions.remove_member(owner, member),
            lambda: actions.change_role(owner, member, "member"),
            lambda: actions.change_role(None, member, "member"),
        ):
            with pytest.raises(ConflictError):
                attempt()
        factories.make_member(organization, "owner", user=factories.make_user(is_active=False))
        with pytest.raises(ConflictError):
            actions.remove_member(owner, member)
        factories.make_member(organization, "owner")
        actions.remove_member(owner, member)
        assert not OrganizationMember.objects.filter(pk=member.pk).exists()

    def test_teams_of_other_organizations_are_refused(self) -> None:
        organization, other = factories.make_organization(), factories.make_organization()
        foreign = factories.make_team(other)
        member = OrganizationMember.objects.get(user=factories.make_member(organization))
        with pytest.raises(NotVisibleError):
            actions.add_to_team(None, foreign, member)
        with pytest.raises(NotVisibleError):
            actions.invite_member(None, organization, "a@example.com", "member", [foreign])

    def test_only_acquaintances_are_shown(self) -> None:
        organization = factories.make_organization()
        first, second = factories.make_member(organization), factories.make_member(organization)
        stranger = factories.make_user()
        assert queries.get_acquaintance(first, str(second.pk)) == second
        for user_id in (str(stranger.pk), "x", "9" * 30):
            with pytest.raises(NotVisibleError):
                queries.get_acquaintance(first, user_id)


@pytest.mark.django_db
class TestInvitations:
    def invite(self, **changes: Any) -> OrganizationMember:
        organization = changes.pop("organization", None) or factories.make_organization(name="A\r\nBcc: x@evil.example")
        return actions.invite_member(None, organization, "New@Example.com", "admin", **changes)

    def test_accepting(self, django_capture_on_commit_callbacks: Any) -> None:
        organization = factories.make_organization(name="A\r\nBcc: x@evil.example")
        team = factories.make_team(organization)
        with django_capture_on_commit_callbacks(execute=True):
            member = self.invite(organization=organization, teams=[team])
        assert "\n" not in mail.outbox[0].subject
        assert mail.outbox[0].recipients() == ["new@example.com"]
        token = invitations.invitation_token(member)
        assert f"/accept/{token}/" in mail.outbox[0].body
        user = factories.make_user()
        accepted = actions.accept_invitation(token, user)
        assert (accepted.user, accepted.role, accepted.email) == (user, "admin", "")
        assert access_for(user, organization).team_ids == {team.pk}
        with pytest.raises(ValidationError):
            actions.accept_invitation(token, factories.make_user())

    def test_links_expire_and_end_when_renewed(self) -> None:
        member = self.invite()
        old = invitations.invitation_token(member)
        actions.resend_invitation(None, member)
        assert invitations.find_invitation(old) is None
        fresh = invitations.invitation_token(member)
        assert invitations.find_invitation(fresh) == member
        OrganizationMember.objects.update(invite_expires=timezone.now() - timedelta(seconds=1))
        assert invitations.find_invitation(fresh) is None
        member.refresh_from_db()
        assert invitations.is_expired(member)

    @pytest.mark.parametrize("token", ["", "-", "1-", "x-y", "9" * 40 + "-a", "1-" + "0" * 40, "٣-x", "1-é"])
    def test_made_up_links(self, token: str) -> None:
        self.invite()
        assert invitations.find_invitation(token) is None

    def test_the_database_alone_opens_nothing(self) -> None:
        member = self.invite()
        assert member.invite_token not in invitations.invitation_token(member)

    def test_members_cannot_accept_again(self) -> None:
        organization = factories.make_organization()
        user = factories.make_member(organization)
        with pytest.raises(ConflictError):
            actions.accept_invitation(invitations.invitation_token(self.invite(organization=organization)), user)

    def test_one_invitation_per_address(self) -> None:
        organization = factories.make_organization()
        self.invite(organization=organization)
        with pytest.raises(ConflictError):
            actions.invite_member(None, organization, "NEW@example.com", "member")
        member: User = factories.make_member(organization)
        with pytest.raises(ConflictError):
            actions.invite_member(None, organization, member.email.upper(), "member")


@pytest.mark.django_db
class TestAudit:
    def test_secrets_are_hidden(self) -> None:
        organization = factories.make_organization()
        entry = audit.record(None, organization, "x.y", "t" * 500, {"security_token": "abc", "name": "n"})
        assert entry.data == {"security_token": "[hidden]", "name": "n"}
        assert (entry.actor_label, len(entry.target)) == ("system", 200)
        assert audit.changes({"a": 1, "b": 2}, {"a": 1, "b": 3}) == {"b": {"from": 2, "to": 3}}

    def test_entries_outlive_their_actor(self) -> None:
        organization = factories.make_organization()
        actor = factories.make_member(organization, "owner")
        actions.create_team(actor, organization, "Team")
        email = actor.email
        actor.delete()
        entry = AuditLogEntry.objects.get()
        assert (entry.actor, entry.actor_label, entry.event) == (None, email, "team.create")

    def test_a_failed_action_leaves_no_entry(self) -> None:
        organization = factories.make_organization()
        actions.create_team(None, organization, "Team", slug="team-x")
        with pytest.raises(ConflictError):
            actions.create_team(None, organization, "Team", slug="team-x")
        assert AuditLogEntry.objects.count() == 1


@pytest.mark.django_db
class TestOrganizations:
    def test_creation(self) -> None:
        user = factories.make_user()
        organization = actions.create_organization(user, "My Org")
        assert (organization.slug, access_for(user, organization).role) == ("my-org", "owner")
        assert actions.create_organization(user, "My Org").slug == "my-org-2"
        with pytest.raises(ConflictError):
            actions.create_organization(user, "X", slug="my-org")

    def test_deletion_waits_for_the_projects(self) -> None:
        organization = factories.make_organization()
        project = factories.make_project(organization)
        with pytest.raises(ConflictError):
            actions.delete_organization(None, organization)
        project.delete()
        actions.delete_organization(None, organization)
        assert not Organization.objects.exists()

    def test_the_command_finds_the_only_organization(self) -> None:
        with pytest.raises(NotVisibleError):
            queries.for_command(None)
        organization = factories.make_organization()
        team = factories.make_team(organization)
        assert queries.for_command(None) == (organization, team)
        with pytest.raises(NotVisibleError):
            queries.for_command(None, "nope")
        factories.make_organization()
        with pytest.raises(NotVisibleError):
            queries.for_command(None)
        assert queries.for_command(organization.slug, team.slug) == (organization, team)
