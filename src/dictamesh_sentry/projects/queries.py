"""Reads of projects, their keys, environments and configuration."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings as django_settings
from django.db.models import QuerySet

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations.access import Access, NotVisibleError, access_for
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.organizations.queries import by_id_or_slug
from dictamesh_sentry.projects.models import (
    Environment,
    Project,
    ProjectEnvironment,
    ProjectKey,
    ProjectRedirect,
)
from dictamesh_sentry.projects.options import (
    DetectorOptions,
    FilterOptions,
    ProjectConfig,
    load_options,
    load_organization_options,
)

_ABSENT = "The requested resource does not exist"
CONFIG_TTL = 5.0


class ProjectMovedError(NotVisibleError):
    """The slug is a former one of ``project``. Pages redirect; whoever does not care answers "not found"."""

    def __init__(self, project: Project) -> None:
        super().__init__(_ABSENT)
        self.project = project


def visible_to(user: object, organization: Organization, access: Access | None = None) -> QuerySet[Project]:
    """Projects the user may see, by slug. Empty for strangers.

    Members see every project while the organization has open membership; otherwise only those of their teams,
    except owners and managers.
    """
    found = Project.objects.filter(organization=organization, is_pending_deletion=False).order_by("slug")
    if access is None:
        try:
            access = access_for(user, organization)
        except NotVisibleError:
            return found.none()
    if access.is_global or organization.open_membership:
        return found
    return found.filter(pk__in=Project.objects.filter(teams__in=access.team_ids).values("pk"))


def get_project(
    user: object, organization: Organization, slug_or_id: str | int, access: Access | None = None
) -> Project:
    """A visible project. Raises ProjectMovedError for a former slug and NotVisibleError otherwise."""
    visible = visible_to(user, organization, access).select_related("organization")
    project = visible.filter(by_id_or_slug(slug_or_id)).first()
    if project is not None:
        return project
    moved = visible.filter(redirects__slug=str(slug_or_id), redirects__organization=organization).first()
    if moved is not None:
        raise ProjectMovedError(moved)
    raise NotVisibleError(_ABSENT)


def projects_by_reference(
    user: object, organization: Organization, references: Iterable[str | int], access: Access | None = None
) -> list[Project]:
    """The visible projects of ``project=`` parameters (ids, slugs; ``-1`` all). Raises NotVisibleError for others."""
    wanted = [str(reference) for reference in references]
    visible = visible_to(user, organization, access).select_related("organization")
    if "-1" in wanted:
        return list(visible)
    found = {project.pk: project for project in visible.filter(_any_of(wanted))} if wanted else {}
    known = {str(project.pk) for project in found.values()} | {project.slug for project in found.values()}
    if not set(wanted) <= known:
        raise NotVisibleError("Invalid project. It does not exist, or you may not see it.")
    return list(found.values())


def _any_of(references: Sequence[str]):
    condition = by_id_or_slug(references[0])
    for reference in references[1:]:
        condition |= by_id_or_slug(reference)
    return condition


def member_projects(access: Access, projects: QuerySet[Project]) -> QuerySet[Project]:
    """Those of the projects whose teams the user belongs to ("my projects")."""
    return projects.filter(pk__in=Project.objects.filter(teams__in=access.team_ids).values("pk"))


def keys(project: Project) -> QuerySet[ProjectKey]:
    """A project's client keys, oldest first."""
    return ProjectKey.objects.filter(project=project).select_related("project").order_by("date_created", "pk")


def get_key(project: Project, public_key: str) -> ProjectKey:
    """A key of the project by its public part. Raises NotVisibleError."""
    key = keys(project).filter(public_key=public_key).first()
    if key is None:
        raise NotVisibleError(_ABSENT)
    return key


def first_active_key(organization: Organization | None = None) -> ProjectKey | None:
    """The oldest active key of the oldest project; what the command sends its test event to."""
    found = ProjectKey.objects.filter(is_active=True, project__is_pending_deletion=False).select_related("project")
    if organization is not None:
        found = found.filter(project__organization=organization)
    return found.order_by("project_id", "date_created", "pk").first()


def environments(projects: Iterable[Project], visibility: str = "visible") -> QuerySet[Environment]:
    """Environments seen in the projects, by name. ``visibility`` is ``visible``, ``hidden`` or ``all``."""
    return Environment.objects.filter(
        pk__in=project_environments(projects, visibility).values("environment_id")
    ).order_by("name")


def project_environments(projects: Iterable[Project], visibility: str = "visible") -> QuerySet[ProjectEnvironment]:
    """The rows behind ``environments``, with the environment loaded."""
    found = ProjectEnvironment.objects.filter(project__in=[project.pk for project in projects])
    if visibility != "all":
        found = found.filter(is_hidden=visibility == "hidden")
    return found.select_related("environment").order_by("environment__name")


_cache: dict[int, tuple[float, ProjectConfig]] = {}
_cache_lock = threading.Lock()


def project_config(project_id: int) -> ProjectConfig:
    """What processing needs to know of a project. Raises NotVisibleError when it is gone or being deleted.

    Cached in the process for five seconds, then revalidated by ``config_version`` with one query, so that a change
    of settings acts within five seconds everywhere without anybody being told.
    """
    now = time.monotonic()
    cached = _cache.get(project_id)
    if cached is not None and now < cached[0]:
        return cached[1]
    project = (
        Project.objects.filter(pk=project_id, is_pending_deletion=False)
        .select_related("organization")
        .only(
            "slug", "platform", "options", "config_version", "organization_id", "organization__options",
        )
        .first()
    )  # fmt: skip
    if project is None:
        with _cache_lock:
            _cache.pop(project_id, None)
        raise NotVisibleError(_ABSENT)
    if cached is not None and cached[1].version == project.config_version:
        config = cached[1]
    else:
        config = build_config(project)
    with _cache_lock:
        _cache[project_id] = (now + CONFIG_TTL, config)
    return config


def forget_configs() -> None:
    """Empty this process's cache of configurations (tests, and actions that must act at once here)."""
    with _cache_lock:
        _cache.clear()


def build_config(project: Project) -> ProjectConfig:
    """The configuration of a project as stored, with blank lines of the filters' lists dropped."""
    options = load_options(project.options)
    _drop_blanks(options.filters)
    for name in _switched_off():
        options.performance.detectors[name] = DetectorOptions(enabled=False)
    return ProjectConfig(
        project_id=project.pk,
        organization_id=project.organization_id,
        slug=project.slug,
        platform=project.platform,
        options=options,
        organization_options=load_organization_options(project.organization.options),
        retention_days=get_settings().event_retention_days,
        version=project.config_version,
    )


def _switched_off() -> list[str]:
    """Detectors that run nowhere in this installation: by config.yml, or by SENTRY_OPTIONS of sentry.conf.py."""
    found = get_settings().switched_off_detectors
    options: dict[str, Any] = getattr(django_settings, "SENTRY_OPTIONS", {})
    for key, value in options.items():
        name = key.removeprefix("performance.issues.").removesuffix(".problem-creation")
        if name != key and not value:
            found.append(name)
    return found


def _drop_blanks(filters: FilterOptions) -> None:
    """The API keeps lists byte for byte as written; whoever matches against them wants neither blanks nor spaces."""
    for name in ("error_messages", "releases", "ip_addresses", "csp_disallowed_sources"):
        lines: list[str] = getattr(filters, name)
        setattr(filters, name, [line.strip() for line in lines if line.strip()])


def redirects_of(project: Project) -> list[str]:
    """Former slugs of the project."""
    return list(ProjectRedirect.objects.filter(project=project).values_list("slug", flat=True))
