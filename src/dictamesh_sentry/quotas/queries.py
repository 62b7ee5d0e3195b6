"""Reads of quotas, and of the outcomes that statistics show."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Protocol

from django.db.models import Q, QuerySet, Sum

from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.quotas.limiter import Rule
from dictamesh_sentry.quotas.models import OutcomeHour, Quota

HOUR = 3600
DIMENSIONS = ("outcome", "category", "reason", "project", "key")
_COLUMNS = {"outcome": "outcome", "category": "category", "reason": "reason", "project": "project_id", "key": "key_id"}


class Window(Protocol):
    """From ``start`` (inclusive) to ``end`` (exclusive), both aware."""

    @property
    def start(self) -> datetime: ...

    @property
    def end(self) -> datetime: ...


class OutcomeTotal(NamedTuple):
    """Quantity of one group. ``by`` has a value per dimension asked for: Outcome, DataCategory, text or id."""

    by: dict[str, Outcome | DataCategory | str | int]
    quantity: int


class OutcomeSeries(NamedTuple):
    """``values`` holds one quantity per interval of the series it belongs to."""

    by: dict[str, Outcome | DataCategory | str | int]
    quantity: int
    values: list[int]


class SeriesPage(NamedTuple):
    """Starts of the intervals, and the groups, biggest first."""

    intervals: list[datetime]
    groups: list[OutcomeSeries]


def quotas_of(organization: Organization) -> QuerySet[Quota]:
    """Quotas of the organization and its projects."""
    return Quota.objects.filter(organization=organization).select_related("project").order_by("project__slug", "pk")


def get_quota(organization: Organization, quota_id: int) -> Quota:
    """A quota of the organization. Raises NotVisibleError."""
    quota = quotas_of(organization).filter(pk=quota_id).first()
    if quota is None:
        raise NotVisibleError("The requested resource does not exist")
    return quota


def quota_rules(organization_ids: Iterable[int], project_ids: Iterable[int]) -> dict[tuple[int, int], list[Rule]]:
    """Rules of many projects in one query: ``(organization id, 0)`` and ``(organization id, project id)`` → rules."""
    rules: dict[tuple[int, int], list[Rule]] = defaultdict(list)
    found = Quota.objects.filter(organization_id__in=list(organization_ids)).filter(
        Q(project=None) | Q(project_id__in=list(project_ids))
    )
    for quota in found:
        names = [DataCategory.from_name(name) for name in quota.categories]
        categories = frozenset(category for category in names if category is not None)
        if names and not categories:
            continue
        scope = "project" if quota.project_id else "organization"
        rule = Rule(f"q{quota.pk}", quota.limit, max(1, quota.window), scope, quota.reason_code, categories)
        rules[quota.organization_id, quota.project_id or 0].append(rule)
    return rules


def _rows(
    organization: Organization,
    projects: Sequence[Project] | None,
    period: Window,
    categories: Sequence[DataCategory],
    outcomes: Sequence[Outcome],
    reasons: Sequence[str],
) -> QuerySet[OutcomeHour]:
    found = OutcomeHour.objects.filter(
        project__organization=organization, hour__gte=_floor(period.start, HOUR), hour__lt=period.end
    )
    if projects is not None:
        found = found.filter(project_id__in=[project.pk for project in projects])
    if categories:
        found = found.filter(category__in=[int(category) for category in categories])
    if outcomes:
        found = found.filter(outcome__in=[int(outcome) for outcome in outcomes])
    if reasons:
        found = found.filter(reason__in=list(reasons))
    return found


def outcome_totals(
    organization: Organization,
    projects: Sequence[Project] | None,
    period: Window,
    group_by: Sequence[str] = ("outcome",),
    *,
    categories: Sequence[DataCategory] = (),
    outcomes: Sequence[Outcome] = (),
    reasons: Sequence[str] = (),
) -> list[OutcomeTotal]:
    """Quantities per group in whole hours of the period, biggest first. ``projects`` None means all.

    ``group_by`` names ``DIMENSIONS``. Categories have different units (items, bytes, milliseconds): ask for one
    category, or group by it. Raises ValueError for an unknown dimension.
    """
    columns = _columns(group_by)
    rows = _rows(organization, projects, period, categories, outcomes, reasons)
    sums = rows.order_by().values(*columns).annotate(total=Sum("quantity"))
    groups = [OutcomeTotal(_by(group_by, [row[name] for name in columns]), row["total"]) for row in sums]
    return sorted(groups, key=lambda group: -group.quantity)


def outcome_series(
    organization: Organization,
    projects: Sequence[Project] | None,
    period: Window,
    group_by: Sequence[str] = ("outcome",),
    interval: int = HOUR,
    *,
    categories: Sequence[DataCategory] = (),
    outcomes: Sequence[Outcome] = (),
    reasons: Sequence[str] = (),
) -> SeriesPage:
    """As ``outcome_totals``, with a value per ``interval`` (seconds, a multiple of an hour; others are rounded up)."""
    columns = _columns(group_by)
    width = max(1, -(-interval // HOUR)) * HOUR
    first = _floor(period.start, width)
    count = max(1, -(-int((period.end - first).total_seconds()) // width))
    intervals = [first + timedelta(seconds=width * index) for index in range(count)]
    rows = _rows(organization, projects, period, categories, outcomes, reasons)
    sums = rows.order_by().values("hour", *columns).annotate(total=Sum("quantity"))
    series: dict[tuple[object, ...], list[int]] = {}
    for row in sums:
        values = series.setdefault(tuple(row[name] for name in columns), [0] * count)
        index = int((row["hour"] - first).total_seconds()) // width
        if 0 <= index < count:
            values[index] += row["total"]
    groups = [OutcomeSeries(_by(group_by, list(key)), sum(values), values) for key, values in series.items()]
    return SeriesPage(intervals, sorted(groups, key=lambda group: -group.quantity))


def _columns(group_by: Sequence[str]) -> list[str]:
    unknown = [name for name in group_by if name not in _COLUMNS]
    if unknown:
        raise ValueError(f"unknown dimension {', '.join(unknown)}; known: {', '.join(DIMENSIONS)}")
    return [_COLUMNS[name] for name in group_by]


def _by(group_by: Sequence[str], values: Sequence[object]) -> dict[str, Outcome | DataCategory | str | int]:
    by: dict[str, Outcome | DataCategory | str | int] = {}
    for name, value in zip(group_by, values, strict=True):
        if name == "outcome":
            by[name] = Outcome(int(str(value)))
        elif name == "category":
            by[name] = DataCategory(int(str(value)))
        else:
            by[name] = value  # type: ignore[assignment]
    return by


def _floor(moment: datetime, width: int) -> datetime:
    seconds = int(moment.timestamp())
    return datetime.fromtimestamp(seconds - seconds % width, UTC)
