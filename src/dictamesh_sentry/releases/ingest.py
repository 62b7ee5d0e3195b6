"""Releases and environments, created on sight by a batch of events.

Every function takes a whole batch: one read for what exists, one insert for what does not, whatever the batch's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import DateTimeField, F, Value
from django.db.models.functions import Coalesce, Greatest, Least

from dictamesh_sentry.projects.models import Environment, ProjectEnvironment
from dictamesh_sentry.releases.models import Release, ReleaseEnvironment, ReleaseProject

ReleaseKey = tuple[int, str]
EnvironmentKey = tuple[int, str]


@dataclass
class Sighting:
    """When something was seen in a batch, and how many issues began there."""

    first: datetime
    last: datetime
    new_issues: int = 0

    def widen(self, moment: datetime) -> None:
        """Extend to a moment."""
        self.first = min(self.first, moment)
        self.last = max(self.last, moment)


def ensure_releases(keys: Iterable[ReleaseKey], known: dict[ReleaseKey, int]) -> None:
    """Create the (organization id, version) pairs that do not exist; ``known`` then has the id of each."""
    missing = {key for key in keys if key not in known}
    if not missing:
        return
    Release.objects.bulk_create(
        [Release(organization_id=organization, version=version) for organization, version in sorted(missing)],
        ignore_conflicts=True,
    )
    found = Release.objects.filter(
        organization_id__in={key[0] for key in missing}, version__in={key[1] for key in missing}
    )
    known.update({(row.organization_id, row.version): row.pk for row in found})


def ensure_environments(keys: Iterable[EnvironmentKey], known: dict[EnvironmentKey, int]) -> None:
    """As ``ensure_releases`` for (organization id, name) of environments."""
    missing = {key for key in keys if key not in known}
    if not missing:
        return
    Environment.objects.bulk_create(
        [Environment(organization_id=organization, name=name) for organization, name in sorted(missing)],
        ignore_conflicts=True,
    )
    found = Environment.objects.filter(
        organization_id__in={key[0] for key in missing}, name__in={key[1] for key in missing}
    )
    known.update({(row.organization_id, row.name): row.pk for row in found})


def ensure_project_environments(pairs: Iterable[tuple[int, int]], known: set[tuple[int, int]]) -> None:
    """Link (project id, environment id) pairs that are not linked yet."""
    missing = {pair for pair in pairs if pair not in known}
    if not missing:
        return
    ProjectEnvironment.objects.bulk_create(
        [
            ProjectEnvironment(project_id=project, environment_id=environment)
            for project, environment in sorted(missing)
        ],
        ignore_conflicts=True,
    )
    known |= missing


def record_release_projects(sightings: Mapping[tuple[int, int], Sighting]) -> None:
    """Raise ``ReleaseProject`` rows for (release id, project id): first and last event, new issues."""
    ReleaseProject.objects.bulk_create(
        [ReleaseProject(release_id=release, project_id=project) for release, project in sorted(sightings)],
        ignore_conflicts=True,
    )
    for (release, project), seen in sightings.items():
        ReleaseProject.objects.filter(release_id=release, project_id=project).update(
            first_event=_earlier("first_event", seen.first),
            last_event=_later("last_event", seen.last),
            new_issues=F("new_issues") + seen.new_issues,
        )


def record_release_environments(sightings: Mapping[tuple[int, int, int], Sighting]) -> None:
    """Raise ``ReleaseEnvironment`` rows for (release id, project id, environment id)."""
    ReleaseEnvironment.objects.bulk_create(
        [
            ReleaseEnvironment(
                release_id=release,
                project_id=project,
                environment_id=environment,
                first_seen=seen.first,
                last_seen=seen.last,
            )
            for (release, project, environment), seen in sorted(sightings.items())
        ],
        ignore_conflicts=True,
    )
    for (release, project, environment), seen in sightings.items():
        ReleaseEnvironment.objects.filter(release_id=release, project_id=project, environment_id=environment).update(
            first_seen=_earlier("first_seen", seen.first), last_seen=_later("last_seen", seen.last)
        )


def _earlier(column: str, moment: datetime) -> Least:
    return Least(Coalesce(F(column), Value(moment, DateTimeField())), Value(moment, DateTimeField()))


def _later(column: str, moment: datetime) -> Greatest:
    return Greatest(Coalesce(F(column), Value(moment, DateTimeField())), Value(moment, DateTimeField()))
