"""``run post-process-forwarder``: what may be late, done for every stored event at least once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import structlog
from django.db import connection, transaction

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.processing import notifications
from dictamesh_sentry.processing.archived import review_by_ids
from dictamesh_sentry.processing.availability import UNAVAILABLE
from dictamesh_sentry.processing.hooks import on_stored_events, stored_event_hooks
from dictamesh_sentry.processing.models import DeadLetter
from dictamesh_sentry.processing.offsets import OffsetConflictError, advance, starting_offsets
from dictamesh_sentry.processing.pause import pause
from dictamesh_sentry.protocol.messages import TOPIC_EVENTS, StoredEventMessage, decode_stored_event
from dictamesh_sentry.streams.factory import get_consumer
from dictamesh_sentry.streams.interface import Consumer, Message
from dictamesh_sentry.telemetry import PROCESSED_MESSAGES, PROCESSING_BATCH_SECONDS

log = structlog.get_logger(__name__)
GROUP = "post-process"
POLL_SECONDS = 0.25
_MAX_BACKOFF = 5.0
_TRIES = 3

on_stored_events(notifications.enqueue_new_issue_mails)


class Forwarder:
    """Hands batches of stored events to the handlers, then moves the offset."""

    def __init__(self, consumer: Consumer, store: EventStore, batch_size: int) -> None:
        self._consumer = consumer
        self._store = store
        self._batch_size = batch_size
        self._failures = 0

    def rewind(self) -> None:
        """Continue at the stored offset."""
        self._consumer.seek(starting_offsets(GROUP, self._consumer, TOPIC_EVENTS))

    def step(self, timeout: float = 0.0) -> int:
        """Handle one batch; how many messages it had. Raises what a store raises."""
        messages = self._consumer.poll(self._batch_size, timeout)
        if not messages:
            return 0
        began = time.perf_counter()
        spans: dict[int, tuple[int, int]] = {}
        for message in messages:
            first, _ = spans.get(message.partition, (message.offset, 0))
            spans[message.partition] = (first, message.offset + 1)
        letters = self._handle(messages)
        with transaction.atomic():
            advance(GROUP, TOPIC_EVENTS, spans)
            DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)
        self._consumer.commit({partition: end for partition, (_, end) in spans.items()})
        self._failures = 0
        PROCESSED_MESSAGES.labels(TOPIC_EVENTS, "ok").inc(len(messages) - len(letters))
        if letters:
            PROCESSED_MESSAGES.labels(TOPIC_EVENTS, "dead_letter").inc(len(letters))
        PROCESSING_BATCH_SECONDS.labels(TOPIC_EVENTS).observe(time.perf_counter() - began)
        return len(messages)

    def _handle(self, messages: Sequence[Message]) -> list[DeadLetter]:
        """Run the handlers. A batch that keeps failing is handled message by message, to find the one that does."""
        decoded: list[tuple[Message, StoredEventMessage]] = []
        letters: list[DeadLetter] = []
        for message in messages:
            try:
                decoded.append((message, decode_stored_event(message.value)))
            except msgspec.MsgspecError as error:
                letters.append(_letter(message, "decode", error))
        if self._failures < _TRIES:
            self._run([event for _, event in decoded])
            return letters
        for message, event in decoded:
            try:
                self._run([event])
            except UNAVAILABLE:
                raise
            except Exception as error:
                log.exception("an event could not be post-processed", event_id=event.event_id)
                letters.append(_letter(message, "post-process", error))
        return letters

    def _run(self, events: Sequence[StoredEventMessage]) -> None:
        if not events:
            return
        try:
            review_by_ids(sorted({event.issue_id for event in events}), self._store)
            for hook in stored_event_hooks():
                hook(events)
        except UNAVAILABLE:
            raise
        except Exception:
            self._failures += 1
            raise


def _letter(message: Message, stage: str, error: Exception) -> DeadLetter:
    return DeadLetter(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        stage=stage,
        reason=f"{type(error).__name__}: {error}"[:4000].replace("\x00", ""),
        payload=message.value,
    )


def run_forwarder(commit_batch_size: int = 100, should_stop: Callable[[], bool] = lambda: False) -> None:
    """Run until ``should_stop``; a batch that was not finished is handled again at the next start."""
    consumer = get_consumer(TOPIC_EVENTS, GROUP)
    forwarder = Forwarder(consumer, get_store(), commit_batch_size)
    log.info("post-process forwarder started", hooks=len(stored_event_hooks()))
    rewound = False
    backoff = 0.1
    while not should_stop():
        try:
            if not rewound:
                forwarder.rewind()
                rewound = True
            forwarder.step(POLL_SECONDS)
            backoff = 0.1
        except OffsetConflictError:
            rewound = False
        except Exception as error:
            if not isinstance(error, UNAVAILABLE):
                log.exception("post-processing failed")
            else:
                log.warning("post-processing waits for a store", error=str(error))
            connection.close()
            rewound = False
            pause(backoff, should_stop)
            backoff = min(_MAX_BACKOFF, backoff * 2)
    consumer.close()
    connection.close()
