"""Reading a topic as a member of a consumer group."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from confluent_kafka import Consumer as RawConsumer
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as RawMessage

from dictamesh_sentry.streams.interface import Message, StreamUnavailableError
from dictamesh_sentry.streams.kafka_admin import first_messages

_POLL_BYTES = 32 * 1024 * 1024
_CHUNK = 64


class KafkaConsumer:
    """One member of a group; partitions come and go while ``poll`` runs, never at another moment.

    A batch under way is therefore finished before its partitions go to another member, unless the member is
    declared dead (no ``poll`` for ten minutes).
    """

    def __init__(self, connection: Mapping[str, Any], topic: str, group: str, *, prefix: str = "") -> None:
        self._connection = dict(connection)
        self._prefix = prefix
        self._topic = prefix + topic
        self._starts: dict[int, int] = {}
        self._assigned: set[int] = set()
        self._refused: dict[int, int] = {}
        self._consumer = RawConsumer(
            {
                **connection,
                "group.id": prefix + group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "max.poll.interval.ms": 600_000,
                "session.timeout.ms": 30_000,
                "queued.max.messages.kbytes": 64 * 1024,
                "fetch.message.max.bytes": 8 * 1024 * 1024,
                "on_commit": self._committed,
            }
        )
        self._consumer.subscribe([self._topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke)

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """Up to ``limit`` messages (fewer when they are big), waiting at most ``timeout`` seconds for the first."""
        try:
            if self._refused:
                self._commit_again()
            first = self._consumer.poll(timeout)
            if first is None:
                return ()
            raw = [first]
            size = len(first.value() or b"")
            while len(raw) < limit and size < _POLL_BYTES:
                more = self._consumer.consume(min(_CHUNK, limit - len(raw)), 0.0)
                if not more:
                    break
                raw += more
                size += sum(len(message.value() or b"") for message in more)
        except KafkaException as error:
            raise StreamUnavailableError(f"cannot read {self._topic}: {error}") from error
        failed = next((message.error() for message in raw if message.error() is not None), None)
        if failed is not None and not failed.retriable():
            raise StreamUnavailableError(f"cannot read {self._topic}: {failed}")
        return [self._message(one) for one in raw if one.error() is None]

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Continue each partition at the offset; one that is not assigned yet starts there once it is."""
        self._starts.update(offsets)
        for partition in self._assigned & offsets.keys():
            self._consumer.seek(TopicPartition(self._topic, partition, offsets[partition]))

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell the group's coordinator, for lag and for whoever comes next. What counts is the metadata store."""
        positions = [TopicPartition(self._topic, partition, offset) for partition, offset in offsets.items()]
        self._starts.update(offsets)
        for partition in offsets:
            self._refused.pop(partition, None)
        if positions:
            try:
                self._consumer.commit(offsets=positions, asynchronous=True)
            except KafkaException as error:
                raise StreamUnavailableError(f"cannot commit {self._topic}: {error}") from error

    def _committed(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        """The coordinator's answer. It refuses while the group is being shared out anew."""
        for position in partitions:
            if error is not None or position.error is not None:
                self._refused[position.partition] = position.offset

    def _commit_again(self) -> None:
        refused, self._refused = self._refused, {}
        again = [TopicPartition(self._topic, number, refused[number]) for number in self._assigned & refused.keys()]
        if again:
            self._consumer.commit(offsets=again, asynchronous=True)

    def oldest(self) -> Mapping[int, tuple[int, float]]:
        """Partition → (offset, timestamp) of the oldest message still kept, whoever reads the partition."""
        return first_messages(self._connection, self._topic)

    def close(self) -> None:
        self._consumer.close()

    def _assign(self, consumer: RawConsumer, partitions: list[TopicPartition]) -> None:
        for position in partitions:
            self._assigned.add(position.partition)
            if position.partition in self._starts:
                position.offset = self._starts[position.partition]
        consumer.incremental_assign(partitions)

    def _revoke(self, _: RawConsumer, partitions: list[TopicPartition]) -> None:
        """What is remembered of them goes stale, and is kept: a start too early ends in an OffsetConflictError and a
        fresh ``seek``, while the group's own offset could be beyond a metadata store restored from a backup."""
        self._assigned -= {position.partition for position in partitions}

    def _message(self, raw: RawMessage) -> Message:
        _, milliseconds = raw.timestamp()
        return Message(
            (raw.topic() or "").removeprefix(self._prefix),
            raw.partition() or 0,
            raw.offset() or 0,
            raw.key() or b"",
            raw.value() or b"",
            milliseconds / 1000 if milliseconds > 0 else time.time(),
        )
