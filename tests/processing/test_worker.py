"""The worker's loop: waiting for stores, cornering what cannot be stored, giving way to another worker."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from dictamesh_sentry.eventstore.interface import StoreUnavailableError
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.processing import worker as worker_module
from dictamesh_sentry.processing.consumer import BatchProcessor, Stores
from dictamesh_sentry.processing.models import DeadLetter, StreamOffset
from dictamesh_sentry.processing.offsets import starting_offsets
from dictamesh_sentry.processing.outcomes import OutcomesLoop
from dictamesh_sentry.processing.pool import InProcess, Processes, Task
from dictamesh_sentry.processing.results import Failure, MessageResult
from dictamesh_sentry.processing.rows import COLUMNS
from dictamesh_sentry.processing.worker import IngestLoop
from dictamesh_sentry.projects.queries import forget_configs, project_config
from dictamesh_sentry.protocol.messages import (
    TOPIC_INGEST,
    TOPIC_OUTCOMES,
    OutcomeEntry,
    OutcomesMessage,
    ingest_encoder,
)
from dictamesh_sentry.quotas.models import OutcomeHour
from dictamesh_sentry.streams.local import LocalConsumer, LocalProducer
from dictamesh_sentry.streams.local_log import group_lags, open_log, topic_path
from tests.processing.support import MemoryBlobs, MemoryStream, config, error_event, event_envelope, ingest
from tests.support.factories import make_organization, make_project


class MemoryEvents:
    """An event store with just enough of a memory: duplicates by id, and switches to make it fail."""

    def __init__(self) -> None:
        self.stored: list[dict[str, Any]] = []
        self.failures: deque[Exception] = deque()
        self.refuses = ""

    def rows(self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 20.0) -> list[Any]:
        return [
            (row["project_id"], row["event_id"], row["origin_partition"], row["origin_offset"], row["issue_id"])
            for row in self.stored
            if row["event_id"] in (parameters or {}).get("ids", ())
        ]

    def synchronize(self, table: str) -> None:
        pass

    def query(self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 20.0) -> list[Any]:
        return []

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        if self.failures:
            raise self.failures.popleft()
        new = [dict(zip(columns, row, strict=True)) for row in rows]
        if self.refuses and any(self.refuses in row["title"] for row in new):
            raise ValueError("cannot be stored")
        self.stored += new

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        return


@pytest.fixture
def stream(tmp_path):
    producer = LocalProducer(tmp_path, min_free_bytes=0)
    yield producer
    producer.close()


@pytest.fixture
def project(transactional_db):
    forget_configs()
    return make_project(make_organization())


class Rig:
    """A loop over a real local log and the real metadata store."""

    def __init__(self, folder: Any, stream: LocalProducer) -> None:
        self.folder = folder
        self.stream = stream
        self.events = MemoryEvents()
        self.consumer = LocalConsumer(folder, TOPIC_INGEST, "processing")
        self.stopping = threading.Event()
        self.loop = self.restarted()

    def restarted(self) -> IngestLoop:
        stores = Stores(self.events, MemoryBlobs(), MemoryStream(), project_config)
        return IngestLoop(self.consumer, BatchProcessor(stores, InProcess()), self.stopping.is_set)

    def send(self, project_id: int, *events: dict[str, Any]) -> None:
        values = [ingest_encoder.encode(ingest(project_id, event_envelope(event))) for event in events]
        self.stream.append(TOPIC_INGEST, [(b"", value) for value in values])

    def drain(self) -> None:
        while self.loop.step():
            pass


@pytest.fixture
def rig(project, tmp_path, stream, monkeypatch):
    monkeypatch.setattr(worker_module, "MAX_BACKOFF", 0.02)
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.01)
    return Rig(tmp_path, stream)


def test_what_is_in_the_stream_is_stored(project, rig):
    rig.send(project.pk, *(error_event() for _ in range(7)))
    rig.drain()
    assert Issue.objects.get().times_seen == 7
    assert StreamOffset.objects.get().next_offset == 8
    with contextlib.closing(open_log(topic_path(rig.folder, TOPIC_INGEST), durable=False)) as log:
        assert group_lags(log)["processing"][0] == 0


def test_a_store_that_is_down_is_waited_for(project, rig):
    rig.events.failures.extend([StoreUnavailableError("down")] * 12)
    rig.send(project.pk, error_event(), error_event())
    rig.drain()
    assert not rig.events.failures
    assert len(rig.events.stored) == 2
    assert Issue.objects.get().times_seen == 2
    assert not DeadLetter.objects.exists()


def test_nothing_more_is_consumed_while_a_store_is_down(project, rig, monkeypatch):
    rig.loop._limit = 1
    rig.events.failures.extend([StoreUnavailableError("down")] * 1000)
    rig.send(project.pk, *(error_event() for _ in range(5)))
    thread = threading.Thread(target=rig.loop.run)
    thread.start()
    time.sleep(0.5)
    assert rig.consumer._position <= 3
    rig.stopping.set()
    began = time.monotonic()
    thread.join()
    assert time.monotonic() - began < 2
    assert not StreamOffset.objects.exists()
    # The next start replays everything.
    rig.events.failures.clear()
    rig.stopping.clear()
    rig.loop = rig.restarted()
    rig.consumer.seek({0: 0})
    rig.drain()
    assert Issue.objects.get().times_seen == 5


def test_a_row_no_store_takes_is_cornered(project, rig):
    rig.events.refuses = "unstorable"
    events = [error_event() for _ in range(9)]
    events[4]["exception"]["values"][0]["type"] = "unstorable"
    rig.send(project.pk, *events)
    rig.drain()
    assert len(rig.events.stored) == 8
    letter = DeadLetter.objects.get()
    assert (letter.stage, letter.offset, letter.project_id) == ("store", 5, project.pk)
    assert Issue.objects.get(title__startswith="ValueError").times_seen == 8
    assert StreamOffset.objects.get().next_offset == 10


def test_two_workers_on_one_partition_count_once(project, rig, tmp_path):
    rig.send(project.pk, *(error_event() for _ in range(6)))
    other = LocalConsumer(tmp_path, TOPIC_INGEST, "processing")
    rival = IngestLoop(
        other,
        BatchProcessor(Stores(rig.events, MemoryBlobs(), MemoryStream(), project_config), InProcess()),
        lambda: False,
    )
    rival._pending = rival._poll(0.0)
    rig.loop._limit = 3
    assert rig.loop.step() == 3
    assert rival.step() == 0, "its batch began at an offset that was done"
    assert rival.step() == 3
    assert rig.loop.step() == 0
    assert Issue.objects.get().times_seen == 6
    assert len(rig.events.stored) == 6


@pytest.mark.django_db
def test_a_stream_that_began_anew_is_read_from_its_start(tmp_path, stream):
    row = StreamOffset.objects.create(consumer_group="g", topic="ingest-events", next_offset=1000)
    StreamOffset.objects.filter(pk=row.pk).update(updated_at="2026-01-01T00:00:00Z")
    stream.append("ingest-events", [(b"", b"x")])
    consumer = LocalConsumer(tmp_path, "ingest-events", "g")
    assert starting_offsets("g", consumer, "ingest-events") == {0: 1}


@pytest.mark.django_db
def test_messages_that_are_done_but_not_forgotten_stay_done(tmp_path, stream):
    stream.append("ingest-events", [(b"", b"x"), (b"", b"y")])
    StreamOffset.objects.create(consumer_group="g", topic="ingest-events", next_offset=2)
    consumer = LocalConsumer(tmp_path, "ingest-events", "g")
    assert starting_offsets("g", consumer, "ingest-events") == {0: 2}


@pytest.mark.django_db
def test_outcomes_of_the_edge_count_once(tmp_path, stream):
    project = make_project(make_organization())
    entry = OutcomeEntry(project.pk, 1, 1, 2, "key_quota", 5, time.time())
    good = ingest_encoder.encode(OutcomesMessage([entry, entry]))
    stream.append(TOPIC_OUTCOMES, [(b"", good), (b"", b"\xc1"), (b"", good)])
    loop = OutcomesLoop(LocalConsumer(tmp_path, TOPIC_OUTCOMES, "processing"), lambda: False)
    assert loop.step() == 3
    assert OutcomeHour.objects.get().quantity == 20
    assert DeadLetter.objects.get().topic == TOPIC_OUTCOMES
    # A second reader that starts over finds the offset moved.
    again = OutcomesLoop(LocalConsumer(tmp_path, TOPIC_OUTCOMES, "other"), lambda: False)
    again.rewind()
    assert again.step() == 0
    assert OutcomeHour.objects.get().quantity == 20


def test_pure_steps_in_processes_give_the_same_and_survive_a_death():
    steps = Processes(2)
    try:
        tasks = [Task(ingest(1, event_envelope(error_event())), config(), 0, offset) for offset in range(1, 12)]
        apart = list(steps.run(tasks))
        here = list(InProcess().run(tasks))
        assert [type(result) for result in apart] == [MessageResult] * 11
        hashes = [[event.hash for event in result.events] for result in here if isinstance(result, MessageResult)]
        assert [[event.hash for event in result.events] for result in apart] == hashes
        assert [result.offset for result in apart] == list(range(1, 12))
        assert [len(event.row) for event in apart[0].events] == [len(COLUMNS)]
        pool = steps._pool
        pool.submit(os._exit, 9)
        time.sleep(0.2)
        assert [type(result) for result in steps.run(tasks)] == [MessageResult] * 11
    finally:
        steps.close()


def test_a_message_that_kills_its_process_is_named(monkeypatch):
    class Deadly(Processes):
        def _start(self):
            pool = super()._start()
            submit = pool.submit

            def tampered(work: Any, argument: Any) -> Any:
                tasks = argument if isinstance(argument, list) else [argument]
                deadly = any(task.offset == 5 for task in tasks)
                return submit(os._exit, 9) if deadly else submit(work, argument)

            pool.submit = tampered  # type: ignore[method-assign]
            return pool

    steps = Deadly(1)
    try:
        tasks = [Task(ingest(1, event_envelope(error_event())), config(), 0, offset) for offset in range(3, 7)]
        results = list(steps.run(tasks))
    finally:
        steps.close()
    assert [type(result) for result in results] == [MessageResult, MessageResult, Failure, MessageResult]
    assert (results[2].offset, results[2].stage) == (5, "crash")
