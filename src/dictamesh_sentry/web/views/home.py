"""Where people land."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations import actions
from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.web.forms.organization import NewOrganizationForm
from dictamesh_sentry.web.pages import current_organization, known_organizations
from dictamesh_sentry.web.views.organization_scope import organization_page, signed_in


def issues_url(organization: Organization, query: str = "") -> str:
    """The issue list of an organization."""
    return f"/organizations/{organization.slug}/issues/" + (f"?{query}" if query else "")


@require_safe
@signed_in
def home(request: HttpRequest) -> HttpResponse:
    """The issues of the organization used last, onboarding while there is no project, or a new organization."""
    organization = current_organization(request, known_organizations(request))
    if organization is None:
        if may_create_organization(request.user):
            return redirect("organization-new")
        return render(request, "account/no_organization.html", {"admin_email": get_settings().admin_email})
    return redirect("organization-home", org=organization.slug)


@require_safe
@organization_page()
def organization_home(request: HttpRequest, access: Access) -> HttpResponse:
    """Issues, or the first project for those who may create it."""
    if not visible_to(request.user, access.organization, access).exists():
        return redirect("project-new", org=access.organization.slug)
    return HttpResponseRedirect(issues_url(access.organization))


def may_create_organization(user: object) -> bool:
    """Superusers may; others where the installation has more than one organization."""
    return isinstance(user, User) and (user.is_superuser or not get_settings().single_organization)


@signed_in
def new_organization(request: HttpRequest) -> HttpResponse:
    """Create an organization; its creator becomes the owner."""
    if not may_create_organization(request.user):
        raise PermissionDenied("Only the administrator of this installation creates organizations.")
    form = NewOrganizationForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            organization = actions.create_organization(request.user, form.cleaned_data["name"])  # type: ignore[arg-type]
        except ValidationError as error:
            form.take_errors(error)
        else:
            messages.success(request, f"{organization.name} is ready.")
            return redirect("organization-home", org=organization.slug)
    return render(request, "account/new_organization.html", {"form": form})
