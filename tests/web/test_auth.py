"""Signing in and out, forgotten passwords, invitations, registration."""

from __future__ import annotations

import re

import pytest
from django.core import mail
from django.http import HttpResponse
from django.test import Client

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.accounts.password_reset import reset_url
from dictamesh_sentry.accounts.sign_in import FAILURES_PER_ADDRESS
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations.actions import invite_member
from dictamesh_sentry.organizations.invitations import invitation_token
from dictamesh_sentry.organizations.models import OrganizationMember
from tests.support.factories import make_member, make_organization, make_project, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("dictamesh_sentry.web.urls")]
PASSWORD = "correct horse battery staple"


@pytest.fixture
def jane() -> User:
    user = make_user(email="jane@example.com", name="Jane")
    user.set_password(PASSWORD)
    user.save()
    return user


def sign_in(client: Client, password: str = PASSWORD, **extra: str) -> HttpResponse:
    return client.post("/auth/login/", {"email": "Jane@Example.com", "password": password, **extra})


def test_sign_in_leads_to_the_wished_page(client: Client, jane: User) -> None:
    assert b"Sign in" in client.get("/auth/login/?next=/settings/account/").content
    answer = sign_in(client, next="/settings/account/")
    assert (answer.status_code, answer["Location"]) == (302, "/settings/account/")
    assert client.get("/settings/account/").status_code == 200


@pytest.mark.parametrize(
    "evil",
    ["https://evil.test/", "//evil.test", "javascript:alert(1)", "http:///evil.test", "\\\\evil.test", "/\\evil.test"],
)
def test_sign_in_never_leaves_the_site(client: Client, jane: User, evil: str) -> None:
    assert sign_in(client, next=evil)["Location"] == "/"


def test_wrong_password_says_one_thing_for_every_cause(client: Client, jane: User) -> None:
    wrong = sign_in(client, "nope")
    unknown = client.post("/auth/login/", {"email": "nobody@example.com", "password": "nope"})
    message = b"The e-mail address or the password is wrong."
    assert message in wrong.content
    assert message in unknown.content
    assert "_auth_user_id" not in client.session


def test_guessing_is_slowed_down_and_the_right_password_does_not_help(client: Client, jane: User) -> None:
    for _ in range(FAILURES_PER_ADDRESS):
        assert sign_in(client, "nope").status_code == 200
    locked = sign_in(client)
    assert locked.status_code == 429
    assert b"Too many failed attempts" in locked.content
    assert "_auth_user_id" not in client.session


def test_inactive_accounts_do_not_sign_in(client: Client, jane: User) -> None:
    User.objects.filter(pk=jane.pk).update(is_active=False)
    assert b"is wrong" in sign_in(client).content


def test_sign_out_ends_the_session_and_only_by_post(client: Client, jane: User) -> None:
    sign_in(client)
    assert client.get("/auth/logout/").status_code == 405
    assert client.post("/auth/logout/")["Location"] == "/auth/login/"
    assert client.get("/settings/account/").status_code == 302


def test_forms_need_their_token(jane: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert sign_in(strict).status_code == 403


def test_reset_by_mail_and_its_link_works_once(
    client: Client, jane: User, django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        known = client.post("/auth/reset/", {"email": "jane@example.com"})
        unknown = client.post("/auth/reset/", {"email": "nobody@example.com"})
    assert b"is on its way" in known.content
    assert re.sub(rb'name="csrf\w+" value="\w+"|X-CSRFToken":"\w+', b"", known.content) == re.sub(
        rb'name="csrf\w+" value="\w+"|X-CSRFToken":"\w+', b"", unknown.content
    )
    assert [message.to for message in mail.outbox] == [["jane@example.com"]]
    link = re.search(r"(/auth/reset/\S+)", mail.outbox[0].body)
    assert link is not None
    assert (
        b"The two passwords differ" in client.post(link[1], {"password": "a-fresh-secret-9", "repeat": "other"}).content
    )
    assert b"too common" in client.post(link[1], {"password": "password1", "repeat": "password1"}).content
    done = client.post(link[1], {"password": "a-fresh-secret-9", "repeat": "a-fresh-secret-9"})
    assert done.status_code == 302
    assert "_auth_user_id" in client.session
    assert Client().get(link[1]).status_code == 404
    assert sign_in(Client(), "a-fresh-secret-9").status_code == 302


def test_tampered_reset_link_changes_nothing(client: Client, jane: User) -> None:
    path = "/" + reset_url(jane).split("/", 3)[3]
    forged = path[:-2] + ("a" if path[-2] != "a" else "b") + "/"
    assert client.post(forged, {"password": "a-fresh-secret-9", "repeat": "a-fresh-secret-9"}).status_code == 404
    jane.refresh_from_db()
    assert jane.check_password(PASSWORD)


def invitation(email: str = "new@example.com") -> OrganizationMember:
    organization = make_organization(name="Acme")
    return invite_member(make_member(organization, "owner"), organization, email, "admin")


def test_invited_stranger_creates_an_account_and_joins(client: Client) -> None:
    member = invitation()
    address = f"/accept/{invitation_token(member)}/"
    page = client.get(address)
    assert b"Join Acme" in page.content
    assert b"new@example.com" in page.content
    weak = client.post(address, {"name": "New", "password": "12345678"})
    assert weak.status_code == 200
    assert not User.objects.filter(email="new@example.com").exists()
    joined = client.post(address, {"name": "New Person", "password": PASSWORD})
    assert joined["Location"] == f"/organizations/{member.organization.slug}/"
    member.refresh_from_db()
    assert member.user is not None
    assert (member.user.email, member.role) == ("new@example.com", "admin")
    assert Client().get(address).status_code == 404


def test_invitation_with_an_existing_account_asks_to_sign_in_first(client: Client, jane: User) -> None:
    member = invitation("jane@example.com")
    address = f"/accept/{invitation_token(member)}/"
    page = client.get(address)
    assert f"/auth/login/?next=%2Faccept%2F{invitation_token(member)}%2F".encode() in page.content
    assert client.post(address, {"name": "x", "password": PASSWORD}).status_code == 200
    assert User.objects.filter(email="jane@example.com").count() == 1
    client.force_login(jane)
    assert client.post(address).status_code == 302
    member.refresh_from_db()
    assert member.user == jane


def test_renewed_invitation_ends_the_old_link(client: Client) -> None:
    from dictamesh_sentry.organizations.actions import resend_invitation

    member = invitation()
    old = invitation_token(member)
    resend_invitation(member.inviter, member)
    assert client.get(f"/accept/{old}/").status_code == 404
    assert client.get(f"/accept/{invitation_token(member)}/").status_code == 200


def test_registration_is_closed_by_default(client: Client) -> None:
    assert client.get("/auth/register/").status_code == 404
    assert (
        client.post("/auth/register/", {"name": "x", "email": "x@example.com", "password": PASSWORD}).status_code == 404
    )
    assert not User.objects.filter(email="x@example.com").exists()


def test_open_registration_joins_the_only_organization(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    organization = make_organization()
    settings = get_settings().model_copy(update={"auth_allow_registration": True})
    monkeypatch.setattr("dictamesh_sentry.web.views.auth.get_settings", lambda: settings)
    answers = {"name": "X", "email": "x@example.com", "password": PASSWORD}
    assert client.post("/auth/register/", answers)["Location"] == "/"
    assert OrganizationMember.objects.get(organization=organization, user__email="x@example.com").role == "member"
    assert b"exists already" in Client().post("/auth/register/", answers).content


def test_home_finds_the_way(client: Client) -> None:
    alone = make_user()
    client.force_login(alone)
    assert b"You are in no organization yet" in client.get("/").content
    organization = make_organization()
    make_member(organization, "owner", alone)
    assert client.get("/")["Location"] == f"/organizations/{organization.slug}/"
    assert client.get(f"/organizations/{organization.slug}/")["Location"].endswith("/projects/new/")
    make_project(organization)
    assert client.get(f"/organizations/{organization.slug}/")["Location"].endswith(f"/{organization.slug}/issues/")


def test_superuser_without_organization_creates_the_first(client: Client) -> None:
    client.force_login(make_user(is_superuser=True))
    assert client.get("/")["Location"] == "/organizations/new/"
    answer = client.post("/organizations/new/", {"name": "Acme Inc"})
    assert answer["Location"] == "/organizations/acme-inc/"
    stranger = Client()
    stranger.force_login(make_user())
    assert stranger.post("/organizations/new/", {"name": "Other"}).status_code == 403


def test_every_page_warns_about_the_default_password(client: Client) -> None:
    organization = make_organization()
    admin = make_member(organization, "owner", make_user(has_default_password=True))
    admin.set_password("admin")
    admin.save()
    client.force_login(admin)
    warning = b"well-known default password"
    assert warning in client.get("/settings/account/").content
    done = client.post(
        "/settings/account/password/", {"current": "admin", "password": PASSWORD, "repeat": PASSWORD}, follow=True
    )
    assert warning not in done.content
    assert b"Your password is changed" in done.content
