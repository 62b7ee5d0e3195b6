"""Writes of projects, their options, keys, teams and environments.

Whatever the edge or processing reads raises ``config_version`` in the same transaction: caches revalidate by it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F

from dictamesh_sentry.accounts.errors import ConflictError
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations import audit
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import Organization, Team
from dictamesh_sentry.organizations.slugs import clean_name, slug_from, validate_slug
from dictamesh_sentry.projects.models import (
    Project,
    ProjectEnvironment,
    ProjectKey,
    ProjectRedirect,
    generate_key,
)
from dictamesh_sentry.projects.options import ProjectOptions, dump_options
from dictamesh_sentry.projects.platforms import validate_platform

_PROJECT_FIELDS = ("name", "slug", "platform")
_KEY_FIELDS = ("label", "is_active", "rate_limit_count", "rate_limit_window", "browser_sdk_version", "loader_options")
_EDGE_KEY_FIELDS = {"is_active", "rate_limit_count", "rate_limit_window"}
LONGEST_RATE_WINDOW = 24 * 3600
LOADER_OPTIONS = ("hasReplay", "hasPerformance", "hasDebug", "hasFeedback", "hasLogsAndMetrics")


def create_project(
    actor: User | None,
    organization: Organization,
    name: str,
    *,
    slug: str | None = None,
    platform: str = "",
    teams: Iterable[Team] = (),
) -> Project:
    """Create a project with one active client key. Raises ValidationError; ConflictError when the slug is taken."""
    name = clean_name(name)
    validate_platform(platform)
    known = Project.objects.filter(organization=organization)
    if slug is None:
        redirected = ProjectRedirect.objects.filter(organization=organization)
        slug = slug_from(
            name, "project", lambda text: known.filter(slug=text).exists() or redirected.filter(slug=text).exists()
        )
    else:
        validate_slug(slug)
    owners = _own_teams(organization, teams)
    try:
        with transaction.atomic():
            # A new project takes over a slug that only redirects; old links then lead to what is there now.
            ProjectRedirect.objects.filter(organization=organization, slug=slug).delete()
            project = Project.objects.create(organization=organization, name=name, slug=slug, platform=platform)
            project.teams.set(owners)
            ProjectKey.objects.create(project=project)
            data = {"name": name, "platform": platform, "teams": [team.slug for team in owners]}
            audit.record(actor, organization, "project.create", slug, data)
    except IntegrityError as error:
        raise ConflictError("The slug is in use by another project of the organization.") from error
    return project


def update_project(actor: User | None, project: Project, **changes: Any) -> Project:
    """Change ``name``, ``slug`` or ``platform``. A former slug keeps leading to the project."""
    unknown = set(changes) - set(_PROJECT_FIELDS)
    if unknown:
        raise TypeError(f"not a field of a project: {', '.join(sorted(unknown))}")
    before = {field: getattr(project, field) for field in changes}
    if "name" in changes:
        changes["name"] = clean_name(changes["name"])
    if "platform" in changes:
        validate_platform(changes["platform"])
    if "slug" in changes and changes["slug"] != project.slug:
        validate_slug(changes["slug"])
    different = audit.changes(before, changes)
    if not different:
        return project
    try:
        with transaction.atomic():
            for field in different:
                setattr(project, field, changes[field])
            project.save(update_fields=list(different))
            if "slug" in different:
                _redirect(project, before["slug"])
            _raise_version(project)
            audit.record(actor, project.organization, "project.edit", project.slug, different)
    except IntegrityError as error:
        for field, value in before.items():
            setattr(project, field, value)
        raise ConflictError("The slug is in use by another project of the organization.") from error
    return project


def _redirect(project: Project, former: str) -> None:
    ProjectRedirect.objects.filter(organization=project.organization, slug=project.slug).delete()
    ProjectRedirect.objects.update_or_create(
        organization=project.organization, slug=former, defaults={"project": project}
    )


def update_options(actor: User | None, project: Project, options: ProjectOptions) -> Project:
    """Replace the project's options. Values are kept exactly as given, order of lists included."""
    after = dump_options(options)
    different = audit.changes(project.options, {**dict.fromkeys(project.options), **after})
    if not different:
        return project
    with transaction.atomic():
        project.options = after
        project.save(update_fields=["options"])
        _raise_version(project)
        audit.record(actor, project.organization, "project.edit", project.slug, different)
    return project


def delete_project(actor: User | None, project: Project) -> None:
    """Hide the project, refuse its events, free its slug, and let a task delete what it stored."""
    from dictamesh_sentry.projects.tasks import schedule_deletion

    slug = project.slug
    with transaction.atomic():
        if not Project.objects.filter(pk=project.pk, is_pending_deletion=False).update(
            is_pending_deletion=True, slug=f"deleted-{project.pk}-{secrets.token_hex(4)}"
        ):
            return
        ProjectKey.objects.filter(project=project).update(is_active=False)
        ProjectRedirect.objects.filter(project=project).delete()
        _raise_version(project)
        audit.record(actor, project.organization, "project.remove", slug, {"name": project.name})
        transaction.on_commit(lambda: schedule_deletion(project.pk))
    project.refresh_from_db()


def add_team(actor: User | None, project: Project, team: Team) -> None:
    """Give a team the project."""
    _own_teams(project.organization, [team])
    with transaction.atomic():
        if not project.teams.filter(pk=team.pk).exists():
            project.teams.add(team)
            audit.record(actor, project.organization, "project.add-team", project.slug, {"team": team.slug})


def remove_team(actor: User | None, project: Project, team: Team) -> None:
    """Take the project from a team."""
    with transaction.atomic():
        if project.teams.filter(pk=team.pk).exists():
            project.teams.remove(team)
            audit.record(actor, project.organization, "project.remove-team", project.slug, {"team": team.slug})


def create_key(actor: User | None, project: Project, label: str = "", **settings: Any) -> ProjectKey:
    """Create an active client key; ``settings`` as in ``update_key``."""
    key = ProjectKey(project=project, label=clean_name(label or "Default"))
    _apply_key(key, settings)
    with transaction.atomic():
        key.save()
        _raise_version(project)
        audit.record(actor, project.organization, "key.create", project.slug, {"label": key.label})
    return key


def update_key(actor: User | None, key: ProjectKey, **changes: Any) -> ProjectKey:
    """Change ``label``, ``is_active``, ``rate_limit_count`` and ``rate_limit_window`` (seconds; both or neither),
    ``browser_sdk_version`` or ``loader_options``. Raises ValidationError."""
    before = {field: getattr(key, field) for field in _KEY_FIELDS}
    _apply_key(key, changes)
    different = audit.changes(before, {field: getattr(key, field) for field in _KEY_FIELDS})
    if not different:
        return key
    with transaction.atomic():
        key.save(update_fields=list(different))
        _raise_version(key.project)
        target = f"{key.project.slug}/{key.label}"
        audit.record(actor, key.project.organization, "key.edit", target, different)
    return key


def _apply_key(key: ProjectKey, changes: dict[str, Any]) -> None:
    unknown = set(changes) - set(_KEY_FIELDS)
    if unknown:
        raise TypeError(f"not a field of a key: {', '.join(sorted(unknown))}")
    if "label" in changes:
        changes["label"] = clean_name(changes["label"])
    for field, value in changes.items():
        setattr(key, field, value)
    count, window = key.rate_limit_count, key.rate_limit_window
    if (count is None) != (window is None):
        raise ValidationError({"rateLimit": ["Give both a count and a window, or neither."]})
    if count is not None and window is not None:
        if not 0 <= count < 2**31:
            raise ValidationError({"rateLimit": ["The count must lie between 0 and 2147483647."]})
        if not 1 <= window <= LONGEST_RATE_WINDOW:
            raise ValidationError({"rateLimit": [f"The window must lie between 1 and {LONGEST_RATE_WINDOW} seconds."]})
    bad = [
        name for name, value in key.loader_options.items() if name not in LOADER_OPTIONS or not isinstance(value, bool)
    ]
    if bad:
        raise ValidationError({"dynamicSdkLoaderOptions": [f"Unknown option: {', '.join(bad)}."]})


def rotate_key(actor: User | None, key: ProjectKey) -> ProjectKey:
    """Create a key like this one. The old one keeps working until somebody disables it, so nothing is lost
    between changing the DSN and deploying it."""
    settings = {field: getattr(key, field) for field in _KEY_FIELDS if field not in {"label", "is_active"}}
    fresh = create_key(actor, key.project, key.label, **settings)
    audit.record(actor, key.project.organization, "key.rotate", key.project.slug, {"label": key.label})
    return fresh


def delete_key(actor: User | None, key: ProjectKey) -> None:
    """Delete a key: clients that use it are refused."""
    with transaction.atomic():
        _raise_version(key.project)
        audit.record(actor, key.project.organization, "key.remove", key.project.slug, {"label": key.label})
        key.delete()


def new_security_token() -> str:
    """A token that authenticates this server to hosts it fetches source files from."""
    return generate_key()


def set_environment_hidden(actor: User | None, row: ProjectEnvironment, hidden: bool) -> ProjectEnvironment:
    """Show or hide an environment in the filters of a project."""
    if row.is_hidden != hidden:
        with transaction.atomic():
            row.is_hidden = hidden
            row.save(update_fields=["is_hidden"])
            data = {"environment": row.environment.name, "hidden": hidden}
            audit.record(actor, row.project.organization, "project.edit-environment", row.project.slug, data)
    return row


def _raise_version(project: Project) -> None:
    Project.objects.filter(pk=project.pk).update(config_version=F("config_version") + 1)


def _own_teams(organization: Organization, teams: Iterable[Team]) -> list[Team]:
    found = list(teams)
    if any(team.organization_id != organization.pk for team in found):
        raise NotVisibleError("A team belongs to another organization")
    return found
