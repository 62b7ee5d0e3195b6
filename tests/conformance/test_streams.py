"""What every stream backend must do. A backend joins by adding a factory to ``BACKENDS``."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dictamesh_sentry.streams import kafka, kafka_admin
from dictamesh_sentry.streams.interface import Consumer, Message, Producer
from dictamesh_sentry.streams.kafka_consumer import KafkaConsumer
from dictamesh_sentry.streams.local import LocalConsumer, LocalProducer
from dictamesh_sentry.streams.local_log import group_lags, open_log, topic_path

TOPIC = "ingest-events"


Lags = Callable[[str], dict[str, tuple[int, float]]]


@dataclass
class Backend:
    """Makes producers and consumers over the same stream. ``patience``: seconds until a message must be there."""

    producer: Callable[[], Producer]
    consumer: Callable[[str, str], Consumer]
    lags: Lags
    patience: float


def _local(_: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    def lags(topic: str) -> dict[str, tuple[int, float]]:
        with contextlib.closing(open_log(topic_path(tmp_path, topic), durable=False)) as connection:
            return group_lags(connection)

    return Backend(lambda: LocalProducer(tmp_path), lambda topic, group: LocalConsumer(tmp_path, topic, group), lags, 2)


def _kafka(request: pytest.FixtureRequest, _: Path) -> Backend:
    connection = {"bootstrap.servers": request.getfixturevalue("broker").hosts}
    prefix = f"{uuid.uuid4().hex[:8]}-"
    topics = [prefix + TOPIC, prefix + "outcomes"]
    kafka_admin.ensure_topics(
        connection, topics, partitions=1, replication=1, retention_seconds=3600, retention_bytes=-1
    )

    def lags(topic: str) -> dict[str, tuple[int, float]]:
        found = kafka_admin.group_lags(connection, prefix + topic)
        return {name.removeprefix(prefix): lag for name, lag in found.items()}

    return Backend(
        lambda: kafka.KafkaProducer(connection, prefix=prefix),
        lambda topic, group: KafkaConsumer(connection, topic, group, prefix=prefix),
        lags,
        20,
    )


BACKENDS = {"local": _local, "kafka": _kafka}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    made = BACKENDS[request.param](request, tmp_path)
    opened: list[Producer | Consumer] = []

    def keep(thing):
        opened.append(thing)
        return thing

    yield Backend(
        lambda: keep(made.producer()),
        lambda topic, group: keep(made.consumer(topic, group)),
        made.lags,
        made.patience,
    )
    for thing in opened:
        thing.close()


def _take(backend: Backend, consumer: Consumer, count: int, limit: int = 1000) -> list[Message]:
    """The next ``count`` messages, in as many polls as that takes."""
    messages: list[Message] = []
    deadline = time.monotonic() + backend.patience
    while len(messages) < count and time.monotonic() < deadline:
        messages += consumer.poll(min(limit, count - len(messages)), 0.5)
    return messages


def _values(backend: Backend, consumer: Consumer, count: int) -> list[bytes]:
    return [message.value for message in _take(backend, consumer, count)]


def _lag(backend: Backend, group: str, expected: int) -> float:
    """Wait until the group's lag is as expected; the age of its oldest message."""
    deadline = time.monotonic() + backend.patience
    while True:
        count, age = backend.lags(TOPIC).get(group, (None, 0.0))
        if count == expected:
            return age
        assert time.monotonic() < deadline, f"lag is {count}, not {expected}"
        time.sleep(0.1)


def test_messages_come_back_in_order_with_their_identity(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    before = time.time()
    producer.append(TOPIC, [(b"k1", b"one"), (b"", b"")])
    producer.append(TOPIC, [(b"k3", b"\x00three")])
    messages = _take(backend, consumer, 3)
    assert [(message.key, message.value) for message in messages] == [
        (b"k1", b"one"),
        (b"", b""),
        (b"k3", b"\x00three"),
    ]
    assert all(message.topic == TOPIC and before - 1 <= message.timestamp <= time.time() + 1 for message in messages)
    offsets = [message.offset for message in messages]
    assert offsets == sorted(set(offsets))


def test_poll_honours_limit_and_continues(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    producer.append(TOPIC, [(b"", b"%d" % number) for number in range(300)])
    assert len(consumer.poll(200, backend.patience)) <= 200
    consumer.seek({0: consumer.oldest()[0][0]})
    assert _values(backend, consumer, 200) == [b"%d" % number for number in range(200)]
    assert _values(backend, consumer, 100) == [b"%d" % number for number in range(200, 300)]
    assert list(consumer.poll(1, 0)) == []


def test_topics_are_separate(backend: Backend) -> None:
    producer = backend.producer()
    producer.append("outcomes", [(b"", b"o")])
    producer.append(TOPIC, [(b"", b"i")])
    assert _values(backend, backend.consumer("outcomes", "a"), 1) == [b"o"]
    assert _values(backend, backend.consumer(TOPIC, "a"), 1) == [b"i"]


def test_poll_waits_no_longer_than_asked_and_sees_a_message_soon(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    consumer.poll(1, backend.patience / 4)  # joining a group takes its time
    started = time.monotonic()
    assert list(consumer.poll(1, 0.2)) == []
    assert 0.15 < time.monotonic() - started < 1.0
    appended = []

    def later() -> None:
        time.sleep(0.3)
        producer.append(TOPIC, [(b"", b"x")])
        appended.append(time.monotonic())

    thread = threading.Thread(target=later)
    thread.start()
    assert [message.value for message in consumer.poll(10, 5)] == [b"x"]
    seen = time.monotonic()
    thread.join()
    assert seen - appended[0] < 0.25  # 50 ms by contract; the rest is a busy machine


def test_a_restarted_consumer_continues_after_its_commit(backend: Backend) -> None:
    producer, first = backend.producer(), backend.consumer(TOPIC, "a")
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2"), (b"", b"3")])
    messages = _take(backend, first, 3)
    first.commit({messages[0].partition: messages[1].offset})
    first.close()
    assert _values(backend, backend.consumer(TOPIC, "a"), 2) == [b"2", b"3"]


def test_seek_reads_again_from_an_offset(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2"), (b"", b"3")])
    messages = _take(backend, consumer, 3)
    consumer.seek({messages[0].partition: messages[1].offset})
    assert _values(backend, consumer, 2) == [b"2", b"3"]


def test_a_message_is_kept_until_every_group_committed_it(backend: Backend) -> None:
    producer = backend.producer()
    fast, slow = backend.consumer(TOPIC, "fast"), backend.consumer(TOPIC, "slow")
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2")])
    messages = _take(backend, fast, 2)
    fast.commit({messages[0].partition: messages[-1].offset + 1})
    fast.close()
    assert _values(backend, slow, 2) == [b"1", b"2"]


def test_offsets_are_never_used_again(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2")])
    last = _take(backend, consumer, 2)[-1]
    consumer.commit({last.partition: last.offset + 1})
    consumer.close()
    producer.close()
    backend.producer().append(TOPIC, [(b"", b"3")])
    [message] = _take(backend, backend.consumer(TOPIC, "a"), 1)
    assert message.value == b"3"
    assert message.offset > last.offset


def test_lag_counts_what_is_not_committed(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    producer.append(TOPIC, [(b"", b"0")])
    [first] = _take(backend, consumer, 1)
    consumer.commit({first.partition: first.offset + 1})
    assert _lag(backend, "a", 0) == 0
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2"), (b"", b"3")])
    time.sleep(0.05)
    messages = _take(backend, consumer, 3)
    assert 0.04 <= _lag(backend, "a", 3) < 30
    consumer.commit({messages[0].partition: messages[1].offset})
    _lag(backend, "a", 2)
    consumer.commit({messages[0].partition: messages[-1].offset + 1})
    assert _lag(backend, "a", 0) == 0


def test_concurrent_producers_lose_nothing(backend: Backend) -> None:
    producers = [backend.producer() for _ in range(3)]
    consumer = backend.consumer(TOPIC, "a")

    def fill(number: int) -> None:
        for index in range(40):
            producers[number].append(TOPIC, [(b"", b"%d-%d" % (number, index))])

    threads = [threading.Thread(target=fill, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    values = _values(backend, consumer, 120)
    assert sorted(values) == sorted(b"%d-%d" % (number, index) for number in range(3) for index in range(40))
    for number in range(3):  # the order of one producer is kept
        own = [value for value in values if value.startswith(b"%d-" % number)]
        assert own == [b"%d-%d" % (number, index) for index in range(40)]


def test_append_async_stores_before_it_returns(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")

    async def fill() -> None:
        await producer.append_async(TOPIC, b"", b"first")
        assert await asyncio.to_thread(_values, backend, consumer, 1) == [b"first"]
        await asyncio.gather(*(producer.append_async(TOPIC, b"", b"%d" % number) for number in range(500)))

    asyncio.run(fill())
    assert sorted(_values(backend, consumer, 500)) == sorted(b"%d" % number for number in range(500))


def test_the_oldest_message_is_known_without_reading_on(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    assert consumer.oldest() == {}
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2")])
    first, second = _take(backend, consumer, 2)
    assert consumer.oldest() == {first.partition: (first.offset, pytest.approx(first.timestamp, abs=0.01))}
    producer.append(TOPIC, [(b"", b"3")])
    assert _values(backend, consumer, 1) == [b"3"]
    assert second.offset == first.offset + 1


def test_kafka_tells_which_messages_arrived(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    backend = _kafka(request, tmp_path)
    producer = backend.producer()
    assert isinstance(producer, kafka.KafkaProducer)
    began = time.time()
    messages = [(b"k%d" % (number % 7), b"v%d" % number) for number in range(100)]
    producer.append(TOPIC, messages)
    asked = [(b"k1", b"v1"), (b"k1", b"v2"), (b"k5", b"v5"), (b"k9", b"new"), (b"k5", b"v5")]
    assert producer.find(TOPIC, asked, began - 1) == {0, 2, 4}
    assert producer.find(TOPIC, asked, time.time() + 60) == set()
    producer.close()
