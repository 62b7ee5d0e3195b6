"""The Compose file, rehearsed without an engine.

Local servers stand for the infrastructure services, and each ``sentry-*`` service runs as a local process with exactly
the file's command and environment; only host names, ports and mounted paths are mapped. Then the first-time set-up, the
smoke tests and the validation checklist of docs/planning/SENTRY-INTEGRATION-PLAN.md.
"""

from __future__ import annotations

import html
import http.cookiejar
import os
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
import yaml

from tests.sdk.checks import Reports
from tests.sdk.conftest import service_command, start_service
from tests.support.requirements import require
from tests.support.server import Server, free_port
from tests.support.topology import Role, Topology, clean_environment, running_stores, wait_for

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]
FOLDER = Path(__file__).resolve().parents[2] / "infrastructure" / "docker-compose"
ROLES = ("sentry-web", "sentry-worker", "sentry-cron", "sentry-post-process-forwarder")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as docker-compose reads them, variables filled in."""
    command = [require("docker-compose"), "-f", "docker-compose.dev.yml", "config"]
    done = subprocess.run(command, cwd=FOLDER, env=clean_environment(), capture_output=True, text=True, check=True)
    return yaml.safe_load(done.stdout)["services"]


@dataclass
class Rehearsal:
    """What stands for the running stack."""

    topology: Topology
    services: dict[str, Any]
    port: int
    status_ports: dict[str, int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def mapped(self, name: str) -> dict[str, str]:
        """A service's environment with hosts, ports and mounts of this machine; nothing else is changed."""
        given = {key: str(value) for key, value in self.services[name]["environment"].items() if value is not None}
        assert given["SENTRY_POSTGRES_HOST"] == "sentry-postgres"
        assert given["SENTRY_REDIS_HOST"] == "sentry-redis"
        assert given["SENTRY_CLICKHOUSE_HOST"] == "clickhouse"
        assert given["SENTRY_KAFKA_HOSTS"] == "redpanda:9092"
        own = self.topology.folder / name
        own.mkdir(exist_ok=True)
        given |= {
            "SENTRY_POSTGRES_HOST": "127.0.0.1",
            "SENTRY_POSTGRES_PORT": str(self.topology.postgres.port),
            "SENTRY_REDIS_HOST": "127.0.0.1",
            "SENTRY_REDIS_PORT": str(self.topology.redis.port),
            "SENTRY_CLICKHOUSE_HOST": "127.0.0.1",
            "SENTRY_CLICKHOUSE_PORT": str(self.topology.store.port),
            "SENTRY_KAFKA_HOSTS": self.topology.broker.hosts,
            "SENTRY_CONF": str(FOLDER / "sentry" / "config"),
            "SENTRY_DATA_DIR": str(own),
            "SENTRY_FILESTORE_LOCATION": str(self.topology.folder / "files"),
            "SENTRY_HOST": "127.0.0.1",
            "SENTRY_PORT": str(self.port),
            "SENTRY_URL_PREFIX": self.url,
            "PROMETHEUS_MULTIPROC_DIR": str(own / "prometheus"),
        }
        if name in self.status_ports:
            given["SENTRY_STATUS_PORT"] = str(self.status_ports[name])
        return given

    def role(self, name: str) -> Role:
        """The service as a process."""
        return self.topology.roles[name]

    def health(self, name: str) -> int:
        """The exit status of the service's own health check."""
        kind, program, *arguments = self.services[name]["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        port = str(self.status_ports.get(name, self.port))
        arguments = [re.sub(r":900[01]/", f":{port}/", argument) for argument in arguments]
        return subprocess.run([sys.executable, *arguments], capture_output=True, timeout=30, check=False).returncode

    def run(self, *command: str) -> str:
        """``docker exec dictamesh-sentry-web dictamesh-sentry …``."""
        environment = clean_environment() | self.mapped("sentry-web")
        done = subprocess.run(
            [sys.executable, "-m", "dictamesh_sentry", *command],
            env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _start(rehearsal: Rehearsal) -> None:
    """In the order of ``depends_on``: the stores are up, the migration ends, the roles start."""
    for name in ("sentry-migrate", *ROLES):
        service = rehearsal.services[name]
        role = Role(
            name,
            [str(part) for part in service["command"]],
            clean_environment() | rehearsal.mapped(name),
            rehearsal.topology.folder / f"{name}.log",
        )
        rehearsal.topology.roles[name] = role
        role.start()
        if name == "sentry-migrate":
            assert role.process is not None
            assert role.process.wait(120) == 0, role.tail()
        else:
            assert service["depends_on"]["sentry-migrate"] == {"condition": "service_completed_successfully"}


@pytest.fixture(scope="module")
def rehearsal(services: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    passwords = {
        "postgres": services["sentry-postgres"]["environment"]["POSTGRES_PASSWORD"],
        "redis": services["sentry-web"]["environment"]["SENTRY_REDIS_PASSWORD"],
        "store": services["clickhouse"]["environment"]["CLICKHOUSE_PASSWORD"],
    }
    with running_stores(tmp_path_factory.mktemp("compose"), passwords=passwords) as topology:
        client = clickhouse_connect.get_client(
            host="127.0.0.1", port=topology.store.port, username="sentry", password=passwords["store"]
        )
        client.command((FOLDER / "sentry" / "clickhouse" / "01-init-sentry.sql").read_text().rstrip().rstrip(";"))
        client.close()
        status_ports = {name: free_port() for name in ROLES if name != "sentry-web"}
        made = Rehearsal(topology, services, free_port(), status_ports)
        _start(made)
        wait_for(f"{made.url}/_health/?full", made.role("sentry-web"), 90)
        yield made


@pytest.fixture(scope="module")
def initialized(rehearsal: Rehearsal) -> dict[str, str]:
    """What ``make sentry-init`` prints: its script, run against these processes."""
    environment = clean_environment() | rehearsal.mapped("sentry-web")
    environment |= {"SENTRY_RUN": "", "SENTRY_INIT_URL": rehearsal.url, "SENTRY_INIT_TIMEOUT": "60"}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    output = ""
    for _ in range(2):  # idempotent
        done = subprocess.run(
            [str(FOLDER / "sentry" / "init-sentry.sh")],
            env=environment, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        output = done.stdout
    assert "admin@dictamesh.local" in output
    assert re.search(r"http://[0-9a-f]{32}@127\.0\.0\.1:\d+/\d+", output)
    return {"output": output}


@pytest.fixture(scope="module")
def server(rehearsal: Rehearsal, initialized: dict[str, str]) -> Server:
    """The stack as the SDK tests see a server."""
    web = rehearsal.role("sentry-web")
    assert web.process is not None
    environment = clean_environment() | rehearsal.mapped("sentry-web")
    made = Server(rehearsal.url, rehearsal.topology.folder / "sentry-web", environment, web.process, {}, "")
    made.facts = made.command("init")
    made.token = made.command("create-token", "--user", made.facts["email"])["token"]
    return made


def test_all_services_start_and_their_health_checks_pass(rehearsal: Rehearsal) -> None:
    deadline = time.monotonic() + 60
    waiting = set(ROLES)
    while waiting and time.monotonic() < deadline:
        waiting = {name for name in waiting if rehearsal.health(name) != 0}
        time.sleep(0.2)
    assert not waiting, {name: rehearsal.role(name).tail() for name in waiting}


def test_a_health_check_fails_when_its_role_is_gone(rehearsal: Rehearsal) -> None:
    cron = rehearsal.role("sentry-cron")
    assert cron.stop() == 0
    assert rehearsal.health("sentry-cron") != 0
    cron.start()
    wait_for(f"http://127.0.0.1:{rehearsal.status_ports['sentry-cron']}/_health/", cron)


def test_the_page_is_there_and_lets_the_administrator_in(rehearsal: Rehearsal, initialized: dict[str, str]) -> None:
    page = _signed_in(rehearsal.url).open(f"{rehearsal.url}/", timeout=30).read().decode()
    assert "dictamesh" in page.lower()
    assert "sign in" not in page.lower()


@pytest.mark.parametrize("framework", ["nethttp", "echo", "gin", "express", "flask"])
def test_events_of_the_real_sdks_appear(rehearsal: Rehearsal, server: Server, framework: str) -> None:
    project = server.create_project(f"rehearsal {framework}")
    command, folder = service_command(framework)
    service = start_service(command, folder, project["dsn"])
    try:
        assert service.call("/health")[0] == 200
        service.call("/entities/17/owner")
    finally:
        service.stop()
    issues = server.eventually(lambda: server.issues(project["slug"]), 40)
    page = _signed_in(rehearsal.url).open(issues[0]["permalink"], timeout=30).read().decode()
    assert html.escape(issues[0]["metadata"].get("type", issues[0]["title"])) in page
    reports = Reports(server, project["slug"])
    assert reports.quantity("error") == 1
    assert reports.quantity("span" if framework == "express" else "transaction") >= 1


def test_the_product_says_it_is_well(rehearsal: Rehearsal, server: Server) -> None:
    assert "serving" in rehearsal.run("health", "--json")
    for name in ROLES:
        port = rehearsal.status_ports.get(name, rehearsal.port)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            assert "sentry_role_heartbeat_timestamp" in answer.read().decode(), name


def test_memory_stays_within_the_limits(rehearsal: Rehearsal, server: Server, record_property) -> None:
    total = limits = 0.0
    for name in ROLES:
        used, limit = _memory(rehearsal.role(name)), _megabytes(rehearsal.services[name])
        print(f"{name}: {used:.0f} MB of {limit:.0f} MB")
        record_property(name, round(used))
        assert used < limit * 0.8, name
        total, limits = total + used, limits + limit
    print(f"all roles: {total:.0f} MB of {limits:.0f} MB")


def _memory(role: Role) -> float:
    """Resident memory of a role's processes, shared pages shared out: what a container is charged for, in MB."""
    assert role.process is not None
    total = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if os.getpgid(int(status.parent.name)) == role.process.pid and fields[0] != "Z":
                rollup = (status.parent / "smaps_rollup").read_text()
                total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.MULTILINE)[1])  # type: ignore[index]
        except (OSError, TypeError):
            continue
    return total / 1024


def _megabytes(service: Mapping[str, Any]) -> float:
    text = str(service["mem_limit"])
    factor = {"k": 1 / 1024, "m": 1, "g": 1024}.get(text[-1].lower())
    return float(text[:-1]) * factor if factor else float(text) / 1024**2


def _signed_in(url: str) -> urllib.request.OpenerDirector:
    """A browser's cookies after signing in with the plan's credentials."""
    jar = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    opener.addheaders = [("Referer", f"{url}/auth/login/")]
    form = opener.open(f"{url}/auth/login/", timeout=30).read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
    names = re.findall(r'<input[^>]* name="(\w+)"', form)
    assert token is not None
    name = next(name for name in names if name in ("username", "email", "login"))
    data = {"csrfmiddlewaretoken": token[1], name: "admin@dictamesh.local", "password": "admin"}
    opener.open(f"{url}/auth/login/", urllib.parse.urlencode(data).encode(), timeout=30)
    return opener
