"""The stream on the Kafka protocol (Redpanda, Apache Kafka): producing with acknowledgement, topics, lags."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import Consumer as RawConsumer
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as RawMessage
from confluent_kafka import Producer as RawProducer
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # pyright: ignore[reportPrivateImportUsage]

from dictamesh_sentry.streams.interface import StreamUnavailableError

_POLL_SECONDS = 0.1
_ADMIN_SECONDS = 15.0
_LATEST: OffsetSpec = OffsetSpec.latest()  # pyright: ignore[reportAssignmentType]


class _Delivery:
    """The messages of one append that are not acknowledged yet, and whom to tell when all are."""

    __slots__ = ("error", "left", "loop", "waiter")

    def __init__(
        self, count: int, waiter: Future[None] | asyncio.Future[None], loop: asyncio.AbstractEventLoop | None
    ) -> None:
        self.left = count
        self.waiter = waiter
        self.loop = loop
        self.error: StreamUnavailableError | None = None

    def settle(self) -> None:
        if self.waiter.done():
            return
        if self.error is None:
            self.waiter.set_result(None)
        else:
            self.waiter.set_exception(self.error)


class KafkaProducer:
    """Appends return when the broker and its replicas have the messages (``acks=all``, idempotent).

    ``connection`` is librdkafka's configuration for reaching the cluster. A message that is not acknowledged within
    ``timeout`` seconds raises StreamUnavailableError; it may have been stored all the same.
    """

    def __init__(self, connection: Mapping[str, Any], *, compression: str = "lz4", timeout: float = 10.0) -> None:
        self._producer = RawProducer(
            {
                **connection,
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": compression,
                "linger.ms": 2,
                "delivery.timeout.ms": int(timeout * 1000),
                "message.max.bytes": 8 * 1024 * 1024,
                "queue.buffering.max.kbytes": 256 * 1024,
            }
        )
        self._settled: list[_Delivery] = []
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kafka-deliveries", daemon=True)
        self._thread.start()

    def append(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Store ``(key, value)`` pairs; returns when they are durable. Raises StreamUnavailableError."""
        if not messages:
            return
        waiter: Future[None] = Future()
        self._produce(topic, messages, _Delivery(len(messages), waiter, None))
        waiter.result()

    async def append_async(self, topic: str, key: bytes, value: bytes) -> None:
        """Store one message; returns when it is durable. Raises StreamUnavailableError."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._produce(topic, ((key, value),), _Delivery(1, waiter, loop))
        await waiter

    def close(self) -> None:
        """Wait for what is under way, then stop."""
        if not self._closed.is_set():
            self._producer.flush(10)
            self._closed.set()
            self._thread.join()

    def _produce(self, topic: str, messages: Sequence[tuple[bytes, bytes]], delivery: _Delivery) -> None:
        if self._closed.is_set():
            raise StreamUnavailableError("the stream is closed")

        def acknowledged(error: KafkaError | None, _: RawMessage) -> None:
            if error is not None:
                delivery.error = StreamUnavailableError(f"cannot append to {topic}: {error.str()}")
            delivery.left -= 1
            if not delivery.left:
                self._settled.append(delivery)

        sent = 0
        try:
            for key, value in messages:
                self._producer.produce(topic, value, key, on_delivery=acknowledged)
                sent += 1
        except (BufferError, KafkaException) as error:
            reason = "too much is waiting for the brokers" if isinstance(error, BufferError) else str(error)
            failure = StreamUnavailableError(f"cannot append to {topic}: {reason}")
            if not sent:
                raise failure from None
            delivery.error = failure
            delivery.left -= len(messages) - sent

    def _run(self) -> None:
        """Acknowledgements arrive in bursts; each event loop is woken once a burst."""
        while not self._closed.is_set():
            self._producer.poll(_POLL_SECONDS)
            settled, self._settled = self._settled, []
            loops: dict[asyncio.AbstractEventLoop, list[_Delivery]] = {}
            for delivery in settled:
                if delivery.loop is None:
                    delivery.settle()
                else:
                    loops.setdefault(delivery.loop, []).append(delivery)
            for loop, deliveries in loops.items():
                with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                    loop.call_soon_threadsafe(_settle_all, deliveries)


def _settle_all(deliveries: list[_Delivery]) -> None:
    for delivery in deliveries:
        delivery.settle()


def ensure_topics(
    connection: Mapping[str, Any],
    topics: Sequence[str],
    *,
    partitions: int,
    replication: int,
    retention_seconds: int,
    retention_bytes: int,
) -> None:
    """Create the topics that are missing and add partitions to those that have fewer; never removes anything.

    Raises StreamUnavailableError.
    """
    admin = AdminClient(dict(connection))
    config = {
        "retention.ms": str(retention_seconds * 1000),
        "retention.bytes": str(retention_bytes),
        "max.message.bytes": str(8 * 1024 * 1024),
    }
    try:
        known = admin.list_topics(timeout=_ADMIN_SECONDS).topics
        missing = [NewTopic(name, partitions, replication, config=config) for name in topics if name not in known]
        for name, done in (admin.create_topics(missing) if missing else {}).items():
            _created(name, done)
    except KafkaException as error:
        raise StreamUnavailableError(f"cannot prepare the topics: {error}") from error


def _created(name: str, done: Future[None]) -> None:
    """Somebody else may have created it in the same moment."""
    try:
        done.result(_ADMIN_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise StreamUnavailableError(f"cannot create topic {name}: {error}") from error


def group_lags(connection: Mapping[str, Any], topic: str) -> dict[str, tuple[int, float]]:
    """Consumer group → (messages not yet committed, age in seconds of the oldest). Raises StreamUnavailableError."""
    admin = AdminClient(dict(connection))
    try:
        partitions = sorted(admin.list_topics(topic, timeout=_ADMIN_SECONDS).topics[topic].partitions)
        every = [TopicPartition(topic, number) for number in partitions]
        ends = {tp.partition: done.result(_ADMIN_SECONDS).offset
                for tp, done in admin.list_offsets(dict.fromkeys(every, _LATEST)).items()}  # fmt: skip
        groups = [group.group_id for group in admin.list_consumer_groups().result(_ADMIN_SECONDS).valid]
        lags: dict[str, tuple[int, float]] = {}
        for group in groups:
            request = [ConsumerGroupTopicPartitions(group, every)]
            [done] = admin.list_consumer_group_offsets(request).values()
            committed = {
                tp.partition: tp.offset for tp in done.result(_ADMIN_SECONDS).topic_partitions or () if tp.offset >= 0
            }
            if committed:
                read = {number: committed.get(number, 0) for number in partitions}
                behind = {number: offset for number, offset in read.items() if ends[number] > offset}
                count = sum(ends[number] - offset for number, offset in behind.items())
                lags[group] = (count, _oldest_age(connection, topic, behind))
    except (KafkaException, KeyError) as error:
        raise StreamUnavailableError(f"cannot read {topic}: {error}") from error
    return lags


def _oldest_age(connection: Mapping[str, Any], topic: str, offsets: Mapping[int, int]) -> float:
    if not offsets:
        return 0.0
    reader = RawConsumer({**connection, "group.id": "lag-probe", "enable.auto.commit": False})
    try:
        reader.assign([TopicPartition(topic, number, offset) for number, offset in offsets.items()])
        seen: dict[int, float] = {}
        deadline = time.monotonic() + 2.0
        while len(seen) < len(offsets) and time.monotonic() < deadline:
            message = reader.poll(0.2)
            if message is not None and message.error() is None:
                seen.setdefault(message.partition() or 0, message.timestamp()[1] / 1000)
        return max(0.0, time.time() - min(seen.values())) if seen else 0.0
    finally:
        reader.close()
