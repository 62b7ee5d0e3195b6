"""The command as a script uses it: a folder is prepared, objects are created, mistakes are one clear line."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dictamesh_sentry import __version__


class Installation:
    """A prepared data folder and the command run against it."""

    def __init__(self, folder: Path) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")}
        self.environment = {**clean, "SENTRY_DATA_DIR": str(folder / "data"), "SENTRY_LOG_LEVEL": "warning"}

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dictamesh_sentry", *arguments],
            env={**self.environment, **environment}, capture_output=True, text=True, timeout=90,
        )  # fmt: skip

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    prepared = Installation(tmp_path_factory.mktemp("installation"))
    done = prepared.run("init")
    assert done.returncode == 0, done.stderr
    assert "admin@dictamesh.local / admin" in done.stdout
    assert "insecure" in done.stdout
    assert re.search(r"DSN +http://[0-9a-f]{32}@localhost:9000/1\n", done.stdout)
    return prepared


def test_init_again_changes_nothing(installation: Installation) -> None:
    first, second = installation.json("init"), installation.json("init")
    assert first == second
    assert first["organization"] == "dictamesh"
    assert first["email"] == "admin@dictamesh.local"


def test_objects_are_created_for_scripts(installation: Installation) -> None:
    project = installation.json("create-project", "Order Service", "--organization", "dictamesh", "--platform", "go")
    assert set(project) == {"id", "slug", "dsn"}
    assert project["slug"] == "order-service"
    assert project["dsn"].endswith(f"/{project['id']}")
    token = installation.json("create-token", "--user", "admin@dictamesh.local", "--scope", "event:read")
    assert re.fullmatch(r"sntryu_[0-9a-f]{64}", token["token"])
    user = installation.json(
        "createuser", "--email", "Ada@Example.com", "--password", "a long enough one", "--organization", "dictamesh"
    )
    assert user == {"id": user["id"], "email": "ada@example.com", "created": True}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("create-project", "X", "--organization", "nowhere"), "nowhere"),
        (("create-token", "--user", "nobody@example.com"), "createuser"),
        (("create-token", "--user", "admin@dictamesh.local", "--scope", "moon:read"), "moon:read"),
        (("createuser", "--email", "x@example.com", "--no-input"), "--password"),
        (("send-test-event", "--dsn", "http://localhost/1"), "not a DSN"),
        (("send-test-event", "--dsn", f"http://{'a' * 32}@127.0.0.1:9/1"), "dictamesh-sentry up"),
        (("dlq", "show", "99"), "no dead letter 99"),
        (("dlq", "replay"), "--all"),
    ],
)
def test_mistakes_say_what_to_do(installation: Installation, arguments: tuple[str, ...], expected: str) -> None:
    done = installation.run(*arguments)
    assert done.returncode == 1
    assert expected in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_dead_letters_are_listed(installation: Installation) -> None:
    assert installation.json("dlq", "list") == []


def test_configuration_is_shown_with_its_sources_and_without_secrets(installation: Installation) -> None:
    shown = json.loads(
        installation.run("config", "show", "--json", SENTRY_DB_PASSWORD="hunter2", SENTRY_PORT="9001").stdout
    )
    assert shown["port"] == {"value": 9001, "source": "environment SENTRY_PORT"}
    assert "hunter2" not in json.dumps(shown)
    assert shown["mail_port"]["source"] == "default"


def test_config_check_names_the_wrong_key(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "config.yml").write_text("mail.prot: 25\n")
    wrong = installation.run("config", "check", SENTRY_CONF=str(tmp_path))
    assert wrong.returncode == 1
    assert "mail.prot" in wrong.stderr
    assert installation.run("config", "check").returncode == 0


def test_a_wrong_environment_variable_is_one_line_for_any_command(installation: Installation) -> None:
    done = installation.run("health", SENTRY_PORT="nine")
    assert done.returncode == 2
    assert "SENTRY_PORT" in done.stderr
    assert "Traceback" not in done.stderr


def test_version_and_help() -> None:
    for arguments in (["--version"], ["--help"], ["up", "--help"], ["run", "--help"], ["run", "worker", "--help"]):
        done = subprocess.run(
            [sys.executable, "-m", "dictamesh_sentry", *arguments], capture_output=True, text=True, timeout=30
        )
        assert done.returncode == 0
        assert __version__ in done.stdout if arguments == ["--version"] else "Usage" in done.stdout
