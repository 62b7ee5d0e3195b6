"""Small makers of the objects many tests need. Each call makes something new; names are unique by a counter."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues.models import Issue, IssueHash
from dictamesh_sentry.organizations.models import Organization, OrganizationMember, Team, TeamMembership
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.models import Release, ReleaseProject

_numbers = itertools.count(1)
SEEN = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def make_user(**fields: Any) -> User:
    """An active user without a usable password."""
    number = next(_numbers)
    defaults = {"email": f"user{number}@example.com", "name": f"User {number}"}
    return User.objects.create(**{**defaults, **fields})


def make_organization(**fields: Any) -> Organization:
    number = next(_numbers)
    return Organization.objects.create(**{"slug": f"org-{number}", "name": f"Org {number}", **fields})


def make_team(organization: Organization, **fields: Any) -> Team:
    number = next(_numbers)
    return Team.objects.create(**{"organization": organization, "slug": f"team-{number}", "name": "Team", **fields})


def make_member(
    organization: Organization, role: str = "member", user: User | None = None, teams: tuple[Team, ...] = ()
) -> User:
    """A user who is a member of the organization and of the teams."""
    user = user or make_user()
    member = OrganizationMember.objects.create(organization=organization, user=user, role=role)
    for team in teams:
        TeamMembership.objects.create(team=team, member=member)
    return user


def make_project(organization: Organization, teams: tuple[Team, ...] = (), **fields: Any) -> Project:
    number = next(_numbers)
    defaults = {"slug": f"project-{number}", "name": f"Project {number}", "platform": "python"}
    project = Project.objects.create(organization=organization, **{**defaults, **fields})
    project.teams.set(teams)
    return project


def make_release(project: Project, version: str, **fields: Any) -> Release:
    """A release of the project."""
    release = Release.objects.create(organization=project.organization, version=version, **fields)
    ReleaseProject.objects.create(release=release, project=project)
    return release


def make_issue(project: Project, hashes: tuple[str, ...] | None = None, **fields: Any) -> Issue:
    """An unresolved issue that was seen; its fingerprints share its events, the first gets the rest."""
    number = next(_numbers)
    Project.objects.filter(pk=project.pk, next_short_id__lte=number).update(next_short_id=number + 1)
    defaults: dict[str, Any] = {
        "title": f"ValueError: {number}",
        "culprit": "app.views in index",
        "metadata": {"type": "ValueError", "value": str(number)},
        "short_number": number,
        "first_seen": SEEN,
        "last_seen": SEEN,
        "times_seen": 1,
        "platform": "python",
    }
    issue = Issue.objects.create(project=project, **{**defaults, **fields})
    values = hashes if hashes is not None else (f"{number:032x}",)
    share, rest = divmod(issue.times_seen, max(1, len(values)))
    for position, value in enumerate(values):
        IssueHash.objects.create(
            project=project,
            issue=issue,
            hash=value,
            algorithm="test",
            times_seen=share + (rest if not position else 0),
            first_seen=issue.first_seen,
            last_seen=issue.last_seen,
        )
    return issue
