"""From nothing to the first event: create a project, choose a platform, copy a snippet, watch it arrive."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import groupby

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.issues.queries import visible_issues
from dictamesh_sentry.organizations import queries as organization_queries
from dictamesh_sentry.organizations.access import Access, ForbiddenError
from dictamesh_sentry.organizations.models import Team
from dictamesh_sentry.projects import actions, queries
from dictamesh_sentry.projects.dsn import dsn_links, public_dsn
from dictamesh_sentry.projects.models import Project, ProjectKey
from dictamesh_sentry.projects.options import load_organization_options
from dictamesh_sentry.web.forms.projects import NewProjectForm
from dictamesh_sentry.web.onboarding import guides
from dictamesh_sentry.web.views.organization_scope import organization_page, project_page


def may_create_projects(access: Access) -> bool:
    """Whether the user may create projects here; plain members only where the organization lets them."""
    if access.has_scope("project:write") or "admin" in access.team_roles.values():
        return True
    return (
        access.has_scope("project:read")
        and load_organization_options(access.organization.options).allow_member_project_creation
    )


@dataclass(frozen=True)
class PlatformGroup:
    """Part of the catalog."""

    label: str
    platforms: list[guides.Platform]


def _catalog() -> list[PlatformGroup]:
    return [
        PlatformGroup(guides.GROUPS[name], list(found))
        for name, found in groupby(guides.platforms(), key=lambda platform: platform.group)
    ]


@organization_page("project:read")
def new_project(request: HttpRequest, access: Access) -> HttpResponse:
    """Name, team and platform of a new project."""
    if not may_create_projects(access):
        raise ForbiddenError("Members do not create projects in this organization. Ask an admin or a manager.")
    teams = _own_teams_first(access)
    form = NewProjectForm(
        request.POST if request.method == "POST" else None, teams=teams, initial=_initial(request, teams)
    )
    if request.method == "POST" and form.is_valid():
        answers = form.cleaned_data
        chosen = [team for team in teams if team.pk == answers["team"]]
        try:
            project = actions.create_project(
                access.user, access.organization, answers["name"], platform=answers["platform"], teams=chosen
            )
        except ValidationError as error:
            form.take_errors(error)
        else:
            messages.success(request, f"{project.name} is ready for its first event.")
            return redirect("getting-started", org=access.organization.slug, project=project.slug)
    chosen_platform = form["platform"].value() or ""
    context = {
        "form": form,
        "catalog": _catalog(),
        "chosen": chosen_platform,
        "is_first": not queries.visible_to(request.user, access.organization, access).exists(),
    }
    return render(request, "onboarding/new_project.html", context)


def _initial(request: HttpRequest, teams: list[Team]) -> dict[str, object]:
    return {"platform": request.GET.get("platform", ""), "team": teams[0].pk if teams else None}


def _own_teams_first(access: Access) -> list[Team]:
    teams = organization_queries.teams(access.organization)
    return sorted(teams, key=lambda team: (team.pk not in access.team_ids, team.slug))


@require_safe
@project_page("project:read")
def getting_started(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """Install, configure and verify, with the project's own DSN, and the wait for the first event."""
    key = queries.keys(project).filter(is_active=True).first()
    platform = guides.find_platform(request.GET.get("platform", "") or project.platform or "other")
    context = {
        "project": project,
        "key": key,
        "catalog": _catalog(),
        "platform": platform,
        "dsn": public_dsn(key) if key else "",
        "steps": _steps(platform, key) if platform and key else [],
        "curl": guides.code_block(curl_command(key), "sh") if key else None,
        "issue": first_issue(request, access, project),
        "may_write": access.has_team_scope(project.teams.values_list("pk", flat=True), "project:write"),
    }
    return render(request, "onboarding/getting_started.html", context)


def _steps(platform: guides.Platform, key: ProjectKey) -> list[guides.Step]:
    links = dsn_links(key)
    return guides.guide(platform, {"dsn": links["public"], "loader": links["cdn"], "minidump": links["minidump"]})


def curl_command(key: ProjectKey) -> str:
    """A command that reports an error without any SDK."""
    store = dsn_links(key)["security"].replace("/security/", "/store/")
    event = {
        "platform": "other",
        "level": "error",
        "environment": "production",
        "exception": {"values": [{"type": "FirstError", "value": "Hello from the command line"}]},
        "tags": {"sent.by": "curl"},
    }
    return f"curl '{store}' \\\n  -H 'Content-Type: application/json' \\\n  -d '{json.dumps(event, indent=2)}'"


def first_issue(request: HttpRequest, access: Access, project: Project) -> Issue | None:
    """The project's oldest issue, which is the one the first event made."""
    return visible_issues(request.user, access.organization).filter(project=project).order_by("pk").first()


@never_cache
@require_safe
@project_page("project:read")
def first_event(request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """The waiting box. Asks again by itself until there is something to open."""
    context = {"project": project, "issue": first_issue(request, access, project)}
    return render(request, "onboarding/first_event.html", context)
