"""Traces of the product reach a collector, its errors a DSN; neither is on unless asked for."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import brotli
import pytest

from dictamesh_sentry.self_observation import _Brake
from tests.support.topology import clean_environment

_PROGRAM = """
import structlog
from dictamesh_sentry import self_observation
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.config.logging import configure_logging
configure_logging("worker", self_observation.report_logged_errors)
self_observation.start("worker", get_settings())
with self_observation.span("batch.store", messages=7):
    with self_observation.span("batch.events"):
        pass
try:
    raise ValueError("broken batch")
except ValueError:
    structlog.get_logger("test").exception("a batch failed", attempt=2)
structlog.get_logger("test").warning("not an error")
"""


@pytest.fixture
def collector() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server that remembers what is posted to it."""
    posts: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            elif self.headers.get("Content-Encoding") == "br":
                body = brotli.decompress(body)
            posts.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", posts
    server.shutdown()


def _run(folder: Path, **environment: str) -> None:
    clean = clean_environment() | {"SENTRY_DATA_DIR": str(folder), **environment}
    subprocess.run([sys.executable, "-c", _PROGRAM], env=clean, check=True, timeout=60, capture_output=True)


def test_spans_go_to_the_collector(collector, tmp_path: Path) -> None:
    address, posts = collector
    _run(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}", SENTRY_TRACES_SAMPLE_RATE="1")
    [(path, body)] = posts
    assert path == "/v1/traces"
    for text in (b"batch.store", b"batch.events", b"dictamesh-sentry-worker"):
        assert text in body


def test_a_sample_rate_of_zero_sends_nothing(collector, tmp_path: Path) -> None:
    address, posts = collector
    _run(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://{address}", SENTRY_TRACES_SAMPLE_RATE="0")
    assert posts == []


def test_logged_errors_become_events(collector, tmp_path: Path) -> None:
    address, posts = collector
    _run(tmp_path, SENTRY_SELF_DSN=f"http://{'a' * 32}@{address}/1")
    [(path, body)] = [post for post in posts if b'"type":"event"' in post[1]]
    assert path == "/api/1/envelope/"
    event = json.loads(body.splitlines()[2])
    assert event["exception"]["values"][0]["value"] == "broken batch"
    assert event["environment"] == "worker"
    assert event["contexts"]["log"]["attempt"] == "2"


def test_a_flood_of_errors_is_braked() -> None:
    now = [0.0]
    brake = _Brake(3, lambda: now[0])
    assert [brake.pass_or_drop(number, None) for number in range(5)] == [0, 1, 2, None, None]
    now[0] = 61
    assert brake.pass_or_drop(9, None) == 9
