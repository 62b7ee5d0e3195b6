"""What every template knows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from dictamesh_sentry.web.navigation import main_navigation, settings_navigation
from dictamesh_sentry.web.pages import current_organization, known_organizations


def page(request: HttpRequest) -> dict[str, Any]:
    """``organization``, ``organizations``, ``access``, ``navigation``, ``settings_nav`` and ``theme``."""
    user = getattr(request, "user", None)
    signed_in = user is not None and user.is_authenticated
    organizations = known_organizations(request) if signed_in else []
    organization = current_organization(request, organizations) if signed_in else None
    return {
        "organizations": organizations,
        "organization": organization,
        "access": getattr(request, "access", None),
        "navigation": main_navigation(request, organization),
        "settings_nav": SimpleLazyObject(lambda: settings_navigation(request, organization)),
        "theme": getattr(user, "theme", "system") if signed_in else "system",
    }
