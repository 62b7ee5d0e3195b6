"""Each of our containers starts with exactly the command and variables of its manifest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.infrastructure.kubernetes.manifests import ALL, OURS, SECRET_KEYS, Container, Rendered, rendered
from tests.support.topology import clean_environment

pytestmark = pytest.mark.timeout(900)  # Helm may still be being built

SECRETS = dict.fromkeys(SECRET_KEYS, "a-password-of-some-length-for-this-test-only")


def _ours(overlay: Rendered) -> list[Container]:
    return [container for container in overlay.containers() if container.spec["image"].startswith(OURS)]


@pytest.mark.parametrize("name", ALL)
def test_variables_are_complete_and_sound(name: str, tmp_path: Path) -> None:
    """``config check`` says so, with the files of the ConfigMap; once for each different environment."""
    overlay = rendered(name)
    conf = tmp_path / "conf"
    conf.mkdir()
    for file, text in overlay.get("ConfigMap", "sentry-files")["data"].items():
        (conf / file).write_text(text)
    checked: set[tuple[tuple[str, str], ...]] = set()
    for container in _ours(overlay):
        environment = overlay.environment(container, SECRETS)
        assert environment["SENTRY_CONF"] in {mount["mountPath"] for mount in container.spec["volumeMounts"]}
        for variable in ("SENTRY_DATA_DIR", "PROMETHEUS_MULTIPROC_DIR"):
            folders = {m["mountPath"] for m in container.spec["volumeMounts"] if not m.get("readOnly")}
            assert any(environment[variable].startswith(folder) for folder in folders), (container.name, variable)
        environment |= {"SENTRY_CONF": str(conf), "SENTRY_DATA_DIR": str(tmp_path / "data")}
        key = tuple(sorted(environment.items()))
        if key in checked:
            continue
        checked.add(key)
        done = _command(["config", "check"], environment)
        assert done.returncode == 0, (container.name, done.stdout + done.stderr)
        for needed in ("SENTRY_POSTGRES_HOST", "SENTRY_REDIS_HOST", "SENTRY_KAFKA_HOSTS", "SENTRY_CLICKHOUSE_HOST"):
            assert environment[needed], (container.name, needed)


def test_commands_exist() -> None:
    commands = {tuple(container.spec["args"]) for name in ALL for container in _ours(rendered(name))}
    assert len(commands) >= 6
    for arguments in commands:
        done = _command([*arguments, "--help"], {})
        assert done.returncode == 0, (arguments, done.stderr)


@pytest.mark.parametrize("name", ALL)
def test_probes_meet_the_ports_the_roles_serve(name: str) -> None:
    overlay = rendered(name)
    for container in _ours(overlay):
        if container.is_init or "migrate" in container.workload:
            continue
        environment = overlay.environment(container, SECRETS)
        served = 9000 if container.workload == "sentry-web" else int(environment["SENTRY_STATUS_PORT"])
        [port] = container.spec["ports"]
        assert port["containerPort"] == served
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container.spec[probe]["httpGet"] == {"path": "/_health/", "port": port["name"]}
        assert container.pod["spec"]["terminationGracePeriodSeconds"] >= 35


def _command(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dictamesh_sentry", *arguments],
        env=clean_environment() | environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
