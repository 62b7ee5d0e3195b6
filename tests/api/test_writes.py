"""What a client writes is what it reads back, byte for byte."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from django.core import mail
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dictamesh_sentry.organizations.models import AuditLogEntry, OrganizationMember
from dictamesh_sentry.projects.models import Project
from tests.api.conftest import World, api_of
from tests.support import factories

PROJECT_WRITES: list[dict[str, Any]] = [
    {"name": "Renamed"},
    {"platform": "python-django"},
    {"digestsMinDelay": 60, "digestsMaxDelay": 600},
    {"resolveAge": 720},
    {"fingerprintingRules": "error.type:ValueError -> value-error\n"},
    {"groupingEnhancements": "stack.function:main +app"},
    {"options": {"filters:blacklisted_ips": "10.0.0.0/8\n127.0.0.1", "filters:releases": "1.*\n\n[!3]*"}},
    {"options": {"filters:error_messages": "TypeError*\n*: integer division or modulo by zero\n"}},
    {"options": {"filters:react-hydration-errors": False, "filters:chunk-load-error": True}},
    {"options": {"sentry:origins": ["b", "a"], "feedback:branding": False}},
    {"allowedDomains": ["https://b.example.com", "*", "a.example.com"]},
    {"allowedDomains": []},
    {"scrapeJavaScript": False},
    {"securityToken": "s3cret-token"},
    {"securityTokenHeader": "X-Token"},
    {"securityTokenHeader": ""},
    {"securityTokenHeader": None},
    {"subjectTemplate": "$shortID: $title", "subjectPrefix": "[shop] "},
    {"verifySSL": True},
    {"highlightTags": ["release", "environment"], "highlightContext": {"user": ["email", "id"]}},
    {"sensitiveFields": ["ssn", "Card"], "safeFields": ["order_id"]},
    {"dataScrubber": False, "dataScrubberDefaults": False, "scrubIPAddresses": True},
    {"relayPiiConfig": '{"rules": {},\n  "applications": {"**": ["@email:replace"]}}'},
    {"storeCrashReports": 5, "defaultEnvironment": "production"},
    {"symbolSources": '[{"id":"x"}]', "builtinSymbolSources": ["ios", "android"]},
]


@pytest.mark.parametrize("written", PROJECT_WRITES, ids=lambda written: orjson.dumps(written).decode()[:60])
def test_project_settings_come_back_as_written(written: dict[str, Any], world: World) -> None:
    api = world.api
    before = api.get("/projects/acme/shop/")
    answer = api.send("PUT", "/projects/acme/shop/", written)
    assert api.get("/projects/acme/shop/") == answer
    options = written.pop("options", {})
    assert written.items() <= answer.items()
    assert options.items() <= answer["options"].items()
    untouched = before.keys() - written.keys() - {"options", "platforms", "color"}
    assert {key: before[key] for key in untouched} == {key: answer[key] for key in untouched}


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\x00")).filter(lambda t: len(t) < 500), max_size=5
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_filter_text_comes_back_as_written(world: World, lines: list[str]) -> None:
    text = "\n".join(lines)
    answer = world.api.send("PUT", "/projects/acme/shop/", {"options": {"filters:error_messages": text}})
    assert answer["options"]["filters:error_messages"] == text


INVALID_PROJECTS: list[tuple[dict[str, Any], str]] = [
    ({"slug": "123"}, "slug"),
    ({"slug": "Not A Slug"}, "slug"),
    ({"slug": "new"}, "slug"),
    ({"name": " "}, "name"),
    ({"name": "x" * 65}, "name"),
    ({"platform": "<script>"}, "platform"),
    ({"resolveAge": -1}, "resolveAge"),
    ({"resolveAge": "soon"}, "resolveAge"),
    ({"digestsMinDelay": 600, "digestsMaxDelay": 60}, "digestsMinDelay"),
    ({"options": {"filters:blacklisted_ips": "not an address"}}, "options"),
    ({"options": {"unknown": 1}}, "options"),
    ({"options": {"filters:releases": 7}}, "options"),
    ({"fingerprintingRules": "not a rule"}, "fingerprintingRules"),
    ({"relayPiiConfig": "{"}, "relayPiiConfig"),
    ({"relayPiiConfig": "[1]"}, "relayPiiConfig"),
    ({"securityTokenHeader": "X: y\r\nZ"}, "securityTokenHeader"),
    ({"allowedDomains": [""]}, "allowedDomains"),
]


@pytest.mark.parametrize(("written", "field"), INVALID_PROJECTS, ids=lambda value: str(value)[:50])
def test_bad_settings_name_their_field_and_change_nothing(written: dict[str, Any], field: str, world: World) -> None:
    before = world.api.get("/projects/acme/shop/")
    response = world.api("PUT", "/projects/acme/shop/", {"subjectPrefix": "changed", **written})
    assert response.status_code == 400, response.content
    body = orjson.loads(response.content)
    assert list(body) == [field]
    assert all(isinstance(message, str) for message in body[field])
    assert world.api.get("/projects/acme/shop/") == before


def test_project_life(world: World) -> None:
    api = world.api
    body = {"name": "Checkout", "slug": "checkout", "platform": "go", "default_rules": False}
    created = api.send("POST", "/teams/acme/backend/projects/", body)
    assert (created["slug"], created["platform"], created["team"]["slug"]) == ("checkout", "go", "backend")
    assert len(api.get("/projects/acme/checkout/keys/")) == 1
    taken = api("POST", "/teams/acme/backend/projects/", body)
    assert (taken.status_code, list(orjson.loads(taken.content))) == (409, ["detail"])
    assert api.get(f"/projects/acme/{created['id']}/")["slug"] == "checkout"
    api.send("PUT", "/projects/acme/checkout/", {"slug": "till"})
    assert api.send("DELETE", "/projects/acme/till/") is None
    assert api("GET", "/projects/acme/till/").status_code == 404
    assert api("GET", "/projects/acme/checkout/").status_code == 404
    assert [row["slug"] for row in api.get("/organizations/acme/projects/")] == ["shop"]
    assert api.send("POST", "/teams/acme/backend/projects/", body)["slug"] == "checkout"


def test_a_renamed_project_redirects_with_its_new_slug(world: World) -> None:
    world.api.send("PUT", "/projects/acme/shop/", {"slug": "store"})
    response = world.api("GET", "/projects/acme/shop/keys/?status=active")
    url = "http://localhost:9000/api/0/projects/acme/store/keys/?status=active"
    assert (response.status_code, response.headers["Location"]) == (302, url)
    assert orjson.loads(response.content) == {"slug": "store", "detail": {"extra": {"url": url, "slug": "store"}}}
    assert api_of(world.stranger)("GET", "/projects/acme/shop/").status_code == 404


def test_members_create_projects_unless_the_organization_says_no(world: World) -> None:
    created = api_of(world.member).send("POST", "/organizations/acme/projects/", {"name": "Mine"})
    assert created["team_slug"].startswith("team-user")
    assert api_of(world.member)("DELETE", "/projects/acme/mine/").status_code == 204, "they administer their own team"
    world.api.send("PUT", "/organizations/acme/", {"allowMemberProjectCreation": False})
    assert api_of(world.member)("POST", "/organizations/acme/projects/", {"name": "Again"}).status_code == 403


def test_team_admins_administer_only_their_teams_projects(world: World) -> None:
    member = OrganizationMember.objects.get(user=world.member)
    own = factories.make_team(world.organization, slug="own")
    own.teammembership_set.create(member=member, role="admin")
    mine = factories.make_project(world.organization, (own,), slug="mine")
    api = api_of(world.member)
    assert api.send("PUT", f"/projects/acme/{mine.slug}/", {"name": "Changed"})["name"] == "Changed"
    assert api("PUT", "/projects/acme/shop/", {"name": "Changed"}).status_code == 403
    assert api("POST", "/projects/acme/shop/teams/own/").status_code == 403
    assert api("DELETE", "/teams/acme/backend/").status_code == 403
    assert api("DELETE", "/teams/acme/own/").status_code == 204


KEY_WRITES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"name": "Mobile"}, {"name": "Mobile", "label": "Mobile"}),
    ({"rateLimit": {"window": 60, "count": 1000}}, {"rateLimit": {"window": 60, "count": 1000}}),
    ({"rateLimit": {"window": 0, "count": 0}}, {"rateLimit": None}),
    ({"rateLimit": None}, {"rateLimit": None}),
    ({"isActive": False}, {"isActive": False}),
    ({"browserSdkVersion": "8.x"}, {"browserSdkVersion": "8.x"}),
    (
        {"dynamicSdkLoaderOptions": {"hasReplay": False, "hasDebug": True}},
        {
            "dynamicSdkLoaderOptions": {
                "hasReplay": False, "hasPerformance": True, "hasDebug": True, "hasFeedback": False,
                "hasLogsAndMetrics": False,
            }
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "read"), KEY_WRITES)
def test_keys_come_back_as_written(written: dict[str, Any], read: dict[str, Any], world: World) -> None:
    api = world.api
    created = api.send("POST", "/projects/acme/shop/keys/", {"name": "New", **written})
    assert {"name": "New", **read}.items() <= created.items() or "label" in read
    path = f"/projects/acme/shop/keys/{world.key.public_key}/"
    version = Project.objects.get().config_version
    assert read.items() <= api.send("PUT", path, written).items()
    assert read.items() <= api.get(path).items()
    if "rateLimit" not in read or read["rateLimit"]:
        assert Project.objects.get().config_version > version, "caches must notice"


@pytest.mark.parametrize(
    "written",
    [
        {"rateLimit": {"window": 60}},
        {"rateLimit": {"window": 10**9, "count": 1}},
        {"rateLimit": {"window": 60, "count": -1}},
        {"browserSdkVersion": "1.x"},
        {"name": ""},
        {"dynamicSdkLoaderOptions": {"hasX": True}},
    ],
)
def test_bad_keys_are_refused(written: dict[str, Any], world: World) -> None:
    response = world.api("PUT", f"/projects/acme/shop/keys/{world.key.public_key}/", written)
    assert response.status_code == 400, response.content


def test_a_deleted_key_is_gone(world: World) -> None:
    path = f"/projects/acme/shop/keys/{world.key.public_key}/"
    assert world.api.send("DELETE", path) is None
    assert world.api("GET", path).status_code == 404


def test_team_life(world: World) -> None:
    api = world.api
    created = api.send("POST", "/organizations/acme/teams/", {"name": "Front End"})
    assert (created["slug"], created["isMember"], created["teamRole"]) == ("front-end", True, "admin")
    assert api("POST", "/organizations/acme/teams/", {"slug": "front-end"}).status_code == 409
    assert api.send("PUT", "/teams/acme/front-end/", {"slug": "web"})["slug"] == "web"
    assert api.send("POST", "/projects/acme/shop/teams/web/")["teams"][1]["slug"] == "web"
    assert [team["slug"] for team in api.get("/projects/acme/shop/teams/")] == ["backend", "web"]
    assert [team["slug"] for team in api.send("DELETE", "/projects/acme/shop/teams/web/")["teams"]] == ["backend"]
    assert api.send("DELETE", "/teams/acme/web/") is None
    assert api("GET", "/teams/acme/web/").status_code == 404


def test_filters(world: World) -> None:
    api = world.api

    def active() -> dict[str, Any]:
        return {row["id"]: row["active"] for row in api.get("/projects/acme/shop/filters/")}

    assert active()["legacy-browsers"] is False
    for written, read in (
        ({"active": True}, True),
        ({"subfilters": ["ie11", "safari"]}, ["ie11", "safari"]),
        ({"active": False}, False),
    ):
        assert api.send("PUT", "/projects/acme/shop/filters/legacy-browsers/", written) is None
        assert active()["legacy-browsers"] == read
    for name in set(active()) - {"legacy-browsers"}:
        for value in (True, False):
            api.send("PUT", f"/projects/acme/shop/filters/{name}/", {"active": value})
            assert active()[name] is value
    assert api("PUT", "/projects/acme/shop/filters/unknown/", {"active": True}).status_code == 404
    bad = api("PUT", "/projects/acme/shop/filters/legacy-browsers/", {"subfilters": ["netscape"]})
    assert bad.status_code == 400


def test_releases_are_created_once(world: World) -> None:
    api = world.api
    body = {"version": "shop@2.0.0+7", "projects": ["shop"], "url": "https://example.com/2", "ref": "abc"}
    first, second = (
        api("POST", "/organizations/acme/releases/", body),
        api("POST", "/organizations/acme/releases/", body),
    )
    assert (first.status_code, second.status_code) == (201, 208)
    assert orjson.loads(first.content) == orjson.loads(second.content)
    path = "/organizations/acme/releases/shop%402.0.0%2B7/"
    released = {"dateReleased": "2026-11-01T10:00:00Z", "status": "archived"}
    answer = api.send("PUT", path, released)
    assert answer["dateReleased"] == "2026-11-01T10:00:00.000000Z"
    assert (answer["status"], answer["url"]) == ("archived", "https://example.com/2")
    assert api.send("DELETE", path) is None
    assert api("GET", path).status_code == 404
    for wrong in ({"version": "x"}, {"version": "x", "projects": ["nope"]}, {"version": "a/b", "projects": ["shop"]}):
        assert api("POST", "/organizations/acme/releases/", wrong).status_code == 400
    assert api("POST", "/organizations/acme/releases/", {**body, "url": "javascript:alert(1)"}).status_code == 400


def test_invitations(world: World) -> None:
    api = world.api
    body = {"email": " New@Example.com ", "orgRole": "admin", "teamRoles": [{"teamSlug": "backend", "role": "admin"}]}
    invited = api.send("POST", "/organizations/acme/members/", body)
    assert (invited["email"], invited["pending"], invited["user"]) == ("new@example.com", True, None)
    assert invited["teamRoles"] == [{"teamSlug": "backend", "role": "admin"}]
    assert api("POST", "/organizations/acme/members/", body).status_code == 409
    path = f"/organizations/acme/members/{invited['id']}/"
    changed = api.send("PUT", path, {"orgRole": "manager", "teamRoles": []})
    assert (changed["orgRole"], changed["teamRoles"]) == ("manager", [])
    assert api.send("DELETE", path) is None
    assert api("GET", path).status_code == 404


def test_invitation_mail_is_sent(world: World, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        world.api.send("POST", "/organizations/acme/members/", {"email": "a@b.example", "orgRole": "member"})
    assert [message.to for message in mail.outbox] == [["a@b.example"]]
    assert "http://localhost:9000/accept/" in mail.outbox[0].body


def test_nobody_rises_or_grants_above_their_role(world: World) -> None:
    api = api_of(world.member)
    me = OrganizationMember.objects.get(user=world.member)
    assert api("POST", "/organizations/acme/members/", {"email": "x@y.example", "orgRole": "owner"}).status_code == 403
    assert api("PUT", f"/organizations/acme/members/{me.pk}/", {"orgRole": "owner"}).status_code == 403
    assert api("PUT", f"/organizations/acme/members/{me.pk}/teams/backend/", {"teamRole": "admin"}).status_code == 403
    owner = OrganizationMember.objects.get(user=world.owner)
    manager = api_of(factories.make_member(world.organization, "manager"))
    assert manager("DELETE", f"/organizations/acme/members/{owner.pk}/").status_code == 403
    assert manager("PUT", f"/organizations/acme/members/{owner.pk}/", {"orgRole": "member"}).status_code == 403
    last = world.api("PUT", f"/organizations/acme/members/{owner.pk}/", {"orgRole": "member"})
    assert last.status_code == 409
    assert world.api("DELETE", "/organizations/acme/members/me/").status_code == 409


def test_joining_and_leaving_teams(world: World) -> None:
    api = api_of(world.member)
    path = "/organizations/acme/members/me/teams/backend/"
    joined = api("POST", path)
    assert joined.status_code == 201
    assert {"isActive": True, "teamRole": "contributor"}.items() <= orjson.loads(joined.content).items()
    assert api("POST", path).status_code == 204
    me = OrganizationMember.objects.get(user=world.member).pk
    other = f"/organizations/acme/members/{me}/teams/backend/"
    assert world.api.send("PUT", other, {"teamRole": "admin"}) == {"isActive": True, "teamRole": "admin"}
    assert api("DELETE", path).status_code == 200
    world.api.send("PUT", "/organizations/acme/", {"openMembership": False})
    assert api("POST", path).status_code == 403


def test_organization_settings_come_back_as_written(world: World) -> None:
    written = {
        "name": "Acme & Sons", "openMembership": False, "require2FA": True, "isEarlyAdopter": True,
        "allowMemberInvite": False, "eventsMemberAdmin": False, "dataScrubber": True, "sensitiveFields": ["b", "a"],
        "scrubIPAddresses": True, "defaultRole": "manager", "relayPiiConfig": '{ "applications": {} }',
    }  # fmt: skip
    before = Project.objects.get().config_version
    answer = world.api.send("PUT", "/organizations/acme/", written)
    assert written.items() <= answer.items()
    assert written.items() <= world.api.get("/organizations/acme/").items()
    assert Project.objects.get().config_version == before + 1
    scopes = api_of(world.member).get("/organizations/acme/")["access"]
    assert "member:invite" not in scopes
    assert "event:admin" not in scopes
    assert "event:write" in scopes


def test_environments_can_be_hidden(world: World) -> None:
    path = "/projects/acme/shop/environments/production/"
    assert world.api.send("PUT", path, {"isHidden": True})["isHidden"] is True
    assert world.api.get("/projects/acme/shop/environments/") == []
    assert len(world.api.get("/projects/acme/shop/environments/?visibility=hidden")) == 1
    assert world.api.get("/projects/acme/shop/")["environments"] == []


def test_every_write_leaves_a_trace(world: World) -> None:
    api = world.api
    api.send("POST", "/organizations/acme/teams/", {"slug": "web"})
    api.send("PUT", "/projects/acme/shop/", {"securityToken": "hush-hush", "subjectPrefix": "x"})
    api.send("POST", "/projects/acme/shop/keys/", {"name": "k"})
    api.send("POST", "/organizations/acme/members/", {"email": "x@y.example", "orgRole": "member"})
    log = api.get("/organizations/acme/audit-logs/")
    assert {"team.create", "project.edit", "key.create", "member.invite"} <= {row["event"] for row in log["rows"]}
    assert {row["actor"]["email"] for row in log["rows"]} == {world.owner.email}
    assert {row["ipAddress"] for row in log["rows"]} == {"127.0.0.1"}
    assert "hush-hush" not in str(list(AuditLogEntry.objects.values_list("data", flat=True)))
    assert api_of(world.member)("GET", "/organizations/acme/audit-logs/").status_code == 403
