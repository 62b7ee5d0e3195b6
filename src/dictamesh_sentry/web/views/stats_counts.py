"""Reads the outcomes the statistics and the project cards draw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.quotas.queries import outcome_series
from dictamesh_sentry.web.views.stats_data import Count


class Span(NamedTuple):
    """From ``start`` (inclusive) to ``end`` (exclusive)."""

    start: datetime
    end: datetime


def read_counts(
    organization: Organization,
    projects: Sequence[Project],
    starts: Sequence[datetime],
    bucket: timedelta,
    categories: Sequence[DataCategory],
) -> list[Count]:
    """What happened to the categories in each bucket, by project, outcome and reason. One query."""
    if not projects:
        return []
    page = outcome_series(
        organization,
        projects,
        Span(starts[0], starts[-1] + bucket),
        ("project", "outcome", "reason"),
        int(bucket.total_seconds()),
        categories=categories,
    )
    return [
        Count(
            page.intervals[index], int(group.by["project"]), int(group.by["outcome"]), str(group.by["reason"]), quantity
        )
        for group in page.groups
        for index, quantity in enumerate(group.values)
        if quantity
    ]
