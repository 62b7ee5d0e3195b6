"""Tags of an organization's and a project's events."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, Page, operation
from dictamesh_sentry.api.events_query import ERROR_DATASETS
from dictamesh_sentry.api.issues_common import cursor_text, page_of, period_param, refused_cursors
from dictamesh_sentry.api.pagination import limit_of
from dictamesh_sentry.api.serializers_issues import TagBody, TagValueBody, serialize_tag, serialize_tag_value
from dictamesh_sentry.issues.event_queries import tag_keys, tag_values
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.projects.models import Project

ORGANIZATION_READ, PROJECT_READ = ("org:read",), ("project:read",)


class TagKeyBody(TypedDict):
    key: str
    name: str
    totalValues: int


@operation("GET", "/organizations/{organization}/tags/", scopes=ORGANIZATION_READ, response=list[TagKeyBody])
def list_organization_tags(call: Call) -> list[TagKeyBody]:
    """List the tags of events, the most widespread first. Datasets other than errors have none."""
    if call.request.GET.get("dataset", "") not in ERROR_DATASETS:
        return []
    return _keys(call, call.projects_param())


@operation("GET", "/projects/{organization}/{project}/tags/", scopes=PROJECT_READ, response=list[TagKeyBody])
def list_project_tags(call: Call) -> list[TagKeyBody]:
    """List the tags of a project's events, the most widespread first."""
    return _keys(call, [call.project])


def _keys(call: Call, projects: Sequence[Project]) -> list[TagKeyBody]:
    found = tag_keys(
        [project.pk for project in projects], environments=call.environments_param(), period=period_param(call)
    )
    return [{"key": tag.key, "name": serialize_tag(tag)["name"], "totalValues": tag.total} for tag in found]


@operation("GET", "/projects/{organization}/{project}/tags/{key}/", scopes=PROJECT_READ, response=TagBody)
def get_project_tag(call: Call, key: str) -> TagBody:
    """Retrieve one tag of a project's events with its most frequent values."""
    found = tag_keys([call.project.pk], environments=call.environments_param(), period=period_param(call), key=key)
    if not found:
        raise NotVisibleError
    return serialize_tag(found[0])


@operation(
    "GET",
    "/projects/{organization}/{project}/tags/{key}/values/",
    scopes=PROJECT_READ,
    response=list[TagValueBody],
    paginated=True,
)
def list_project_tag_values(call: Call, key: str) -> Page:
    """List the values of a tag in a project, the most frequent first. `query` must occur in the value."""
    return _values(call, [call.project], key)


@operation(
    "GET",
    "/organizations/{organization}/tags/{key}/values/",
    scopes=ORGANIZATION_READ,
    response=list[TagValueBody],
    paginated=True,
)
def list_organization_tag_values(call: Call, key: str) -> Page:
    """List the values of a tag, the most frequent first. `query` must occur in the value."""
    return _values(call, call.projects_param(), key)


def _values(call: Call, projects: Sequence[Project], key: str) -> Page:
    with refused_cursors():
        values, following, previous = tag_values(
            [project.pk for project in projects],
            key,
            environments=call.environments_param(),
            period=period_param(call),
            query=call.request.GET.get("query", ""),
            cursor=cursor_text(call),
            limit=limit_of(call.request.GET),
        )
    return page_of([serialize_tag_value(key, value) for value in values], previous, following)
