"""A real worker process, killed again and again while it works: every accepted event is stored and counted once."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dictamesh_sentry.eventstore.embedded.launch import read_address
from dictamesh_sentry.protocol.messages import TOPIC_INGEST, ingest_encoder
from dictamesh_sentry.streams.local import LocalProducer
from tests.processing.support import error_event, event_envelope, exception, frame, ingest

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

EVENTS = 500
DUPLICATES = 20
ISSUES = 8


class Installation:
    """A data folder with its store; workers come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SENTRY_")}
        self.environment = {
            **inherited,
            "SENTRY_DATA_DIR": str(folder),
            "SENTRY_MAIL_BACKEND": "dummy",
            "DICTAMESH_STORE_SYNC": "0",
        }
        self.processes: list[subprocess.Popen[bytes]] = []

    def spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dictamesh_sentry", *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.processes.append(process)
        return process

    def metadata(self, sql: str) -> list[tuple]:
        with sqlite3.connect(f"file:{self.folder}/metadata.sqlite3?mode=ro", uri=True, timeout=20) as connection:
            return connection.execute(sql).fetchall()

    def events(self, sql: str) -> list[list]:
        address = read_address(self.folder)
        assert address is not None
        credentials = base64.b64encode(f"{address['user']}:{address['password']}".encode()).decode()
        request = urllib.request.Request(
            f"http://{address['host']}:{address['port']}/?default_format=JSONCompact",
            data=sql.encode(),
            headers={"Authorization": f"Basic {credentials}"},
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())["data"]

    def done(self) -> int:
        found = self.metadata("SELECT next_offset FROM stream_offset WHERE topic = 'ingest-events'")
        return found[0][0] - 1 if found else 0


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    found = Installation(tmp_path)
    found.spawn("run", "store")
    deadline = time.monotonic() + 60
    while read_address(tmp_path) is None:
        assert time.monotonic() < deadline, "the store did not start"
        time.sleep(0.1)
    assert found.spawn("init").wait(timeout=90) == 0, (tmp_path / "log.txt").read_text()
    yield found
    for process in found.processes:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.mark.parametrize("concurrency", [1, 2])
def test_a_worker_killed_at_random_loses_and_doubles_nothing(installation: Installation, concurrency: int) -> None:
    [(project_id,)] = installation.metadata("SELECT id FROM project LIMIT 1")
    producer = LocalProducer(installation.folder / "streams", min_free_bytes=0)
    chooser = random.Random(7)
    events = [error_event(exception(f"E{number % ISSUES}", frames=[frame("f")])) for number in range(EVENTS)]
    sent = [*events, *chooser.sample(events, DUPLICATES)]
    values = [ingest_encoder.encode(ingest(project_id, event_envelope(event))) for event in sent]
    kills = 0
    worker = installation.spawn("run", "worker", "--concurrency", str(concurrency))
    for start in range(0, len(values), 40):
        producer.append(TOPIC_INGEST, [(b"", value) for value in values[start : start + 40]])
        time.sleep(chooser.uniform(0.0, 0.3))
        if start % 160 == 80:
            while worker.poll() is None and not installation.done():
                time.sleep(0.05)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            kills += 1
            worker = installation.spawn("run", "worker", "--concurrency", str(concurrency))
    deadline = time.monotonic() + 120
    while installation.done() < len(values):
        assert time.monotonic() < deadline, (installation.folder / "log.txt").read_text()[-4000:]
        time.sleep(0.2)
    began = time.monotonic()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    assert time.monotonic() - began < 5
    producer.close()
    assert kills >= 3
    assert installation.events("SELECT count(), uniqExact(event_id), uniqExact(issue_id) FROM events") == [
        [EVENTS, EVENTS, ISSUES]
    ]
    assert installation.metadata("SELECT count(*), sum(times_seen) FROM issue") == [(ISSUES, EVENTS)]
    assert installation.metadata("SELECT sum(times_seen) FROM issue_hash") == [(EVENTS,)]
    assert installation.metadata(
        "SELECT outcome, reason, sum(quantity) FROM outcome_hour GROUP BY 1, 2 ORDER BY 1"
    ) == [
        (0, "", EVENTS),
        (3, "duplicate", DUPLICATES),
    ]
    assert installation.metadata("SELECT count(*) FROM activity WHERE type = 'first_seen'") == [(ISSUES,)]
    assert installation.metadata("SELECT count(*) FROM dead_letter") == [(0,)]
