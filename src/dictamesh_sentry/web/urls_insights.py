"""URLs of the insights pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from dictamesh_sentry.web.views import insights, insights_clients, insights_services

_BASE = "organizations/<slug:org>/insights/"

urlpatterns: list[URLPattern] = [
    path(_BASE, insights.overview, name="insights"),
    path(f"{_BASE}card/", insights.card, name="insights-card"),
    path(f"{_BASE}databases/", insights.databases, name="insights-databases"),
    path(f"{_BASE}databases/query/", insights.query, name="insights-query"),
    path(f"{_BASE}http/", insights.http, name="insights-http"),
    path(f"{_BASE}http/domain/", insights.domain, name="insights-domain"),
    path(f"{_BASE}caches/", insights_services.caches, name="insights-caches"),
    path(f"{_BASE}queues/", insights_services.queues, name="insights-queues"),
    path(f"{_BASE}queues/destination/", insights_services.destination, name="insights-destination"),
    path(f"{_BASE}vitals/", insights_clients.vitals, name="insights-vitals"),
    path(f"{_BASE}vitals/page/", insights_clients.vitals_page, name="insights-page"),
    path(f"{_BASE}mobile/", insights_clients.mobile, name="insights-mobile"),
    path(f"{_BASE}mobile/screen/", insights_clients.screen, name="insights-screen"),
]
