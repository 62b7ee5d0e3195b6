"""Every URL of the pages and the web API. The ingest paths are served before Django: see edge/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("dictamesh_sentry.web.urls_issues")),
    path("", include("dictamesh_sentry.web.urls_settings")),
]
