"""URLs of the profiling pages."""

from __future__ import annotations

from django.urls import URLPattern, path

from dictamesh_sentry.web.views import profiling, profiling_profile

_BASE = "organizations/<slug:org>/profiling/"
_PROFILE = f"{_BASE}profile/<slug:project>/<str:profile_id>/"

urlpatterns: list[URLPattern] = [
    path(_BASE, profiling.profiling_home, name="profiling"),
    path(f"{_BASE}flamegraph/", profiling.flamegraph, name="profiling-flamegraph"),
    path(_PROFILE, profiling_profile.profile_page, name="profile"),
    path(f"{_PROFILE}speedscope/", profiling_profile.profile_speedscope, name="profile-speedscope"),
    path(f"{_PROFILE}raw/", profiling_profile.profile_raw, name="profile-raw"),
]
