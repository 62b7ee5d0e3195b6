"""Releases in the API's shapes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.responses import iso, required_iso
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.models import Release, ReleaseProject
from dictamesh_sentry.releases.version import parse_version


class ReleaseProjectBody(TypedDict):
    id: int
    slug: str
    name: str
    platform: str | None
    platforms: list[str]
    hasHealthData: bool
    newGroups: int


class VersionBody(TypedDict):
    raw: str
    major: int
    minor: int
    patch: int
    pre: str | None
    buildCode: str | None
    components: int


class VersionInfoBody(TypedDict):
    description: str
    package: str | None
    version: VersionBody
    buildHash: str | None


class ReleaseBody(TypedDict):
    id: int
    version: str
    shortVersion: str
    versionInfo: VersionInfoBody
    dateCreated: str
    dateReleased: str | None
    firstEvent: str | None
    lastEvent: str | None
    newGroups: int
    projects: list[ReleaseProjectBody]
    url: str | None
    ref: str | None
    status: str
    data: dict[str, Any]
    commitCount: int
    deployCount: int
    authors: list[Any]
    lastCommit: None
    lastDeploy: None
    owner: None
    currentProjectMeta: dict[str, Any]
    adoptionStages: dict[str, Any]
    userAgent: str | None


def serialize_releases(releases: Sequence[Release], visible: Collection[Project]) -> list[ReleaseBody]:
    """Releases with what the caller sees of them: only numbers and names of the projects given."""
    projects = {project.pk: project for project in visible}
    rows: dict[int, list[ReleaseProject]] = {}
    seen = ReleaseProject.objects.filter(release__in=[release.pk for release in releases], project__in=list(projects))
    for row in seen.order_by("project__slug"):
        rows.setdefault(row.release_id, []).append(row)
    return [_serialize(release, rows.get(release.pk, []), projects) for release in releases]


def _serialize(release: Release, rows: Sequence[ReleaseProject], projects: dict[int, Project]) -> ReleaseBody:
    firsts = [row.first_event for row in rows if row.first_event]
    lasts = [row.last_event for row in rows if row.last_event]
    parsed = parse_version(release.version)
    return {
        "id": release.pk,
        "version": release.version,
        "shortVersion": parsed.short,
        "versionInfo": _version_info(release.version),
        "dateCreated": required_iso(release.date_added),
        "dateReleased": iso(release.date_released),
        "firstEvent": iso(min(firsts, default=None)),
        "lastEvent": iso(max(lasts, default=None)),
        "newGroups": sum(row.new_issues for row in rows),
        "projects": [_project(row, projects[row.project_id]) for row in rows],
        "url": release.url or None,
        "ref": release.ref or None,
        "status": "archived" if release.is_archived else "open",
        "data": release.data,
        "commitCount": 0,
        "deployCount": 0,
        "authors": [],
        "lastCommit": None,
        "lastDeploy": None,
        "owner": None,
        "currentProjectMeta": {},
        "adoptionStages": {},
        "userAgent": None,
    }


def _project(row: ReleaseProject, project: Project) -> ReleaseProjectBody:
    return {
        "id": project.pk,
        "slug": project.slug,
        "name": project.name,
        "platform": project.platform or None,
        "platforms": [project.platform] if project.platform else [],
        "hasHealthData": False,
        "newGroups": row.new_issues,
    }


def _version_info(version: str) -> VersionInfoBody:
    parsed = parse_version(version)
    major, minor, patch, *_ = (*parsed.numbers, 0, 0, 0)
    return {
        "description": parsed.description,
        "package": parsed.package or None,
        "version": {
            "raw": parsed.raw.rpartition("@")[2],
            "major": major,
            "minor": minor,
            "patch": patch,
            "pre": parsed.prerelease or None,
            "buildCode": parsed.build or None,
            "components": len(parsed.numbers),
        },
        "buildHash": parsed.build if not parsed.numbers and parsed.build else None,
    }
