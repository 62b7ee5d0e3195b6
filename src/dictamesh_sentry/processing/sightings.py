"""Releases, environments and projects as a batch of events shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Q

from dictamesh_sentry.issues.ingest import Raised
from dictamesh_sentry.processing.results import EventRecord, LogGroup, SpanGroup
from dictamesh_sentry.processing.rows import to_datetime
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.ingest import (
    EnvironmentKey,
    ReleaseKey,
    Sighting,
    ensure_environments,
    ensure_project_environments,
    ensure_releases,
    record_release_environments,
    record_release_projects,
)

_MAX_KNOWN = 20_000
Seen = EventRecord | SpanGroup | LogGroup


@dataclass
class Known:
    """Ids this process has seen, so that a usual batch looks nothing up. Emptied whenever a batch fails."""

    releases: dict[ReleaseKey, int] = field(default_factory=dict)
    environments: dict[EnvironmentKey, int] = field(default_factory=dict)
    project_environments: set[tuple[int, int]] = field(default_factory=set)
    projects_with_events: set[int] = field(default_factory=set)
    projects_with_transactions: set[int] = field(default_factory=set)

    def release_id(self, event: Seen) -> int | None:
        return self.releases.get((event.organization_id, event.release)) if event.release else None

    def environment_id(self, event: Seen) -> int:
        return self.environments[event.organization_id, event.environment]

    def clear(self) -> None:
        """Forget everything: something may have been deleted."""
        self.releases.clear()
        self.environments.clear()
        self.project_environments.clear()
        self.projects_with_events.clear()
        self.projects_with_transactions.clear()


def ensure_known(known: Known, events: Sequence[Seen]) -> None:
    """Create the releases and environments the events name. Harmless to repeat; done before the counters."""
    if len(known.releases) + len(known.environments) + len(known.project_environments) > _MAX_KNOWN:
        known.clear()
    ensure_releases({(event.organization_id, event.release) for event in events if event.release}, known.releases)
    ensure_environments({(event.organization_id, event.environment) for event in events}, known.environments)
    ensure_project_environments(
        {(event.project_id, known.environment_id(event)) for event in events}, known.project_environments
    )


def record_sightings(events: Sequence[Seen], known: Known, raised: Raised) -> None:
    """Raise what releases and projects know of their events, spans and logs, in the caller's transaction."""
    projects: dict[tuple[int, int], Sighting] = {}
    environments: dict[tuple[int, int, int], Sighting] = {}
    first: dict[int, datetime] = {}
    first_transaction: dict[int, datetime] = {}
    counted: set[int] = set()
    for event in sorted(events, key=lambda one: one.timestamp):
        moment = to_datetime(event.timestamp)
        if isinstance(event, EventRecord):
            first.setdefault(event.project_id, moment)
        elif isinstance(event, SpanGroup):
            first_transaction.setdefault(event.project_id, moment)
        release_id = known.release_id(event)
        if release_id is None:
            continue
        sighting = _see(projects, (release_id, event.project_id), moment)
        _see(environments, (release_id, event.project_id, known.environment_id(event)), moment)
        issue_id = raised.issues.get(event.hash_key) if isinstance(event, EventRecord) else None
        if issue_id is not None and issue_id in raised.new_issue_ids and issue_id not in counted:
            counted.add(issue_id)
            sighting.new_issues += 1
    if projects:
        record_release_projects(projects)
        record_release_environments(environments)
    _record_first("first_event", first, known.projects_with_events)
    _record_first("first_transaction", first_transaction, known.projects_with_transactions)


def _record_first(column: str, moments: dict[int, datetime], known: set[int]) -> None:
    for project_id, moment in moments.items():
        if project_id not in known:
            earlier = Q(**{f"{column}__isnull": True}) | Q(**{f"{column}__gt": moment})
            Project.objects.filter(earlier, pk=project_id).update(**{column: moment})
            known.add(project_id)


def _see(sightings: dict, key: tuple[int, ...], moment: datetime) -> Sighting:
    sighting = sightings.get(key)
    if sighting is None:
        sighting = sightings[key] = Sighting(moment, moment)
    else:
        sighting.widen(moment)
    return sighting
