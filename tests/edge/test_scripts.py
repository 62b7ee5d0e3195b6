"""The loader script and the crash-report dialog."""

from __future__ import annotations

import json
import re
from urllib.parse import quote, urlencode

import pytest

from tests.edge.conftest import AUTH, DISABLED_KEY, EVENT_ID, FOREIGN_KEY, KEY, PROJECT, UNKNOWN_KEY, Edge

DSN = f"https://{KEY}@sentry.example.com/{PROJECT}"
PAGE = "/api/embed/error-page/"


def settings_of(script: bytes) -> dict:
    found = re.search(rb"var settings = (\{.*?\});\n", script)
    assert found, script[:300]
    return json.loads(found.group(1))


class TestLoader:
    @pytest.mark.parametrize("name", [f"{KEY}.min.js", f"{KEY}.js"])
    def test_it_contains_the_dsn_and_the_bundle(self, edge: Edge, name: str) -> None:
        answer = edge.request("GET", f"/js-sdk-loader/{name}")
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/javascript")
        assert answer.headers["cache-control"] == "public, max-age=3600"
        settings = settings_of(answer.body)
        assert settings["options"] == {"dsn": DSN}
        assert settings["bundle"] == "https://sentry.example.com/js-sdk/latest/bundle.min.js"

    def test_options_of_the_key(self, edge: Edge) -> None:
        edge.configure(browser_sdk_version="9.x", loader_options={"hasReplay": True, "hasPerformance": True})
        settings = settings_of(edge.request("GET", f"/js-sdk-loader/{KEY}.min.js").body)
        assert settings["bundle"].endswith("/js-sdk/9.x/bundle.tracing.replay.min.js")
        assert settings["options"]["tracesSampleRate"] == 1
        assert settings["integrations"] == ["browserTracingIntegration", "replayIntegration"]

    def test_a_strange_version_cannot_leave_its_folder(self, edge: Edge) -> None:
        edge.configure(browser_sdk_version="../../x")
        settings = settings_of(edge.request("GET", f"/js-sdk-loader/{KEY}.min.js").body)
        assert "/js-sdk/latest/" in settings["bundle"]

    @pytest.mark.parametrize("key", [UNKNOWN_KEY, DISABLED_KEY, "nonsense"])
    def test_an_unknown_key_gets_a_script_that_does_nothing(self, edge: Edge, key: str) -> None:
        answer = edge.request("GET", f"/js-sdk-loader/{key}.min.js")
        assert answer.status == 200
        assert re.fullmatch(rb"/\*[^*]*\*/\s*", answer.body)


class TestDialog:
    def path(self, dsn: str = DSN, event_id: str = EVENT_ID, **more: str) -> str:
        return f"{PAGE}?{urlencode({'dsn': dsn, 'eventId': event_id, **more})}"

    def test_the_script_has_the_texts_of_the_page(self, edge: Edge) -> None:
        answer = edge.request("GET", self.path(title="Oh no", name="Ann", email="a@b.example", lang="pt-BR"))
        assert answer.status == 200
        settings = settings_of(answer.body)
        assert (settings["text"]["title"], settings["name"], settings["email"], settings["lang"]) == (
            "Oh no", "Ann", "a@b.example", "pt-BR",
        )  # fmt: skip
        assert settings["endpoint"].startswith("https://sentry.example.com/api/embed/error-page/?dsn=")

    def test_texts_cannot_break_out(self, edge: Edge) -> None:
        evil = '</script><script>alert(1)</script>\u2028";alert(2)//'
        answer = edge.request("GET", self.path(title=evil, name=evil, lang=evil))
        text = answer.body.decode()
        assert "</script>" not in text
        assert "\u2028" not in text
        assert settings_of(answer.body)["text"]["title"] == evil
        assert settings_of(answer.body)["lang"] == "en"

    @pytest.mark.parametrize(
        ("dsn", "event_id", "status"),
        [
            (DSN, "nope", 400),
            (DSN, "", 400),
            ("nonsense", EVENT_ID, 404),
            ("", EVENT_ID, 404),
            (f"https://{UNKNOWN_KEY}@sentry.example.com/{PROJECT}", EVENT_ID, 404),
            (f"https://{DISABLED_KEY}@sentry.example.com/{PROJECT}", EVENT_ID, 404),
            (f"https://{FOREIGN_KEY}@sentry.example.com/{PROJECT}", EVENT_ID, 404),
        ],
    )
    def test_refusals(self, edge: Edge, dsn: str, event_id: str, status: int) -> None:
        answer = edge.request("GET", self.path(dsn, event_id))
        assert answer.status == status
        assert isinstance(answer.json, dict)
        script = edge.request("GET", self.path(dsn, event_id), headers={"Accept": "text/javascript, */*"})
        assert (script.status, script.body) == (status, b"")
        assert json.loads(script.headers["x-sentry-context"]) == answer.json

    def test_a_foreign_origin(self, edge: Edge) -> None:
        edge.configure(allowed_origins=("https://app.example",))
        assert edge.request("GET", self.path(), headers={"Origin": "https://evil.example"}).status == 403
        assert edge.request("GET", self.path(), headers={"Referer": "https://app.example/x"}).status == 200

    def test_the_form_becomes_a_user_report(self, edge: Edge) -> None:
        body = urlencode({"name": " Ann ", "email": "ann@example.com", "comments": "It broke & ü"}).encode()
        answer = edge.request("POST", self.path(), body, {"Content-Type": "application/x-www-form-urlencoded"})
        assert (answer.status, answer.json) == (200, {})
        [stored] = edge.envelopes()
        assert stored.event_id == EVENT_ID
        assert stored.items[0].type == "user_report"
        assert json.loads(stored.items[0].payload) == {
            "event_id": EVENT_ID,
            "name": "Ann",
            "email": "ann@example.com",
            "comments": "It broke & ü",
        }

    @pytest.mark.parametrize(
        ("form", "fields"),
        [
            ({}, {"name", "email", "comments"}),
            ({"name": "A", "email": "nope", "comments": "x"}, {"email"}),
            ({"name": "A" * 129, "email": "a@b.example", "comments": "x" * 4097}, {"name", "comments"}),
            ({"name": "A", "email": "a" * 70 + "@b.example", "comments": "x"}, {"email"}),
        ],
    )
    def test_form_errors_are_by_field(self, edge: Edge, form: dict[str, str], fields: set[str]) -> None:
        answer = edge.request("POST", self.path(), urlencode(form).encode())
        assert answer.status == 400
        assert set(answer.json["errors"]) == fields
        assert edge.messages() == []

    def test_preflight_of_the_form(self, edge: Edge) -> None:
        answer = edge.request("OPTIONS", f"{PAGE}?dsn={quote(DSN)}", headers=AUTH)
        assert answer.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
        assert "Content-Type" in answer.headers["access-control-allow-headers"]
