"""Every operation, whoever wrote it: who gets nothing, and that "nothing" is always the same JSON."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from django.http import HttpResponse

from dictamesh_sentry.accounts.scopes import expand
from dictamesh_sentry.accounts.tokens import USER_TOKEN_SCOPES
from dictamesh_sentry.api.core import ANYONE, REGISTRY, SIGNED_IN, Operation
from dictamesh_sentry.api.urls import load_resources
from dictamesh_sentry.projects.dsn import public_dsn
from dictamesh_sentry.projects.models import ProjectKey
from tests.api.conftest import Api, World, api_of
from tests.support import factories

OPERATIONS = load_resources()
_IDS = [f"{found.method} {found.path}" for found in OPERATIONS]
every = pytest.mark.parametrize("found", OPERATIONS, ids=_IDS)
NEED_A_SCOPE = [found for found in OPERATIONS if found.scopes not in (ANYONE, SIGNED_IN)]
IN_AN_ORGANIZATION = [found for found in NEED_A_SCOPE if "{organization}" in found.path]
#: Operations that need no credentials. Adding one is a decision, not an accident.
PUBLIC = {"GET /"}


def path_of(found: Operation, world: World) -> str:
    """The operation's path with things that exist, where this test knows one, so that only rights can refuse it."""
    known = {
        "organization": world.organization.slug,
        "project": world.project.slug,
        "team": world.team.slug,
        "key": world.key.public_key,
        "environment": "production",
        "version": "shop@1.0.0",
        "member": "me",
        "filter_id": "localhost",
        "user_id": str(world.owner.pk),
    }
    if re.search("{(issue|short)", found.path):
        known.update(dict.fromkeys(("issue", "issue_id", "short_id"), str(factories.make_issue(world.project).pk)))
    return re.sub(r"{(?:\w+:)?(\w+)}", lambda match: known.get(match.group(1), "1"), found.path)


def body_of(response: HttpResponse) -> Any:
    assert response.headers["Content-Type"].startswith("application/json"), response.content[:500]
    body = orjson.loads(response.content)
    assert isinstance(body, dict)
    return body


def test_the_registry_holds_what_the_urls_serve() -> None:
    assert len(REGISTRY) > 60
    assert len({(found.method, found.path) for found in REGISTRY}) == len(REGISTRY)
    assert len({found.name for found in REGISTRY}) == len(REGISTRY)
    assert {f"{f.method} {f.path}" for f in OPERATIONS if f.scopes == ANYONE} == PUBLIC
    assert all(found.path.startswith("/") and found.path.endswith("/") for found in REGISTRY)


@every
def test_anonymous_callers_get_401(found: Operation, world: World) -> None:
    response = Api()(found.method, path_of(found, world), {})
    if f"{found.method} {found.path}" in PUBLIC:
        assert response.status_code == 200
    else:
        assert (response.status_code, body_of(response)) == (
            401,
            {"detail": "Authentication credentials were not provided."},
        )


@every
def test_a_wrong_token_gets_401(found: Operation, world: World) -> None:
    response = Api("sntryu_" + "0" * 64)(found.method, path_of(found, world), {})
    assert (response.status_code, body_of(response)) == (401, {"detail": "Invalid token"})


@pytest.mark.parametrize("found", IN_AN_ORGANIZATION, ids=[f"{f.method} {f.path}" for f in IN_AN_ORGANIZATION])
def test_members_of_another_organization_get_404(found: Operation, world: World) -> None:
    response = api_of(world.stranger)(found.method, path_of(found, world), {})
    assert (response.status_code, body_of(response)) == (404, {"detail": "The requested resource does not exist"})


@pytest.mark.parametrize("found", NEED_A_SCOPE, ids=[f"{f.method} {f.path}" for f in NEED_A_SCOPE])
def test_a_token_without_the_scope_gets_403(found: Operation, world: World) -> None:
    rest = tuple(scope for scope in USER_TOKEN_SCOPES if not expand([scope]) & set(found.scopes))
    assert rest, "every scope would do; the operation protects nothing"
    response = api_of(world.owner, rest)(found.method, path_of(found, world), {})
    assert response.status_code == 403, response.content
    assert body_of(response) == {"detail": "You do not have permission to perform this action."}
    assert all(scope in response.headers["WWW-Authenticate"] for scope in found.scopes)


@pytest.mark.parametrize("found", IN_AN_ORGANIZATION, ids=[f"{f.method} {f.path}" for f in IN_AN_ORGANIZATION])
def test_unknown_names_are_404_for_owners_too(found: Operation, world: World) -> None:
    """The same answer as for a stranger, so that nothing tells the two apart."""
    path = path_of(found, world).replace("/acme/", "/acme-2/")
    assert path != path_of(found, world) or "/acme/" not in path
    response = api_of(world.owner)(found.method, path, {})
    assert (response.status_code, body_of(response)) == (404, {"detail": "The requested resource does not exist"})


@every
def test_garbage_is_refused_without_a_server_error(found: Operation, world: World) -> None:
    """A body of the wrong shape, a path of odd characters: 4xx as JSON, never 5xx."""
    api = world.api
    odd = re.sub(r"{(?:\w+:)?(?!organization|project|team)(\w+)}", "%00%F0%9F%A6%8A'\"--", found.path)
    odd = odd.format(organization="acme", project="shop", team="backend")
    for path, body in ((path_of(found, world), []), (path_of(found, world), "text"), (odd, {"x": 1})):
        if found.method == "GET" and path == path_of(found, world):
            path += "?per_page=0&cursor=x&statsPeriod=1&start=2&project=%00&limit=-1&query=%22"
        response = api(found.method, path, body)
        assert response.status_code < 500 or response.status_code == 503, (path, response.content)
        if response.status_code >= 400:
            body_of(response)


def test_a_client_key_opens_only_what_says_so_and_only_its_own_project(world: World) -> None:
    dsn = public_dsn(world.key)
    foreign = ProjectKey.objects.create(project=factories.make_project(world.organization, slug="foreign"))
    inactive = ProjectKey.objects.create(project=world.project, is_active=False)
    accepting = [found for found in OPERATIONS if found.accepts_client_key]
    assert [f"{found.method} {found.path}" for found in accepting] == [
        "POST /projects/{organization}/{project}/user-feedback/"
    ]
    for found in OPERATIONS:
        response = Api()(found.method, path_of(found, world), {}, Authorization=f"DSN {dsn}")
        expected = 400 if found.accepts_client_key else 200 if found.scopes == ANYONE else 401
        assert response.status_code == expected, (found.path, response.content)
    found = accepting[0]
    for header in (
        f"DSN {public_dsn(foreign)}",
        f"DSN {public_dsn(inactive)}",
        "DSN nonsense",
        "Basic !!!",
        "DSN " + dsn.replace(world.key.public_key, "0" * 32),
    ):
        assert Api()(found.method, path_of(found, world), {}, Authorization=header).status_code == 401, header
