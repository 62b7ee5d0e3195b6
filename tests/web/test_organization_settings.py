"""Settings of the organization, members, teams, quotas, audit log: what they change, and who may not."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations.actions import invite_member
from dictamesh_sentry.organizations.models import AuditLogEntry, Organization, OrganizationMember, Team
from dictamesh_sentry.projects.options import load_organization_options
from dictamesh_sentry.quotas.models import Quota
from tests.support.factories import make_member, make_organization, make_project, make_team

pytestmark = [pytest.mark.django_db, pytest.mark.urls("dictamesh_sentry.web.urls")]


@pytest.fixture
def organization(db: None) -> Organization:
    return make_organization(slug="acme", name="Acme")


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def owner(organization: Organization) -> Client:
    return client_of(make_member(organization, "owner"))


def events() -> list[str]:
    return list(AuditLogEntry.objects.order_by("pk").values_list("event", flat=True))


GENERAL = {"name": "Acme 2", "slug": "acme-2", "default_role": "admin", "allow_shared_issues": "on"}


def test_general_settings_are_saved_with_an_audit_entry(owner: Client, organization: Organization) -> None:
    answer = owner.post("/settings/acme/", GENERAL)
    assert answer["Location"] == "/settings/acme-2/"
    organization.refresh_from_db()
    options = load_organization_options(organization.options)
    assert (organization.name, organization.default_role, organization.open_membership) == ("Acme 2", "admin", False)
    assert options.allow_shared_issues
    assert not options.allow_member_invite
    assert events() == ["org.edit"]
    assert b"Acme 2" in owner.get("/settings/acme-2/").content


def test_a_bad_slug_is_explained_next_to_its_field(owner: Client, organization: Organization) -> None:
    make_organization(slug="taken")
    page = owner.post("/settings/acme/", {**GENERAL, "slug": "taken"}).content.decode()
    assert "already in use" in page
    assert 'aria-describedby="id_slug-hint id_slug-error"' in page
    assert b"reserved" in owner.post("/settings/acme/", {**GENERAL, "slug": "new"}).content
    organization.refresh_from_db()
    assert organization.slug == "acme"


def test_security_settings(owner: Client, organization: Organization) -> None:
    owner.post("/settings/acme/security-and-privacy/", {"ip_addresses": "on", "sensitive_fields": "ssn\n\n ssn \ncvv"})
    organization.refresh_from_db()
    scrub = load_organization_options(organization.options).scrub
    assert (scrub.ip_addresses, scrub.enabled, scrub.sensitive_fields) == (True, False, ["ssn", "cvv"])


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("", GENERAL),
        ("security-and-privacy/", {"enabled": "on"}),
        ("quotas/", {"limit": "1", "window": "60"}),
        ("teams/", {"name": "x"}),
        ("members/{other}/", {"role": "member"}),
        ("members/{other}/remove/", {}),
        ("teams/core/", {"name": "x", "slug": "x"}),
        ("teams/core/delete/", {}),
        ("teams/core/members/", {"do": "add", "member": "{other}"}),
    ],
)
def test_members_are_refused_by_the_server_too(organization: Organization, path: str, data: dict[str, str]) -> None:
    make_team(organization, slug="core")
    other = OrganizationMember.objects.get(user=make_member(organization, "admin"))
    member = client_of(make_member(organization, "member"))
    filled = {name: value.format(other=other.pk) for name, value in data.items()}
    assert member.post(f"/settings/acme/{path.format(other=other.pk)}", filled).status_code == 403
    assert events() == []


def test_members_see_settings_but_no_controls(organization: Organization) -> None:
    member = client_of(make_member(organization, "member"))
    for path in ("", "security-and-privacy/", "quotas/", "members/", "teams/"):
        page = member.get(f"/settings/acme/{path}")
        assert page.status_code == 200
        assert b"button primary" not in page.content or path == "members/"
    assert member.get("/settings/acme/audit-log/").status_code == 403
    assert b"Audit log" not in member.get("/settings/acme/").content


def test_invite_several_and_report_the_refused(
    owner: Client, organization: Organization, django_capture_on_commit_callbacks: object
) -> None:
    existing = make_member(organization, "member")
    team = make_team(organization, slug="core")
    data = {"emails": f"a@example.com\n{existing.email}\nnot-an-address", "role": "manager", "teams": [team.pk]}
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        page = owner.post("/settings/acme/members/", data).content.decode()
    assert "already a member" in page
    assert "Enter a valid e-mail address" in page
    invited = OrganizationMember.objects.get(email="a@example.com")
    assert (invited.role, list(invited.teams.all())) == ("manager", [team])
    assert [message.to for message in mail.outbox] == [["a@example.com"]]
    assert f"/accept/{invited.pk}-" in page, "the link can be copied where mail is not sent"
    assert b"required" in owner.post("/settings/acme/members/", {"emails": " ", "role": "member"}).content


def test_resend_and_withdraw(owner: Client, organization: Organization) -> None:
    invited = invite_member(make_member(organization, "owner"), organization, "a@example.com", "member")
    before = invited.invite_token
    owner.post(f"/settings/acme/members/{invited.pk}/resend/")
    invited.refresh_from_db()
    assert invited.invite_token != before
    owner.post(f"/settings/acme/members/{invited.pk}/remove/")
    assert not OrganizationMember.objects.filter(pk=invited.pk).exists()
    assert events() == ["member.invite", "member.reinvite", "member.withdraw-invite"]


def test_inviters_cannot_reach_above_themselves(organization: Organization) -> None:
    member = client_of(make_member(organization, "member"))
    page = member.post("/settings/acme/members/", {"emails": "a@example.com", "role": "owner"})
    assert b"Select a valid choice" in page.content
    boss = invite_member(make_member(organization, "owner"), organization, "boss@example.com", "owner")
    assert member.post(f"/settings/acme/members/{boss.pk}/resend/").status_code == 403
    assert f"/accept/{boss.pk}-".encode() not in member.get("/settings/acme/members/").content


def test_change_role_and_teams(owner: Client, organization: Organization) -> None:
    core, web = make_team(organization, slug="core"), make_team(organization, slug="web")
    member = OrganizationMember.objects.get(user=make_member(organization, "member", teams=(core,)))
    owner.post(f"/settings/acme/members/{member.pk}/", {"role": "manager", "teams": [web.pk]})
    member.refresh_from_db()
    assert (member.role, list(member.teams.all())) == ("manager", [web])


def test_the_last_owner_stays(owner: Client, organization: Organization) -> None:
    last = OrganizationMember.objects.get(role="owner")
    page = owner.post(f"/settings/acme/members/{last.pk}/", {"role": "member"})
    assert b"last owner" in page.content
    assert b"last owner" in owner.post(f"/settings/acme/members/{last.pk}/remove/", follow=True).content
    last.refresh_from_db()
    assert last.role == "owner"


def test_members_leave_by_themselves(organization: Organization) -> None:
    user = make_member(organization, "member")
    own = OrganizationMember.objects.get(user=user)
    assert client_of(user).post(f"/settings/acme/members/{own.pk}/remove/")["Location"] == "/"
    assert not OrganizationMember.objects.filter(pk=own.pk).exists()


def test_team_life(owner: Client, organization: Organization) -> None:
    assert owner.post("/settings/acme/teams/", {"name": "Core Team"})["Location"] == "/settings/acme/teams/core-team/"
    other = OrganizationMember.objects.get(user=make_member(organization, "member"))
    base = "/settings/acme/teams/core-team/"
    owner.post(f"{base}members/", {"do": "add", "member": other.pk, "role": "contributor"})
    owner.post(f"{base}members/", {"do": "role", "member": other.pk, "role": "admin"})
    team = Team.objects.get(slug="core-team")
    assert team.teammembership_set.get(member=other).role == "admin"
    assert (
        b"is not a role of a team"
        in owner.post(f"{base}members/", {"do": "role", "member": other.pk, "role": "king"}, follow=True).content
    )
    owner.post(f"{base}members/", {"do": "remove", "member": other.pk})
    assert not team.teammembership_set.filter(member=other).exists()
    assert owner.post(base, {"name": "Core", "slug": "core"})["Location"] == "/settings/acme/teams/core/"
    project = make_project(organization, (team,))
    assert project.slug.encode() in owner.get("/settings/acme/teams/core/").content
    owner.post("/settings/acme/teams/core/delete/")
    assert not Team.objects.exists()
    project.refresh_from_db()


def test_team_admins_manage_their_own_team_only(organization: Organization) -> None:
    mine, other = make_team(organization, slug="mine"), make_team(organization, slug="other")
    user = make_member(organization, "member", teams=(mine,))
    mine.teammembership_set.update(role="admin")
    client = client_of(user)
    assert client.post("/settings/acme/teams/mine/", {"name": "Mine!", "slug": "mine"}).status_code == 302
    assert client.post("/settings/acme/teams/other/", {"name": "x", "slug": "other"}).status_code == 403
    other.refresh_from_db()
    assert other.name == "Team"


def test_joining_by_oneself_needs_open_membership(organization: Organization) -> None:
    team = make_team(organization, slug="core")
    client = client_of(make_member(organization, "member"))
    client.post("/settings/acme/teams/core/members/", {"do": "join", "back": "list"})
    assert team.teammembership_set.count() == 1
    client.post("/settings/acme/teams/core/members/", {"do": "leave"})
    organization.open_membership = False
    organization.save()
    assert client.post("/settings/acme/teams/core/members/", {"do": "join"}).status_code == 403
    assert not team.teammembership_set.exists()


def test_quota_of_a_project(owner: Client, organization: Organization) -> None:
    project = make_project(organization)
    stranger = make_project(make_organization())
    assert (
        b"Select a valid choice"
        in owner.post("/settings/acme/quotas/", {"project": stranger.pk, "limit": "5", "window": "60"}).content
    )
    owner.post(
        "/settings/acme/quotas/", {"project": project.pk, "categories": ["error"], "limit": "5", "window": "3600"}
    )
    quota = Quota.objects.get()
    assert (quota.project, quota.categories, quota.limit, quota.window) == (project, ["error"], 5, 3600)
    page = owner.get("/settings/acme/quotas/").content
    assert b"Errors" in page
    assert b"hour" in page
    owner.post(f"/settings/acme/quotas/{quota.pk}/delete/")
    assert not Quota.objects.exists()
    assert events() == ["quota.create", "quota.remove"]


def test_audit_log_is_filtered_escaped_and_paged(owner: Client, organization: Organization) -> None:
    for number in range(60):
        AuditLogEntry.objects.create(
            organization=organization, event="a.b", target=f"<i>{number}</i>", data={"x": {"from": "<b>", "to": None}}
        )
    AuditLogEntry.objects.create(organization=make_organization(), event="secret.other", target="foreign")
    owner.post("/settings/acme/teams/", {"name": "Core"})
    page = owner.get("/settings/acme/audit-log/").content.decode()
    assert "team.create" in page
    assert "&lt;i&gt;59&lt;/i&gt;" in page
    assert "&lt;b&gt; → –" in page
    assert "foreign" not in page
    assert "secret.other" not in page
    assert "1–50 of 61" in page
    assert "&lt;i&gt;0&lt;/i&gt;" in owner.get("/settings/acme/audit-log/?page=2").content.decode()
    filtered = owner.get("/settings/acme/audit-log/?event=team.create&actor=99999999999999999999").content.decode()
    assert "core" in filtered
    assert "&lt;i&gt;" not in filtered
