"""Signing in and out, forgotten passwords, invitations, registration."""

from __future__ import annotations

from django.conf import settings
from django.contrib import auth, messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from dictamesh_sentry.accounts import actions, password_reset
from dictamesh_sentry.accounts import sign_in as sign_in_actions
from dictamesh_sentry.accounts.client_address import client_address
from dictamesh_sentry.accounts.errors import LockedOutError
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.accounts.queries import find_user
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations import actions as organization_actions
from dictamesh_sentry.organizations.invitations import accept_invitation as accept
from dictamesh_sentry.organizations.invitations import find_invitation
from dictamesh_sentry.organizations.models import OrganizationMember
from dictamesh_sentry.organizations.queries import for_command
from dictamesh_sentry.web.forms.auth import LoginForm, NewAccountForm, NewPasswordForm, RegisterForm, ResetRequestForm

BACKEND = "django.contrib.auth.backends.ModelBackend"


def safe_next(request: HttpRequest) -> str:
    """The wished address when it is a path of this site, else the home page."""
    wished = request.POST.get("next") or request.GET.get("next") or ""
    # No host is allowed: the Host header is not trusted, and a path is all a sign-in ever needs.
    return wished if url_has_allowed_host_and_scheme(wished, allowed_hosts=None) else settings.LOGIN_REDIRECT_URL


@never_cache
@sensitive_post_parameters("password")
def login(request: HttpRequest) -> HttpResponse:
    """E-mail and password; ten wrong ones lock the address for a quarter of an hour."""
    if request.user.is_authenticated:
        return HttpResponseRedirect(safe_next(request))
    form = LoginForm(request.POST if request.method == "POST" else None)
    status = 200
    if request.method == "POST" and form.is_valid():
        try:
            user = sign_in_actions.check_credentials(
                form.cleaned_data["email"], form.cleaned_data["password"], client_address(request)
            )
        except LockedOutError as error:
            form.take_errors(error)
            status = 429
        except ValidationError as error:
            form.take_errors(error)
        else:
            auth.login(request, user, backend=BACKEND)
            return HttpResponseRedirect(safe_next(request))
    context = {
        "form": form,
        "next": request.POST.get("next") or request.GET.get("next") or "",
        "may_register": get_settings().auth_allow_registration,
        "admin_email": get_settings().admin_email,
    }
    return render(request, "auth/login.html", context, status=status)


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    """End the session."""
    auth.logout(request)
    messages.info(request, "You are signed out.")
    return redirect("login")


@never_cache
def reset_request(request: HttpRequest) -> HttpResponse:
    """Ask for a link by mail. The answer is the same whether or not the account exists."""
    form = ResetRequestForm(request.POST if request.method == "POST" else None)
    sent = False
    if request.method == "POST" and form.is_valid():
        password_reset.request_reset(form.cleaned_data["email"])
        sent = True
    context = {"form": form, "sent": sent, "mail_backend": get_settings().mail_backend}
    return render(request, "auth/reset_request.html", context)


@never_cache
@sensitive_post_parameters("password", "repeat")
def reset(request: HttpRequest, token: str) -> HttpResponse:
    """Set a new password through a link."""
    user = password_reset.user_of_reset(token)
    if user is None:
        return render(request, "auth/reset.html", {"form": None}, status=404)
    form = NewPasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            user = password_reset.complete_reset(token, form.cleaned_data["password"])
        except ValidationError as error:
            form.take_errors(error)
        else:
            auth.login(request, user, backend=BACKEND)
            messages.success(request, "Your new password is set, and you are signed in.")
            return redirect("home")
    return render(request, "auth/reset.html", {"form": form, "account": user})


@never_cache
@sensitive_post_parameters("password")
def accept_invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Join an organization: with the account one is signed in to, an existing one, or a new one."""
    invitation = find_invitation(token)
    if invitation is None:
        return render(request, "auth/accept.html", {"invitation": None}, status=404)
    if isinstance(request.user, User):
        return _accept_signed_in(request, token, invitation, request.user)
    form = NewAccountForm(request.POST if request.method == "POST" else None)
    if find_user(invitation.email) is not None:
        return render(request, "auth/accept.html", {"invitation": invitation, "has_account": True})
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                user = actions.create_user(invitation.email, form.cleaned_data["password"], form.cleaned_data["name"])
                member = accept(token, user)
        except ValidationError as error:
            form.take_errors(error)
        else:
            auth.login(request, user, backend=BACKEND)
            return _welcome(request, member)
    return render(request, "auth/accept.html", {"invitation": invitation, "form": form})


def _accept_signed_in(request: HttpRequest, token: str, invitation: OrganizationMember, user: User) -> HttpResponse:
    problem = ""
    if request.method == "POST":
        try:
            return _welcome(request, accept(token, user))
        except ValidationError as error:
            problem = error.messages[0]
    return render(request, "auth/accept.html", {"invitation": invitation, "problem": problem})


def _welcome(request: HttpRequest, member: OrganizationMember) -> HttpResponse:
    messages.success(request, f"Welcome to {member.organization.name}.")
    return redirect("organization-home", org=member.organization.slug)


@never_cache
@sensitive_post_parameters("password")
def register(request: HttpRequest) -> HttpResponse:
    """Create an account, where the installation allows it. With a single organization, also join it."""
    if not get_settings().auth_allow_registration:
        raise Http404("Registration is closed.")
    form = RegisterForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        answers = form.cleaned_data
        try:
            with transaction.atomic():
                user = actions.create_user(answers["email"], answers["password"], answers["name"])
                if get_settings().single_organization:
                    organization, _ = for_command(None)
                    organization_actions.add_member(None, organization, user, organization.default_role)
        except ValidationError as error:
            form.take_errors(error)
        else:
            auth.login(request, user, backend=BACKEND)
            return redirect("home")
    return render(request, "auth/register.html", {"form": form})
