"""The scaled topology on one machine: real PostgreSQL, Redis, Kafka, the ClickHouse engine, and roles as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.kafka import Broker, running_broker
from tests.support.postgres import PASSWORD as POSTGRES_PASSWORD
from tests.support.postgres import Postgres, running_postgres
from tests.support.redis import PASSWORD as REDIS_PASSWORD
from tests.support.redis import RedisServer, running_redis
from tests.support.server import free_port

STORE_PASSWORD = "test-password"


@dataclass
class Role:
    """One process of the product. ``kill`` is ``kill -9``."""

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "dictamesh_sentry", *self.arguments],
                env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def stop(self, seconds: float = 30) -> int | None:
        """SIGTERM; the exit status."""
        if self.process is None or self.process.poll() is not None:
            return None if self.process is None else self.process.returncode
        self.process.terminate()
        return self.process.wait(seconds)

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-6000:] if self.log.exists() else ""


@dataclass
class Store(Role):
    """The real ClickHouse engine behind ``run store``, as the others see it."""

    port: int = 0

    @property
    def client_environment(self) -> dict[str, str]:
        """What makes the product use it."""
        return {
            "SENTRY_CLICKHOUSE_HOST": "127.0.0.1",
            "SENTRY_CLICKHOUSE_PORT": str(self.port),
            "SENTRY_CLICKHOUSE_USER": "sentry",
            "SENTRY_CLICKHOUSE_PASSWORD": self.environment["SENTRY_STORE_PASSWORD"],
        }

    def start(self) -> None:
        super().start()
        wait_for(f"http://127.0.0.1:{self.port}/ping", self)


@dataclass
class Topology:
    """Everything that runs. ``environment`` makes a process of the product use it."""

    folder: Path
    postgres: Postgres
    redis: RedisServer
    broker: Broker
    store: Store
    environment: dict[str, str]
    roles: dict[str, Role] = field(default_factory=dict)

    def role(self, name: str, *arguments: str, **environment: str) -> Role:
        """A process with a data folder of its own, as a container has; not started."""
        own = self.folder / name
        own.mkdir(exist_ok=True)
        full = clean_environment() | self.environment | {"SENTRY_DATA_DIR": str(own)} | environment
        self.roles[name] = Role(name, list(arguments), full, self.folder / f"{name}.log")
        return self.roles[name]

    def command(self, *arguments: str, check: bool = True, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run one of the product's commands here."""
        environment = clean_environment() | self.environment | {"SENTRY_DATA_DIR": str(self.folder / "cli")}
        done = subprocess.run(
            [sys.executable, "-m", "dictamesh_sentry", *arguments],
            env=environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def stop(self) -> None:
        for role in self.roles.values():
            if role.process is not None and role.process.poll() is None:
                role.process.terminate()
        for role in self.roles.values():
            if role.process is not None:
                try:
                    role.process.wait(20)
                except subprocess.TimeoutExpired:
                    role.kill()


def clean_environment() -> dict[str, str]:
    """This process's environment without anything that configures the product."""
    hidden = ("SENTRY_", "DJANGO_", "PROMETHEUS_", "OTEL_", "DICTAMESH_")
    return {name: value for name, value in os.environ.items() if not name.startswith(hidden)}


def wait_for(url: str, role: Role, seconds: float = 60) -> None:
    """Wait until the URL answers 200."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError as error:
            alive = role.process is not None and role.process.poll() is None
            if not alive or time.monotonic() > deadline:
                detail = error.read().decode() if isinstance(error, urllib.error.HTTPError) else ""
                raise AssertionError(f"{url}: {error} {detail}\n{role.tail()}") from None
            time.sleep(0.1)


@contextmanager
def running_store(folder: Path, password: str = STORE_PASSWORD, **environment: str) -> Iterator[Store]:
    """The engine of ClickHouse on a free port and an existing folder, until the block ends."""
    port = free_port()
    own = {
        "SENTRY_DATA_DIR": str(folder),
        "SENTRY_STORE_PORT": str(port),
        "SENTRY_STORE_USER": "sentry",
        "SENTRY_STORE_PASSWORD": password,
        **environment,
    }
    log = folder.with_suffix(".log")
    store = Store("store", ["run", "store"], clean_environment() | own, log, port=port)
    try:
        store.start()
        yield store
    finally:
        store.kill()


@contextmanager
def running_stores(
    folder: Path, *, passwords: Mapping[str, str] | None = None, extra: Mapping[str, str] | None = None
) -> Iterator[Topology]:
    """The infrastructure services, and no role yet. Roles started through the topology end with the block.

    ``passwords``: of ``postgres``, ``redis`` and ``store``, where they must not be the tests' own.
    """
    secret = {"postgres": POSTGRES_PASSWORD, "redis": REDIS_PASSWORD, "store": STORE_PASSWORD} | dict(passwords or {})
    for name in ("redis", "kafka", "store"):
        (folder / name).mkdir()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(secret["postgres"]))
        redis = stack.enter_context(running_redis(folder / "redis", password=secret["redis"]))
        broker = stack.enter_context(running_broker(folder / "kafka"))
        store = stack.enter_context(running_store(folder / "store", secret["store"]))
        environment = {
            **postgres.environment,
            **redis.environment,
            "SENTRY_KAFKA_HOSTS": broker.hosts,
            "SENTRY_KAFKA_PARTITIONS": "4",
            **store.client_environment,
            "SENTRY_SECRET_KEY": "test-key-" + "x" * 50,
            "SENTRY_FILESTORE_LOCATION": str(folder / "files"),
            "SENTRY_MAIL_BACKEND": "dummy",
            "SENTRY_DB_SSLMODE": "disable",
            **(extra or {}),
        }
        topology = Topology(folder, postgres, redis, broker, store, environment)
        stack.callback(topology.stop)
        yield topology
