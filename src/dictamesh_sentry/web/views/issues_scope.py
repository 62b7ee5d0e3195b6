"""What the URL of an issue page asks for: projects, environments, period, query, sort. The URL is the only state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.issues.queries import get_issue
from dictamesh_sentry.organizations.queries import members, teams
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import environments as environments_of
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.search.period import Period, PeriodError, parse_period
from dictamesh_sentry.web.pages import PageRequest

DEFAULT_QUERY = "is:unresolved"
PERIODS = (
    ("1h", "Last hour"), ("24h", "Last 24 hours"), ("7d", "Last 7 days"), ("14d", "Last 14 days"),
    ("30d", "Last 30 days"), ("90d", "Last 90 days"),
)  # fmt: skip
SORTS = (
    ("date", "Last seen"), ("new", "First seen"), ("freq", "Events"), ("user", "Users"), ("trends", "Trends"),
    ("priority", "Priority"),
)  # fmt: skip
MOST_ENVIRONMENTS = 20
MOST_OWNERS = 200


@dataclass(frozen=True)
class Scope:
    """The filters of a page, checked against what the user may see."""

    visible: Sequence[Project]
    projects: Sequence[Project]
    environments: Sequence[str]
    known_environments: Sequence[str]
    period: Period
    period_error: str
    query: str
    sort: str
    cursor: str | None

    @property
    def searched(self) -> Sequence[Project]:
        """The chosen projects, or all."""
        return self.projects or self.visible

    @property
    def project_label(self) -> str:
        if not self.projects:
            return "All projects"
        names = [project.slug for project in self.projects]
        return names[0] if len(names) == 1 else f"{len(names)} projects"

    @property
    def environment_label(self) -> str:
        if not self.environments:
            return "All environments"
        names = [name or "(none)" for name in self.environments]
        return names[0] if len(names) == 1 else f"{len(names)} environments"

    @property
    def period_label(self) -> str:
        """The name of a relative period, else the dates."""
        if self.period.label:
            return dict(PERIODS).get(self.period.label, f"Last {self.period.label}")
        return f"{self.period.start:%d %b %H:%M} – {self.period.end:%d %b %H:%M} UTC"

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """Environments and period as query parameters, for links to other pages of the same view."""
        pairs = [("environment", name) for name in self.environments]
        if self.period.label:
            return [*pairs, ("statsPeriod", self.period.label)]
        return [
            *pairs,
            ("start", f"{self.period.start:%Y-%m-%dT%H:%M:%S}"),
            ("end", f"{self.period.end:%Y-%m-%dT%H:%M:%S}"),
        ]

    @property
    def suffix(self) -> str:
        """``parameters`` as "?…"."""
        return f"?{urlencode(self.parameters)}"


def read_scope(request: PageRequest, *, projects: Sequence[Project] | None = None) -> Scope:
    """The filters of this request. Unknown projects and environments are ignored, a wrong period is reported.

    ``projects`` fixes the projects (the issue pages) instead of reading them from the URL.
    """
    parameters = request.GET
    if projects is None:
        visible: Sequence[Project] = list(visible_to(request.user, request.organization, request.access))
        wanted = set(parameters.getlist("project"))
        chosen = [project for project in visible if str(project.pk) in wanted or project.slug in wanted]
    else:
        visible, chosen = projects, projects
    period, error = _period(request)
    known = list(environments_of(chosen or visible).values_list("name", flat=True)[:200])
    asked = parameters.getlist("environment")[:MOST_ENVIRONMENTS]
    return Scope(
        visible=visible,
        projects=chosen,
        environments=[name[:64] for name in asked],
        known_environments=known,
        period=period,
        period_error=error,
        query=parameters.get("query", DEFAULT_QUERY).strip()[:2000],
        sort=parameters.get("sort", "date") if parameters.get("sort") in dict(SORTS) else "date",
        cursor=parameters.get("cursor") or None,
    )


def _period(request: PageRequest) -> tuple[Period, str]:
    parameters = request.GET
    try:
        return parse_period(parameters.get("statsPeriod"), parameters.get("start"), parameters.get("end")), ""
    except PeriodError as error:
        return parse_period(None), str(error)


def load_issue(request: PageRequest, issue_id: str) -> Issue:
    """The issue of the URL by id or short id. Raises NotVisibleError."""
    return get_issue(request.user, request.organization, issue_id)


def filter_context(request: PageRequest, scope: Scope) -> dict[str, Any]:
    """What ``issues/_filters.html`` and ``issues/_search.html`` need beside the scope."""
    without_query = _kept(request, "query")
    return {
        "scope": scope,
        "periods": PERIODS,
        "kept_without_project": _kept(request, "project"),
        "kept_without_environment": _kept(request, "environment"),
        "kept_without_period": _kept(request, "statsPeriod", "start", "end"),
        "kept_without_query": without_query,
        "complete_url": f"/organizations/{request.organization.slug}/issues/complete/?{urlencode(without_query)}",
    }


def _kept(request: PageRequest, *dropped: str) -> list[tuple[str, str]]:
    """The rest of the query string, for the hidden fields of a form that changes one filter; always without cursor."""
    return [(key, value) for key, values in request.GET.lists() for value in values if key not in {*dropped, "cursor"}]


def owners(request: PageRequest) -> list[dict[str, Any]]:
    """Everybody an issue may be assigned to: members, then teams."""
    people = [member.user for member in members(request.organization)[:MOST_OWNERS] if member.user is not None]
    return [
        *({"value": f"user:{user.pk}", "object": user, "label": user.display_name} for user in people),
        *(
            {"value": f"team:{team.pk}", "object": team, "label": f"#{team.slug}"}
            for team in teams(request.organization)[:MOST_OWNERS]
        ),
    ]


def rights(request: PageRequest) -> dict[str, bool]:
    """Which controls to show; the actions check again."""
    return {
        "may_write": request.access.has_scope("event:write"),
        "may_delete": request.access.has_scope("event:admin"),
        "may_share": request.access.has_scope("org:write"),
    }
