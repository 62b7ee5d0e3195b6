"""Who may open a page: decorators that put the signed-in user's organization and access on the request."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations.access import Access, access_for
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.organizations.queries import get_organization, organizations_for

P = ParamSpec("P")
_SESSION_KEY = "organization"


class PageRequest(HttpRequest):
    """A request of a signed-in member. ``organization`` and ``access`` are set by ``organization_page``."""

    user: User  # type: ignore[assignment]
    organization: Organization
    access: Access


PageView = Callable[Concatenate[PageRequest, P], HttpResponseBase]


def is_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for a part of a page rather than a browser for all of it."""
    return request.headers.get("HX-Request") == "true" and request.headers.get("HX-Boosted") != "true"


def login_redirect(request: HttpRequest) -> HttpResponse:
    """To the sign-in page and back. htmx gets a header, otherwise it would swap the form into the page."""
    here = request.get_full_path() if request.method == "GET" and not is_fragment(request) else "/"
    target = f"/auth/login/?next={quote(here, safe='/')}"
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(status=204, headers={"HX-Redirect": target})
    return HttpResponseRedirect(target)


def login_page(view: Callable[Concatenate[PageRequest, P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Anonymous visitors are sent to the sign-in page."""

    @wraps(view)
    def guarded(request: Any, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return login_redirect(request)
        return view(request, *args, **kwargs)

    return guarded


def organization_page(view: Callable[Concatenate[PageRequest, P], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """As ``login_page``; also takes ``org`` from the URL and sets ``request.organization`` and ``request.access``.

    An organization the user is no member of answers 404 (NotVisibleError).
    """

    @wraps(view)
    def guarded(request: Any, org: str, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return login_redirect(request)
        request.organization = get_organization(request.user, org)
        request.access = access_for(request.user, request.organization)
        if request.session.get(_SESSION_KEY) != request.organization.slug:
            request.session[_SESSION_KEY] = request.organization.slug
        return view(request, *args, **kwargs)

    return guarded


def current_organization(request: HttpRequest, known: list[Organization]) -> Organization | None:
    """The organization of the URL, else the one last visited, else the user's first."""
    found = getattr(request, "organization", None)
    if found is not None:
        return found
    last = request.session.get(_SESSION_KEY)
    return next((item for item in known if item.slug == last), known[0] if known else None)


def known_organizations(request: HttpRequest) -> list[Organization]:
    """The user's organizations, read once per request; at most 200, for the menu."""
    cached = getattr(request, "_known_organizations", None)
    if cached is None:
        user = request.user
        cached = list(organizations_for(user)[:200]) if isinstance(user, User) else []
        request._known_organizations = cached  # type: ignore[attr-defined]
    return cached
