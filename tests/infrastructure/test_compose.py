"""The Compose file: accepted by docker-compose, within its budget, consistent with the code and with its own files."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from dictamesh_sentry.config.checks import problems
from dictamesh_sentry.config.load import build_settings, field_sources, read_options
from tests.support.requirements import require

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infrastructure" / "docker-compose"
COMPOSE_FILE = FOLDER / "docker-compose.dev.yml"
SENTRY = FOLDER / "sentry"
ROLES = ("sentry-web", "sentry-worker", "sentry-cron", "sentry-post-process-forwarder")
STORES = ("sentry-postgres", "sentry-redis", "clickhouse")
FRAMEWORK = ("redpanda", "redpanda-console", "postgres", "redis", "prometheus", "grafana", "jaeger")
ONE_SHOT = ("sentry-migrate",)
ALL = (*FRAMEWORK, *STORES, *ONE_SHOT, *ROLES)
_VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::-([^}]*))?\}")


@cache
def written() -> dict[str, Any]:
    """The file with its anchors resolved, its variables as they stand there."""
    return yaml.safe_load(COMPOSE_FILE.read_text())


def _config(env_file: Path) -> dict[str, Any]:
    program = require("docker-compose")
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/tmp")}
    command = [program, "--env-file", str(env_file), "-p", "dictamesh", "-f", str(COMPOSE_FILE), "config"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load(done.stdout)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What docker-compose makes of the file when nobody has set anything."""
    nothing = tmp_path_factory.mktemp("env") / "nothing.env"
    nothing.write_text("")
    return _config(nothing)


def _variables() -> dict[str, set[str]]:
    lines = [line for line in COMPOSE_FILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    found: dict[str, set[str]] = {}
    for name, default in _VARIABLE.findall("\n".join(lines)):
        found.setdefault(name, set()).add(default)
    return found


def _example() -> dict[str, str]:
    lines = (FOLDER / ".env.example").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _mebibytes(limit: str | int) -> float:
    if isinstance(limit, int):
        return limit / 1024**2
    units = {"k": 1 / 1024, "m": 1, "g": 1024}
    return float(limit[:-1]) * units[limit[-1].lower()]


# -------------------------------------------------------------------------------------------- the file as a whole


def test_docker_compose_accepts_the_file_with_every_service(rendered: dict[str, Any]) -> None:
    assert set(rendered["services"]) == set(ALL)


def test_the_library_of_docker_compose_reads_the_same(rendered: dict[str, Any], tmp_path: Path) -> None:
    """docker-compose 1.29 is what Debian has; compose-go is what `docker compose` is made of."""
    program = tmp_path / "loader"
    folder = Path(__file__).parent / "compose_loader"
    subprocess.run([require("go"), "build", "-o", str(program), "."], cwd=folder, check=True)
    done = subprocess.run([str(program), str(COMPOSE_FILE)], capture_output=True, text=True, env={"PATH": ""})
    assert done.returncode == 0, done.stderr
    loaded = yaml.safe_load(done.stdout)
    assert set(loaded["services"]) == set(rendered["services"])
    assert loaded["volumes"] == rendered["volumes"]
    for name, service in loaded["services"].items():
        other = rendered["services"][name]
        for key in ("image", "command", "container_name", "restart", "read_only", "cap_drop", "tmpfs"):
            assert service.get(key) == other.get(key), f"{name}: {key}"
        assert int(service["mem_limit"]) / 1024**2 == _mebibytes(other["mem_limit"])
        conditions = {needed: how["condition"] for needed, how in service.get("depends_on", {}).items()}
        assert conditions == {needed: how["condition"] for needed, how in other.get("depends_on", {}).items()}
        assert {k: str(v) for k, v in (service.get("environment") or {}).items()} == {
            k: str(v) for k, v in (other.get("environment") or {}).items()
        }


def test_the_example_states_every_variable_with_its_real_default() -> None:
    example = _example()
    defaults = _variables()
    assert set(example) - {"COMPOSE_PROJECT_NAME"} == set(defaults)
    assert {name: {value} for name, value in example.items() if name in defaults} == defaults


def test_the_example_changes_nothing(rendered: dict[str, Any]) -> None:
    assert _config(FOLDER / ".env.example") == rendered


def test_every_default_password_is_marked_insecure() -> None:
    for name, value in _example().items():
        if re.search(r"PASSWORD|SECRET_KEY", name) and value and name != "GRAFANA_PASSWORD":
            assert "insecure" in value, name
    before_grafana = (FOLDER / ".env.example").read_text().split("GRAFANA_USER")[0]
    assert before_grafana.rstrip().endswith("# INSECURE")


def test_the_image_is_that_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert _variables()["DICTAMESH_SENTRY_IMAGE"] == {f"dictamesh/sentry:{version}"}


# -------------------------------------------------------------------------------------------- policy of every service


@pytest.mark.parametrize("name", ALL)
def test_a_service_is_named_pinned_limited_and_rotates_its_log(name: str, rendered: dict[str, Any]) -> None:
    service = rendered["services"][name]
    assert service["container_name"] == (name if name.startswith("dictamesh") else f"dictamesh-{name}")
    tag = service["image"].rpartition("/")[2].partition(":")[2]
    assert re.search(r"\d+\.\d+", tag), f"not pinned: {service['image']}"
    assert "latest" not in tag
    assert _mebibytes(service["mem_limit"]) > 0
    assert float(service["cpus"]) > 0
    assert service["logging"]["options"].keys() >= {"max-size", "max-file"}
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert "no-new-privileges:true" in service["security_opt"]
    for port in service.get("ports", []):
        assert str(port).startswith("127.0.0.1:"), f"{name} publishes {port}"


@pytest.mark.parametrize("name", [name for name in ALL if name not in ONE_SHOT])
def test_a_service_has_a_health_check(name: str) -> None:
    check = written()["services"][name]["healthcheck"]
    assert check["test"][0] in ("CMD", "CMD-SHELL")
    assert check["start_period"]
    assert check["retries"] >= 3


def test_a_service_that_runs_once_is_waited_for_by_its_end(rendered: dict[str, Any]) -> None:
    for name in ONE_SHOT:
        waiting = [s["depends_on"].get(name, {}).get("condition") for s in map(rendered["services"].get, ROLES)]
        assert waiting == ["service_completed_successfully"] * len(ROLES)


def test_nothing_starts_before_what_it_needs_is_healthy(rendered: dict[str, Any]) -> None:
    for name, service in rendered["services"].items():
        for needed, how in service.get("depends_on", {}).items():
            expected = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how["condition"] == expected, f"{name} → {needed}"
    for name in (*ONE_SHOT, *ROLES):
        assert set(rendered["services"][name]["depends_on"]) >= {*STORES, "redpanda"}


def test_the_limits_add_up_to_the_plans_budget(rendered: dict[str, Any]) -> None:
    def total(names: tuple[str, ...]) -> tuple[float, float]:
        services = [rendered["services"][name] for name in names]
        return sum(_mebibytes(s["mem_limit"]) for s in services), sum(float(s["cpus"]) for s in services)

    memory, cores = total((*STORES, *ROLES))
    assert memory <= 4096
    assert 3 <= round(cores, 3) <= 4
    memory, cores = total(tuple(name for name in ALL if name not in ONE_SHOT))
    assert memory <= 7 * 1024
    assert round(cores, 3) <= 6


def test_volumes_are_declared_and_used(rendered: dict[str, Any]) -> None:
    used = set()
    for name, service in rendered["services"].items():
        for volume in service.get("volumes", []):
            source = str(volume).split(":")[0]
            if source.startswith(("/", ".")):
                assert Path(source).exists(), f"{name} mounts {source}"
                assert str(volume).endswith((":ro", ":r")), f"{name} may write to {source}"
            else:
                used.add(source)
    assert used == set(rendered["volumes"])
    assert {value["name"] for value in rendered["volumes"].values()} == {f"dictamesh-{name}" for name in used}


# -------------------------------------------------------------------------------------------- our image


@pytest.mark.parametrize("name", [*ONE_SHOT, *ROLES])
def test_our_containers_are_confined(name: str, rendered: dict[str, Any]) -> None:
    service = rendered["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["init"] is True
    assert service["build"]["context"] == str(ROOT)
    targets = {str(volume).split(":")[1] for volume in service["volumes"]}
    in_memory = {entry.partition(":")[0]: entry for entry in service["tmpfs"]}
    assert "/tmp" in in_memory
    assert {"/etc/sentry", "/files"} <= targets
    assert ("/data" in targets) == (name == "sentry-web"), "only the web role's spool has to outlive it"
    assert "/data" in targets or "uid=10001" in in_memory["/data"]
    assert "/data" not in in_memory or "/data" not in targets


def test_commands_are_those_of_the_plan(rendered: dict[str, Any]) -> None:
    commands = {name: rendered["services"][name]["command"] for name in (*ONE_SHOT, *ROLES)}
    assert commands == {
        "sentry-migrate": ["upgrade", "--noinput", "--create-kafka-topics"],
        "sentry-web": ["run", "web"],
        "sentry-worker": ["run", "worker", "--concurrency", "2"],
        "sentry-cron": ["run", "cron"],
        "sentry-post-process-forwarder": ["run", "post-process-forwarder", "--commit-batch-size", "100"],
    }
    for command in commands.values():
        done = subprocess.run(
            [sys.executable, "-m", "dictamesh_sentry", *command, "--help"], capture_output=True, text=True, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ROLES)
def test_health_checks_ask_the_port_the_role_serves(name: str, rendered: dict[str, Any]) -> None:
    environment = rendered["services"][name]["environment"]
    port = "9000" if name == "sentry-web" else environment["SENTRY_STATUS_PORT"]
    assert f"http://127.0.0.1:{port}/_health/" in rendered["services"][name]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("status", [200, 503])
def test_the_health_check_of_our_image_tells_serving_from_failing(status: int) -> None:
    check = written()["services"]["sentry-web"]["healthcheck"]["test"]
    with AnswersWith(status) as url:
        code = check[3].replace("http://127.0.0.1:9000", url)
        done = subprocess.run([sys.executable, check[2], code], capture_output=True)
    assert (done.returncode == 0) == (status == 200)


class AnswersWith:
    """A server on loopback that answers everything with one status."""

    def __init__(self, status: int) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.end_headers()

            def log_message(self, *args: object) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self) -> str:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.server.server_port}"

    def __exit__(self, *args: object) -> None:
        self.server.shutdown()
        self.server.server_close()


# -------------------------------------------------------------------------------------------- settings


def test_every_variable_of_ours_is_a_setting_of_the_product(rendered: dict[str, Any]) -> None:
    known = {meta["env"] for meta in field_sources().values()} | {"SENTRY_CONF"}
    ours = re.compile(r"SENTRY_|OTEL_")
    for name in (*ONE_SHOT, *ROLES):
        used = {key for key in rendered["services"][name]["environment"] if ours.match(key)}
        assert used - known == set(), name
    assert {name for name in _variables() if ours.match(name)} - known == set()


def test_the_plans_variables_are_all_given(rendered: dict[str, Any]) -> None:
    needed = [
        "SENTRY_SECRET_KEY",
        "SENTRY_POSTGRES_HOST",
        "SENTRY_DB_NAME",
        "SENTRY_DB_USER",
        "SENTRY_DB_PASSWORD",
        "SENTRY_REDIS_HOST",
        "SENTRY_REDIS_PORT",
        "SENTRY_KAFKA_HOSTS",
        "SENTRY_CLICKHOUSE_HOST",
        "SENTRY_SINGLE_ORGANIZATION",
        "SENTRY_BEACON",
        "SENTRY_METRICS_SAMPLE_RATE",
        "SENTRY_PROFILES_SAMPLE_RATE",
        "SENTRY_EVENT_RETENTION_DAYS",
    ]
    for name in ROLES:
        environment = rendered["services"][name]["environment"]
        assert [key for key in needed if environment.get(key) in (None, "")] == []


def test_roles_share_one_configuration(rendered: dict[str, Any]) -> None:
    environments = [dict(rendered["services"][name]["environment"]) for name in (*ONE_SHOT, *ROLES)]
    for environment in environments:
        environment.pop("SENTRY_STATUS_PORT", None)
    assert all(environment == environments[0] for environment in environments)


@pytest.mark.parametrize("name", [*ONE_SHOT, *ROLES])
def test_the_configuration_is_sound(name: str, rendered: dict[str, Any]) -> None:
    environment = {key: str(value) for key, value in rendered["services"][name]["environment"].items()}
    settings = build_settings(environment, read_options(SENTRY / "config"))
    assert problems(settings) == []
    assert settings.filestore_backend == "filesystem"
    assert settings.mail_backend == "console"
    assert settings.log_format == "json"


def test_hosts_are_services_and_passwords_are_those_of_the_stores(rendered: dict[str, Any]) -> None:
    services = rendered["services"]
    environment = services["sentry-web"]["environment"]
    hosts = [environment[f"SENTRY_{store}_HOST"] for store in ("POSTGRES", "REDIS", "CLICKHOUSE")]
    assert {*hosts, environment["SENTRY_KAFKA_HOSTS"].split(":")[0]} <= set(services)
    postgres, clickhouse = services["sentry-postgres"]["environment"], services["clickhouse"]["environment"]
    assert postgres["POSTGRES_PASSWORD"] == environment["SENTRY_DB_PASSWORD"]
    assert (postgres["POSTGRES_USER"], postgres["POSTGRES_DB"]) == (
        environment["SENTRY_DB_USER"],
        environment["SENTRY_DB_NAME"],
    )
    assert clickhouse["CLICKHOUSE_PASSWORD"] == environment["SENTRY_CLICKHOUSE_PASSWORD"]
    assert clickhouse["CLICKHOUSE_USER"] == environment["SENTRY_CLICKHOUSE_USER"]
    redis = services["sentry-redis"]
    assert environment["SENTRY_REDIS_PASSWORD"] in redis["command"]
    assert redis["environment"]["REDISCLI_AUTH"] == environment["SENTRY_REDIS_PASSWORD"]
    assert redis["command"][redis["command"].index("--maxmemory-policy") + 1] == "noeviction"


@pytest.mark.parametrize(
    ("variables", "secure"),
    [({}, False), ({"SENTRY_URL_PREFIX": "https://sentry.example.org", "SENTRY_TRUSTED_PROXIES": "1"}, True)],
)
def test_sentry_conf_py_runs_over_the_django_settings(
    variables: dict[str, str], secure: bool, rendered: dict[str, Any], tmp_path: Path
) -> None:
    inside = rendered["services"]["sentry-worker"]["environment"]
    environment = {key: str(value) for key, value in inside.items()} | variables
    environment |= {"SENTRY_CONF": str(SENTRY / "config"), "SENTRY_DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    code = (
        "import json, sys; sys.argv = ['dictamesh-sentry', 'run', 'worker']\n"
        "from dictamesh_sentry.config import django as d\n"
        "print(json.dumps({'application': d.DATABASES['default']['OPTIONS']['application_name'],"
        " 'hsts': getattr(d, 'SECURE_HSTS_SECONDS', 0), 'proxy': getattr(d, 'SECURE_PROXY_SSL_HEADER', None)}))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["application"] == "dictamesh-sentry worker"
    assert (found["hsts"] > 0, bool(found["proxy"])) == (secure, secure)
