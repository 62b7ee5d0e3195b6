"""A real server: the product's own command as a process, with embedded storage in a temporary folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_SECONDS = 90.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Server:
    """A running server and what a client needs to use it."""

    url: str
    data_dir: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    facts: dict[str, Any]
    token: str

    @property
    def dsn(self) -> str:
        return self.facts["dsn"]

    @property
    def organization(self) -> str:
        return self.facts["organization"]

    def command(self, *arguments: str) -> Any:
        """Run the product's command against this installation; its ``--json`` output."""
        done = subprocess.run(
            [sys.executable, "-m", "dictamesh_sentry", *arguments, "--json"],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return json.loads(done.stdout)

    def create_project(self, name: str, platform: str = "") -> dict[str, str]:
        """``{"id", "slug", "dsn"}`` of a new project."""
        return self.command("create-project", name, "--organization", self.organization, "--platform", platform)

    def get(self, path: str) -> Any:
        """GET ``/api/0{path}`` with the administrator's token."""
        return self.request("GET", path)

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """Call ``/api/0{path}``; the decoded answer. Raises urllib.error.HTTPError."""
        request = urllib.request.Request(
            f"{self.url}/api/0{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def eventually(self, read: Callable[[], Any], seconds: float = 20.0) -> Any:
        """The first truthy result of ``read``; fails after the time. HTTP 404 counts as "not yet"."""
        deadline = time.monotonic() + seconds
        last: Any = None
        while time.monotonic() < deadline:
            try:
                last = read()
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
                last = error
            else:
                if last:
                    return last
            time.sleep(0.15)
        raise AssertionError(f"not true within {seconds} s; last result: {last!r}")

    def issues(self, project: str, query: str = "", **parameters: str) -> list[dict[str, Any]]:
        """Issues of a project slug, newest first."""
        from urllib.parse import urlencode

        return self.get(f"/projects/{self.organization}/{project}/issues/?{urlencode({'query': query, **parameters})}")

    def pids(self) -> dict[str, int]:
        """Role → process id."""
        return json.loads((self.data_dir / "run" / "pids.json").read_text())

    def stop(self, signum: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def start(data_dir: Path, port: int | None = None, *, first_start: bool = True, **environment: str) -> Server:
    """Start ``up`` on a folder and wait until it serves. ``first_start=False`` skips facts and token."""
    port = port or free_port()
    full = {name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")}
    full |= {
        "SENTRY_DATA_DIR": str(data_dir),
        "SENTRY_PORT": str(port),
        "SENTRY_URL_PREFIX": f"http://127.0.0.1:{port}",
        "SENTRY_MAIL_BACKEND": "dummy",
        **environment,
    }
    data_dir.mkdir(parents=True, exist_ok=True)
    log = (data_dir.parent / f"{data_dir.name}.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "dictamesh_sentry", "up"], env=full, stdout=log, stderr=subprocess.STDOUT
    )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with urllib.request.urlopen(f"{url}/_health/", timeout=2):
                break
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise AssertionError(f"the server did not start:\n{Path(log.name).read_text()[-8000:]}") from None
            time.sleep(0.05)
    server = Server(url, data_dir, full, process, {}, "")
    if not first_start:
        return server
    server.facts = server.command("init")
    server.token = server.command("create-token", "--user", server.facts["email"])["token"]
    return server


@contextmanager
def running_server(**environment: str) -> Iterator[Server]:
    """A fresh installation that lives as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="dictamesh-server-"))
    server = start(folder / "data", **environment)
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
