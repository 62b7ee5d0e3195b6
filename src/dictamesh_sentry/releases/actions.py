"""Writes of releases by people and by build tools."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations import audit
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.models import Release, ReleaseProject
from dictamesh_sentry.releases.version import version_problem

_CHANGEABLE = frozenset({"ref", "url", "date_released", "is_archived", "data"})


def create_release(
    actor: User | None,
    organization: Organization,
    version: str,
    projects: Sequence[Project],
    *,
    ref: str = "",
    url: str = "",
    date_released: datetime | None = None,
) -> tuple[Release, bool]:
    """Create a release or add projects to it; (release, whether it is new). Raises ValidationError by field."""
    problem = version_problem(version)
    if problem:
        raise ValidationError({"version": [problem]})
    if not projects:
        raise ValidationError({"projects": ["Name at least one project."]})
    with transaction.atomic():
        release, created = Release.objects.get_or_create(
            organization=organization,
            version=version.strip(),
            defaults={"ref": ref, "url": url, "date_released": date_released},
        )
        if not created:
            given = {"ref": ref, "url": url, "date_released": date_released}
            _write(release, {name: value for name, value in given.items() if value})
        ReleaseProject.objects.bulk_create(
            [ReleaseProject(release=release, project=project) for project in projects], ignore_conflicts=True
        )
        if created:
            audit.record(actor, organization, "release.create", release.version)
    return release, created


def update_release(actor: User | None, release: Release, **changes: Any) -> Release:
    """Change ``ref``, ``url``, ``date_released``, ``is_archived`` or ``data``. Raises TypeError for other names."""
    unknown = set(changes) - _CHANGEABLE
    if unknown:
        raise TypeError(f"not changeable: {', '.join(sorted(unknown))}")
    with transaction.atomic():
        before = {name: getattr(release, name) for name in changes}
        _write(release, changes)
        differing = [name for name in changes if before[name] != changes[name]]
        if differing:
            audit.record(actor, release.organization, "release.update", release.version, {"fields": sorted(differing)})
    return release


def add_projects(actor: User | None, release: Release, projects: Sequence[Project]) -> None:
    """Make the release one of these projects as well."""
    with transaction.atomic():
        ReleaseProject.objects.bulk_create(
            [ReleaseProject(release=release, project=project) for project in projects], ignore_conflicts=True
        )
        audit.record(
            actor,
            release.organization,
            "release.add_projects",
            release.version,
            {"projects": [p.slug for p in projects]},
        )


def delete_release(actor: User | None, release: Release) -> None:
    """Remove a release. Events keep its version. Raises ValidationError while issues or events depend on it."""
    if release.release_projects.filter(last_event__isnull=False).exists():  # type: ignore[attr-defined]
        raise ValidationError("This release has events and cannot be deleted; archive it instead.")
    with transaction.atomic():
        audit.record(actor, release.organization, "release.delete", release.version)
        release.delete()


def _write(release: Release, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(release, name, value)
    if changes:
        release.save(update_fields=sorted(changes))
