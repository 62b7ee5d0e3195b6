"""The roles of the dev and prod overlays, started as local processes with exactly their commands and variables.

Host names, ports and mounted paths are mapped to this machine; the bucket is served by the moto library.
"""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.infrastructure.kubernetes.manifests import OURS, SECRET_KEYS, Container, Rendered, rendered
from tests.support.load import until
from tests.support.s3 import create_bucket, running_s3
from tests.support.server import free_port
from tests.support.topology import Role, Topology, clean_environment, running_stores, wait_for

pytestmark = [pytest.mark.server, pytest.mark.timeout(600)]
PASSWORD = "a-password-of-some-length-for-this-test-only"
SECRETS = dict.fromkeys(SECRET_KEYS, PASSWORD)


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    passwords = dict.fromkeys(("postgres", "redis", "store"), PASSWORD)
    with running_stores(tmp_path_factory.mktemp("kubernetes"), passwords=passwords) as made:
        yield made


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with running_s3() as endpoint:
        yield endpoint


def _mapped(overlay: Rendered, container: Container, topology: Topology, port: int, s3: str) -> dict[str, str]:
    """The container's variables, with this machine's hosts, ports and folders."""
    given = overlay.environment(container, SECRETS | {"SENTRY_REDIS_PASSWORD": PASSWORD})
    own = topology.folder / f"{overlay.name}-{container.workload}"
    own.mkdir(exist_ok=True)
    (own / "conf").mkdir(exist_ok=True)
    for name, text in overlay.get("ConfigMap", "sentry-files")["data"].items():
        (own / "conf" / name).write_text(text)
    given |= {
        "SENTRY_POSTGRES_HOST": "127.0.0.1",
        "SENTRY_POSTGRES_PORT": str(topology.postgres.port),
        "SENTRY_REDIS_HOST": "127.0.0.1",
        "SENTRY_REDIS_PORT": str(topology.redis.port),
        "SENTRY_CLICKHOUSE_HOST": "127.0.0.1",
        "SENTRY_CLICKHOUSE_PORT": str(topology.store.port),
        "SENTRY_CLICKHOUSE_DATABASE": "default",
        "SENTRY_KAFKA_HOSTS": topology.broker.hosts,
        "SENTRY_KAFKA_REPLICATION_FACTOR": "1",
        "SENTRY_KAFKA_TOPIC_PREFIX": f"{overlay.name}-",
        "SENTRY_DB_NAME": "sentry",
        "SENTRY_HOST": "127.0.0.1",
        "SENTRY_PORT": str(port),
        "SENTRY_CONF": str(own / "conf"),
        "SENTRY_DATA_DIR": str(own),
        "PROMETHEUS_MULTIPROC_DIR": str(own / "prometheus"),
    }
    if given["SENTRY_FILESTORE_BACKEND"] == "s3":
        given |= {
            "SENTRY_FILESTORE_ENDPOINT": s3,
            "SENTRY_FILESTORE_ACCESS_KEY": "k",
            "SENTRY_FILESTORE_SECRET_KEY": "s",
        }
    else:
        given["SENTRY_FILESTORE_LOCATION"] = str(topology.folder / "files")
    if "SENTRY_STATUS_PORT" in given:
        given["SENTRY_STATUS_PORT"] = str(free_port())
    return given


def _run(topology: Topology, container: Container, environment: dict[str, str]) -> Role:
    name = f"{environment['SENTRY_KAFKA_TOPIC_PREFIX']}{container.name.replace('/', '-')}"
    arguments = [str(part) for part in container.spec["args"]]
    role = Role(name, arguments, clean_environment() | environment, topology.folder / f"{name}.log")
    topology.roles[name] = role
    role.start()
    return role


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_roles_start_and_take_an_event_in(name: str, topology: Topology, s3: str) -> None:
    overlay, port = rendered(name), free_port()
    ours = [container for container in overlay.containers() if container.spec["image"].startswith(OURS)]
    environments = {one.name: _mapped(overlay, one, topology, port, s3) for one in ours}
    bucket = environments[ours[0].name].get("SENTRY_FILESTORE_BUCKET")
    if bucket:
        create_bucket(s3, bucket)

    migrate = next(one for one in ours if one.workload == "sentry-migrate")
    job = _run(topology, migrate, environments[migrate.name])
    assert job.process is not None
    assert job.process.wait(120) == 0, job.tail()
    waiting = next(one for one in ours if one.is_init)
    init = _run(topology, waiting, environments[waiting.name])
    assert init.process is not None
    assert init.process.wait(60) == 0, init.tail()

    roles = [one for one in ours if not one.is_init and one is not migrate]
    assert {one.workload for one in roles} == {
        "sentry-web", "sentry-worker", "sentry-cron", "sentry-post-process-forwarder"
    }  # fmt: skip
    started = {one.workload: (_run(topology, one, environments[one.name]), environments[one.name]) for one in roles}
    for role, environment in started.values():
        wait_for(f"http://127.0.0.1:{environment.get('SENTRY_STATUS_PORT', port)}/_health/", role)
    web, environment = started["sentry-web"]
    wait_for(f"http://127.0.0.1:{port}/_health/?full", web)
    _take_an_event_in(topology, environment, port)
    for role, _ in started.values():
        assert role.stop() == 0, role.tail()


def _take_an_event_in(topology: Topology, environment: dict[str, str], port: int) -> None:
    """As `kubectl exec … dictamesh-sentry init` and an SDK would; the body is big enough to need the file store."""
    topology.environment = environment
    facts = json.loads(topology.command("init", "--json").stdout)
    dsn, event_id = urlsplit(facts["dsn"]), uuid.uuid4().hex
    attachment = b"x" * 1_500_000
    item = json.dumps({"type": "attachment", "length": len(attachment), "filename": "big.bin"}).encode()
    body = f'{{"event_id":"{event_id}"}}\n{{"type":"event"}}\n{{"message":"from {environment["SENTRY_DATA_DIR"]}"}}\n'.encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api{dsn.path}/envelope/",
        data=body + item + b"\n" + attachment,
        headers={"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={dsn.username}"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200
    token = json.loads(topology.command("create-token", "--user", facts["email"], "--json").stdout)["token"]
    base = f"http://127.0.0.1:{port}/api/0/projects/{facts['organization']}/{facts['project']}/events/{event_id}"

    def get(path: str) -> bytes:
        asked = urllib.request.Request(base + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            return answer.read()

    def stored() -> bool:
        try:
            return bool(json.loads(get("/attachments/")))
        except urllib.error.HTTPError:
            return False

    until(stored, 60, lambda: "\n".join(role.tail()[-1500:] for role in topology.roles.values()))
    [found] = json.loads(get("/attachments/"))
    assert found["name"] == "big.bin"
    assert get(f"/attachments/{found['id']}/?download=1") == attachment


def test_a_role_that_starts_before_the_migration_waits(tmp_path: Path, topology: Topology, s3: str) -> None:
    overlay = rendered("dev")
    waiting = next(one for one in overlay.containers() if one.is_init)
    environment = _mapped(overlay, waiting, topology, free_port(), s3)
    environment |= {"SENTRY_CLICKHOUSE_DATABASE": "elsewhere", "SENTRY_DATA_DIR": str(tmp_path)}
    role = _run(topology, waiting, environment)
    assert role.process is not None
    with pytest.raises(Exception, match="timed out"):
        role.process.wait(8)
    role.kill()
