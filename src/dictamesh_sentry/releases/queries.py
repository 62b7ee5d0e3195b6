"""Reads of releases."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import DateTimeField, F, QuerySet
from django.db.models.functions import Coalesce

from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.releases.version import is_newer, parse_version

_ABSENT = "The requested resource does not exist"


def releases_of(projects: Iterable[Project] | Iterable[int]) -> QuerySet[Release]:
    """Releases seen in any of the projects, newest first (release date, else first sight)."""
    return (
        Release.objects.filter(release_projects__project__in=list(projects))
        .distinct()
        .annotate(sort_date=Coalesce("date_released", "date_added", output_field=DateTimeField()))
        .order_by("-sort_date", "-pk")
    )


def visible_releases(user: object, organization: Organization) -> QuerySet[Release]:
    """Releases of the projects the user may see."""
    return releases_of(visible_to(user, organization)).filter(organization=organization)


def get_release(user: object, organization: Organization, version: str) -> Release:
    """A visible release. Raises NotVisibleError."""
    found = visible_releases(user, organization).filter(version=version).first()
    if found is None:
        raise NotVisibleError(_ABSENT)
    return found


def latest_release(project: Project | int) -> Release | None:
    """The project's current release: the highest semantic version of its newest release's package, else the newest."""
    newest = list(releases_of([project] if isinstance(project, int) else [project.pk])[:200])
    return newest_of(newest)


def latest_release_ids(project_ids: Sequence[int]) -> dict[int, int]:
    """Project id → id of its current release; projects without releases are left out. One query."""
    rows = (
        Release.objects.filter(release_projects__project__in=project_ids)
        .annotate(
            sort_date=Coalesce("date_released", "date_added", output_field=DateTimeField()),
            in_project=F("release_projects__project"),
        )
        .order_by("-sort_date", "-pk")
    )
    by_project: dict[int, list[Release]] = {}
    for row in rows:
        by_project.setdefault(row.in_project, []).append(row)  # type: ignore[attr-defined]
    return {project: found.pk for project, rows in by_project.items() if (found := newest_of(rows)) is not None}


def newest_of(releases: Sequence[Release]) -> Release | None:
    """The current one of releases given newest first: date decides the package, the semantic version the release."""
    if not releases:
        return None
    best = releases[0]
    if not parse_version(best.version).is_semver:
        return best
    for release in releases[1:]:
        if is_newer(release.version, best.version):
            best = release
    return best


def is_after(candidate: Release, reference: Release) -> bool:
    """Whether ``candidate`` is a later release than ``reference``: by semantic version, else by date."""
    if candidate.pk == reference.pk:
        return False
    newer = is_newer(candidate.version, reference.version)
    if newer is not None:
        return newer
    return (candidate.date_released or candidate.date_added) > (reference.date_released or reference.date_added)
