"""Releases of an organization, and as one project sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from django.db.models import QuerySet
from ninja.params.functions import Query
from pydantic import Field

from dictamesh_sentry.api.core import Body, Call, Page, Reply, operation
from dictamesh_sentry.api.errors import NOT_FOUND, field_error
from dictamesh_sentry.api.serializers_releases import ReleaseBody, serialize_releases
from dictamesh_sentry.organizations.access import ForbiddenError, NotVisibleError
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import projects_by_reference
from dictamesh_sentry.releases import actions
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.releases.queries import releases_of

_READ = ("org:ci", "project:read", "project:releases")
_WRITE = ("org:ci", "project:write", "project:releases")
_DELETE = ("project:admin", "project:releases")
_ORGANIZATION = "/organizations/{organization}/releases/"
_PROJECT = "/projects/{organization}/{project}/releases/"


class ReleaseInput(Body):
    ref: str | None = Field(None, max_length=250)
    url: str | None = Field(None, max_length=2000, pattern=r"^(https?://.*)?$")
    date_released: datetime | None = None
    date_started: datetime | None = None
    status: Literal["open", "archived"] | None = None
    projects: list[str | int] | None = Field(None, max_length=500)

    def columns(self) -> dict[str, Any]:
        """What the client sent, as columns of a release."""
        sent = self.changes()
        found: dict[str, Any] = {name: sent[name] or "" for name in ("ref", "url") if name in sent}
        if "date_released" in sent:
            found["date_released"] = _aware(self.date_released)
        if self.status is not None:
            found["is_archived"] = self.status == "archived"
        return found


class NewReleaseInput(ReleaseInput):
    version: str


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def _visible(call: Call) -> list[Project]:
    return list(call.visible_projects())


def _listed(call: Call, projects: Sequence[Project], query: str, status: str) -> QuerySet[Release]:
    # Distinct through a subquery: the pages are cut by a column of the release itself.
    found = Release.objects.filter(pk__in=releases_of([project.pk for project in projects]).order_by().values("pk"))
    found = found.filter(organization=call.organization)
    if query:
        found = found.filter(version__icontains=query)
    if status:
        found = found.filter(is_archived=status == "archived")
    environments = [name for name in call.environments_param() if name]
    if environments:
        found = found.filter(
            pk__in=Release.objects.filter(
                releaseenvironment__environment__name__in=environments, releaseenvironment__project__in=list(projects)
            ).values("pk")
        )
    return found


def _find(call: Call, version: str, projects: Sequence[Project]) -> Release:
    found = _listed(call, projects, "", "").filter(version=version).first()
    if found is None:
        raise NotVisibleError(NOT_FOUND)
    return found


def _one(release: Release, visible: Sequence[Project]) -> ReleaseBody:
    return serialize_releases([release], visible)[0]


def _named_projects(call: Call, references: Sequence[str | int]) -> list[Project]:
    try:
        return projects_by_reference(call.user, call.organization, references, call.access)
    except NotVisibleError as error:
        raise field_error("projects", "Invalid project ids or slugs.") from error


@operation("GET", _ORGANIZATION, scopes=_READ, response=list[ReleaseBody], paginated=True)
def list_releases(
    call: Call, query: str = Query("", max_length=250), status: Literal["open", "archived", ""] = Query("")
) -> Page:
    """Releases of the projects the caller may see, newest first."""
    visible = _visible(call)
    named = [value for value in call.request.GET.getlist("project") if value]
    wanted = call.projects_param() if named else visible
    rows = _listed(call, wanted, query, status)
    return call.paginate_by_time(rows, "date_added", lambda page: serialize_releases(page, visible))


@operation("POST", _ORGANIZATION, scopes=_WRITE, response=ReleaseBody, status=201)
def create_release(call: Call, body: NewReleaseInput) -> Reply:
    """Create a release (201), or change the one there is and add projects to it (208)."""
    if not body.projects:
        raise field_error("projects", "This field is required.")
    return _create(call, body, _named_projects(call, body.projects))


def _create(call: Call, body: NewReleaseInput, projects: Sequence[Project]) -> Reply:
    release, created = actions.create_release(
        call.user,
        call.organization,
        body.version,
        projects,
        ref=body.ref or "",
        url=body.url or "",
        date_released=_aware(body.date_released),
    )
    if body.status is not None:
        actions.update_release(call.user, release, is_archived=body.status == "archived")
    return Reply(_one(release, _visible(call)), status=201 if created else 208)


@operation("GET", _ORGANIZATION + "{version}/", scopes=_READ, response=ReleaseBody)
def get_release(call: Call, version: str) -> ReleaseBody:
    """A release by its version."""
    visible = _visible(call)
    return _one(_find(call, version, visible), visible)


@operation("PUT", _ORGANIZATION + "{version}/", scopes=_WRITE, response=ReleaseBody)
def update_release(call: Call, version: str, body: ReleaseInput) -> ReleaseBody:
    """Change a release: its reference, URL, date or status, and the projects it belongs to."""
    visible = _visible(call)
    release = _find(call, version, visible)
    actions.update_release(call.user, release, **body.columns())
    if body.projects:
        actions.add_projects(call.user, release, _named_projects(call, body.projects))
    return _one(release, visible)


@operation("DELETE", _ORGANIZATION + "{version}/", scopes=_DELETE, status=204)
def delete_release(call: Call, version: str) -> None:
    """Delete a release that has no events; one with events is archived instead."""
    visible = _visible(call)
    release = _find(call, version, visible)
    seen = {project.pk for project in visible}
    if any(pk not in seen for pk in release.release_projects.values_list("project_id", flat=True)):  # type: ignore[attr-defined]
        raise ForbiddenError("The release belongs to projects you may not see.")
    actions.delete_release(call.user, release)


@operation("GET", _PROJECT, scopes=_READ, response=list[ReleaseBody], paginated=True)
def list_project_releases(
    call: Call, query: str = Query("", max_length=250), status: Literal["open", "archived", ""] = Query("")
) -> Page:
    """The project's releases, newest first."""
    rows = _listed(call, [call.project], query, status)
    return call.paginate_by_time(rows, "date_added", lambda page: serialize_releases(page, [call.project]))


@operation("POST", _PROJECT, scopes=_WRITE, response=ReleaseBody, status=201)
def create_project_release(call: Call, body: NewReleaseInput) -> Reply:
    """Create a release of the project (201), or add the project to the one there is (208)."""
    return _create(call, body, [call.project])


@operation("GET", _PROJECT + "{version}/", scopes=_READ, response=ReleaseBody)
def get_project_release(call: Call, version: str) -> ReleaseBody:
    """A release as the project sees it."""
    return _one(_find(call, version, [call.project]), [call.project])


@operation("PUT", _PROJECT + "{version}/", scopes=_WRITE, response=ReleaseBody)
def update_project_release(call: Call, version: str, body: ReleaseInput) -> ReleaseBody:
    """Change a release of the project."""
    release = _find(call, version, [call.project])
    actions.update_release(call.user, release, **body.columns())
    return _one(release, [call.project])


@operation("DELETE", _PROJECT + "{version}/", scopes=_DELETE, status=204)
def delete_project_release(call: Call, version: str) -> None:
    """Delete a release that belongs to this project alone and has no events."""
    release = _find(call, version, [call.project])
    if release.release_projects.exclude(project=call.project).exists():  # type: ignore[attr-defined]
        raise ForbiddenError("The release belongs to other projects as well.")
    actions.delete_release(call.user, release)
