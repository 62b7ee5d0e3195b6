"""The first organization, team, project and administrator of an installation."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from dictamesh_sentry.accounts.actions import create_user
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.organizations.actions import add_member, create_organization, create_team
from dictamesh_sentry.organizations.models import Organization, Team
from dictamesh_sentry.projects.actions import create_key, create_project
from dictamesh_sentry.projects.dsn import public_dsn
from dictamesh_sentry.projects.models import Project, ProjectKey

ORGANIZATION = ("dictamesh", "DictaMesh")
TEAM = ("framework-team", "Framework Team")
PROJECT = ("dictamesh-framework", "DictaMesh Framework")
ADMIN_EMAIL = "admin@dictamesh.local"
ADMIN_PASSWORD = "admin"  # noqa: S105 - the documented first password; every page warns until it is changed


@dataclass(frozen=True)
class Bootstrap:
    """What an installation starts with, existing or just created."""

    organization: Organization
    team: Team | None
    project: Project
    key: ProjectKey
    administrator: User
    created: bool

    @property
    def dsn(self) -> str:
        """The DSN of the first project."""
        return public_dsn(self.key)


def bootstrap() -> Bootstrap:
    """Create what is missing of the first-run objects; change nothing that is there. Idempotent.

    An installation whose owner renamed or removed the first objects keeps its own: the oldest organization, project
    and superuser stand in, and nothing is created beside them.
    """
    with transaction.atomic():
        administrator, made_user = _administrator()
        organization, made_organization = _organization(administrator)
        team = Team.objects.filter(organization=organization).order_by("pk").first()
        if team is None and made_organization:
            team = create_team(administrator, organization, TEAM[1], slug=TEAM[0])
        project, made_project = _project(administrator, organization, team)
        key = ProjectKey.objects.filter(project=project, is_active=True).order_by("pk").first()
        if key is None:
            key = create_key(administrator, project)
    return Bootstrap(
        organization, team, project, key, administrator, created=made_user or made_organization or made_project
    )


def _administrator() -> tuple[User, bool]:
    user = (
        User.objects.filter(email=ADMIN_EMAIL).first()
        or User.objects.filter(is_superuser=True, is_active=True).order_by("pk").first()
    )
    if user is not None:
        return user, False
    user = create_user(
        ADMIN_EMAIL,
        ADMIN_PASSWORD,
        "Administrator",
        is_superuser=True,
        check_password=False,
        has_default_password=True,
    )
    return user, True


def _organization(administrator: User) -> tuple[Organization, bool]:
    known = Organization.objects.order_by("pk")
    organization = known.filter(slug=ORGANIZATION[0]).first() or known.first()
    if organization is not None:
        return organization, False
    organization = create_organization(None, ORGANIZATION[1], slug=ORGANIZATION[0])
    add_member(None, organization, administrator, "owner")
    return organization, True


def _project(actor: User, organization: Organization, team: Team | None) -> tuple[Project, bool]:
    known = Project.objects.filter(organization=organization, is_pending_deletion=False).order_by("pk")
    project = known.filter(slug=PROJECT[0]).first() or known.first()
    if project is not None:
        return project, False
    teams = [team] if team else []
    return create_project(actor, organization, PROJECT[1], slug=PROJECT[0], platform="python", teams=teams), True
