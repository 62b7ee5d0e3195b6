"""Projects with their volume."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.issues.queries import visible_issues
from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.web.onboarding.guides import Platform, find_platform, platform_name
from dictamesh_sentry.web.views.home import issues_url
from dictamesh_sentry.web.views.onboarding import may_create_projects
from dictamesh_sentry.web.views.organization_scope import organization_page, project_page
from dictamesh_sentry.web.views.stats_counts import read_counts
from dictamesh_sentry.web.views.stats_data import Chart, Total, stacked_bars, totals_by_outcome

PERIOD = timedelta(days=14)
BUCKET = timedelta(hours=12)
#: What becomes issues.
CATEGORIES = (DataCategory.ERROR, DataCategory.DEFAULT, DataCategory.SECURITY)


@dataclass(frozen=True)
class Card:
    """A project as the page shows it."""

    project: Project
    platform: Platform | None
    platform_name: str
    chart: Chart
    totals: list[Total]
    open_issues: int

    @property
    def sent(self) -> int:
        """Everything that arrived in the period, whatever became of it."""
        return sum(total.quantity for total in self.totals if total.css != "client")


@require_safe
@organization_page("project:read")
def project_list(request: HttpRequest, access: Access) -> HttpResponse:
    """Cards with a sparkline of two weeks."""
    projects = list(visible_to(request.user, access.organization, access).prefetch_related("teams"))
    words = request.GET.get("query", "").lower().split()[:5]
    shown = [project for project in projects if all(word in f"{project.slug} {project.name}".lower() for word in words)]
    context = {
        "cards": _cards(request, access, shown),
        "total": len(projects),
        "query": request.GET.get("query", ""),
        "may_create": may_create_projects(access),
    }
    return render(request, "projects/list.html", context)


def _cards(request: HttpRequest, access: Access, projects: list[Project]) -> list[Card]:
    seconds = int(BUCKET.total_seconds())
    last = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) // seconds * seconds, UTC)
    starts = [last - BUCKET * index for index in reversed(range(int(PERIOD / BUCKET)))]
    by_project = defaultdict(list)
    ids = [project.pk for project in projects]
    for count in read_counts(access.organization, projects, starts, BUCKET, CATEGORIES):
        by_project[count.project_id].append(count)
    open_issues = dict(
        visible_issues(request.user, access.organization)
        .filter(project__in=ids, status="unresolved")
        .order_by()
        .values("project_id")
        .annotate(number=Count("pk"))
        .values_list("project_id", "number")
    )
    return [
        Card(
            project,
            find_platform(project.platform),
            platform_name(project.platform) if project.platform else "No platform chosen",
            stacked_bars(by_project[project.pk], starts, BUCKET, width=280, height=48),
            totals_by_outcome(by_project[project.pk]),
            open_issues.get(project.pk, 0),
        )
        for project in projects
    ]


@require_safe
@project_page("project:read")
def project_home(_request: HttpRequest, access: Access, project: Project) -> HttpResponse:
    """A project's page is its issues."""
    return HttpResponseRedirect(issues_url(access.organization, f"project={project.pk}"))


@require_safe
@organization_page("project:read")
def settings_project_list(request: HttpRequest, access: Access) -> HttpResponse:
    """Every project with a link to its settings."""
    projects = visible_to(request.user, access.organization, access).prefetch_related("teams")
    context = {"projects": projects, "may_create": may_create_projects(access)}
    return render(request, "settings/projects.html", context)
