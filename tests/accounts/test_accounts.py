"""Accounts, passwords, tokens and the brake on guessing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.utils import timezone

from dictamesh_sentry.accounts import actions, client_address, password_reset, sign_in
from dictamesh_sentry.accounts.errors import ConflictError, LockedOutError
from dictamesh_sentry.accounts.models import ApiToken, SignInFailures, User
from dictamesh_sentry.accounts.queries import find_token, find_user
from dictamesh_sentry.accounts.scopes import SCOPES, expand
from dictamesh_sentry.accounts.tokens import USER_TOKEN_SCOPES
from dictamesh_sentry.config.load import get_settings

pytestmark = pytest.mark.django_db
GOOD = "correct horse battery"


@pytest.fixture
def user() -> User:
    return actions.create_user("Ada@Example.com ", GOOD, "Ada")


class TestUsers:
    def test_addresses_are_one_whatever_their_spelling(self, user: User) -> None:
        assert user.email == "ada@example.com"
        assert find_user(" ADA@example.COM") == user
        with pytest.raises(ConflictError):
            actions.create_user("aDa@example.com", GOOD)

    @pytest.mark.parametrize(
        "email", ["", "x", "a@b", "a b@example.com", "a@example.com\nBcc: x@y.zz", "x" * 250 + "@e.com"]
    )
    def test_bad_addresses(self, email: str) -> None:
        with pytest.raises(ValidationError) as caught:
            actions.create_user(email, GOOD)
        assert list(caught.value.message_dict) == ["email"]

    @pytest.mark.parametrize("password", ["short", "password123", "ada@example.com", ""])
    def test_weak_passwords(self, password: str) -> None:
        with pytest.raises(ValidationError) as caught:
            actions.create_user("ada@example.com", password)
        assert list(caught.value.message_dict) == ["password"]
        assert not User.objects.exists()

    def test_the_command_updates_only_when_told(self, user: User) -> None:
        with pytest.raises(ConflictError):
            actions.create_or_update_user(user.email, GOOD, is_superuser=True, may_update=False)
        updated, created = actions.create_or_update_user(
            user.email, "another long one", is_superuser=True, may_update=True
        )
        assert (updated.pk, updated.is_superuser, created) == (user.pk, True, False)

    def test_changing_the_password_ends_the_warning(self, user: User) -> None:
        User.objects.update(has_default_password=True)
        user.refresh_from_db()
        with pytest.raises(ValidationError):
            actions.change_password(user, "wrong", "another long one")
        actions.change_password(user, GOOD, "another long one")
        user.refresh_from_db()
        assert user.check_password("another long one")
        assert not user.has_default_password

    def test_profile(self, user: User) -> None:
        actions.update_profile(user, name=" Ada L. ", theme="dark", timezone="Europe/Lisbon")
        user.refresh_from_db()
        assert (user.name, user.theme, user.timezone) == ("Ada L.", "dark", "Europe/Lisbon")
        for wrong in ({"timezone": "Mars/Base"}, {"theme": "pink"}, {"name": "x" * 200}):
            with pytest.raises(ValidationError):
                actions.update_profile(user, **wrong)
        with pytest.raises(TypeError):
            actions.update_profile(user, is_superuser=True)


class TestTokens:
    def test_only_the_hash_is_kept(self, user: User) -> None:
        token, text = actions.create_token(user, "ci", ["org:read", "org:read"])
        assert token.scopes == ["org:read"]
        assert text[-4:] == token.last_characters
        assert text not in str(ApiToken.objects.values())
        assert find_token(text) == token

    @pytest.mark.parametrize("text", ["", "sntryu_", "x" * 1000, "\ud800", "sntryu_" + "0" * 64])
    def test_other_texts_are_no_token(self, user: User, text: str) -> None:
        actions.create_token(user, "ci", ["org:read"])
        assert find_token(text) is None

    def test_expiry(self, user: User) -> None:
        with pytest.raises(ValidationError):
            actions.create_token(user, "", ["org:read"], timezone.now())
        _, text = actions.create_token(user, "", ["org:read"], timezone.now() + timedelta(hours=1))
        assert find_token(text) is not None
        ApiToken.objects.update(expires_at=timezone.now())
        assert find_token(text) is None

    def test_nobody_revokes_anothers(self, user: User) -> None:
        token, _ = actions.create_token(user, "", ["org:read"])
        with pytest.raises(PermissionError):
            actions.revoke_token(actions.create_user("b@example.com", GOOD), token)
        actions.revoke_token(user, token)
        assert not ApiToken.objects.exists()


class TestScopes:
    def test_higher_scopes_include_the_lower_ones_of_their_family(self) -> None:
        assert expand(["project:admin"]) == {"project:admin", "project:write", "project:read"}
        assert expand(["member:invite"]) == {"member:invite", "member:read"}
        assert {"org:integrations", "org:read"} <= expand(["org:admin"])
        for alone in ("org:ci", "project:releases"):
            assert expand([alone]) == {alone}
            assert not any(alone in expand([other]) for other in SCOPES - {alone})
        assert expand(["nonsense"]) == frozenset()

    def test_every_scope_but_openid_can_be_given_to_a_token(self) -> None:
        assert set(USER_TOKEN_SCOPES) == SCOPES - {"openid", "profile", "email"}


class TestSignIn:
    def test_right_and_wrong(self, user: User) -> None:
        assert sign_in.check_credentials(" ADA@example.com", GOOD, "10.0.0.1") == user
        messages = set()
        for email, password in (("ada@example.com", "wrong"), ("nobody@example.com", GOOD)):
            with pytest.raises(ValidationError) as caught:
                sign_in.check_credentials(email, password, None)
            messages.add(caught.value.message)
        assert len(messages) == 1, "the answer must not tell whether the account exists"

    def test_guessing_is_stopped_even_for_the_right_password(self, user: User) -> None:
        SignInFailures.objects.create(
            key=next(iter(sign_in._limits(user.email, None))),
            failures=sign_in.FAILURES_PER_ADDRESS - 1,
            window_start=timezone.now(),
        )
        with pytest.raises(ValidationError):
            sign_in.check_credentials(user.email, "wrong", "10.0.0.1")
        with pytest.raises(LockedOutError) as caught:
            sign_in.check_credentials(user.email, GOOD, "10.9.9.9")
        assert 0 < caught.value.retry_after <= 901
        SignInFailures.objects.update(window_start=timezone.now() - sign_in.WINDOW)
        assert sign_in.check_credentials(user.email, GOOD, "10.9.9.9") == user
        sign_in.forget_old_failures()
        assert not SignInFailures.objects.exists()

    def test_one_client_cannot_try_many_accounts(self, user: User) -> None:
        key = list(sign_in._limits("x@example.com", "10.0.0.1"))[1]
        SignInFailures.objects.create(key=key, failures=sign_in.FAILURES_PER_CLIENT, window_start=timezone.now())
        with pytest.raises(LockedOutError):
            sign_in.check_credentials(user.email, GOOD, "10.0.0.1")
        assert sign_in.check_credentials(user.email, GOOD, "10.0.0.2") == user

    def test_inactive_users_cannot(self, user: User) -> None:
        user.is_active = False
        user.save()
        with pytest.raises(ValidationError):
            sign_in.check_credentials(user.email, GOOD, None)


class TestPasswordReset:
    def link(self, callbacks: Any, email: str) -> str:
        with callbacks(execute=True):
            password_reset.request_reset(email)
        body = mail.outbox[-1].body
        return body.partition("/auth/reset/")[2].partition("/")[0]

    def test_a_link_works_once(self, user: User, django_capture_on_commit_callbacks: Any) -> None:
        token = self.link(django_capture_on_commit_callbacks, "ADA@example.com")
        with pytest.raises(ValidationError):
            password_reset.complete_reset(token, "short")
        assert password_reset.complete_reset(token, "another long one") == user
        with pytest.raises(ValidationError):
            password_reset.complete_reset(token, "yet another one")
        user.refresh_from_db()
        assert user.check_password("another long one")

    def test_unknown_addresses_get_no_mail_and_no_error(self, user: User) -> None:
        password_reset.request_reset("nobody@example.com")
        assert mail.outbox == []

    @pytest.mark.parametrize("token", ["", "-", "1", "x-y", "zzzzzzzzzzzzzzzzzzzz-x", "1-" + "a" * 40, "é-é"])
    def test_made_up_links(self, user: User, token: str) -> None:
        assert password_reset.user_of_reset(token) is None

    def test_a_link_is_for_its_user_only(self, user: User, django_capture_on_commit_callbacks: Any) -> None:
        other = actions.create_user("b@example.com", GOOD)
        token = self.link(django_capture_on_commit_callbacks, user.email)
        forged = password_reset.reset_url(other).rsplit("/", 2)[1].partition("-")[0] + "-" + token.partition("-")[2]
        assert password_reset.user_of_reset(forged) is None


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        (0, "1.1.1.1", "10.0.0.9"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 10.0.0.2", "1.1.1.1"),
        (1, "", "10.0.0.9"),
        (1, "<script>", None),
        (1, "2001:db8::1", "2001:db8::1"),
    ],
)
def test_only_trusted_proxies_name_the_client(
    rf: Any, monkeypatch: pytest.MonkeyPatch, trusted: int, forwarded: str, expected: str | None
) -> None:
    settings = get_settings().model_copy(update={"trusted_proxies": trusted})
    monkeypatch.setattr(client_address, "get_settings", lambda: settings)
    request = rf.get("/", REMOTE_ADDR="10.0.0.9", headers={"X-Forwarded-For": forwarded})
    assert client_address.client_address(request) == expected
