"""The edge in a real server process: Granian, real sockets, and ``kill -9``."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dictamesh_sentry.protocol.envelope import parse_envelope
from dictamesh_sentry.protocol.messages import TOPIC_INGEST, decode_ingest
from dictamesh_sentry.streams.local import LocalConsumer
from tests.support.server import free_port

pytestmark = pytest.mark.server

PREPARE = """
import django; django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project, ProjectKey
organization = Organization.objects.create(slug="o", name="O")
project = Project.objects.create(organization=organization, slug="p", name="P")
key = ProjectKey.objects.create(project=project)
print(project.pk, key.public_key)
"""
LIMIT_KEY = """
import django; django.setup()
from dictamesh_sentry.projects.models import ProjectKey
ProjectKey.objects.update(rate_limit_count=0, rate_limit_window=60)
"""


@dataclass
class Web:
    port: int
    folder: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    project: int
    key: str

    def post(self, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        auth = {"X-Sentry-Auth": f"Sentry sentry_key={self.key}, sentry_version=7"}
        connection.request("POST", f"/api/{self.project}/envelope/", body, {**auth, **headers})
        answer = connection.getresponse()
        found = answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def python(self, script: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", script], env=self.environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    def stored_ids(self) -> list[str]:
        consumer = LocalConsumer(self.folder / "streams", TOPIC_INGEST, "test")
        found = []
        while messages := consumer.poll(1000, 0):
            found += [parse_envelope(decode_ingest(message.value).body).event_id or "" for message in messages]
        consumer.close()
        return found


def envelope(number: int) -> bytes:
    return b'{"event_id":"%032x"}\n{"type":"event"}\n{"message":"x"}\n' % number


def start(environment: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "dictamesh_sentry", "run", "web", "--port", str(port)], env=environment
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_health/", timeout=1):
                return process
        except OSError:
            assert process.poll() is None, "the web role ended"
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    folder = tmp_path_factory.mktemp("edge-server")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SENTRY_", "PROMETHEUS"))}
    environment |= {
        "SENTRY_DATA_DIR": str(folder),
        "SENTRY_MAIL_BACKEND": "dummy",
        "DJANGO_SETTINGS_MODULE": "dictamesh_sentry.config.django",
    }
    prepared = subprocess.run(
        [sys.executable, "-c", PREPARE], env=environment, capture_output=True, text=True, timeout=120
    )
    assert prepared.returncode == 0, prepared.stderr
    project, key = prepared.stdout.split()[-2:]
    port = free_port()
    found = Web(port, folder, environment, start(environment, port), int(project), key)
    yield found
    found.process.kill()
    found.process.wait()


def test_what_was_answered_200_survives_kill_9(web: Web) -> None:
    acknowledged: list[int] = []
    lock = threading.Lock()

    def client(first: int) -> None:
        for number in range(first, first + 100_000):
            try:
                status, _, _ = web.post(envelope(number))
            except (OSError, http.client.HTTPException):
                return
            assert status == 200
            with lock:
                acknowledged.append(number)

    threads = [threading.Thread(target=client, args=(index * 1_000_000,)) for index in range(1, 9)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 30
    while len(acknowledged) < 300 and time.monotonic() < deadline:
        time.sleep(0.02)
    web.process.send_signal(signal.SIGKILL)
    web.process.wait()
    for thread in threads:
        thread.join()
    assert len(acknowledged) >= 300
    stored = web.stored_ids()
    assert len(stored) == len(set(stored))
    assert {f"{number:032x}" for number in acknowledged} <= set(stored)
    web.process = start(web.environment, web.port)
    assert web.post(envelope(7))[0] == 200
    assert f"{7:032x}" in web.stored_ids()


def test_over_real_sockets(web: Web) -> None:
    status, headers, body = web.post(gzip.compress(envelope(1)), **{"Content-Encoding": "gzip"})
    assert (status, json.loads(body)) == (200, {"id": f"{1:032x}"})
    assert headers["access-control-allow-origin"] == "*"
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    chunks = (envelope(2)[index : index + 7] for index in range(0, len(envelope(2)), 7))
    connection.request(
        "POST", f"/api/{web.project}/envelope/?sentry_key={web.key}", chunks, {"Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )  # fmt: skip
    assert connection.getresponse().status == 200
    connection.close()


def test_a_refusal_before_the_body_is_read_reaches_the_client(web: Web) -> None:
    for size in (1_000, 3_000_000, 20_000_000) * 3:
        status, _, body = web.post(b"x" * size, **{"X-Sentry-Auth": "Sentry sentry_key=" + "0" * 32})
        assert status == 403
        assert json.loads(body)["detail"]


def test_a_refusal_does_not_wait_for_a_body_that_does_not_come(web: Web) -> None:
    head = f"POST /api/{web.project}/envelope/?sentry_key={'0' * 32} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
    with socket.create_connection(("127.0.0.1", web.port)) as client:
        began = time.monotonic()
        client.sendall(head.encode())
        client.settimeout(5)
        assert client.recv(100).startswith(b"HTTP/1.1 403")
        assert time.monotonic() - began < 2


def test_a_client_that_leaves_does_no_harm(web: Web) -> None:
    head = f"POST /api/{web.project}/envelope/?sentry_key={web.key} HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", web.port)) as client:
            client.sendall(head.encode() + b'{"event_id"')
    assert web.post(envelope(3))[0] == 200


def test_health_and_metrics(web: Web) -> None:
    web.post(envelope(4))
    time.sleep(1.1)
    web.post(envelope(5))  # hands the second's counts over
    with urllib.request.urlopen(f"http://127.0.0.1:{web.port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    assert 'sentry_ingest_requests_total{endpoint="envelope",status="200"}' in text
    assert "sentry_stream_lag_messages" in text
    assert web.key not in text
    with urllib.request.urlopen(f"http://127.0.0.1:{web.port}/_health/", timeout=10) as answer:
        assert answer.read() == b"ok"


def test_a_changed_limit_acts_within_five_seconds(web: Web) -> None:
    """Last: the key stays limited."""
    assert web.post(envelope(6))[0] == 200
    web.python(LIMIT_KEY)
    changed = time.monotonic()
    while web.post(envelope(6))[0] != 429:
        assert time.monotonic() - changed < 5
        time.sleep(0.1)
    status, headers, _ = web.post(envelope(6))
    assert (status, headers["retry-after"]) == (429, "60")
    assert headers["x-sentry-rate-limits"] == "60::key:key_limit"
