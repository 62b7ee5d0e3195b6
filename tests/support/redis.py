"""Redis servers for tests: single, behind a Sentinel, as a Cluster; each on free ports, with a login."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from tests.support.requirements import require
from tests.support.server import free_port

PASSWORD = "test-password"


@dataclass
class RedisServer:
    """One server. ``kill`` and ``start`` keep its data."""

    folder: Path
    port: int
    options: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    password: str = PASSWORD

    @property
    def environment(self) -> dict[str, str]:
        """What makes the product use it."""
        return {
            "SENTRY_REDIS_HOST": "127.0.0.1",
            "SENTRY_REDIS_PORT": str(self.port),
            "SENTRY_REDIS_PASSWORD": self.password,
        }

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self.password)

    def start(self) -> None:
        """Start and wait until it answers."""
        command = [require("redis-server", "valkey-server"), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self.folder), "--requirepass", self.password, "--masterauth", self.password]
        command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
        with (self.folder / f"redis-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen([*command, *self.options], stdout=log, stderr=log)
        deadline = time.monotonic() + 20
        while True:
            try:
                self.client().ping()
            except redis.RedisError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()


@contextmanager
def running_redis(folder: Path, *options: str, password: str = PASSWORD) -> Iterator[RedisServer]:
    """A server until the block ends."""
    port = free_port()
    own = folder / str(port)
    own.mkdir(parents=True)
    server = RedisServer(own, port, options, password=password)
    server.start()
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def running_sentinel(folder: Path) -> Iterator[dict[str, str]]:
    """A primary watched by one Sentinel; the settings that reach it."""
    with running_redis(folder) as primary:
        port = free_port()
        conf = folder / "sentinel.conf"
        conf.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {folder}\nsentinel monitor main 127.0.0.1 {primary.port} 1\n"
            f"sentinel auth-pass main {PASSWORD}\n"
        )
        with (folder / "sentinel.log").open("ab") as log:
            process = subprocess.Popen(
                [require("redis-server", "valkey-server"), str(conf), "--sentinel"], stdout=log, stderr=log
            )
        try:
            yield {
                "SENTRY_REDIS_HOST": f"127.0.0.1:{port}",
                "SENTRY_REDIS_MODE": "sentinel",
                "SENTRY_REDIS_SENTINEL_MASTER": "main",
                "SENTRY_REDIS_PASSWORD": PASSWORD,
            }
        finally:
            process.kill()
            process.wait()


@contextmanager
def running_cluster(folder: Path) -> Iterator[dict[str, str]]:
    """Three nodes that share the slots; the settings that reach them."""
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(running_redis(folder, "--cluster-enabled", "yes", "--cluster-port", str(free_port())))
            for _ in range(3)
        ]
        command = ["redis-cli", "-a", PASSWORD, "--no-auth-warning", "--cluster", "create", "--cluster-yes"]
        subprocess.run([*command, *(f"127.0.0.1:{node.port}" for node in nodes)], check=True, capture_output=True)
        deadline = time.monotonic() + 20
        while "ok" not in str(nodes[0].client().execute_command("CLUSTER INFO")["cluster_state"]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield {
            "SENTRY_REDIS_HOST": ",".join(f"127.0.0.1:{node.port}" for node in nodes),
            "SENTRY_REDIS_MODE": "cluster",
            "SENTRY_REDIS_PASSWORD": PASSWORD,
        }
