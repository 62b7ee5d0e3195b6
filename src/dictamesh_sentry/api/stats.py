"""What became of the items that arrived: quantities by outcome, category, reason and project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.responses import required_iso
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.quotas.queries import OutcomeTotal, outcome_series, outcome_totals
from dictamesh_sentry.search.period import Period, parse_moment, parse_period, relative

_FIELDS = ("sum(quantity)", "sum(times_seen)")
_GROUPS = ("outcome", "category", "reason", "project")
_MOST_INTERVALS = 10_000
_ERROR_CATEGORIES = (DataCategory.DEFAULT, DataCategory.ERROR, DataCategory.SECURITY)
#: Units that cannot be added to numbers of items.
_OTHER_UNITS = frozenset(
    {
        DataCategory.ATTACHMENT, DataCategory.LOG_BYTE, DataCategory.TRACE_METRIC_BYTE, DataCategory.PROFILE_DURATION,
        DataCategory.PROFILE_DURATION_UI, DataCategory.METRIC_SECOND,
    }
)  # fmt: skip
#: ``stat`` of ``/projects/{o}/{p}/stats/`` → outcomes; none means all.
_STATS = {
    "received": (),
    "generated": (Outcome.ACCEPTED,),
    "rejected": (Outcome.RATE_LIMITED,),
    "blacklisted": (Outcome.FILTERED,),
}
_RESOLUTIONS = {"10s": 3600, "1h": 3600, "1d": 86400}


class GroupBody(TypedDict):
    by: dict[str, str | int]
    totals: dict[str, int]
    series: dict[str, list[int]]


class StatsBody(TypedDict):
    start: str
    end: str
    intervals: list[str]
    groups: list[GroupBody]


def _period(call: Call, default: str = "14d") -> Period:
    parameters = call.request.GET
    return parse_period(parameters.get("statsPeriod"), parameters.get("start"), parameters.get("end"), default=default)


def _named(call: Call, key: str, known: dict[str, Any]) -> list[Any]:
    found: list[Any] = []
    for name in call.request.GET.getlist(key):
        if name not in known:
            raise bad_request(f'{key}: "{name[:64]}" is unknown; write one of {", ".join(sorted(known))}.')
        found.append(known[name])
    return found


def _categories(call: Call) -> list[DataCategory]:
    known: dict[str, Any] = {category.api_name: [category] for category in DataCategory}
    # Clients count everything that makes an issue as "error".
    known["error"] = list(_ERROR_CATEGORIES)
    found = [category for group in _named(call, "category", known) for category in group]
    if len(set(found)) > 1 and set(found) & _OTHER_UNITS and set(found) - _OTHER_UNITS:
        raise bad_request(
            "category: attachments and durations cannot be added to numbers of items; ask for each alone."
        )
    return found


def _projects(call: Call) -> list[Project]:
    named = [name for name in call.request.GET.getlist("project") if name]
    return call.projects_param() if named else list(call.visible_projects())


def _by(group: dict[str, Any], keys: Sequence[str]) -> dict[str, str | int]:
    return {key: value.api_name if isinstance(value := group[key], (Outcome, DataCategory)) else value for key in keys}


def _merge(groups: list[GroupBody]) -> list[GroupBody]:
    """Groups that became equal once their categories were named alike, added up."""
    merged: dict[tuple[tuple[str, str | int], ...], GroupBody] = {}
    for group in groups:
        key = tuple(group["by"].items())
        known = merged.get(key)
        if known is None:
            merged[key] = group
            continue
        for name, total in group["totals"].items():
            known["totals"][name] += total
        for name, values in group["series"].items():
            pairs = zip(known["series"][name], values, strict=True)
            known["series"][name] = [first + second for first, second in pairs]
    return list(merged.values())


def _public(by: dict[str, str | int]) -> dict[str, str | int]:
    if by.get("category") in {category.api_name for category in _ERROR_CATEGORIES}:
        return {**by, "category": "error"}
    return by


@operation("GET", "/organizations/{organization}/stats_v2/", scopes=("org:read",), response=StatsBody)
def stats_v2(call: Call) -> StatsBody:
    """Quantities in a period, grouped and as series of whole hours or more.

    Parameters: ``field`` (``sum(quantity)``, ``sum(times_seen)``), ``groupBy`` (outcome, category, reason, project),
    ``interval``, ``category``, ``outcome``, ``reason``, ``project``, and the period. Groups by project have no series.
    """
    parameters = call.request.GET
    fields = parameters.getlist("field") or [_FIELDS[0]]
    if unknown := [field for field in fields if field not in _FIELDS]:
        raise bad_request(f'field: "{unknown[0][:64]}" is unknown; write {" or ".join(_FIELDS)}.')
    keys = list(dict.fromkeys(_named(call, "groupBy", {key: key for key in _GROUPS})))
    period, width = _period(call), _interval(call)
    if period.seconds / width > _MOST_INTERVALS:
        raise bad_request("interval: too short for the period.")
    filters: dict[str, Any] = {
        "categories": _categories(call),
        "outcomes": _named(call, "outcome", {outcome.api_name: outcome for outcome in Outcome}),
        "reasons": parameters.getlist("reason"),
    }
    projects = _projects(call)
    page = outcome_series(call.organization, projects, period, keys, width, **filters)
    with_series = "project" not in keys
    groups: list[GroupBody] = [
        {
            "by": _public(_by(group.by, keys)),
            "totals": dict.fromkeys(fields, group.quantity),
            "series": {field: list(group.values) for field in fields} if with_series else {},
        }
        for group in page.groups
    ]
    if not keys and not groups:
        groups = [
            {"by": {}, "totals": dict.fromkeys(fields, 0), "series": {f: [0] * len(page.intervals) for f in fields}}
        ]
    end = page.intervals[-1] + timedelta(seconds=width) if page.intervals else period.end
    return {
        "start": required_iso(page.intervals[0]) if page.intervals else required_iso(period.start),
        "end": required_iso(end),
        "intervals": [required_iso(moment) for moment in page.intervals],
        "groups": _merge(groups),
    }


def _interval(call: Call) -> int:
    text = call.request.GET.get("interval") or "1h"
    return max(3600, int(relative(text).total_seconds()))


class SummaryStatBody(TypedDict):
    category: str
    outcomes: dict[str, int]
    totals: dict[str, int]


class SummaryProjectBody(TypedDict):
    id: str
    slug: str
    stats: list[SummaryStatBody]


class SummaryBody(TypedDict):
    start: str
    end: str
    projects: list[SummaryProjectBody]


@operation("GET", "/organizations/{organization}/stats-summary/", scopes=("org:read",), response=SummaryBody)
def stats_summary(call: Call) -> SummaryBody:
    """Quantities in a period by project, category and outcome."""
    period, projects = _period(call), _projects(call)
    categories = _categories(call)
    totals = outcome_totals(
        call.organization, projects, period, ("project", "category", "outcome"), categories=categories
    )
    return {
        "start": required_iso(period.start),
        "end": required_iso(period.end),
        "projects": [_summary(project, totals) for project in projects],
    }


def _summary(project: Project, totals: Sequence[OutcomeTotal]) -> SummaryProjectBody:
    stats: dict[str, SummaryStatBody] = {}
    for total in totals:
        if total.by["project"] != project.pk:
            continue
        category = str(_public(_by(total.by, ["category"]))["category"])
        outcome = str(_by(total.by, ["outcome"])["outcome"])
        row = stats.setdefault(
            category,
            {
                "category": category,
                "outcomes": {item.api_name: 0 for item in Outcome},
                "totals": {"dropped": 0, "sum(quantity)": 0},
            },
        )
        row["outcomes"][outcome] += total.quantity
        row["totals"]["sum(quantity)"] += total.quantity
        if outcome != Outcome.ACCEPTED.api_name:
            row["totals"]["dropped"] += total.quantity
    return {
        "id": str(project.pk),
        "slug": project.slug,
        "stats": sorted(stats.values(), key=lambda row: row["category"]),
    }


@operation("GET", "/projects/{organization}/{project}/stats/", scopes=("project:read",), response=list[list[int]])
def project_stats(call: Call) -> list[list[int]]:
    """Events per interval as ``[epoch seconds, number]``. Intervals shorter than an hour are answered as hours."""
    parameters = call.request.GET
    stat = parameters.get("stat", "received")
    if stat not in _STATS:
        raise bad_request(f"stat: write one of {', '.join(_STATS)}.")
    resolution = parameters.get("resolution") or "1h"
    if resolution not in _RESOLUTIONS:
        raise bad_request(f"resolution: write one of {', '.join(_RESOLUTIONS)}.")
    now = datetime.now(UTC)
    since = parse_moment(parameters["since"], "since") if parameters.get("since") else now - timedelta(days=1)
    until = parse_moment(parameters["until"], "until") if parameters.get("until") else now
    width = _RESOLUTIONS[resolution]
    if since >= until or (until - since).total_seconds() / width > _MOST_INTERVALS:
        raise bad_request("since must lie before until, and the period must not hold too many intervals.")
    page = outcome_series(
        call.organization,
        [call.project],
        Period(since, until),
        (),
        width,
        categories=_ERROR_CATEGORIES,
        outcomes=_STATS[stat],
    )
    values = page.groups[0].values if page.groups else [0] * len(page.intervals)
    return [[int(moment.timestamp()), value] for moment, value in zip(page.intervals, values, strict=True)]
