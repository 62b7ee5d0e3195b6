"""One server for all SDK tests; every test works in a project of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.server import Server, free_port, running_server

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture
def run_web_example() -> Iterator[Callable[..., str]]:
    """Starts an example service with a DSN; gives its base URL; stops it afterwards."""
    started: list[subprocess.Popen[bytes]] = []

    def run(command: Sequence[str], folder: str, dsn: str) -> str:
        port = free_port()
        environment = {**os.environ, "SENTRY_DSN": dsn, "PORT": str(port), "FLASK_RUN_PORT": str(port)}
        process = subprocess.Popen(command, cwd=EXAMPLES / folder, env=environment)
        started.append(process)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            assert process.poll() is None, f"{folder} ended with code {process.returncode}"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return f"http://127.0.0.1:{port}"
            time.sleep(0.05)
        raise AssertionError(f"{folder} does not listen on {port}")

    yield run
    for process in started:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
