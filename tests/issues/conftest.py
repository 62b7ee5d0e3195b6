"""A small organization for the tests of issues."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import mail, tasks
from dictamesh_sentry.issues.models import Activity, Issue
from dictamesh_sentry.organizations.models import Organization, Team
from dictamesh_sentry.projects.models import Project
from tests.support.factories import make_issue, make_member, make_organization, make_project, make_team


@dataclass
class World:
    """An organization with an owner, two members, a team and a project."""

    organization: Organization
    team: Team
    project: Project
    owner: User
    ann: User
    bob: User

    def issue(self, **fields: Any) -> Issue:
        return make_issue(self.project, **fields)


@pytest.fixture
def world(db: None) -> World:
    organization = make_organization()
    team = make_team(organization, slug="backend")
    return World(
        organization=organization,
        team=team,
        project=make_project(organization, teams=(team,), slug="shop"),
        owner=make_member(organization, "owner"),
        ann=make_member(organization, teams=(team,)),
        bob=make_member(organization, teams=(team,)),
    )


@dataclass
class Enqueued:
    """Background work that was asked for, in order, instead of being done."""

    calls: list[tuple[str, tuple[Any, ...]]] = field(default_factory=list)

    def of(self, name: str) -> list[tuple[Any, ...]]:
        return [arguments for called, arguments in self.calls if called == name]


@pytest.fixture
def enqueued(monkeypatch: pytest.MonkeyPatch) -> Enqueued:
    """Records tasks instead of queueing them."""
    record = Enqueued()

    def recorder(name: str) -> Callable[..., None]:
        return lambda *arguments: record.calls.append((name, arguments))

    monkeypatch.setattr(tasks, "repoint_events", recorder("repoint_events"))
    monkeypatch.setattr(tasks, "delete_issues", recorder("delete_issues"))
    monkeypatch.setattr(mail, "send_notices", recorder("send_notices"))
    return record


@pytest.fixture
def history() -> Callable[[Issue], list[str]]:
    """Types of an issue's activities, oldest first."""
    return lambda issue: list(Activity.objects.filter(issue=issue).order_by("pk").values_list("type", flat=True))
