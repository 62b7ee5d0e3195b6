"""The batch consumer of the ingest stream. See ARCHITECTURE.md, "Exactly once", for why the order is what it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
import structlog
from django.db import transaction

from dictamesh_sentry.blobs.interface import BlobStore
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.issues.ingest import Found, find_or_create, raise_counters
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.processing.batch import Batch, candidates, deltas
from dictamesh_sentry.processing.companions import attachment_key, resolve_companions, store_companions
from dictamesh_sentry.processing.dedupe import Stored, find_stored, split_duplicates
from dictamesh_sentry.processing.dedupe_spans import (
    find_stored_logs,
    find_stored_spans,
    new_log_rows,
    split_duplicate_spans,
)
from dictamesh_sentry.processing.locks import exclusive
from dictamesh_sentry.processing.logs import COLUMNS as LOG_COLUMNS
from dictamesh_sentry.processing.models import DeadLetter
from dictamesh_sentry.processing.offsets import advance, check_unmoved
from dictamesh_sentry.processing.pool import PureSteps, Task
from dictamesh_sentry.processing.results import EventRecord, Failure, MessageResult
from dictamesh_sentry.processing.rows import COLUMNS, ISSUE_ID
from dictamesh_sentry.processing.sightings import Known, ensure_known, record_sightings
from dictamesh_sentry.processing.spans.rows import COLUMNS as SPAN_COLUMNS
from dictamesh_sentry.profiling.ingest import store_profiles
from dictamesh_sentry.projects.options import ProjectConfig
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.messages import (
    TOPIC_EVENTS,
    TOPIC_INGEST,
    StoredEventMessage,
    decode_ingest,
    ingest_encoder,
)
from dictamesh_sentry.quotas.actions import record_outcomes
from dictamesh_sentry.self_observation import span
from dictamesh_sentry.streams.interface import Message, Producer
from dictamesh_sentry.telemetry import (
    EVENT_DELAY_SECONDS,
    IGNORED_ITEMS,
    PROCESSED_ITEMS,
    PROCESSED_MESSAGES,
    PROCESSING_BATCH_SECONDS,
    PROCESSING_BATCH_SIZE,
    PROCESSING_STAGE_SECONDS,
)

log = structlog.get_logger(__name__)
GROUP = "processing"


@dataclass
class Stores:
    """What a batch is written to."""

    events: EventStore
    blobs: BlobStore
    stream: Producer
    project_config: Callable[[int], ProjectConfig]


@dataclass
class BatchProcessor:
    """Processes batches of the ingest stream, each exactly once however often it is given.

    Not safe to share between threads. Raises whatever a store raises; the same batch can then be given again.
    """

    stores: Stores
    steps: PureSteps
    known: Known = field(default_factory=Known)

    def process(self, messages: Sequence[Message]) -> None:
        """Take a batch from bytes to committed counters."""
        self.store(self.prepare(messages))

    def prepare(self, messages: Sequence[Message]) -> Batch:
        """The pure steps. Their result may be stored more than once."""
        with timed("pure"):
            return self._pure(messages)

    def store(self, batch: Batch) -> None:
        """Everything after the pure steps. Each step may be repeated; the offset moves with the counters, last.

        A member of the group that lost a partition without noticing stops at the lock or at the offset, before it
        inserts rows that the partition's new owner inserts, too. Raises OffsetConflictError then.
        """
        began = time.perf_counter()
        try:
            with (
                span("batch.store", messages=len(batch.messages)),
                exclusive([f"{GROUP}-{TOPIC_INGEST}-{partition}" for partition in batch.ranges]),
            ):
                check_unmoved(GROUP, TOPIC_INGEST, batch.ranges)
                self._store(batch)
        except BaseException:
            # Whatever was remembered may be what failed: a release that was deleted, for instance.
            self.known.clear()
            raise
        _measure(batch, time.perf_counter() - began)
        for key in batch.finished_blobs():
            self.stores.blobs.delete(key)

    def _store(self, batch: Batch) -> None:
        batch.restart()
        with timed("dedupe"):
            stored = find_stored(self.stores.events, batch.events)
            split_duplicates(batch, stored)
            span_rows = split_duplicate_spans(batch, find_stored_spans(self.stores.events, batch.spans))
            log_rows = new_log_rows(batch, find_stored_logs(self.stores.events, batch.logs))
        with timed("issues"):
            ensure_known(self.known, [*batch.accepted, *batch.accepted_spans, *batch.logs])
            found = find_or_create(candidates(batch.accepted, self.known, self.stores.project_config))
            _assign_issues(batch, found, stored)
        with timed("blobs"):
            self._write_blobs(batch)
        with timed("events"):
            self._insert_events(batch)
            self.stores.events.insert("spans", SPAN_COLUMNS, span_rows)
            self.stores.events.insert("logs", LOG_COLUMNS, log_rows)
            self._store_profiles(batch)
        with timed("stream"):
            self.stores.stream.append(TOPIC_EVENTS, [_announcement(event, found) for event in batch.accepted])
        with timed("metadata"):
            self._commit(batch)

    # Pure steps

    def _pure(self, messages: Sequence[Message]) -> Batch:
        batch = Batch.of(messages)
        tasks: list[Task] = []
        for message in messages:
            task = self._task(batch, message)
            if task is not None:
                tasks.append(task)
        for result in self.steps.run(tasks):
            if isinstance(result, Failure):
                batch.failures.append(result)
                log.error("message failed", stage=result.stage, reason=result.reason, offset=result.offset)
            else:
                self._collect(batch, result)
        return batch

    def _task(self, batch: Batch, message: Message) -> Task | None:
        """What the pure steps need of a message; None when it already failed or its project is gone."""
        project_id = None
        try:
            ingest = decode_ingest(message.value)
            project_id = ingest.project_id
            config = self.stores.project_config(project_id)
            if ingest.blob_key:
                ingest = msgspec.structs.replace(ingest, body=self.stores.blobs.read(ingest.blob_key))
                batch.read_blobs[message.partition, message.offset] = ingest.blob_key
        except NotVisibleError:
            # The project was deleted after the edge accepted the message. Its statistics went with it.
            return None
        except (msgspec.MsgspecError, FileNotFoundError) as error:
            batch.failures.append(
                Failure(message.partition, message.offset, "decode", f"{type(error).__name__}: {error}", project_id)
            )
            return None
        return Task(ingest, config, message.partition, message.offset)

    def _collect(self, batch: Batch, result: MessageResult) -> None:
        batch.results.append(result)
        batch.events.extend(result.events)
        batch.spans.extend(result.spans)
        batch.logs.extend(result.logs)
        batch.profiles.extend(result.profiles)
        batch.pure_outcomes.extend((result.partition, entry) for entry in result.outcomes)
        if result.ignored:
            IGNORED_ITEMS.inc(len(result.ignored))

    # Writes, in order

    def _write_blobs(self, batch: Batch) -> None:
        for attachment in batch.attachments():
            if attachment.data:
                self.stores.blobs.put(attachment_key(attachment), attachment.data)

    def _store_profiles(self, batch: Batch) -> None:
        stored = store_profiles(batch.profiles, self.stores.events, self.stores.blobs)
        for record in stored.accepted:
            batch.settle_group(record, Outcome.ACCEPTED)
        for record in stored.duplicates:
            batch.settle_group(record, Outcome.INVALID, "duplicate")

    def _insert_events(self, batch: Batch) -> None:
        rows = [event.row for event in batch.accepted if event.identity not in batch.replayed]
        if rows:
            self.stores.events.insert("events", COLUMNS, rows)

    def _commit(self, batch: Batch) -> None:
        elsewhere = resolve_companions(batch, self.stores.events)
        with transaction.atomic():
            advance(GROUP, TOPIC_INGEST, batch.ranges)
            raised = raise_counters(deltas(batch.accepted, self.known))
            record_sightings([*batch.accepted, *batch.accepted_spans, *batch.logs], self.known, raised)
            store_companions(batch, raised, elsewhere)
            _store_failures(batch)
            for partition, entries in batch.outcomes_by_partition().items():
                record_outcomes(entries, shard=partition)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Record how long a stage of the batch took."""
    began = time.perf_counter()
    with span(f"batch.{stage}"):
        yield
    PROCESSING_STAGE_SECONDS.labels(stage).observe(time.perf_counter() - began)


def _measure(batch: Batch, seconds: float) -> None:
    failed = len(batch.failures)
    PROCESSED_MESSAGES.labels(TOPIC_INGEST, "ok").inc(len(batch.messages) - failed)
    if failed:
        PROCESSED_MESSAGES.labels(TOPIC_INGEST, "dead_letter").inc(failed)
    PROCESSING_BATCH_SECONDS.labels(TOPIC_INGEST).observe(seconds)
    PROCESSING_BATCH_SIZE.labels(TOPIC_INGEST).observe(len(batch.messages))
    items = Counter((entry.outcome, entry.category) for _, entry in batch.outcomes)
    for (outcome, category), count in items.items():
        PROCESSED_ITEMS.labels(Outcome(outcome).api_name, DataCategory(category).api_name).inc(count)
    now = time.time()
    for event in (*batch.accepted, *batch.accepted_spans, *batch.logs):
        EVENT_DELAY_SECONDS.observe(max(0.0, now - event.received))


def _assign_issues(batch: Batch, found: dict[tuple[int, str], Found], stored: dict[tuple[int, str], Stored]) -> None:
    """Give every event its issue; discarded fingerprints become outcomes."""
    kept: list[EventRecord] = []
    for event in batch.accepted:
        issue_id = found[event.hash_key].issue_id
        if issue_id is None and event.identity not in stored:
            batch.settle(event, Outcome.FILTERED, "discarded-hash")
            continue
        event.row[ISSUE_ID] = issue_id or stored[event.identity].issue_id
        kept.append(event)
        batch.settle(event, Outcome.ACCEPTED)
    batch.accepted = kept
    for result in batch.results:
        for attachment in result.attachments:
            batch.count_attachment(attachment, Outcome.ACCEPTED, "", result.partition)
        for report in result.reports:
            batch.count(report, DataCategory.FEEDBACK, Outcome.ACCEPTED, "", partition=result.partition)


def _announcement(event: EventRecord, found: dict[tuple[int, str], Found]) -> tuple[bytes, bytes]:
    message = StoredEventMessage(
        project_id=event.project_id,
        event_id=event.event_id,
        issue_id=event.row[ISSUE_ID],
        timestamp=event.timestamp,
        received=event.received,
        is_new_issue=found[event.hash_key].is_new,
        environment=event.environment,
        release=event.release,
        level=event.level,
        user=event.user,
        tags=event.tags,
    )
    return event.event_id.encode(), ingest_encoder.encode(message)


def _store_failures(batch: Batch) -> None:
    """Dead letters carry the whole body, so that replaying them needs nothing else."""
    DeadLetter.objects.bulk_create(
        [
            DeadLetter(
                topic=TOPIC_INGEST,
                partition=failure.partition,
                offset=failure.offset,
                project_id=failure.project_id,
                stage=failure.stage[:64],
                reason=failure.reason[:4000].replace("\x00", ""),
                payload=batch.messages[failure.partition, failure.offset].value,
            )
            for failure in batch.failures
        ],
        ignore_conflicts=True,
    )
