"""What every stream backend must do. A backend joins by adding a factory to ``BACKENDS``."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dictamesh_sentry.streams.interface import Consumer, Producer
from dictamesh_sentry.streams.local import LocalConsumer, LocalProducer

TOPIC = "ingest-events"


@dataclass
class Backend:
    """Makes producers and consumers over the same stream."""

    producer: Callable[[], Producer]
    consumer: Callable[[str, str], Consumer]


def _local(tmp_path: Path) -> Backend:
    return Backend(lambda: LocalProducer(tmp_path), lambda topic, group: LocalConsumer(tmp_path, topic, group))


BACKENDS = {"local": _local}


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    made = BACKENDS[request.param](tmp_path)
    opened: list[Producer | Consumer] = []

    def keep(thing):
        opened.append(thing)
        return thing

    yield Backend(lambda: keep(made.producer()), lambda topic, group: keep(made.consumer(topic, group)))
    for thing in opened:
        thing.close()


def _values(consumer: Consumer, limit: int = 1000, timeout: float = 2.0) -> list[bytes]:
    return [message.value for message in consumer.poll(limit, timeout)]


def test_messages_come_back_in_order_with_their_identity(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    before = time.time()
    producer.append(TOPIC, [(b"k1", b"one"), (b"", b"")])
    producer.append(TOPIC, [(b"k3", b"\x00three")])
    messages = consumer.poll(10, 2)
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
    assert _values(consumer, 200) == [b"%d" % number for number in range(200)]
    assert _values(consumer, 200) == [b"%d" % number for number in range(200, 300)]
    assert _values(consumer, timeout=0) == []


def test_topics_are_separate(backend: Backend) -> None:
    producer = backend.producer()
    producer.append("outcomes", [(b"", b"o")])
    producer.append(TOPIC, [(b"", b"i")])
    assert _values(backend.consumer("outcomes", "a")) == [b"o"]
    assert _values(backend.consumer(TOPIC, "a")) == [b"i"]


def test_poll_waits_no_longer_than_asked_and_sees_a_message_soon(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    started = time.monotonic()
    assert consumer.poll(1, 0.2) == []
    assert 0.15 < time.monotonic() - started < 1.0
    appended = []

    def later() -> None:
        time.sleep(0.3)
        producer.append(TOPIC, [(b"", b"x")])
        appended.append(time.monotonic())

    thread = threading.Thread(target=later)
    thread.start()
    assert _values(consumer, timeout=5) == [b"x"]
    seen = time.monotonic()
    thread.join()
    assert seen - appended[0] < 0.25  # 50 ms by contract; the rest is a busy machine


def test_a_restarted_consumer_continues_after_its_commit(backend: Backend) -> None:
    producer, first = backend.producer(), backend.consumer(TOPIC, "a")
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2"), (b"", b"3")])
    messages = first.poll(10, 2)
    first.commit({messages[0].partition: messages[1].offset})
    first.close()
    assert _values(backend.consumer(TOPIC, "a")) == [b"2", b"3"]


def test_seek_reads_again_from_an_offset(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2"), (b"", b"3")])
    messages = consumer.poll(10, 2)
    consumer.seek({messages[0].partition: messages[1].offset})
    assert _values(consumer) == [b"2", b"3"]


def test_a_message_is_kept_until_every_group_committed_it(backend: Backend) -> None:
    producer = backend.producer()
    fast, slow = backend.consumer(TOPIC, "fast"), backend.consumer(TOPIC, "slow")
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2")])
    messages = fast.poll(10, 2)
    fast.commit({messages[0].partition: messages[-1].offset + 1})
    fast.close()
    assert _values(slow) == [b"1", b"2"]


def test_offsets_are_never_used_again(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2")])
    last = consumer.poll(10, 2)[-1]
    consumer.commit({last.partition: last.offset + 1})
    consumer.close()
    producer.close()
    backend.producer().append(TOPIC, [(b"", b"3")])
    [message] = backend.consumer(TOPIC, "a").poll(10, 2)
    assert message.value == b"3"
    assert message.offset > last.offset


def test_lag_counts_what_is_not_committed(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")
    assert sum(count for count, _ in consumer.lag().values()) == 0
    producer.append(TOPIC, [(b"", b"1"), (b"", b"2"), (b"", b"3")])
    time.sleep(0.05)
    messages = consumer.poll(10, 2)
    [(count, age)] = [entry for entry in consumer.lag().values() if entry[0]]
    assert count == 3
    assert 0.04 <= age < 30
    consumer.commit({messages[0].partition: messages[1].offset})
    assert sum(count for count, _ in consumer.lag().values()) == 2
    consumer.commit({messages[0].partition: messages[-1].offset + 1})
    assert list(consumer.lag().values()) == [(0, 0.0)]


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
    values = _values(consumer)
    assert sorted(values) == sorted(b"%d-%d" % (number, index) for number in range(3) for index in range(40))
    for number in range(3):  # the order of one producer is kept
        own = [value for value in values if value.startswith(b"%d-" % number)]
        assert own == [b"%d-%d" % (number, index) for index in range(40)]


def test_append_async_stores_before_it_returns(backend: Backend) -> None:
    producer, consumer = backend.producer(), backend.consumer(TOPIC, "a")

    async def fill() -> None:
        await producer.append_async(TOPIC, b"", b"first")
        assert _values(consumer, timeout=0) == [b"first"]
        await asyncio.gather(*(producer.append_async(TOPIC, b"", b"%d" % number) for number in range(500)))

    asyncio.run(fill())
    assert sorted(_values(consumer)) == sorted(b"%d" % number for number in range(500))
