"""A PostgreSQL server for tests: Debian's programs, a folder of its own, a free port."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.requirements import require
from tests.support.server import free_port

PASSWORD = "test-password"
_BINARIES = ":".join(str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True))


def _program(name: str) -> str:
    os.environ["PATH"] = os.environ["PATH"] + ("" if _BINARIES in os.environ["PATH"] else f":{_BINARIES}")
    return require(name)


def _as_postgres() -> dict[str, str]:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}


@dataclass
class Postgres:
    """A server with a database and a user ``sentry``. ``kill`` and ``start`` keep its data."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    password: str = PASSWORD

    @property
    def environment(self) -> dict[str, str]:
        """What makes the product use it."""
        return {
            "SENTRY_POSTGRES_HOST": "127.0.0.1",
            "SENTRY_POSTGRES_PORT": str(self.port),
            "SENTRY_DB_PASSWORD": self.password,
        }

    def prepare(self) -> None:
        """Create the cluster."""
        data = self.folder / "data"
        data.mkdir()
        password = self.folder / "password"
        password.write_text(self.password)
        if os.geteuid() == 0:
            for path in [data, password, self.folder]:
                shutil.chown(path, "postgres", "postgres")
        command = [_program("initdb"), "-D", str(data), "-U", "sentry", "-A", "scram-sha-256", "--no-sync"]
        subprocess.run(
            [*command, f"--pwfile={password}"], check=True, stdout=subprocess.DEVNULL, cwd="/", **_as_postgres()
        )

    def start(self) -> None:
        """Start and wait until it answers; the database is created at the first start."""
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"]
        options += ["-c", "shared_buffers=64MB", "-c", "max_connections=200", "-p", str(self.port)]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [_program("postgres"), "-D", str(self.folder / "data"), *options],
                stdout=log, stderr=log, cwd="/", start_new_session=True, **_as_postgres(),
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while self._psql("postgres", "SELECT 1").returncode != 0:
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()[-4000:]
            time.sleep(0.1)
        self._psql("postgres", "CREATE DATABASE sentry")

    def kill(self) -> None:
        """As a crash would: every process of the server at once."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            time.sleep(0.1)

    def _psql(self, database: str, sql: str) -> subprocess.CompletedProcess[bytes]:
        command = [_program("psql"), "-h", "127.0.0.1", "-p", str(self.port), "-U", "sentry", "-d", database, "-c", sql]
        return subprocess.run(
            command, capture_output=True, env={**os.environ, "PGPASSWORD": self.password}, check=False
        )


@contextmanager
def running_postgres(password: str = PASSWORD) -> Iterator[Postgres]:
    """A server on a free port until the block ends.

    Its folder is not pytest's: that one is closed to the user ``postgres``, anew with every session that starts.
    """
    folder = Path(tempfile.mkdtemp(prefix="dictamesh-postgres-"))
    server = Postgres(folder, free_port(), password=password)
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(folder, ignore_errors=True)
