"""Outcomes the edge decided, from their stream into the statistics."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec
import structlog
from django.db import DatabaseError, connection, transaction

from dictamesh_sentry.processing.models import DeadLetter
from dictamesh_sentry.processing.offsets import OffsetConflictError, advance, starting_offsets
from dictamesh_sentry.protocol.messages import TOPIC_OUTCOMES, OutcomeEntry, decode_outcomes
from dictamesh_sentry.quotas.actions import record_outcomes
from dictamesh_sentry.streams.interface import Consumer, Message, StreamUnavailableError
from dictamesh_sentry.telemetry import PROCESSED_MESSAGES

log = structlog.get_logger(__name__)
GROUP = "processing"
MAX_BATCH = 1000
POLL_SECONDS = 0.5
# Apart from the rows of the ingest consumer, so that the two never wait for each other's row.
SHARD_OFFSET = 1000


class OutcomesLoop:
    """Consumes the outcome stream until told to stop; each message counts exactly once."""

    def __init__(self, consumer: Consumer, should_stop: Callable[[], bool]) -> None:
        self._consumer = consumer
        self._should_stop = should_stop

    def run(self) -> None:
        """Consume; whatever fails is tried again from the stored offset."""
        started = False
        while not self._should_stop():
            try:
                if not started:
                    self.rewind()
                    started = True
                self.step(POLL_SECONDS)
            except OffsetConflictError:
                started = False
            except (DatabaseError, StreamUnavailableError, OSError):
                log.warning("outcomes wait for a store", exc_info=True)
                connection.close()
                started = False
                time.sleep(1.0)
        self._consumer.close()
        connection.close()

    def rewind(self) -> None:
        """Continue at the stored offset."""
        self._consumer.seek(starting_offsets(GROUP, self._consumer, TOPIC_OUTCOMES))

    def step(self, timeout: float = 0.0) -> int:
        """Record one batch; how many messages it had."""
        messages = self._consumer.poll(MAX_BATCH, timeout)
        if not messages:
            return 0
        spans: dict[int, tuple[int, int]] = {}
        for message in messages:
            first, _ = spans.get(message.partition, (message.offset, 0))
            spans[message.partition] = (first, message.offset + 1)
        entries, letters = _decode(messages)
        with transaction.atomic():
            advance(GROUP, TOPIC_OUTCOMES, spans)
            DeadLetter.objects.bulk_create(letters, ignore_conflicts=True)
            for partition, found in entries.items():
                record_outcomes(found, shard=SHARD_OFFSET + partition)
        if letters:
            PROCESSED_MESSAGES.labels(TOPIC_OUTCOMES, "dead_letter").inc(len(letters))
        PROCESSED_MESSAGES.labels(TOPIC_OUTCOMES, "ok").inc(len(messages) - len(letters))
        self._consumer.commit({partition: end for partition, (_, end) in spans.items()})
        return len(messages)


def _decode(messages: Sequence[Message]) -> tuple[dict[int, list[OutcomeEntry]], list[DeadLetter]]:
    entries: dict[int, list[OutcomeEntry]] = {}
    letters: list[DeadLetter] = []
    for message in messages:
        try:
            entries.setdefault(message.partition, []).extend(decode_outcomes(message.value).entries)
        except msgspec.MsgspecError as error:
            letters.append(
                DeadLetter(
                    topic=message.topic,
                    partition=message.partition,
                    offset=message.offset,
                    stage="decode",
                    reason=str(error)[:4000],
                    payload=message.value,
                )
            )
    return entries, letters
