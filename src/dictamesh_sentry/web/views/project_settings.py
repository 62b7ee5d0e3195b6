"""General settings of a project, its environments, its teams, and deleting it."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse

from dictamesh_sentry.organizations import queries as organization_queries
from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.projects import actions, queries
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import load_options
from dictamesh_sentry.web.forms.projects import DeleteForm, ProjectForm
from dictamesh_sentry.web.views.organization_scope import may_for_project, project_page, require_for_project


def back(name: str, project: Project, **extra: str) -> HttpResponse:
    """Redirect to a settings page of the project."""
    return HttpResponseRedirect(
        reverse(name, kwargs={"org": project.organization.slug, "project": project.slug, **extra})
    )


@project_page("project:read")
def general(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """Name, slug, platform, defaults, origins."""
    options = load_options(project.options)
    form = ProjectForm(
        request.POST if request.method == "POST" else None,
        project=project,
        initial=ProjectForm.initial_of(project, options),
    )
    if request.method == "POST":
        require_for_project(access, project, "project:write")
        if form.is_valid():
            answers = form.cleaned_data
            try:
                actions.update_project(
                    access.user, project, name=answers["name"], slug=answers["slug"], platform=answers["platform"]
                )
                actions.update_options(access.user, project, form.apply(options))
            except ValidationError as error:
                project.refresh_from_db()
                form.take_errors(error)
            else:
                messages.success(request, "The project's settings are saved.")
                return back("settings-project", project)
    context = {
        "form": form,
        "project": project,
        "redirects": queries.redirects_of(project),
        "may_write": may_for_project(access, project, "project:write"),
        "may_delete": may_for_project(access, project, "project:admin"),
    }
    return render(request, "settings/project.html", context)


@project_page("project:admin")
def delete(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """Delete the project and everything it stored, after its slug was typed."""
    form = DeleteForm(request.POST if request.method == "POST" else None, expected=project.slug)
    if request.method == "POST" and form.is_valid():
        name = project.name
        actions.delete_project(access.user, project)
        messages.success(request, f"{name} is deleted. Its events are removed in the background.")
        return redirect("projects", org=access.organization.slug)
    return render(request, "settings/project_delete.html", {"form": form, "project": project})


@project_page("project:read")
def environments(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """Which environments the filters offer."""
    rows = queries.project_environments([project], "all")
    if request.method == "POST":
        require_for_project(access, project, "project:write")
        wanted = request.POST.get("environment", "")
        row = (
            rows.filter(pk=int(wanted)).first() if wanted.isascii() and wanted.isdigit() and len(wanted) < 19 else None
        )
        if row is None:
            raise Http404
        hidden = request.POST.get("hidden") == "1"
        actions.set_environment_hidden(access.user, row, hidden)
        name = row.environment.name or "(none)"
        messages.success(request, f"{name} is {'hidden' if hidden else 'shown'}.")
        return back("settings-project-environments", project)
    context = {"project": project, "rows": rows, "may_write": may_for_project(access, project, "project:write")}
    return render(request, "settings/project_environments.html", context)


@project_page("project:read")
def project_teams(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """Which teams look after the project."""
    if request.method == "POST":
        require_for_project(access, project, "project:write")
        team = organization_queries.get_team(access.organization, request.POST.get("team", ""))
        if request.POST.get("do") == "remove":
            actions.remove_team(access.user, project, team)
            messages.success(request, f"#{team.slug} no longer has this project.")
        else:
            actions.add_team(access.user, project, team)
            messages.success(request, f"#{team.slug} has this project now.")
        return back("settings-project-teams", project)
    inside = set(project.teams.values_list("pk", flat=True))
    teams = list(organization_queries.teams(access.organization))
    context = {
        "project": project,
        "teams": [team for team in teams if team.pk in inside],
        "candidates": [team for team in teams if team.pk not in inside],
        "may_write": may_for_project(access, project, "project:write"),
    }
    return render(request, "settings/project_teams.html", context)
