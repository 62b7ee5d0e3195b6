"""``run worker``: consumes the ingest and outcome streams and runs background tasks, until told to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from django.db import connection

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.eventstore.interface import QueryTimeoutError
from dictamesh_sentry.processing.availability import UNAVAILABLE
from dictamesh_sentry.processing.batch import Batch
from dictamesh_sentry.processing.consumer import GROUP, BatchProcessor, Stores
from dictamesh_sentry.processing.offsets import OffsetConflictError, starting_offsets
from dictamesh_sentry.processing.outcomes import OutcomesLoop
from dictamesh_sentry.processing.pause import pause
from dictamesh_sentry.processing.pool import pure_steps
from dictamesh_sentry.processing.results import Failure
from dictamesh_sentry.projects.queries import project_config
from dictamesh_sentry.protocol.messages import TOPIC_INGEST, TOPIC_OUTCOMES
from dictamesh_sentry.streams.factory import get_consumer, get_producer
from dictamesh_sentry.streams.interface import Consumer, Message, StreamUnavailableError
from dictamesh_sentry.tasks.queue import start_consumer

log = structlog.get_logger(__name__)

MAX_BATCH = 500
MAX_BATCH_BYTES = 32 * 1024 * 1024
POLL_SECONDS = 0.25
MAX_BACKOFF = 5.0
# What may also mean that the batch is too big, or that one of its messages cannot be stored.
_TRIES_BEFORE_SPLIT = 3


class Stopped(Exception):
    """The worker was told to stop while a batch waited for a store; the batch is replayed at the next start."""


class IngestLoop:
    """Polls, prepares the next batch while this one is stored, and never gives up on a batch that can be stored."""

    def __init__(self, consumer: Consumer, processor: BatchProcessor, should_stop: Callable[[], bool]) -> None:
        self._consumer = consumer
        self._processor = processor
        self._should_stop = should_stop
        self._limit = MAX_BATCH
        self._prefetch = ThreadPoolExecutor(1, thread_name_prefix="prepare")
        self._pending: tuple[Sequence[Message], Future[Batch]] | None = None

    def run(self) -> None:
        """Consume until told to stop."""
        self._consumer.seek(starting_offsets(GROUP, self._consumer, TOPIC_INGEST))
        try:
            while not self._should_stop():
                self.step()
        except Stopped:
            log.info("stopped before the batch was stored; it is replayed at the next start")
        finally:
            self._prefetch.shutdown(wait=True, cancel_futures=True)

    def step(self) -> int:
        """Store one batch, if there is one; how many messages it had."""
        messages, prepared = self._pending or self._poll(POLL_SECONDS) or ((), None)
        self._pending = None
        if prepared is None:
            return 0
        batch = self._prepared(messages, prepared)
        # The next batch is read and prepared while this one waits for the stores.
        self._pending = self._poll(0.0)
        try:
            self._store(batch)
        except OffsetConflictError:
            log.warning("another worker owns these messages; starting again from the stored offset")
            self._pending = None
            self._consumer.seek(starting_offsets(GROUP, self._consumer, TOPIC_INGEST))
            return 0
        self._consumer.commit({partition: end for partition, (_, end) in batch.ranges.items()})
        self._adapt(batch)
        return len(messages)

    def _poll(self, timeout: float) -> tuple[Sequence[Message], Future[Batch]] | None:
        try:
            messages = self._consumer.poll(self._limit, timeout)
        except (StreamUnavailableError, OSError) as error:
            log.warning("the stream cannot be read", error=str(error))
            time.sleep(0.5)
            return None
        return (messages, self._prefetch.submit(self._prepare, messages)) if messages else None

    def _prepare(self, messages: Sequence[Message]) -> Batch:
        try:
            return self._processor.prepare(messages)
        except UNAVAILABLE:
            connection.close()  # this thread's own; the one of the loop is another
            raise

    def _prepared(self, messages: Sequence[Message], prepared: Future[Batch]) -> Batch:
        """The batch after its pure steps; reading settings or bodies is repeated until it succeeds."""
        attempt = 0
        while True:
            try:
                return prepared.result()
            except UNAVAILABLE as error:
                attempt += 1
                self._wait(attempt, error)
                prepared = self._prefetch.submit(self._prepare, messages)

    def _store(self, batch: Batch) -> None:
        """Store a batch whatever it takes: wait for what is down, set aside what cannot be stored."""
        attempt = 0
        while True:
            try:
                self._processor.store(batch)
                return
            except OffsetConflictError:
                raise
            except UNAVAILABLE as error:
                attempt += 1
                too_big = isinstance(error, QueryTimeoutError) and attempt >= _TRIES_BEFORE_SPLIT
                if too_big and len(batch.messages) > 1:
                    self._split(batch)
                    return
                self._wait(attempt, error)
            except Exception as error:
                attempt += 1
                log.exception("a batch could not be stored", messages=len(batch.messages), attempt=attempt)
                connection.close()
                if attempt < _TRIES_BEFORE_SPLIT:
                    continue
                if len(batch.messages) > 1:
                    self._split(batch)
                    return
                self._set_aside(batch, error)
                return

    def _split(self, batch: Batch) -> None:
        """Store the halves one after the other: what cannot be stored is cornered, its neighbours are not held up."""
        messages = list(batch.messages.values())
        middle = len(messages) // 2
        for half in (messages[:middle], messages[middle:]):
            self._store(self._prepared(half, self._prefetch.submit(self._prepare, half)))

    def _set_aside(self, batch: Batch, error: Exception) -> None:
        """A single message that no store takes becomes a dead letter."""
        message = next(iter(batch.messages.values()))
        letter = Batch.of([message])
        project_id = batch.events[0].project_id if batch.events else None
        reason = f"{type(error).__name__}: {error}"
        letter.failures.append(Failure(message.partition, message.offset, "store", reason, project_id))
        attempt = 0
        while True:
            try:
                self._processor.store(letter)
                return
            except UNAVAILABLE as unavailable:
                attempt += 1
                self._wait(attempt, unavailable)

    def _wait(self, attempt: int, error: BaseException) -> None:
        connection.close()
        if attempt in (1, 5) or attempt % 20 == 0:
            log.warning("waiting for a store", error=f"{type(error).__name__}: {error}", attempt=attempt)
        if pause(min(MAX_BACKOFF, 0.05 * 2 ** min(attempt, 10)), self._should_stop):
            raise Stopped

    def _adapt(self, batch: Batch) -> None:
        """Fewer messages a batch where they are big, so that memory stays bounded."""
        if batch.events:
            size = sum(len(event.row[-1]) for event in batch.events) // len(batch.messages) + 1
            self._limit = max(10, min(MAX_BATCH, MAX_BATCH_BYTES // size))


def ingest_stores() -> Stores:
    """The configured stores."""
    return Stores(get_store(), get_blob_store(), get_producer(), project_config)


def run_worker(concurrency: int = 1, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Run until ``should_stop``. A batch under way is finished, or abandoned and replayed at the next start.

    ``concurrency`` above 1 runs the pure steps in that many child processes.
    """
    stopping = threading.Event()

    def stop_requested() -> bool:
        if should_stop():
            stopping.set()
        return stopping.is_set()

    steps = pure_steps(concurrency)
    consumer = get_consumer(TOPIC_INGEST, GROUP)
    outcomes = OutcomesLoop(get_consumer(TOPIC_OUTCOMES, GROUP), stopping.is_set)
    thread = threading.Thread(target=outcomes.run, name="outcomes", daemon=True)
    stop_tasks = start_consumer()
    thread.start()
    log.info("worker started", concurrency=concurrency)
    try:
        IngestLoop(consumer, BatchProcessor(ingest_stores(), steps), stop_requested).run()
    finally:
        stopping.set()
        thread.join(timeout=3.0)
        _within(2.0, stop_tasks)
        steps.close()
        consumer.close()
        connection.close()
    log.info("worker stopped")


def _within(seconds: float, work: Callable[[], None]) -> None:
    """Do something that may hang for at most so long; what is left of it ends with the process."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
