"""Quotas of the organization and its projects."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.quotas import actions, queries
from dictamesh_sentry.quotas.models import Quota
from dictamesh_sentry.web.forms.organization import QUOTA_CATEGORIES, WINDOWS, QuotaForm
from dictamesh_sentry.web.views.organization_scope import organization_page

LABELS = {category.api_name: label for category, label in QUOTA_CATEGORIES}


@organization_page("org:read")
def quotas(request: HttpRequest, access: Access) -> HttpResponse:
    """What is accepted at most, and the form for a new quota."""
    organization = access.organization
    projects = list(visible_to(request.user, organization, access))
    form = QuotaForm(request.POST if request.method == "POST" else None, projects=projects)
    if request.method == "POST":
        access.require("org:write")
        if form.is_valid():
            answers = form.cleaned_data
            project = next((item for item in projects if item.pk == answers["project"]), None)
            try:
                actions.create_quota(
                    access.user,
                    organization,
                    project=project,
                    categories=answers["categories"],
                    limit=answers["limit"],
                    window=answers["window"],
                )
            except ValidationError as error:
                form.take_errors(error)
            else:
                messages.success(request, "The quota is in force within five seconds.")
                return redirect("settings-quotas", org=organization.slug)
    context = {
        "form": form,
        "quotas": [_line(quota) for quota in queries.quotas_of(organization)],
        "may_write": access.has_scope("org:write"),
    }
    return render(request, "settings/quotas.html", context)


def _line(quota: Quota) -> dict[str, object]:
    names = [LABELS.get(name, name) for name in quota.categories]
    return {
        "quota": quota,
        "categories": ", ".join(map(str, names)) or "Everything",
        "window": dict(WINDOWS).get(quota.window, f"{quota.window} seconds"),
    }


@require_POST
@organization_page("org:write")
def delete(request: HttpRequest, access: Access, quota_id: int) -> HttpResponse:
    """Lift a quota."""
    quota = queries.get_quota(access.organization, quota_id)
    actions.delete_quota(access.user, quota)
    messages.success(request, "The quota is lifted.")
    return redirect("settings-quotas", org=access.organization.slug)
