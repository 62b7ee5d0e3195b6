"""Every URL Django serves: the web API and the pages. The ingest paths are served before Django: see edge/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/0/", include("dictamesh_sentry.api.urls")),
    path("", include("dictamesh_sentry.web.urls")),
]

handler400 = "dictamesh_sentry.web.error_pages.bad_request"
handler403 = "dictamesh_sentry.web.error_pages.forbidden"
handler404 = "dictamesh_sentry.web.error_pages.not_found"
handler500 = "dictamesh_sentry.web.error_pages.server_error"
