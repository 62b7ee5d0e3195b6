"""Health and metrics of the roles that serve no pages."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from dictamesh_sentry.ops import status_server
from dictamesh_sentry.ops.status_server import Heart, serve_status
from tests.support.server import free_port


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_a_beating_role_is_healthy_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    heart, port = Heart("worker"), free_port()
    should_stop = heart.listening(lambda: False)
    stop = serve_status(heart, "127.0.0.1", port)
    assert should_stop() is False
    assert _get(port, "/_health/") == (200, "ok")
    status, text = _get(port, "/metrics")
    assert status == 200
    assert "sentry_role_heartbeat_timestamp" in text
    assert _get(port, "/nothing")[0] == 404
    monkeypatch.setattr(status_server, "SILENCE_SECONDS", 0.0)
    status, text = _get(port, "/_health/")
    assert status == 503
    assert "silent" in text
    stop()


def test_without_a_port_nothing_is_served() -> None:
    serve_status(Heart("cron"), "127.0.0.1", 0)()
