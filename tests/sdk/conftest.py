"""One server for all SDK tests; every test works in a project of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.requirements import require
from tests.support.server import Server, free_port, running_server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@dataclass
class Service:
    """A running example service."""

    url: str
    process: subprocess.Popen[bytes]

    def call(self, path: str, method: str = "GET") -> tuple[int, bytes]:
        """Status and body, whatever the status; 0 when the connection was closed, as net/http does after a panic."""
        headers = {"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9", "Cookie": "visitor=203.0.113.9"}
        request = urllib.request.Request(f"{self.url}{path}", method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except (ConnectionError, urllib.error.URLError):
            assert self.process.poll() is None, f"ended with code {self.process.returncode}"
            return 0, b""

    def stop(self) -> int:
        """End it as an orchestrator does; its exit code."""
        self.process.terminate()
        try:
            return self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def service_command(framework: str) -> tuple[list[str], str]:
    """The command of a framework's example, and its folder."""
    if framework == "flask":
        return [sys.executable, "app.py"], "python-flask"
    if framework == "express":
        return [
            require("node"),
            "--enable-source-maps",
            "--import",
            "./bin/instrument.js",
            "bin/app.js",
        ], "node-express"
    require("go")
    return [f"./bin/{framework}"], "go"


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


def start_service(command: Sequence[str], folder: str, dsn: str, **environment: str) -> Service:
    """Start an example service and wait until it listens."""
    port = free_port()
    full = {**os.environ, "SENTRY_DSN": dsn, "PORT": str(port), **environment}
    service = Service(f"http://127.0.0.1:{port}", subprocess.Popen(command, cwd=EXAMPLES / folder, env=full))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        assert service.process.poll() is None, f"{folder} ended with code {service.process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return service
        time.sleep(0.05)
    service.process.kill()
    raise AssertionError(f"{folder} does not listen on {port}")


@pytest.fixture
def run_service() -> Iterator[Callable[..., Service]]:
    """Starts the example service of a framework with a DSN; stops it afterwards."""
    started: list[Service] = []

    def run(framework: str, dsn: str, **environment: str) -> Service:
        command, folder = service_command(framework)
        started.append(start_service(command, folder, dsn, **environment))
        return started[-1]

    yield run
    for service in started:
        if service.process.poll() is None:
            service.stop()
