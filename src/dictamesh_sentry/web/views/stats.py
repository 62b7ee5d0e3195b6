"""What was accepted, filtered, limited and refused, over time and by reason."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.organizations.access import Access
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import projects_by_reference, visible_to
from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.web.views.organization_scope import organization_page
from dictamesh_sentry.web.views.stats_counts import read_counts
from dictamesh_sentry.web.views.stats_data import (
    BYTES,
    CATEGORY_LABELS,
    RANGES,
    SHOWN,
    Bar,
    Chart,
    Count,
    category_label,
    stacked_bars,
    totals_by_outcome,
    totals_by_reason,
)

LABELS_ON_AXIS = 5


@require_safe
@organization_page("org:read")
def stats(request: HttpRequest, access: Access) -> HttpResponse:
    """One category in one period, of all visible projects or one."""
    projects = list(visible_to(request.user, access.organization, access))
    wanted = request.GET.get("project", "")
    chosen = projects_by_reference(request.user, access.organization, [wanted], access) if wanted else projects
    period = next((item for item in RANGES if item.name == request.GET.get("statsPeriod")), RANGES[1])
    category = _category(request)
    starts = period.starts(datetime.now(UTC))
    counts = read_counts(access.organization, chosen, starts, period.bucket, [category])
    chart = stacked_bars(counts, starts, period.bucket)
    project = chosen[0] if wanted and len(chosen) == 1 else None
    context = {
        "projects": projects,
        "project": project,
        "ranges": RANGES,
        "range": period,
        "categories": [(item.api_name, label) for item, label in CATEGORY_LABELS.items()],
        "category": category.api_name,
        "category_label": category_label(category),
        "in_bytes": category in BYTES,
        "chart": chart,
        "is_empty": not any(bar.total for bar in chart.bars),
        "labelled": _labelled(chart),
        "label_format": "H:i" if period.length.days < 2 else "j M",
        "rows": _rows(chart),
        "totals": totals_by_outcome(counts),
        "reasons": totals_by_reason(counts),
        "by_project": [] if project else _by_project(chosen, counts),
    }
    return render(request, "stats/stats.html", context)


def _category(request: HttpRequest) -> DataCategory:
    found = DataCategory.from_name(request.GET.get("category", ""))
    return found if found is not None and found in CATEGORY_LABELS else DataCategory.ERROR


def _labelled(chart: Chart) -> list[Bar]:
    """The bars at equal distances, first and last included, under which the axis says when it was."""
    last = len(chart.bars) - 1
    return [chart.bars[round(last * index / (LABELS_ON_AXIS - 1))] for index in range(LABELS_ON_AXIS)]


def _rows(chart: Chart) -> list[dict[str, Any]]:
    """The chart as a table, newest first."""
    return [
        {"start": bar.start, "values": [bar.quantity(css) for css, _, _ in SHOWN.values()]}
        for bar in reversed(chart.bars)
    ]


def _by_project(projects: list[Project], counts: list[Count]) -> list[dict[str, Any]]:
    grouped: dict[int, list[Count]] = defaultdict(list)
    for count in counts:
        grouped[count.project_id].append(count)
    lines = [
        {"project": project, "totals": totals_by_outcome(grouped[project.pk])}
        for project in projects
        if grouped[project.pk]
    ]
    return sorted(lines, key=lambda line: -sum(total.quantity for total in line["totals"]))
