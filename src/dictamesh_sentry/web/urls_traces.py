"""URLs of the pages of traces."""

from __future__ import annotations

from django.urls import URLPattern, path

from dictamesh_sentry.web.views import trace_list, traces

urlpatterns: list[URLPattern] = [
    path("organizations/<slug:org>/traces/", trace_list.trace_list, name="traces"),
    path("organizations/<slug:org>/traces/<str:trace_id>/", traces.trace_page, name="trace"),
    path(
        "organizations/<slug:org>/performance/<slug:project>:<str:event_id>/",
        traces.transaction_event,
        name="transaction-event",
    ),
]
