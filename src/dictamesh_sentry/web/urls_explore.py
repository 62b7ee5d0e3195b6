"""URLs of the spans explorer."""

from __future__ import annotations

from django.urls import URLPattern, path

from dictamesh_sentry.web.views import explore

_SPANS = "organizations/<slug:org>/explore/spans/"

urlpatterns: list[URLPattern] = [
    path(_SPANS, explore.explore_spans, name="explore-spans"),
    path(f"{_SPANS}complete/", explore.explore_complete, name="explore-complete"),
    path(f"{_SPANS}export/", explore.explore_export, name="explore-export"),
    path(f"{_SPANS}save/", explore.explore_save, name="explore-save"),
    path(f"{_SPANS}saved/<int:saved_query_id>/delete/", explore.explore_delete, name="explore-delete"),
]
