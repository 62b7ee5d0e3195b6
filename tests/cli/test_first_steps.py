"""What newcomers are told follows the address the product is served on, not the one it was prepared for."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from dictamesh_sentry.cli.first_steps import FirstSteps, adopt_running_port, load_first_steps, remember_port
from dictamesh_sentry.config.load import get_settings

KEY = "a" * 32


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SENTRY_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("SENTRY_PORT", raising=False)
    get_settings.cache_clear()
    yield tmp_path
    os.environ.pop("SENTRY_PORT", None)
    get_settings.cache_clear()


def test_address_and_dsn_follow_the_url(folder: Path) -> None:
    FirstSteps("admin@dictamesh.local", "admin", KEY, 1).save(get_settings())
    steps = load_first_steps(get_settings())
    assert steps is not None
    text = steps.text("https://sentry.example.com/errors")
    assert "https://sentry.example.com/errors\n" in text
    assert f"https://{KEY}@sentry.example.com/errors/1\n" in text
    assert "admin@dictamesh.local / admin   (insecure" in text


def test_a_changed_password_is_not_shown(folder: Path) -> None:
    assert "insecure" not in FirstSteps("a@example.com", None, KEY, 1).text("http://localhost:9000")


def test_a_folder_prepared_by_something_else_greets_nobody(folder: Path) -> None:
    assert load_first_steps(get_settings()) is None
    (folder / "run").mkdir()
    (folder / "run" / "first-steps.json").write_text('{"email": 1}')
    assert load_first_steps(get_settings()) is None


def test_commands_speak_of_the_port_that_is_served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_PORT", "9777")
    get_settings.cache_clear()
    remember_port(get_settings())
    monkeypatch.delenv("SENTRY_PORT")
    get_settings.cache_clear()
    adopt_running_port()
    assert get_settings().public_url == "http://localhost:9777"


@pytest.mark.parametrize("content", ["", "[]", '{"supervisor": 999999999, "port": 9777}'])
def test_a_server_that_is_gone_is_not_spoken_of(folder: Path, content: str) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "port.json").write_text(content)
    adopt_running_port()
    assert "SENTRY_PORT" not in os.environ


def test_an_explicit_port_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "run").mkdir()
    (folder / "run" / "port.json").write_text(json.dumps({"supervisor": os.getpid(), "port": 9777}))
    monkeypatch.setenv("SENTRY_PORT", "9888")
    adopt_running_port()
    assert os.environ["SENTRY_PORT"] == "9888"
