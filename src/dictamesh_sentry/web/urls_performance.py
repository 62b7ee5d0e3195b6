"""URLs of the performance pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from dictamesh_sentry.web.views import performance, performance_summary

_BASE = "organizations/<slug:org>/performance/"

urlpatterns: list[URLPattern] = [
    path(_BASE, performance.performance_home, name="performance"),
    path(f"{_BASE}summary/", performance_summary.transaction_summary, name="transaction-summary"),
]
