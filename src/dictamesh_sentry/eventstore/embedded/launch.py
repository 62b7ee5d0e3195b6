"""Use the running embedded store, or run one for as long as it is needed."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.embedded.server import address_file
from dictamesh_sentry.eventstore.interface import StoreUnavailableError

START_SECONDS = 30.0
LOCKED_STATUS = 3


def read_address(data_dir: Path) -> dict[str, Any] | None:
    """The announced address of the store, or None when there is none."""
    try:
        address = json.loads(address_file(data_dir).read_text())
    except (OSError, ValueError):
        return None
    return address if isinstance(address, dict) and "port" in address else None


def answers(address: dict[str, Any], timeout: float = 2.0) -> bool:
    """Whether a store answers a ping at the address."""
    connection = http.client.HTTPConnection(address["host"], address["port"], timeout=timeout)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def wait_until_ready(data_dir: Path, process: subprocess.Popen[bytes] | None = None) -> dict[str, Any]:
    """The address of the store once it answers. Raises StoreUnavailableError after 30 seconds or when it died."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        address = read_address(data_dir)
        if address is not None and (process is None or address["pid"] == process.pid) and answers(address):
            return address
        if process is not None and process.poll() is not None:
            raise StoreUnavailableError(f"The embedded event store ended with status {process.returncode}.")
        time.sleep(0.02)
    raise StoreUnavailableError("The embedded event store did not start in time.")


@contextmanager
def ensure_running() -> Iterator[None]:
    """While inside, an event store answers: ClickHouse when configured, the running embedded store, or a new one.

    A store started here is a child process that ends with the block, and with this process should that be killed.
    """
    settings = get_settings()
    if settings.clickhouse_host:
        yield
        return
    address = read_address(settings.data_dir)
    if address is not None and answers(address):
        yield
        return
    environment = {**os.environ, "SENTRY_DATA_DIR": str(settings.data_dir)}
    process = subprocess.Popen(
        [sys.executable, "-m", "dictamesh_sentry.eventstore.embedded", "--with-parent"], env=environment
    )
    try:
        try:
            wait_until_ready(settings.data_dir, process)
        except StoreUnavailableError:
            if process.returncode != LOCKED_STATUS:
                raise
            # Somebody else's store had the folder first and had not announced itself yet when we looked.
            wait_until_ready(settings.data_dir)
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
