"""Programs without requests: a Kafka producer and consumer, a job, a queue's worker."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from tests.sdk.checks import Reports
from tests.sdk.conftest import EXAMPLES
from tests.support.requirements import require
from tests.support.server import Server

pytestmark = pytest.mark.sdk


@pytest.fixture
def broker() -> Iterator[str]:
    """A Kafka broker inside librdkafka: it speaks the protocol on a port and keeps everything in memory."""
    holder = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "mock"})
    metadata = holder.list_topics(timeout=10)
    yield ",".join(f"{known.host}:{known.port}" for known in metadata.brokers.values())
    del holder


def _environment(dsn: str, **more: str) -> dict[str, str]:
    rates = {"SENTRY_TRACES_SAMPLE_RATE": "1.0"}
    return {**os.environ, "SENTRY_DSN": dsn, "SENTRY_ENVIRONMENT": "staging", **rates, **more}


def test_kafka_consumer(server: Server, broker: str) -> None:
    """A bad record is reported in the producer's trace, and ends no loop: so is the next."""
    project = server.create_project("enricher", "python")
    environment = _environment(project["dsn"], KAFKA_HOSTS=broker)
    folder = EXAMPLES / "python-worker"
    published = subprocess.run(
        [sys.executable, "producer.py", '{"id": "1"}', '{"name": "no id"}', "not JSON"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    consumer = subprocess.Popen([sys.executable, "consumer.py"], cwd=folder, env=environment)
    reports = Reports(server, project["slug"])
    try:
        event = reports.event(reports.issue("a record without an id"))
        later = reports.issue("JSONDecodeError")
    finally:
        consumer.terminate()
        assert consumer.wait(timeout=15) == 0
    assert event["contexts"]["trace"]["trace_id"] == published.stdout.strip()
    assert {"partition", "offset"} <= event["contexts"]["record"].keys()
    assert event["culprit"] == "consume dictamesh.entities"
    tags = {tag["key"]: tag["value"] for tag in event["tags"]}
    assert tags["component"] == "enricher"
    assert tags["kafka.topic"] == "dictamesh.entities"
    assert event["release"]["version"] == "dictamesh-enricher@1.4.0"
    assert reports.event(later)["contexts"]["trace"]["trace_id"] == published.stdout.strip()
    server.eventually(lambda: reports.quantity("transaction") == 4, 30)  # one published, three consumed


def test_job(server: Server) -> None:
    """Errors a run survives and the error that ends it are reported before the process ends; the exit code says so."""
    project = server.create_project("reindex", "python")
    folder, environment = EXAMPLES / "python-worker", _environment(project["dsn"])
    for source in ("orders", "unheard-of"):
        command = [sys.executable, "job.py", "--source", source]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=30)
        assert done.returncode == 1
    reports = Reports(server, project["slug"])
    survived = reports.event(reports.issue("part 1 of orders has no mapping"))
    fatal = reports.event(reports.issue("unknown source unheard-of"))
    for event, source, handled in ((survived, "orders", "yes"), (fatal, "unheard-of", "no")):
        tags = {tag["key"]: tag["value"] for tag in event["tags"]}
        assert tags["component"] == "reindex"
        assert tags["adapter.source"] == source
        assert tags["handled"] == handled
        assert tags["environment"] == "staging"


def test_go_worker(server: Server) -> None:
    """A panic ends neither the worker nor the next job; the trace of the message goes on; tags stay with their job."""
    require("go")
    project = server.create_project("worker", "go")
    trace = "5b8aa5a2d2c872e8321cf37308d69df2"
    jobs = f'{{"source": ""}}\n{{"source": "orders", "sentry-trace": "{trace}-051581bf3cb55c13-1"}}\nnot JSON\n'
    subprocess.run(
        ["./bin/worker"],
        cwd=EXAMPLES / "go",
        env=_environment(project["dsn"]),
        input=jobs.encode(),
        timeout=30,
        check=True,
    )
    reports = Reports(server, project["slug"])
    event = reports.event(reports.issue("source orders"))
    tags = {tag["key"]: tag["value"] for tag in event["tags"]}
    assert tags["component"] == "worker"
    assert tags["adapter.source"] == "orders"
    assert event["contexts"]["trace"]["trace_id"] == trace
    panic = reports.event(reports.issue("a job without a source"))
    assert "adapter.source" not in {tag["key"] for tag in panic["tags"]}
    assert reports.issue("invalid character")
    server.eventually(lambda: reports.quantity("transaction") == 2, 30)
