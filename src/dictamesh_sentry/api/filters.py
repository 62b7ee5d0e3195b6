"""Inbound filters of a project."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Body, Call, operation
from dictamesh_sentry.api.errors import NOT_FOUND, field_error
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.processing.filters.browsers import MINIMUM_VERSIONS, SUBFILTERS
from dictamesh_sentry.projects.actions import update_options
from dictamesh_sentry.projects.options import FilterOptions, load_options

_FILTERS = "/projects/{organization}/{project}/filters/"
_LEGACY = "legacy-browsers"
#: Filter id → attribute of FilterOptions, name, description.
_KNOWN = {
    "browser-extensions": (
        "browser_extensions",
        "Browser extensions",
        "Errors of scripts that extensions and toolbars put into pages.",
    ),
    "localhost": ("localhost", "Local development", "Events from localhost, 127.0.0.1, ::1 and file: pages."),
    "filtered-transaction": (
        "health_check_transactions",
        "Health checks",
        "Transactions named like a health check, such as /healthz and /ping.",
    ),
    _LEGACY: ("legacy_browsers", "Legacy browsers", "Events from browsers that are too old to support."),
    "web-crawlers": ("web_crawlers", "Web crawlers", "Events from search engines and other bots."),
    "chunk-load-error": (
        "chunk_load_errors",
        "Failed chunk loads",
        "Chunks a bundler could not load, typical right after a deployment.",
    ),
    "react-hydration-errors": (
        "react_hydration_errors",
        "Hydration errors",
        "Errors of React while it takes over a page rendered by the server.",
    ),
}


class FilterBody(TypedDict):
    id: str
    active: bool | list[str]
    name: str
    description: str


class FilterInput(Body):
    active: bool | None = None
    subfilters: list[str] | None = None


def _active(filters: FilterOptions, filter_id: str) -> bool | list[str]:
    value: Any = getattr(filters, _KNOWN[filter_id][0])
    if filter_id != _LEGACY:
        return bool(value)
    return True if set(_everything()) <= set(value) else (list(value) or False)


def _everything() -> list[str]:
    return [*MINIMUM_VERSIONS, "default"]


@operation("GET", _FILTERS, scopes=("project:read",), response=list[FilterBody])
def list_filters(call: Call) -> list[FilterBody]:
    """The built-in filters, and which are active."""
    filters = load_options(call.project.options).filters
    return [
        {
            "id": filter_id,
            "active": _active(filters, filter_id),
            "name": name,
            "description": description,
        }
        for filter_id, (_, name, description) in _KNOWN.items()
    ]


@operation("PUT", _FILTERS + "{filter_id}/", scopes=("project:write",), status=204)
def update_filter(call: Call, filter_id: str, body: FilterInput) -> None:
    """Switch a filter; ``subfilters`` names the legacy browsers to drop."""
    if filter_id not in _KNOWN:
        raise NotVisibleError(NOT_FOUND)
    options = load_options(call.project.options)
    if filter_id == _LEGACY:
        options.filters.legacy_browsers = _legacy(body)
    elif body.active is None:
        raise field_error("active", "This field is required.")
    else:
        setattr(options.filters, _KNOWN[filter_id][0], body.active)
    update_options(call.user, call.project, options)


def _legacy(body: FilterInput) -> list[str]:
    if body.subfilters is not None:
        unknown = [name for name in body.subfilters if name not in SUBFILTERS]
        if unknown:
            raise field_error("subfilters", f"Unknown subfilter: {unknown[0][:64]}")
        return list(dict.fromkeys(body.subfilters))
    if body.active is None:
        raise field_error("active", "This field is required.")
    return _everything() if body.active else []
