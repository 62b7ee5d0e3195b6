"""Client keys: their DSNs and addresses, limits, rotation."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.projects import actions, queries
from dictamesh_sentry.projects.dsn import dsn_links, public_dsn
from dictamesh_sentry.projects.models import Project, ProjectKey
from dictamesh_sentry.web.forms.projects import KeyForm, NewKeyForm
from dictamesh_sentry.web.views.organization_scope import may_for_project, project_page
from dictamesh_sentry.web.views.project_settings import back

ADDRESSES = (
    ("public", "DSN", "What an SDK is configured with."),
    ("security", "Security reports", "report-uri of Content-Security-Policy, Expect-CT and the like."),
    ("minidump", "Minidumps", "Upload address of Crashpad and Breakpad."),
    ("otlp_traces", "OTLP traces", "OpenTelemetry exporters, with the header below."),
    ("otlp_logs", "OTLP logs", "OpenTelemetry exporters, with the header below."),
    ("crons", "Check-ins", "Replace the placeholder by the slug of the monitor."),
    ("cdn", "Loader script", "One script tag instead of a bundled browser SDK."),
    ("secret", "DSN with secret", "Only for SDKs older than 2018."),
)


@project_page("project:read")
def keys(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """Every key with its DSN, and the form for a new one."""
    may_write = may_for_project(access, project, "project:write")
    form = NewKeyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        access.require_team(project.teams.values_list("pk", flat=True), "project:write")
        if form.is_valid():
            try:
                key = actions.create_key(access.user, project, form.cleaned_data["label"])
            except ValidationError as error:
                form.take_errors(error, name="label")
            else:
                messages.success(request, f"The key “{key.label}” is created.")
                return back("settings-project-key", project, public_key=key.public_key)
    context = {
        "project": project,
        "form": form,
        "keys": [{"key": key, "dsn": public_dsn(key)} for key in queries.keys(project)],
        "may_write": may_write,
    }
    return render(request, "settings/project_keys.html", context)


@project_page("project:read")
def key(request: HttpRequest, access: Access, project: Project, public_key: str) -> HttpResponse:
    """One key: addresses, limit, state."""
    found = queries.get_key(project, public_key)
    form = KeyForm(request.POST if request.method == "POST" else None, initial=KeyForm.initial_of(found))
    if request.method == "POST":
        access.require_team(project.teams.values_list("pk", flat=True), "project:write")
        if form.is_valid():
            try:
                actions.update_key(access.user, found, **form.cleaned_data)
            except ValidationError as error:
                found = queries.get_key(project, public_key)
                form.take_errors(error, name="label", rateLimit="rate_limit_count")
            else:
                messages.success(request, f"The key “{found.label}” is saved.")
                return back("settings-project-key", project, public_key=public_key)
    links = dsn_links(found)
    context = {
        "project": project,
        "key": found,
        "form": form,
        "addresses": [{"label": label, "url": links[name], "hint": hint} for name, label, hint in ADDRESSES],
        "otlp_header": f"x-sentry-auth: sentry sentry_key={found.public_key}",
        "may_write": may_for_project(access, project, "project:write"),
        "may_delete": may_for_project(access, project, "project:admin"),
        "is_last_active": _is_last_active(project, found),
    }
    return render(request, "settings/project_key.html", context)


def _is_last_active(project: Project, key: ProjectKey) -> bool:
    return key.is_active and not queries.keys(project).filter(is_active=True).exclude(pk=key.pk).exists()


@require_POST
@project_page("project:write")
def rotate(request: HttpRequest, access: Access, project: Project, public_key: str) -> HttpResponse:
    """A new key with the same settings; the old one keeps working until it is disabled."""
    old = queries.get_key(project, public_key)
    fresh = actions.rotate_key(access.user, old)
    messages.success(
        request, "This is the new key. Deploy its DSN, then disable the old one; until then both are accepted."
    )
    return back("settings-project-key", project, public_key=fresh.public_key)


@require_POST
@project_page("project:admin")
def delete(request: HttpRequest, access: Access, project: Project, public_key: str) -> HttpResponse:
    """Delete a key; whatever still uses it is refused."""
    found = queries.get_key(project, public_key)
    actions.delete_key(access.user, found)
    messages.success(request, f"The key “{found.label}” is deleted.")
    return back("settings-project-keys", project)
