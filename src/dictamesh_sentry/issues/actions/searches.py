"""Saved issue searches."""

from __future__ import annotations

from django.db import transaction

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues.actions.base import ActionError
from dictamesh_sentry.issues.list_queries import SORTS
from dictamesh_sentry.issues.models import SavedSearch
from dictamesh_sentry.organizations import audit
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.search.parser import parse_issue_query

MAX_SEARCHES = 200


def save_search(
    actor: User, organization: Organization, *, name: str, query: str, sort: str = "date", shared: bool = False
) -> SavedSearch:
    """Save a search for the actor, or for everybody when ``shared``.

    Raises SearchError for a query that cannot be understood, ActionError for a wrong sort or too many searches.
    """
    name = _checked(name, query, sort)
    with transaction.atomic():
        owned = SavedSearch.objects.filter(organization=organization, user=None if shared else actor)
        if owned.count() >= MAX_SEARCHES:
            raise ActionError(f"At most {MAX_SEARCHES} searches can be saved.")
        search = SavedSearch.objects.create(
            organization=organization, user=None if shared else actor, name=name, query=query.strip(), sort=sort
        )
        if shared:
            audit.record(actor, organization, "search.create", name, {"query": query})
    return search


def update_search(actor: User, search: SavedSearch, *, name: str, query: str, sort: str) -> SavedSearch:
    """Change a saved search. Raises as ``save_search``."""
    search.name, search.query, search.sort = _checked(name, query, sort), query.strip(), sort
    with transaction.atomic():
        search.save(update_fields=["name", "query", "sort"])
        if search.user is None:
            audit.record(actor, search.organization, "search.update", search.name, {"query": query})
    return search


def delete_search(actor: User, search: SavedSearch) -> None:
    """Remove a saved search."""
    with transaction.atomic():
        if search.user is None:
            audit.record(actor, search.organization, "search.delete", search.name)
        search.delete()


def _checked(name: str, query: str, sort: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 128:
        raise ActionError("A saved search needs a name of at most 128 characters.")
    if sort not in SORTS:
        raise ActionError(f"Unknown sort {sort!r}; use one of {', '.join(SORTS)}.")
    parse_issue_query(query)
    return name
