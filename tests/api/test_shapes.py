"""Fields that clients fail without, with the types their decoders insist on."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import TypeAdapter

from dictamesh_sentry.api.urls import load_resources
from tests.api.conftest import World

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ID = re.compile(r"\d+")
KEY = re.compile(r"[0-9a-f]{32}")
Check = type | tuple[type, ...] | re.Pattern[str] | Callable[[Any], bool]

ORGANIZATION: dict[str, Check] = {
    "id": ID,
    "slug": str,
    "name": str,
    "dateCreated": TIME,
    "status.id": str,
    "status.name": str,
    "isEarlyAdopter": bool,
    "require2FA": bool,
    "requireEmailVerification": bool,
    "features": list,
    "avatar.avatarType": str,
    "links.organizationUrl": re.compile(r"http://localhost:9000/.+"),
    "links.regionUrl": re.compile(r"http://localhost:9000"),
}
PROJECT: dict[str, Check] = {
    "id": ID,
    "slug": str,
    "name": str,
    "platform": (str, type(None)),
    "dateCreated": TIME,
    "environments": list,
    "features": list,
    "isMember": bool,
    "hasAccess": bool,
    "team.id": ID,
    "team.slug": str,
    "team.name": str,
    "teams.0.slug": str,
    "color": re.compile(r"#[0-9a-f]{6}"),
    "status": re.compile("active"),
    "latestRelease.version": str,
}
TEAM: dict[str, Check] = {"id": ID, "slug": str, "name": str, "dateCreated": TIME, "memberCount": int, "isMember": bool}
PROJECT_KEY: dict[str, Check] = {
    "id": KEY,
    "name": str,
    "label": str,
    "public": KEY,
    "secret": KEY,
    "projectId": int,
    "isActive": bool,
    "dateCreated": TIME,
    "rateLimit": (dict, type(None)),
    "browserSdkVersion": str,
    "browserSdk.choices": list,
    "dynamicSdkLoaderOptions.hasReplay": bool,
    "dynamicSdkLoaderOptions.hasPerformance": bool,
    "dynamicSdkLoaderOptions.hasDebug": bool,
    "dynamicSdkLoaderOptions.hasFeedback": bool,
    "dynamicSdkLoaderOptions.hasLogsAndMetrics": bool,
    **{
        f"dsn.{name}": re.compile(r"http://.+")
        for name in (
            "public", "secret", "csp", "security", "minidump", "nel", "unreal", "crons", "cdn", "playstation",
            "integration", "otlp_traces", "otlp_logs",
        )
    },
}  # fmt: skip
MEMBER: dict[str, Check] = {
    "id": ID,
    "email": str,
    "name": str,
    "orgRole": str,
    "pending": bool,
    "expired": bool,
    "user.id": ID,
    "flags": dict,
    "dateCreated": TIME,
    "inviteStatus": str,
    "teams": list,
    "teamRoles": list,
}
RELEASE: dict[str, Check] = {
    "id": int,
    "version": str,
    "shortVersion": str,
    "dateCreated": TIME,
    "newGroups": int,
    "firstEvent": (str, type(None)),
    "lastEvent": (str, type(None)),
    "dateReleased": (str, type(None)),
    "projects.0.id": int,
    "projects.0.slug": str,
    "projects.0.name": str,
    "versionInfo.version.major": int,
    "status": re.compile("open|archived"),
    "commitCount": int,
    "deployCount": int,
    "lastCommit": (dict, type(None)),
}
USER: dict[str, Check] = {"id": ID, "name": str, "email": str, "username": str, "dateJoined": TIME, "isActive": bool}
STRING = (str,)
DETAIL: dict[str, Check] = {
    **PROJECT,
    "organization.slug": str,
    "options.filters:blacklisted_ips": STRING,
    "options.filters:releases": STRING,
    "options.filters:error_messages": STRING,
    "digestsMinDelay": int,
    "digestsMaxDelay": int,
    "resolveAge": int,
    "allowedDomains": list,
    "dataScrubber": bool,
    "safeFields": list,
    "verifySSL": bool,
    "groupingConfig": str,
    "fingerprintingRules": str,
    "groupingEnhancements": str,
    "highlightTags": list,
    "symbolSources": str,
    "securityTokenHeader": (str, type(None)),
}
SHAPES: list[tuple[str, dict[str, Check]]] = [
    ("/organizations/", {f"0.{name}": check for name, check in ORGANIZATION.items()}),
    (
        "/organizations/acme/",
        {
            **ORGANIZATION,
            "access": list,
            "orgRole": str,
            "orgRoleList.0.id": str,
            "orgRoleList.0.minimumTeamRole": str,
            "teamRoleList.0.id": str,
            "teamRoleList.0.isMinimumRoleFor": (str, type(None)),
            "teams.0.slug": str,
            "projects.0.slug": str,
        },
    ),
    ("/organizations/acme/projects/", {f"0.{name}": check for name, check in PROJECT.items()}),
    ("/teams/acme/backend/projects/", {f"0.{name}": check for name, check in PROJECT.items()}),
    ("/projects/", {**{f"0.{name}": check for name, check in PROJECT.items()}, "0.organization.slug": str}),
    ("/projects/acme/shop/", DETAIL),
    ("/organizations/acme/teams/", {**{f"0.{name}": check for name, check in TEAM.items()}, "0.projects.0.slug": str}),
    ("/organizations/acme/user-teams/", {f"0.{name}": check for name, check in TEAM.items()}),
    ("/projects/acme/shop/teams/", {f"0.{name}": check for name, check in TEAM.items()}),
    ("/teams/acme/backend/", {**TEAM, "organization.slug": str}),
    ("/teams/acme/backend/members/", {**{f"0.{k}": c for k, c in MEMBER.items()}, "0.teamRole": str}),
    ("/projects/acme/shop/keys/", {f"0.{name}": check for name, check in PROJECT_KEY.items()}),
    ("/organizations/acme/project-keys/", {f"0.{name}": check for name, check in PROJECT_KEY.items()}),
    ("/organizations/acme/members/", {f"0.{name}": check for name, check in MEMBER.items()}),
    ("/organizations/acme/members/me/", {**MEMBER, "orgRoleList": list, "teamRoleList": list, "roles": list}),
    ("/projects/acme/shop/members/", {f"0.{name}": check for name, check in MEMBER.items()}),
    ("/organizations/acme/releases/", {f"0.{name}": check for name, check in RELEASE.items()}),
    ("/organizations/acme/releases/shop@1.0.0/", RELEASE),
    ("/projects/acme/shop/releases/", {f"0.{name}": check for name, check in RELEASE.items()}),
    ("/organizations/acme/environments/", {"0.id": ID, "0.name": str}),
    ("/projects/acme/shop/environments/", {"0.id": ID, "0.name": str, "0.isHidden": bool}),
    ("/projects/acme/shop/filters/", {"0.id": str, "0.active": (bool, list)}),
    ("/auth/", {**USER, "options.timezone": str}),
    ("/users/me/", USER),
    ("/users/me/regions/", {"regions.0.name": str, "regions.0.url": re.compile("http://localhost:9000")}),
    ("/", {"version": str, "auth.scopes": list, "user.id": ID, "user.email": str}),
    ("/internal/health/", {"problems": list}),
    ("/api-tokens/", {"0.id": ID, "0.scopes": list, "0.dateCreated": TIME}),
    (
        "/organizations/acme/stats_v2/?groupBy=outcome",
        {"start": TIME, "end": TIME, "intervals.0": TIME, "groups": list},
    ),
    ("/organizations/acme/stats-summary/", {"start": TIME, "end": TIME, "projects.0.slug": str}),
    ("/projects/acme/shop/stats/", {"0.0": int, "0.1": int}),
    ("/organizations/acme/audit-logs/", {"rows": list, "options": list}),
]


def at(body: Any, dotted: str) -> Any:
    """The value under ``a.0.b``; a key with a dot or colon in it is found as a whole."""
    for part in dotted.split("."):
        body = body[int(part)] if part.isdigit() else body[part]
    return body


def holds(check: Check, value: Any) -> bool:
    if isinstance(check, re.Pattern):
        return isinstance(value, str) and check.fullmatch(value) is not None
    if isinstance(check, (type, tuple)):
        wanted = check if isinstance(check, tuple) else (check,)
        return isinstance(value, wanted) and (not isinstance(value, bool) or bool in wanted)
    return check(value)


@pytest.mark.parametrize(("path", "shape"), SHAPES, ids=[path for path, _ in SHAPES])
def test_what_clients_need_is_there(path: str, shape: dict[str, Check], world: World) -> None:
    body = world.api.get(path)
    wrong = {name: at(body, name) for name, check in shape.items() if not holds(check, at(body, name))}
    assert not wrong


_PLAIN_LISTS = [path for path, _ in SHAPES]


@pytest.mark.parametrize("path", _PLAIN_LISTS)
def test_answers_are_what_the_document_promises(path: str, world: World) -> None:
    """The TypedDict of the operation validates its own answer, so the OpenAPI document tells the truth."""
    found = _operation_of(path.partition("?")[0])
    assert found.response is not None
    TypeAdapter(found.response).validate_python(world.api.get(path), strict=True)


def _operation_of(path: str) -> Any:
    for found in load_resources():
        pattern = re.sub(r"{\w+}", "[^/]+", found.path)
        if found.method == "GET" and re.fullmatch(pattern, path):
            return found
    raise AssertionError(path)


def test_every_time_in_every_answer_ends_in_z(world: World) -> None:
    """Some clients refuse an offset; nothing with a date may be spelled otherwise."""

    def times(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for item in value.values() for text in times(item)]
        if isinstance(value, list):
            return [text for item in value for text in times(item)]
        return [value] if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d[T ]", value) else []

    seen = [text for path, _ in SHAPES for text in times(world.api.get(path))]
    assert len(seen) > 30
    assert [text for text in seen if not TIME.fullmatch(text)] == []


def test_the_root_answers_without_credentials(world: World) -> None:
    from tests.api.conftest import Api

    assert Api().get("/")["user"] is None
    assert Api().get("/")["auth"] is None


def test_missing_things_are_null_not_absent(world: World) -> None:
    release = world.api.get("/organizations/acme/releases/")[0]
    assert {"firstEvent": None, "lastEvent": None, "dateReleased": None, "url": None}.items() <= release.items()


def test_release_numbers_cover_only_visible_projects(world: World) -> None:
    from tests.api.conftest import api_of
    from tests.support import factories

    hidden = factories.make_project(world.organization, slug="hidden")
    release = world.project.release_projects.get().release
    release.release_projects.create(project=hidden, new_issues=7, last_event=datetime(2026, 1, 1, tzinfo=UTC))
    world.organization.open_membership = False
    world.organization.save()
    outsider = factories.make_member(world.organization, "member", teams=(world.team,))
    body = api_of(outsider).get("/organizations/acme/releases/")[0]
    assert [project["slug"] for project in body["projects"]] == ["shop"]
    assert (body["newGroups"], body["lastEvent"]) == (0, None)
    assert world.api.get("/organizations/acme/releases/")[0]["newGroups"] == 7
