"""Producing on the Kafka protocol (Redpanda, Apache Kafka), with acknowledgement."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka import Message as RawMessage
from confluent_kafka import Producer as RawProducer

from dictamesh_sentry.streams.interface import StreamUnavailableError
from dictamesh_sentry.streams.kafka_admin import find_messages

_POLL_SECONDS = 0.1


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
    ``timeout`` seconds raises StreamUnavailableError; it may have been stored all the same. ``prefix`` begins the names
    of topics in the cluster.
    """

    def __init__(
        self, connection: Mapping[str, Any], *, prefix: str = "", compression: str = "lz4", timeout: float = 10.0
    ) -> None:
        self._connection = dict(connection)
        self._prefix = prefix
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

    def find(self, topic: str, messages: Sequence[tuple[bytes, bytes]], since: float) -> set[int]:
        """Which of the messages the topic holds, by index, if they were appended after ``since`` (epoch seconds).

        Raises StreamUnavailableError.
        """
        return find_messages(self._connection, self._prefix + topic, messages, since)

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
                self._producer.produce(self._prefix + topic, value, key, on_delivery=acknowledged)
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
