"""A project's performance settings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.projects import actions
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import load_options
from dictamesh_sentry.web.forms.performance import PerformanceForm
from dictamesh_sentry.web.views.organization_scope import may_for_project, project_page, require_for_project
from dictamesh_sentry.web.views.project_settings import back


@project_page("project:read")
def performance(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """When a transaction satisfies, which share of them is kept, and what is looked for in them."""
    options = load_options(project.options)
    initial = PerformanceForm.initial_of(options.performance)
    form = PerformanceForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST":
        require_for_project(access, project, "project:write")
        if form.is_valid():
            form.apply(options.performance)
            actions.update_options(access.user, project, options)
            messages.success(request, "The performance settings are saved. They act within five seconds.")
            return back("settings-project-performance", project)
    context = {"project": project, "form": form, "may_write": may_for_project(access, project, "project:write")}
    return render(request, "settings/project_performance.html", context)
