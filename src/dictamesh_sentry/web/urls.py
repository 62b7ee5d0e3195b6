"""Every URL of the pages and the web API. The ingest paths are served before Django: see edge/."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("dictamesh_sentry.web.urls_explore")),
    path("", include("dictamesh_sentry.web.urls_insights")),
    path("", include("dictamesh_sentry.web.urls_issues")),
    path("", include("dictamesh_sentry.web.urls_performance")),
    path("", include("dictamesh_sentry.web.urls_profiling")),
    path("", include("dictamesh_sentry.web.urls_traces")),
    path("", include("dictamesh_sentry.web.urls_settings")),
]

handler400 = "dictamesh_sentry.web.error_pages.bad_request"
handler403 = "dictamesh_sentry.web.error_pages.forbidden"
handler404 = "dictamesh_sentry.web.error_pages.not_found"
handler500 = "dictamesh_sentry.web.error_pages.server_error"
