"""The signed-in user's own settings."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from dictamesh_sentry.accounts.actions import create_token
from dictamesh_sentry.accounts.models import ApiToken, User
from dictamesh_sentry.accounts.queries import find_token
from tests.support.factories import make_member, make_organization, make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("dictamesh_sentry.web.urls")]


@pytest.fixture
def user(client: Client) -> User:
    user = make_member(make_organization(), "member")
    client.force_login(user)
    return user


def test_profile_and_time_zone(client: Client, user: User) -> None:
    client.post("/settings/account/", {"name": "Ada <b>", "timezone": "America/Sao_Paulo"})
    user.refresh_from_db()
    assert (user.name, user.timezone) == ("Ada <b>", "America/Sao_Paulo")
    assert b"Ada &lt;b&gt;" in client.get("/settings/account/").content
    assert client.post("/settings/account/", {"name": "x", "timezone": "Mars/Base"}).status_code == 200
    user.refresh_from_db()
    assert user.timezone == "America/Sao_Paulo"


def test_theme_is_on_the_page(client: Client, user: User) -> None:
    assert b'data-theme="system"' in client.get("/settings/account/appearance/").content
    client.post("/settings/account/appearance/", {"theme": "dark"})
    assert b'data-theme="dark"' in client.get("/settings/account/").content


def test_password_needs_the_current_one_and_ends_other_sessions(client: Client, user: User) -> None:
    user.set_password("the old password")
    user.save()
    client.force_login(user)
    other = Client()
    other.force_login(user)
    wrong = {"current": "guess", "password": "a-fresh-secret-9", "repeat": "a-fresh-secret-9"}
    assert b"This is not your current password." in client.post("/settings/account/password/", wrong).content
    client.post("/settings/account/password/", {**wrong, "current": "the old password"})
    user.refresh_from_db()
    assert user.check_password("a-fresh-secret-9")
    assert client.get("/settings/account/").status_code == 200
    assert other.get("/settings/account/").status_code == 302


def test_token_is_shown_once_and_works(client: Client, user: User) -> None:
    page = client.post("/settings/account/api-tokens/", {"name": "CI", "scopes": ["org:read", "event:read"]})
    text = re.search(rb"sntryu_[0-9a-f]{64}", page.content)
    assert text is not None
    token = find_token(text[0].decode())
    assert token is not None
    assert (token.user, token.scopes) == (user, ["org:read", "event:read"])
    again = client.get("/settings/account/api-tokens/")
    assert text[0] not in again.content
    assert token.last_characters.encode() in again.content


def test_token_needs_a_scope_and_a_future(client: Client, user: User) -> None:
    assert b"Choose at least one scope." in client.post("/settings/account/api-tokens/", {"name": "x"}).content
    past = {"name": "x", "scopes": ["org:read"], "expires": "2020-01-01"}
    assert b"This day has passed" in client.post("/settings/account/api-tokens/", past).content
    assert client.post("/settings/account/api-tokens/", {"name": "x", "scopes": ["root"]}).status_code == 200
    assert not ApiToken.objects.exists()


def test_only_the_owner_revokes(client: Client, user: User) -> None:
    mine, text = create_token(user, "mine", ["org:read"])
    theirs, other_text = create_token(make_user(), "theirs", ["org:read"])
    assert client.post(f"/settings/account/api-tokens/{theirs.pk}/revoke/").status_code == 404
    assert client.post(f"/settings/account/api-tokens/{mine.pk}/revoke/").status_code == 302
    assert find_token(text) is None
    assert find_token(other_text) is not None
