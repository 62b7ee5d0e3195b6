"""Forgotten passwords: a signed link by mail, valid for three days or until used.

Django's token generator signs the password hash, so setting a password makes every earlier link worthless.
"""

from __future__ import annotations

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.utils.http import base36_to_int, int_to_base36

from dictamesh_sentry.accounts.actions import set_password
from dictamesh_sentry.accounts.mail import send_mail
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.accounts.queries import find_user
from dictamesh_sentry.config.load import get_settings

_generator = PasswordResetTokenGenerator()


def reset_url(user: User) -> str:
    """The absolute link that lets its holder set a new password."""
    token = f"{int_to_base36(user.pk)}-{_generator.make_token(user)}"
    return f"{get_settings().public_url}/auth/reset/{token}/"


def request_reset(email: str) -> None:
    """Mail a link when the address has an active account. Silent otherwise, so that nobody can probe for accounts."""
    user = find_user(email)
    if user is None or not user.is_active:
        return
    send_mail(
        user.email,
        "Set a new password",
        f"Hello {user.display_name},\n\nsomebody, hopefully you, asked for a new password. Set it here:\n\n"
        f"  {reset_url(user)}\n\nThe link works once, for three days. If you did not ask, ignore this message.\n",
    )


def user_of_reset(token: str) -> User | None:
    """The user a reset link belongs to, None when it is wrong, used or too old."""
    number, _, signature = token.partition("-")
    try:
        user = User.objects.filter(pk=base36_to_int(number), is_active=True).first()
    except (ValueError, OverflowError):
        return None
    return user if user is not None and _generator.check_token(user, signature) else None


def complete_reset(token: str, password: str) -> User:
    """Set the password through a link. Raises ValidationError for a bad link or a weak password."""
    user = user_of_reset(token)
    if user is None:
        raise ValidationError("This link is no longer valid. Ask for a new one.")
    set_password(user, password)
    return user
