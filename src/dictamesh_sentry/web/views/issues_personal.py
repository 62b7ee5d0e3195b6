"""Saved searches."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_POST

from dictamesh_sentry.issues.models import SavedSearch
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.web.pages import PageRequest, is_fragment, organization_page
from dictamesh_sentry.web.views.issues_scope import DEFAULT_QUERY, SORTS

MOST_SEARCHES = 100


def saved_searches(request: PageRequest) -> list[SavedSearch]:
    """The user's own searches and those of the organization, by name."""
    mine_or_shared = Q(user=request.user) | Q(user=None)
    found = SavedSearch.objects.filter(mine_or_shared, organization=request.organization)
    return list(found.order_by("name", "pk")[:MOST_SEARCHES])


@require_http_methods(["GET", "HEAD", "POST"])
@organization_page
def save_search(request: PageRequest) -> HttpResponse:
    """Name the current search; for everyone only with ``org:write``."""
    given = request.POST if request.method == "POST" else request.GET
    query = given.get("query", DEFAULT_QUERY)[:2000]
    sort = given.get("sort", "date") if given.get("sort") in dict(SORTS) else "date"
    may_share = request.access.has_scope("org:write")
    error = ""
    if request.method == "POST":
        name = request.POST.get("name", "").strip()[:128]
        if name and len(saved_searches(request)) < MOST_SEARCHES:
            shared = may_share and request.POST.get("shared") == "on"
            SavedSearch.objects.create(
                organization=request.organization,
                user=None if shared else request.user,
                name=name,
                query=query,
                sort=sort,
            )
            messages.success(request, f"Saved “{name}”.")
            parameters = urlencode({"query": query, "sort": sort})
            return HttpResponseRedirect(f"/organizations/{request.organization.slug}/issues/?{parameters}")
        error = "Give the search a name." if not name else f"There are already {MOST_SEARCHES} saved searches."
    context = {"query": query, "sort": sort, "may_share": may_share, "error": error, "layout": layout(request)}
    return render(request, "issues/save_search.html", context, status=400 if error else 200)


@require_POST
@organization_page
def delete_search(request: PageRequest, search_id: int) -> HttpResponse:
    """Remove one's own search, or a shared one with ``org:write``."""
    found = next((search for search in saved_searches(request) if search.pk == search_id), None)
    if found is None:
        raise NotVisibleError("The requested resource does not exist")
    if found.user_id is None:
        request.access.require("org:write")
    found.delete()
    messages.success(request, f"Removed “{found.name}”.")
    return HttpResponseRedirect(f"/organizations/{request.organization.slug}/issues/")


def layout(request: PageRequest) -> str:
    """A page of its own, or only its inside for a dialog of the page that is open."""
    return "layouts/fragment.html" if is_fragment(request) else "layouts/app.html"
