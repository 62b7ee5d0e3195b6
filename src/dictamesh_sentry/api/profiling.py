"""Profiles, chunks of continuous profiles, and flame graphs of many of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import ApiError, Call, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.issues_common import period_param
from dictamesh_sentry.api.serializers_profiles import serialize_aggregate, serialize_profile
from dictamesh_sentry.profiling import queries
from dictamesh_sentry.profiling.aggregate import aggregate
from dictamesh_sentry.profiling.model import Profile
from dictamesh_sentry.profiling.queries import Filters, ProfileMissingError, StoredProfile
from dictamesh_sentry.profiling.speedscope import raw_profile
from dictamesh_sentry.profiling.windows import between, merge
from dictamesh_sentry.search.ast import And, Filter
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.period import parse_moment

READ = ("org:read",)
_TAG = "Profiling"
_LONGEST_RANGE = timedelta(hours=1)
# What clients add to say that they mean transactions; it is true of everything here.
_IMPLIED = frozenset({"event.type", "is_transaction"})


class SharedBody(TypedDict):
    frames: list[dict[str, Any]]
    frame_infos: list[dict[str, Any]]
    profiles: list[dict[str, Any]]


class FlamegraphBody(TypedDict):
    activeProfileIndex: int
    metadata: dict[str, Any]
    measurements: dict[str, Any] | None
    platform: str
    projectID: int | None
    transactionName: str
    profiles: list[dict[str, Any]]
    shared: SharedBody


class ChunkBody(TypedDict):
    chunk: dict[str, Any]


class HasChunksBody(TypedDict):
    hasChunks: bool


def _read(row: StoredProfile | None) -> tuple[StoredProfile, Profile]:
    """Raises ApiError 404 for a profile that is not there, or not any more."""
    if row is None:
        raise ApiError(404, "The requested resource does not exist")
    try:
        return row, queries.read_profile(row)
    except ProfileMissingError:
        raise ApiError(404, "The samples of this profile are gone.") from None


@operation(
    "GET", "/projects/{organization}/{project}/profiling/profiles/{profile_id}/", scopes=("project:read",),
    response=dict[str, Any], tag=_TAG,
)  # fmt: skip
def get_profile(call: Call, profile_id: str) -> dict[str, Any]:
    """A profile with its threads, frames and samples.

    `shared` and `profiles` are in the form of speedscope files, `profile` is in the form SDKs send.
    """
    row, profile = _read(queries.find_profile([call.project.pk], profile_id))
    return serialize_profile(call.project, row, profile)


@operation(
    "GET", "/projects/{organization}/{project}/profiling/raw_profiles/{profile_id}/", scopes=("project:read",),
    response=dict[str, Any], tag=_TAG,
)  # fmt: skip
def get_raw_profile(call: Call, profile_id: str) -> dict[str, Any]:
    """A profile in the form SDKs send: equal stacks merged, unused frames left out."""
    _, profile = _read(queries.find_profile([call.project.pk], profile_id))
    return raw_profile(profile, call.organization.pk, call.project.pk)


@operation("GET", "/organizations/{organization}/profiling/flamegraph/", scopes=READ, response=FlamegraphBody, tag=_TAG)
def get_flamegraph(call: Call) -> dict[str, Any]:
    """One flame graph of the profiles of a window, at most 40 of them taken evenly over it.

    `query` may name `transaction` and `release`; with a transaction, what profilers saw of its thread counts too.
    """
    projects = call.projects_param()
    wanted = _query(call)
    filters = Filters(
        [project.pk for project in projects],
        period_param(call, "14d"),
        call.environments_param(),
        wanted.get("transaction", ""),
        wanted.get("release", ""),
    )
    only = projects[0].pk if len(projects) == 1 else None
    return serialize_aggregate(aggregate(filters), project_id=only, transaction=filters.transaction, projects=projects)


def _query(call: Call) -> dict[str, str]:
    """Field → value of the search. Raises SearchError and ApiError (400)."""
    parsed = parse_query(call.request.GET.get("query", ""))
    found: dict[str, str] = {}
    for term in parsed.children if isinstance(parsed, And) else [parsed] if parsed is not None else []:
        if not isinstance(term, Filter) or term.effective_operator != "=" or len(term.values) != 1:
            raise bad_request("query: flame graphs are searched with transaction:name and release:version only")
        name = term.key.name
        if name in ("transaction", "release") and not term.value.is_pattern:
            found[name] = term.value.text
        elif name not in _IMPLIED:
            raise bad_request(f"query: flame graphs cannot be searched by {term.key.text[:60]}, or with a wildcard")
    return found


@operation("GET", "/organizations/{organization}/profiling/chunks/", scopes=READ, response=ChunkBody, tag=_TAG)
def get_chunks(call: Call) -> ChunkBody:
    """What a profiler saw between `start` and `end`, its chunks put together. Needs `project` and `profiler_id`."""
    profiler_id = call.request.GET.get("profiler_id", "")
    if queries.uuid_of(profiler_id) is None:
        raise bad_request("profiler_id: it is required, and a UUID")
    projects = call.projects_param()
    if len(projects) != 1:
        raise bad_request("project: name exactly one")
    start, end = _range(call)
    found = [_read(row) for row in queries.chunks_between([projects[0].pk], profiler_id, start, end)]
    if not found:
        raise ApiError(404, "The requested resource does not exist")
    merged = between(merge([profile for _, profile in found]), start.timestamp(), end.timestamp())
    return {"chunk": raw_profile(merged, call.organization.pk, projects[0].pk)}


def _range(call: Call) -> tuple[datetime, datetime]:
    period = period_param(call, "1h")
    if period.label == "" and period.end - period.start > _LONGEST_RANGE:
        raise bad_request("start, end: a range of at most an hour can be read at once")
    if period.label:
        return max(period.start, period.end - _LONGEST_RANGE), period.end
    start, end = (parse_moment(call.request.GET[name], name) for name in ("start", "end"))
    return start, end


@operation("GET", "/organizations/{organization}/profiling/has-chunks/", scopes=READ, response=HasChunksBody, tag=_TAG)
def get_has_chunks(call: Call) -> HasChunksBody:
    """Whether any of the projects is profiled continuously."""
    ids = [project.pk for project in call.projects_param()]
    return {"hasChunks": queries.has_chunks(ids, period_param(call, "14d"))}
