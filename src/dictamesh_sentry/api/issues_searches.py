"""Saved issue searches, of a member or of the whole organization."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from pydantic import Field
from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Body, Call, operation
from dictamesh_sentry.api.responses import required_iso
from dictamesh_sentry.issues.actions.searches import delete_search, save_search, update_search
from dictamesh_sentry.issues.models import SavedSearch
from dictamesh_sentry.organizations.access import NotVisibleError

READ = ("org:read",)
PATH = "/organizations/{organization}/searches/"


class SearchBody(TypedDict):
    id: str
    type: int
    name: str
    query: str
    sort: str
    visibility: str
    dateCreated: str
    isGlobal: bool
    isPinned: bool


class SearchText(Body):
    """A search to save. `visibility` is `owner` (only me) or `organization`."""

    name: str = Field(min_length=1, max_length=128)
    query: str = Field(max_length=4096)
    sort: str = "date"
    visibility: str = "owner"
    type: int = 0


def _visible(call: Call) -> QuerySet[SavedSearch]:
    mine = Q(user=call.user) | Q(user__isnull=True)
    return SavedSearch.objects.filter(mine, organization=call.organization).order_by("name", "pk")


def _serialize(search: SavedSearch) -> SearchBody:
    return {
        "id": str(search.pk),
        "type": 0,
        "name": search.name,
        "query": search.query,
        "sort": search.sort,
        "visibility": "organization" if search.user_id is None else "owner",  # pyright: ignore[reportAttributeAccessIssue]
        "dateCreated": required_iso(search.date_created),
        "isGlobal": False,
        "isPinned": False,
    }


def _get(call: Call, search_id: str) -> SavedSearch:
    valid = search_id.isascii() and search_id.isdigit() and len(search_id) < 19
    found = _visible(call).filter(pk=int(search_id)).first() if valid else None
    if found is None:
        raise NotVisibleError
    if found.user is None:
        call.access.require("org:write")
    return found


@operation("GET", PATH, scopes=READ, response=list[SearchBody], tag="Issues")
def list_searches(call: Call) -> list[SearchBody]:
    """List my saved searches and the organization's."""
    return [_serialize(search) for search in _visible(call)]


@operation("POST", PATH, scopes=READ, response=SearchBody, tag="Issues")
def create_search(call: Call, body: SearchText) -> SearchBody:
    """Save a search. One for the whole organization needs `org:write`."""
    shared = body.visibility == "organization"
    if shared:
        call.access.require("org:write")
    return _serialize(
        save_search(call.user, call.organization, name=body.name, query=body.query, sort=body.sort, shared=shared)
    )


@operation("PUT", PATH + "{search_id}/", scopes=READ, response=SearchBody, tag="Issues")
def change_search(call: Call, search_id: str, body: SearchText) -> SearchBody:
    """Change a saved search. One of the organization needs `org:write`."""
    found = _get(call, search_id)
    return _serialize(update_search(call.user, found, name=body.name, query=body.query, sort=body.sort))


@operation("DELETE", PATH + "{search_id}/", scopes=READ, tag="Issues")
def remove_search(call: Call, search_id: str) -> None:
    """Delete a saved search. One of the organization needs `org:write`."""
    delete_search(call.user, _get(call, search_id))
