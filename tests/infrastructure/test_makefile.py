"""The infrastructure's Makefile, and `make image`: what each command would do, against stand-ins for the engines."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.infrastructure.test_compose import ALL, ROOT, written
from tests.support.requirements import require

FOLDER = ROOT / "infrastructure"
PLAN = [
    "dev-up",
    "dev-down",
    "dev-logs",
    "dev-ps",
    "dev-reset",
    "clean-volumes",
    "sentry",
    "sentry-init",
    "sentry-logs",
    "sentry-shell",
    "sentry-cli",
    "health",
    "kafka-topics",
    "redis-cli",
    "postgres-cli",
    "help",
]
SYSTEM = "/usr/local/bin:/usr/bin:/bin"

# Answers like docker with the Compose plugin; what the services are like is in $STATES (JSON), every call in $CALLS.
_DOCKER = r"""#!/usr/bin/env python3
import json, os, sys
arguments = sys.argv[1:]
with open(os.environ["CALLS"], "a") as file:
    file.write(" ".join(arguments) + "\n")
states = json.loads(os.environ.get("STATES", "{}"))
if arguments[:2] == ["compose", "version"]:
    sys.exit(0 if os.environ.get("PLUGIN") == "1" else 1)
if arguments[:2] == ["buildx", "version"]:
    sys.exit(0 if os.environ.get("BUILDX") == "1" else 1)
if arguments[0] == "compose" and arguments[-2:] == ["config", "--services"]:
    print("\n".join(states))
if arguments[0] == "compose" and "exec" in arguments:
    sys.exit(int(os.environ.get("SERVING", "0")))
if arguments[0] == "ps":
    service = next(a.rpartition("=")[2] for a in arguments if "compose.service=" in a)
    print(service if states.get(service) else "")
if arguments[0] == "inspect":
    print(states[arguments[-1]])
"""


class Tools:
    """A folder that stands first in PATH, with programs that write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self.folder.mkdir()
        self.calls = folder / "calls"
        self.calls.write_text("")
        self.environment = {"PATH": f"{self.folder}:{SYSTEM}", "CALLS": str(self.calls), "HOME": str(folder)}

    def add(self, name: str, text: str = '#!/bin/sh\necho "$(basename "$0") $*" >>"$CALLS"\n') -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)

    def make(self, *arguments: str, folder: Path = FOLDER, answer: str = "") -> subprocess.CompletedProcess[str]:
        command = [require("make"), "--no-print-directory", "-C", str(folder), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, input=answer)


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    made = Tools(tmp_path)
    made.add("docker", _DOCKER)
    made.environment["PLUGIN"] = "1"
    return made


def _targets() -> list[str]:
    text = (FOLDER / "Makefile").read_text().replace("\\\n", " ")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    return [name for name in phony[1].split() if name != "compose-exists"]


def test_the_plans_commands_exist() -> None:
    assert [name for name in PLAN if name not in _targets()] == []


@pytest.mark.parametrize("target", _targets())
def test_make_can_plan_every_target(target: str, tools: Tools) -> None:
    done = tools.make("-n", target, "ARCHIVE=README.md")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_help_teaches_every_target(tools: Tools) -> None:
    listed = re.findall(r"^  make (\S+) +\S", tools.make("help").stdout, re.MULTILINE)
    assert sorted(listed) == sorted(_targets())


def test_help_needs_no_engine(tools: Tools) -> None:
    (tools.folder / "docker").unlink()
    assert tools.make("COMPOSE_PROGRAM=", "help").returncode == 0


def test_the_plugin_is_preferred(tools: Tools) -> None:
    tools.add("docker-compose")
    assert tools.make("dev-up").returncode == 0
    assert "compose -p dictamesh" in tools.calls.read_text()
    assert "docker-compose" not in re.sub(r"-f \S+", "", tools.calls.read_text())


def test_the_separate_program_serves_as_well(tools: Tools) -> None:
    tools.environment["PLUGIN"] = "0"
    tools.add("docker-compose")
    assert tools.make("dev-up").returncode == 0
    assert re.search(r"^docker-compose -p dictamesh .*up -d --build$", tools.calls.read_text(), re.MULTILINE)


def test_without_compose_it_says_what_to_install(tools: Tools) -> None:
    done = tools.make("COMPOSE_PROGRAM=", "dev-up")
    assert done.returncode != 0
    assert "docker-compose" in done.stdout


@pytest.mark.parametrize("target", ["dev-reset", "clean-volumes"])
def test_destroying_data_asks_first(target: str, tools: Tools) -> None:
    assert tools.make(target, answer="no\n").returncode != 0
    assert " down " not in tools.calls.read_text()
    assert tools.make(target, answer="yes\n").returncode == 0
    assert "down -v" in tools.calls.read_text()


def test_the_question_can_be_answered_beforehand(tools: Tools) -> None:
    assert tools.make("clean-volumes", "YES=1").returncode == 0
    assert "down -v" in tools.calls.read_text()


def test_restore_wants_an_archive_and_a_yes(tools: Tools, tmp_path: Path) -> None:
    assert "ARCHIVE=" in tools.make("restore").stdout
    archive = tmp_path / "a.tar"
    archive.write_text("x")
    assert tools.make("restore", f"ARCHIVE={archive}", answer="no\n").returncode != 0
    assert "stop" not in tools.calls.read_text()
    assert tools.make("restore", f"ARCHIVE={archive}", "YES=1").returncode == 0
    steps = [line for line in tools.calls.read_text().splitlines() if " version" not in line]
    assert [next(w for w in ("stop", "run", "up") if f" {w} " in line) for line in steps] == ["stop", "run", "up"]


def test_backup_takes_the_archive_out_of_the_container_and_tidies_up(tools: Tools, tmp_path: Path) -> None:
    done = tools.make("backup", f"BACKUPS={tmp_path / 'kept'}")
    assert done.returncode == 0, done.stderr
    calls = tools.calls.read_text()
    name = re.search(r"dictamesh-sentry backup /data/(sentry-\d{8}T\d{6}Z\.tar)", calls)
    assert name
    assert f"cp dictamesh-sentry-web:/data/{name[1]} {tmp_path}/kept/{name[1]}" in calls
    assert f"rm -f /data/{name[1]}" in calls
    tools.environment["SERVING"] = "1"
    assert tools.make("backup", f"BACKUPS={tmp_path / 'kept'}").returncode != 0


def test_arguments_reach_the_command(tools: Tools) -> None:
    tools.make("sentry-cli", 'ARGS=createuser --email "a b@example.org"')
    assert "exec -T sentry-web dictamesh-sentry createuser --email a b@example.org" in tools.calls.read_text()


# -------------------------------------------------------------------------------------------- health

GOOD = {name: "exited 0 " if name == "sentry-migrate" else "running 0 healthy" for name in ALL}


def _health(tools: Tools, **states: str) -> subprocess.CompletedProcess[str]:
    changed = {name.replace("_", "-"): state for name, state in states.items()}
    tools.environment |= {"STATES": json.dumps(GOOD | changed), "HEALTH_WAIT": "0"}
    return tools.make("health")


def test_health_is_good_when_everything_is(tools: Tools) -> None:
    done = _health(tools)
    assert done.returncode == 0, done.stdout
    assert re.search(r"sentry-migrate +done", done.stdout)
    assert len(re.findall(r" healthy *$", done.stdout, re.MULTILINE)) == len(ALL) - 1


@pytest.mark.parametrize(
    ("service", "state", "word", "advice"),
    [
        ("clickhouse", "", "missing", "make dev-up"),
        ("redpanda", "exited 0 ", "stopped", "make dev-up"),
        ("sentry_worker", "running 0 unhealthy", "unhealthy", "make dev-logs SERVICE=sentry-worker"),
        ("sentry_cron", "running 0 starting", "starting", "make dev-logs SERVICE=sentry-cron"),
        ("sentry_web", "restarting 137 unhealthy", "failed", "OOMKilled"),
        ("sentry_migrate", "exited 1 ", "failed", "schema upgrade failed"),
        ("sentry_migrate", "running 0 ", "starting", "sentry-migrate"),
    ],
)
def test_health_names_what_is_down_and_what_to_do(
    service: str, state: str, word: str, advice: str, tools: Tools
) -> None:
    done = _health(tools, **{service: state})
    assert done.returncode != 0
    line = next(line for line in done.stdout.splitlines() if line.split()[:1] == [service.replace("_", "-")])
    assert line.split()[1] == word
    assert advice in line
    assert "1 not healthy" in done.stdout


def test_health_is_bad_when_sentry_does_not_serve(tools: Tools) -> None:
    tools.environment["SERVING"] = "1"
    done = _health(tools)
    assert done.returncode != 0
    assert "make doctor" in done.stdout


# -------------------------------------------------------------------------------------------- make image


def _image(tools: Tools, *arguments: str) -> str:
    tools.make("image", *arguments, folder=ROOT)
    return tools.calls.read_text()


def test_image_is_built_with_plain_docker(tools: Tools) -> None:
    assert re.search(r"^build -t dictamesh/sentry:\d+\.\d+\.\d+ --build-arg VERSION=", _image(tools), re.MULTILINE)


def test_image_for_several_platforms_needs_buildx(tools: Tools) -> None:
    done = tools.make("image", "PLATFORMS=linux/amd64,linux/arm64", folder=ROOT)
    assert done.returncode != 0
    assert "buildx" in done.stdout
    tools.environment["BUILDX"] = "1"
    calls = _image(tools, "PLATFORMS=linux/amd64,linux/arm64")
    assert "buildx build --platform linux/amd64,linux/arm64 --output type=oci" in calls


def test_image_is_pushed_with_its_bill_of_materials(tools: Tools) -> None:
    tools.environment["BUILDX"] = "1"
    calls = _image(tools, "PLATFORMS=linux/amd64,linux/arm64", "PUSH=1", "IMAGE=registry.example.org/sentry")
    assert "--sbom=true --provenance=true --push -t registry.example.org/sentry:" in calls


def test_image_is_built_with_podman(tools: Tools) -> None:
    (tools.folder / "docker").unlink()
    tools.add("podman")
    for program in ("sh", "make", "sed", "git", "date", "mkdir", "find", "awk", "basename"):
        (tools.folder / program).symlink_to(require(program))
    tools.environment["PATH"] = str(tools.folder)  # no docker anywhere
    calls = _image(tools, "PLATFORMS=linux/amd64,linux/arm64", "PUSH=1")
    assert "build --format docker --platform linux/amd64,linux/arm64 --manifest dictamesh/sentry:" in calls
    assert "podman manifest push dictamesh/sentry:" in calls


# -------------------------------------------------------------------------------------------- the guides


@pytest.mark.parametrize("page", ["README.md", "docker-compose/sentry/README.md"])
def test_the_guides_point_at_what_exists(page: str) -> None:
    path = FOLDER / page
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (path.parent / link).exists()] == []
    assert set(re.findall(r"`make (?:-C infrastructure )?([a-z-]+)", text)) <= set(_targets())


def test_the_guide_tells_every_command_and_every_service_with_its_limits() -> None:
    text = (FOLDER / "README.md").read_text()
    assert [name for name in _targets() if f"`make {name}" not in text] == []
    rows = {
        cells[0]: cells for cells in ([c.strip() for c in line.strip("| ").split("|")] for line in text.splitlines())
    }
    for name, service in written()["services"].items():
        memory, cores = f"{str(service['mem_limit']).removesuffix('m')} MiB", str(service["cpus"])
        assert rows[name][1] == service["container_name"]
        assert (rows[name][3], rows[name][4]) == (memory, cores), name
        for port in service.get("ports", []):
            assert port.rpartition(":")[2] in " ".join(rows[name][5:]), f"{name} {port}"
