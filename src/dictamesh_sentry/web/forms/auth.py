"""Sign-in, registration, password reset and invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from dictamesh_sentry.web.forms.base import PageForm


def _new_password() -> forms.CharField:
    return forms.CharField(
        label="New password",
        strip=False,
        max_length=1024,
        help_text="At least 8 characters, and not a common password.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class LoginForm(PageForm):
    """E-mail and password."""

    email = forms.EmailField(
        label="E-mail",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        strip=False, max_length=1024, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class ResetRequestForm(PageForm):
    """Which account's password was forgotten."""

    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True})
    )


class NewPasswordForm(PageForm):
    """A new password, typed twice."""

    password = _new_password()
    repeat = forms.CharField(
        label="Repeat it",
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if cleaned.get("password") and cleaned.get("repeat") and cleaned["password"] != cleaned["repeat"]:
            raise ValidationError({"repeat": "The two passwords differ. Type the same one twice."})
        return cleaned


class ChangePasswordForm(NewPasswordForm):
    """A new password, and the one it replaces."""

    current = forms.CharField(
        label="Current password",
        strip=False,
        max_length=1024,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ["current", "password", "repeat"]


class NewAccountForm(PageForm):
    """An account for an invited person; the address comes from the invitation."""

    name = forms.CharField(
        label="Your name", max_length=128, widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True})
    )
    password = _new_password()


class RegisterForm(NewAccountForm):
    """An account for anyone, where the installation allows it."""

    email = forms.EmailField(
        label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "username"})
    )
    field_order = ["name", "email", "password"]
