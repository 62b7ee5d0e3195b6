"""Who may open a settings page: decorators over those of ``web.pages`` that also ask for scopes and load the project.

Strangers are told "not found", members without the scope "forbidden", anonymous visitors are sent to sign in.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse

from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.projects import queries as project_queries
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.web import pages
from dictamesh_sentry.web.pages import PageRequest

View = Callable[..., HttpResponseBase]

signed_in = pages.login_page


def organization_page(*scopes: str) -> Callable[[View], View]:
    """``view(request, access, …)`` for members who hold one of the scopes (any member when none is given)."""

    def decorate(view: View) -> View:
        @pages.organization_page
        @wraps(view)
        def wrapped(request: PageRequest, **kwargs: Any) -> HttpResponseBase:
            if scopes:
                request.access.require(*scopes)
            return view(request, request.access, **kwargs)

        return wrapped

    return decorate


def project_page(*scopes: str) -> Callable[[View], View]:
    """``view(request, access, project, …)``; the scopes may also come from being an admin of a team of the project.

    A former slug of the project redirects to the present one.
    """

    def decorate(view: View) -> View:
        @pages.organization_page
        @wraps(view)
        def wrapped(request: PageRequest, project: str, **kwargs: Any) -> HttpResponseBase:
            access = request.access
            try:
                found = project_queries.get_project(request.user, request.organization, project, access)
            except project_queries.ProjectMovedError as moved:
                return _to_present_slug(request, moved.project, kwargs)
            if scopes:
                require_for_project(access, found, *scopes)
            return view(request, access, found, **kwargs)

        return wrapped

    return decorate


def superuser_page(view: View) -> View:
    """Only for administrators of the installation; everybody else learns nothing (404)."""

    @pages.login_page
    @wraps(view)
    def wrapped(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not request.user.is_superuser:
            raise Http404
        return view(request, *args, **kwargs)

    return wrapped


def require_for_project(access: Access, project: Project, *scopes: str) -> None:
    """Raise ForbiddenError unless a scope is held in the organization or through one of the project's teams."""
    access.require_team(project.teams.values_list("pk", flat=True), *scopes)


def may_for_project(access: Access, project: Project, *scopes: str) -> bool:
    """As ``require_for_project``, for showing or hiding a control."""
    return access.has_team_scope(project.teams.values_list("pk", flat=True), *scopes)


def _to_present_slug(request: PageRequest, project: Project, kwargs: dict[str, Any]) -> HttpResponse:
    name = (request.resolver_match and request.resolver_match.url_name) or "project"
    address = reverse(name, kwargs={"org": request.organization.slug, "project": project.slug, **kwargs})
    query = request.META.get("QUERY_STRING", "")
    # 307 keeps the method and body of a form that was open while the slug changed.
    return HttpResponseRedirect(
        f"{address}?{query}" if query else address, status=302 if request.method in ("GET", "HEAD") else 307
    )
