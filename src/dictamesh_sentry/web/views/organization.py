"""Settings of the organization, and its audit log."""

from __future__ import annotations

import json
from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from dictamesh_sentry.organizations import actions, queries
from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.organizations.models import AuditLogEntry
from dictamesh_sentry.projects.options import load_organization_options
from dictamesh_sentry.web.forms.organization import OrganizationForm, SecurityForm
from dictamesh_sentry.web.views.organization_scope import organization_page

AUDIT_PAGE = 50


@organization_page("org:read")
def general(request: HttpRequest, access: Access) -> HttpResponse:
    """Name, slug, defaults and what members may do."""
    organization = access.organization
    options = load_organization_options(organization.options)
    form = OrganizationForm(
        request.POST if request.method == "POST" else None,
        access=access,
        initial=OrganizationForm.initial_of(organization, options),
    )
    if request.method == "POST":
        access.require("org:write")
        if form.is_valid():
            try:
                actions.update_organization(access.user, organization, options=form.apply(options), **form.columns())
            except ValidationError as error:
                organization.refresh_from_db()
                form.take_errors(error, defaultRole="default_role")
            else:
                messages.success(request, "The organization's settings are saved.")
                return redirect("settings-organization", org=organization.slug)
    return render(request, "settings/organization.html", {"form": form, "may_write": access.has_scope("org:write")})


@organization_page("org:read")
def security(request: HttpRequest, access: Access) -> HttpResponse:
    """Scrubbing that holds for every project."""
    organization = access.organization
    options = load_organization_options(organization.options)
    form = SecurityForm(
        request.POST if request.method == "POST" else None, initial=SecurityForm.initial_of(options.scrub)
    )
    if request.method == "POST":
        access.require("org:write")
        if form.is_valid():
            form.apply(options.scrub)
            actions.update_organization(access.user, organization, options=options)
            messages.success(request, "The security settings are saved.")
            return redirect("settings-security", org=organization.slug)
    return render(request, "settings/security.html", {"form": form, "may_write": access.has_scope("org:write")})


@dataclass(frozen=True)
class AuditLine:
    """An entry as the page shows it."""

    entry: AuditLogEntry
    details: list[tuple[str, str]]


@require_safe
@organization_page("org:write")
def audit_log(request: HttpRequest, access: Access) -> HttpResponse:
    """Who changed what, newest first; by event and actor."""
    event = request.GET.get("event", "")[:64]
    actor = request.GET.get("actor", "")
    actor_id = int(actor) if actor.isascii() and actor.isdigit() and len(actor) < 19 else None
    entries = queries.audit_entries(access.organization, event=event or None, actor_id=actor_id)
    page = Paginator(entries, AUDIT_PAGE).get_page(request.GET.get("page"))
    everything = queries.audit_entries(access.organization)
    context = {
        "page": page,
        "lines": [AuditLine(entry, _details(entry)) for entry in page],
        "events": sorted(set(everything.order_by().values_list("event", flat=True).distinct())),
        "actors": sorted(
            set(everything.filter(actor__isnull=False).order_by().values_list("actor_id", "actor_label").distinct()),
            key=lambda pair: pair[1],
        ),
        "event": event,
        "actor_id": actor_id,
    }
    return render(request, "settings/audit_log.html", context)


def _details(entry: AuditLogEntry) -> list[tuple[str, str]]:
    """The entry's data as pairs of name and short text."""
    lines = []
    for name, value in entry.data.items():
        if isinstance(value, dict) and set(value) == {"from", "to"}:
            lines.append((name, f"{_text(value['from'])} → {_text(value['to'])}"))
        else:
            lines.append((name, _text(value)))
    return lines


def _text(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if text in ("", "null"):
        return "–"
    return text if len(text) <= 300 else text[:300] + "…"
