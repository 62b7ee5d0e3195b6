"""Authentication, errors, limits, CORS and sloppy URLs: what every operation gets without doing anything."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from dictamesh_sentry.accounts.actions import create_token
from dictamesh_sentry.accounts.models import ApiToken
from dictamesh_sentry.api import middleware
from dictamesh_sentry.api.core import operation
from dictamesh_sentry.api.limits import CallerLimits
from dictamesh_sentry.api.responses import encode
from dictamesh_sentry.api.urls import load_resources
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.projects.models import Environment, ProjectEnvironment, ProjectKey
from tests.api.conftest import Api, World, api_of
from tests.support import factories


def body_of(response: Any) -> Any:
    assert response.headers["Content-Type"].startswith("application/json")
    return orjson.loads(response.content)


class TestTokens:
    def test_expired_and_revoked_tokens_stop_at_once(self, world: World) -> None:
        token, text = create_token(world.owner, "t", ["org:read"])
        api = Api(text)
        api.get("/organizations/")
        ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert api("GET", "/organizations/").status_code == 401
        ApiToken.objects.update(expires_at=None)
        api.get("/organizations/")
        token.delete()
        assert body_of(api("GET", "/organizations/")) == {"detail": "Invalid token"}

    def test_tokens_of_inactive_users_stop(self, world: World) -> None:
        api = world.api
        world.owner.is_active = False
        world.owner.save()
        assert api("GET", "/organizations/").status_code == 401

    def test_use_is_remembered_once_a_minute(self, world: World) -> None:
        api = world.api
        api.get("/auth/")
        first = ApiToken.objects.get().date_last_used
        assert first is not None
        api.get("/auth/")
        assert ApiToken.objects.get().date_last_used == first

    def test_a_token_cannot_make_a_stronger_one(self, world: World) -> None:
        weak = api_of(world.owner, ("org:read",))
        assert weak("POST", "/api-tokens/", {"name": "x", "scopes": ["org:write"]}).status_code == 403
        created = weak.send("POST", "/api-tokens/", {"name": "x", "scopes": ["org:read"]})
        assert re.fullmatch(r"sntryu_[0-9a-f]{64}", created["token"])
        assert Api(created["token"]).get("/")["auth"] == {"scopes": ["org:read"]}
        assert created["token"] not in str(weak.get("/api-tokens/"))
        weak.send("DELETE", f"/api-tokens/{created['id']}/")
        assert Api(created["token"])("GET", "/auth/").status_code == 401

    def test_a_token_cannot_revoke_a_stronger_one_or_anybody_elses(self, world: World) -> None:
        strong, _ = create_token(world.owner, "strong", ["org:admin"])
        foreign, _ = create_token(world.stranger, "foreign", ["org:read"])
        weak = api_of(world.owner, ("org:read",))
        assert weak("DELETE", f"/api-tokens/{strong.pk}/").status_code == 403
        assert weak("DELETE", f"/api-tokens/{foreign.pk}/").status_code == 404
        assert weak("PUT", f"/api-tokens/{foreign.pk}/", {"name": "x"}).status_code == 404

    @pytest.mark.parametrize("body", [{}, {"scopes": []}, {"scopes": ["root"]}, {"scopes": "org:read"}])
    def test_bad_scopes(self, world: World, body: dict[str, Any]) -> None:
        response = world.api("POST", "/api-tokens/", body)
        assert response.status_code == 400
        assert list(body_of(response)) == ["scopes"]

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer ", "Basic YTo=", "sntryu_x", "Bearer " + "x" * 5000, "Token é"]
    )
    def test_malformed_credentials_are_401_even_with_a_session(self, world: World, header: str) -> None:
        client = Client()
        client.force_login(world.owner)
        response = client.get("/api/0/organizations/", headers={"Authorization": header})
        assert response.status_code == 401

    def test_a_token_is_never_more_than_its_owners_role(self, world: World) -> None:
        assert api_of(world.member)("PUT", "/organizations/acme/", {"name": "x"}).status_code == 403


class TestSessions:
    def test_reading_needs_the_cookie_and_writing_the_csrf_token_too(self, world: World) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(world.owner)
        assert client.get("/api/0/organizations/").status_code == 200
        assert client.put("/api/0/organizations/acme/", "{}", content_type="application/json").status_code == 403
        token = client.get("/api/0/docs/").context or client.cookies["sc"].value
        answer = client.put(
            "/api/0/organizations/acme/",
            '{"name": "New"}',
            content_type="application/json",
            headers={"X-CSRFToken": str(token)},
        )
        assert answer.status_code == 200

    def test_tokens_need_no_csrf_token(self, world: World) -> None:
        client = Client(enforce_csrf_checks=True)
        _, text = create_token(world.owner, "t", ["org:write"])
        answer = client.put(
            "/api/0/organizations/acme/",
            "{}",
            content_type="application/json",
            headers={"Authorization": f"Bearer {text}"},
        )
        assert answer.status_code == 200


class TestPaths:
    @pytest.mark.parametrize(
        "path",
        [
            "/organizations/acme/teams",
            "/organizations//acme/teams/",
            "//organizations/acme/teams//",
            "/api/0/organizations/acme/teams/",
            "/teams/acme/backend",
        ],
    )
    def test_sloppy_urls_are_understood(self, world: World, path: str) -> None:
        assert world.api("GET", path).status_code == 200

    def test_a_put_without_the_slash_keeps_its_body(self, world: World) -> None:
        assert world.api.send("PUT", "/teams/acme/backend", {"name": "Renamed"})["name"] == "Renamed"

    @pytest.mark.parametrize(
        "path", ["/nothing/", "/organizations/acme/nothing/", "/organizations/acme/nothing", "/docs/x"]
    )
    def test_unknown_paths_are_json(self, world: World, path: str) -> None:
        response = world.api("GET", path)
        assert (response.status_code, body_of(response)) == (404, {"detail": "The requested resource does not exist"})

    def test_wrong_methods_are_json(self, world: World) -> None:
        response = world.api("DELETE", "/auth/")
        assert (response.status_code, body_of(response)) == (405, {"detail": "Method not allowed."})
        assert response.headers["Allow"] == "GET"

    @pytest.mark.parametrize("number", ["9" * 30, "0", "-1", "%D9%A3"])
    def test_odd_ids_are_not_found(self, world: World, number: str) -> None:
        for path in (f"/organizations/{number}/", f"/projects/acme/{number}/", f"/teams/acme/{number}/"):
            assert world.api("GET", path).status_code == 404
        assert world.api("GET", f"/organizations/acme/members/{number}/").status_code == 404

    def test_ids_stand_for_slugs(self, world: World) -> None:
        ids = (world.organization.pk, world.project.pk, world.team.pk)
        assert world.api.get(f"/projects/{ids[0]}/{ids[1]}/")["slug"] == "shop"
        assert world.api.get(f"/teams/{ids[0]}/{ids[2]}/")["slug"] == "backend"


class TestErrors:
    def test_bodies_that_are_not_json(self, world: World) -> None:
        _, text = create_token(world.owner, "t", ["org:write"])
        headers = {"Authorization": f"Bearer {text}"}
        for data in (b"{", b"\xff\xfe", b'"x"', b"[]", b"[" * 100_000):
            answer = Client().put("/api/0/organizations/acme/", data, content_type="application/json", headers=headers)
            assert answer.status_code == 400, data[:10]
            assert isinstance(body_of(answer), dict)

    def test_an_internal_error_is_json_and_says_nothing(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any) -> None:
            raise RuntimeError("secret detail")

        monkeypatch.setattr("dictamesh_sentry.api.index.serialize_self", broken)
        response = world.api("GET", "/auth/")
        assert (response.status_code, body_of(response)) == (500, {"detail": "Internal Error", "errorId": None})

    def test_an_error_before_the_operation_is_json_too(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(*_: Any) -> None:
            raise RuntimeError

        monkeypatch.setattr("django.contrib.sessions.middleware.SessionMiddleware.process_request", broken)
        response = world.api("GET", "/auth/")
        assert (response.status_code, body_of(response)["detail"]) == (500, "Internal Error")

    def test_strings_that_are_not_unicode_are_still_answered(self) -> None:
        assert orjson.loads(encode({"a": "\ud800", "b": 2**70}).replace(b"\\ud800", b"")) == {"a": "", "b": 2**70}

    def test_unknown_scopes_cannot_be_declared(self) -> None:
        with pytest.raises(ValueError, match="unknown scopes"):
            operation("GET", "/x/", scopes=("org:everything",))


class TestLimits:
    def test_headers_and_429(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        counters = CallerLimits(2, window=3600)
        monkeypatch.setattr(middleware, "limits", lambda: counters)
        api = world.api
        remaining = [api("GET", "/auth/").headers["X-Sentry-Rate-Limit-Remaining"] for _ in range(2)]
        assert remaining == ["1", "0"]
        refused = api("GET", "/auth/")
        assert refused.status_code == 429
        assert "Too many requests" in body_of(refused)["detail"]
        assert refused.headers["X-Sentry-Rate-Limit-Remaining"] == "0"
        assert int(refused.headers["Retry-After"]) >= 1
        assert int(refused.headers["X-Sentry-Rate-Limit-Reset"]) > timezone.now().timestamp() - 1
        assert api_of(world.member)("GET", "/auth/").status_code == 200, "another caller has a limit of its own"

    def test_windows_end_and_requests_under_way_are_counted(self) -> None:
        counters = CallerLimits(100, concurrent=2, window=10)
        assert not counters.enter("a", 5.0).concurrent_exceeded
        assert counters.enter("a", 6.0).concurrent_remaining == 0
        assert counters.enter("a", 7.0).concurrent_exceeded
        assert not counters.enter("b", 7.0).concurrent_exceeded
        counters.leave("a")
        fresh = counters.enter("a", 10.0)
        assert (fresh.remaining, fresh.reset, fresh.concurrent_exceeded) == (99, 20, False)

    def test_errors_carry_the_headers_too(self, world: World) -> None:
        for response in (world.api("GET", "/nothing/"), Api()("GET", "/auth/")):
            assert response.headers["X-Sentry-Rate-Limit-ConcurrentLimit"] == "25"


class TestCors:
    def test_preflight(self, world: World) -> None:
        headers = {"Origin": "https://tool.example", "Access-Control-Request-Method": "PUT"}
        response = Client().options("/api/0/organizations/", headers=headers)
        assert (response.status_code, response.content) == (200, b"")
        assert response.headers["Access-Control-Max-Age"] == "3600"
        assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
        assert "Link" in response.headers["Access-Control-Expose-Headers"]
        assert "Access-Control-Allow-Credentials" not in response.headers

    def test_other_origins_are_refused_when_origins_are_named(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings = get_settings().model_copy(update={"api_allowed_origins": "https://good.example"})
        monkeypatch.setattr(middleware, "get_settings", lambda: settings)
        api = world.api
        for origin, status in (
            ("https://good.example", 200),
            ("http://localhost:9000", 200),
            ("https://evil.example", 400),
            ("https://good.example.evil.example", 400),
            ("null", 400),
        ):
            response = api("GET", "/auth/", Origin=origin)
            assert response.status_code == status, origin
            body_of(response)


class TestDocumentation:
    def test_the_document_holds_every_operation(self) -> None:
        document = body_of(Client().get("/api/0/openapi.json"))
        described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
        assert described == {(found.method, f"/api/0{found.path}") for found in load_resources()}
        assert document["servers"] == [{"url": "http://localhost:9000"}]
        assert all(item["summary"] for path in document["paths"].values() for item in path.values())

    def test_the_page_needs_nothing_from_elsewhere(self) -> None:
        response = Client().get("/api/0/docs/")
        page = response.content.decode()
        assert response.headers["Content-Type"].startswith("text/html")
        assert "script-src 'self';" in response.headers["Content-Security-Policy"]
        urls = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(urls) == 4
        for url in urls:
            assert url.startswith(("/api/0/docs/", "data:,"))
            if url.startswith("/"):
                assert Client().get(url).status_code == 200
        assert "http:" not in page.replace("http://localhost", "")
        assert not re.search(r"<script(?![^>]*(src|application/json))", page)


def queries_of(api: Api, path: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        api.get(path)
    return len(captured)


LISTS = [
    "/organizations/",
    "/organizations/acme/",
    "/organizations/acme/projects/",
    "/organizations/acme/teams/",
    "/organizations/acme/user-teams/",
    "/organizations/acme/members/",
    "/organizations/acme/releases/",
    "/organizations/acme/project-keys/",
    "/organizations/acme/environments/",
    "/organizations/acme/stats_v2/?groupBy=project&groupBy=outcome",
    "/organizations/acme/stats-summary/",
    "/projects/",
    "/projects/acme/shop/keys/",
    "/projects/acme/shop/teams/",
    "/projects/acme/shop/members/",
    "/projects/acme/shop/releases/",
    "/teams/acme/backend/projects/",
    "/teams/acme/backend/members/",
    "/organizations/acme/audit-logs/",
]


@pytest.mark.parametrize("path", LISTS)
def test_the_number_of_queries_does_not_grow_with_the_rows(path: str, world: World) -> None:
    api = world.api
    before = queries_of(api, path)
    for number in range(6):
        team = factories.make_team(world.organization)
        project = factories.make_project(world.organization, (world.team, team))
        ProjectKey.objects.create(project=project)
        ProjectKey.objects.create(project=world.project)
        world.project.teams.add(team)
        environment = Environment.objects.create(organization=world.organization, name=f"e{number}")
        ProjectEnvironment.objects.create(project=project, environment=environment)
        factories.make_release(project, f"{number}.0")
        factories.make_release(world.project, f"shop@{number}.1")
        factories.make_member(world.organization, "member", teams=(world.team, team))
        api.send("PUT", f"/projects/acme/{project.slug}/", {"subjectPrefix": f"{number}"})
    after = queries_of(api, path)
    assert after <= before + 1, "one more: a token's use may be noted"
    assert after <= 20
