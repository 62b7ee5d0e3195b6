"""An organization with people in it, and a client that speaks the API as clients do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from django.http import HttpResponse
from django.test import Client

from dictamesh_sentry.accounts.actions import create_token
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.accounts.tokens import USER_TOKEN_SCOPES
from dictamesh_sentry.api.middleware import limits
from dictamesh_sentry.organizations.models import Organization, Team
from dictamesh_sentry.projects.models import Environment, Project, ProjectEnvironment, ProjectKey
from dictamesh_sentry.projects.queries import forget_configs
from tests.support import factories


class Api:
    """Requests with a bearer token; ``body`` is sent as JSON."""

    def __init__(self, token: str | None = None) -> None:
        self.token = token
        self.client = Client(raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = b"" if body is None else orjson.dumps(body)
        return self.client.generic(  # type: ignore[return-value]
            method, f"/api/0{path}", data, content_type="application/json", headers=headers
        )

    def get(self, path: str) -> Any:
        """The JSON of a GET that must succeed."""
        return self._ok(self("GET", path))

    def send(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of any request that must succeed; None without a body."""
        return self._ok(self(method, path, body))

    @staticmethod
    def _ok(response: HttpResponse) -> Any:
        assert 200 <= response.status_code < 300, (response.status_code, response.content[:2000])
        return orjson.loads(response.content) if response.content else None


def api_of(user: User, scopes: tuple[str, ...] = USER_TOKEN_SCOPES) -> Api:
    return Api(create_token(user, "test", scopes)[1])


@dataclass
class World:
    """One organization: an owner, a plain member, a team with a project; and a stranger who owns another one."""

    organization: Organization
    team: Team
    project: Project
    key: ProjectKey
    owner: User
    member: User
    stranger: User

    @property
    def api(self) -> Api:
        """The owner, with every scope."""
        return api_of(self.owner)


@pytest.fixture(autouse=True)
def _fresh_process_state() -> None:
    """Counters and caches live as long as the process; tests must not see each other's."""
    limits.cache_clear()
    forget_configs()


@pytest.fixture
def world(db: None) -> World:
    organization = factories.make_organization(slug="acme", name="Acme")
    team = factories.make_team(organization, slug="backend", name="Backend")
    project = factories.make_project(organization, (team,), slug="shop", name="Shop")
    key = ProjectKey.objects.create(project=project)
    environment = Environment.objects.create(organization=organization, name="production")
    ProjectEnvironment.objects.create(project=project, environment=environment)
    factories.make_release(project, "shop@1.0.0")
    owner = factories.make_member(organization, "owner", teams=(team,))
    member = factories.make_member(organization, "member")
    stranger = factories.make_member(factories.make_organization(slug="other"), "owner")
    return World(organization, team, project, key, owner, member, stranger)
