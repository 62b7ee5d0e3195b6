"""The signed-in user's own pages."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from dictamesh_sentry.accounts import actions
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.accounts.queries import tokens_of
from dictamesh_sentry.web.forms.account import AppearanceForm, ProfileForm, TokenForm
from dictamesh_sentry.web.forms.auth import ChangePasswordForm
from dictamesh_sentry.web.views.organization_scope import signed_in


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)
    return request.user


@signed_in
def profile(request: HttpRequest) -> HttpResponse:
    """Name and time zone."""
    user = _user(request)
    form = ProfileForm(
        request.POST if request.method == "POST" else None, initial={"name": user.name, "timezone": user.timezone}
    )
    if request.method == "POST" and form.is_valid():
        try:
            actions.update_profile(user, **form.cleaned_data)
        except ValidationError as error:
            form.take_errors(error)
        else:
            messages.success(request, "Your profile is saved.")
            return redirect("account")
    return render(request, "account/profile.html", {"form": form})


@signed_in
def appearance(request: HttpRequest) -> HttpResponse:
    """Light, dark, or as the system is."""
    user = _user(request)
    form = AppearanceForm(request.POST if request.method == "POST" else None, initial={"theme": user.theme})
    if request.method == "POST" and form.is_valid():
        actions.update_profile(user, theme=form.cleaned_data["theme"])
        messages.success(request, "The appearance is saved.")
        return redirect("account-appearance")
    return render(request, "account/appearance.html", {"form": form})


@never_cache
@sensitive_post_parameters("current", "password", "repeat")
@signed_in
def password(request: HttpRequest) -> HttpResponse:
    """Change the password; every other session ends."""
    user = _user(request)
    form = ChangePasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            actions.change_password(user, form.cleaned_data["current"], form.cleaned_data["password"])
        except ValidationError as error:
            form.take_errors(error)
        else:
            update_session_auth_hash(request, user)
            messages.success(request, "Your password is changed. Other sessions are signed out.")
            return redirect("account-password")
    return render(request, "account/password.html", {"form": form})


@never_cache
@signed_in
def tokens(request: HttpRequest) -> HttpResponse:
    """API tokens. A new one's text is part of the answer to its creation and is never shown again."""
    user = _user(request)
    form = TokenForm(
        request.POST if request.method == "POST" else None,
        initial={"scopes": ["org:read", "project:read", "event:read"]},
    )
    created = None
    if request.method == "POST" and form.is_valid():
        answers = form.cleaned_data
        try:
            created, text = actions.create_token(user, answers["name"], answers["scopes"], answers["expires"])
        except ValidationError as error:
            form.take_errors(error, expires_at="expires")
        else:
            context = {"tokens": tokens_of(user), "created": created, "text": text, "form": TokenForm()}
            return render(request, "account/tokens.html", context)
    return render(request, "account/tokens.html", {"tokens": tokens_of(user), "form": form})


@require_POST
@signed_in
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """Revoke one of one's own tokens."""
    user = _user(request)
    token = tokens_of(user).filter(pk=token_id).first()
    if token is None:
        raise Http404
    actions.revoke_token(user, token)
    messages.success(request, f"The token “{token.name or '…' + token.last_characters}” is revoked.")
    return redirect("account-tokens")
