"""When an event contradicts a resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.releases.queries import is_after


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One event as regressions see it."""

    timestamp: datetime
    release_id: int | None


def contradicts(issue: Issue, occurrence: Occurrence, releases: Mapping[int, Release]) -> bool:
    """Whether the event shows that the resolved issue is not fixed.

    - Resolved: any event that happened after it.
    - Resolved in a release: an event of that release or a later one.
    - Resolved in the next release: an event of a release later than the one current when it was resolved.
    - Resolved in a commit: an event of a release first heard of after it.

    Later means a higher semantic version where both versions have one, else a later date. An event without a
    release cannot contradict a resolution that speaks of releases: it may come from anywhere.
    """
    if issue.resolved_at is not None and occurrence.timestamp < issue.resolved_at:
        return False
    reference_id = issue.resolved_in_release_id
    bound_to_release = bool(reference_id or issue.resolved_in_next_release or issue.resolved_in_commit)
    if not bound_to_release:
        return True
    release = releases.get(occurrence.release_id or 0)
    if release is None:
        return False
    reference = releases.get(reference_id or 0)
    if reference is None:
        return issue.resolved_at is None or release.date_added > issue.resolved_at
    if is_after(release, reference):
        return True
    return release.pk == reference.pk and not issue.resolved_in_next_release
