"""The spool of a web role: accepts while the brokers are down, hands everything over afterwards."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dictamesh_sentry.streams import spool as spool_module
from dictamesh_sentry.streams.interface import StreamUnavailableError
from dictamesh_sentry.streams.local import LocalProducer
from dictamesh_sentry.streams.spool import SpoolingProducer


class Brokers:
    """Brokers with a switch."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, bytes, bytes]] = []
        self.is_up = True
        self.attempts = 0
        self.dies_before_saying_so = False
        self.searches: list[tuple[str, int, float]] = []
        self._lock = threading.Lock()

    def append(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        self.attempts += 1
        if self.dies_before_saying_so:
            self.messages += [(topic, key, value) for key, value in messages]
            raise StreamUnavailableError("timed out")
        if not self.is_up:
            raise StreamUnavailableError("no brokers")
        with self._lock:
            self.messages += [(topic, key, value) for key, value in messages]

    def find(self, topic: str, messages: Sequence[tuple[bytes, bytes]], since: float) -> set[int]:
        if not self.is_up:
            raise StreamUnavailableError("no brokers")
        self.searches.append((topic, len(messages), since))
        return {index for index, message in enumerate(messages) if (topic, *message) in self.messages}

    async def append_async(self, topic: str, key: bytes, value: bytes) -> None:
        self.append(topic, [(key, value)])

    def close(self) -> None:
        pass


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool_module, "_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(spool_module, "_LOOK_SECONDS", 0.1)


@pytest.fixture
def brokers() -> Brokers:
    return Brokers()


@pytest.fixture
def make(tmp_path: Path, brokers: Brokers) -> Iterator[Callable[[], SpoolingProducer]]:
    made: list[SpoolingProducer] = []

    def build(max_bytes: int = 2**30) -> SpoolingProducer:
        made.append(SpoolingProducer(brokers, LocalProducer(tmp_path, max_bytes=max_bytes), tmp_path))
        return made[-1]

    yield build
    for producer in made:
        producer.close()


def _eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_with_brokers_nothing_touches_the_disk(make, brokers: Brokers, tmp_path: Path) -> None:
    producer = make()
    producer.append("a", [(b"k", b"1")])
    asyncio.run(producer.append_async("a", b"k", b"2"))
    assert brokers.messages == [("a", b"k", b"1"), ("a", b"k", b"2")]
    assert not list(tmp_path.glob("*.sqlite3"))


def test_messages_of_an_outage_arrive_afterwards_with_key_and_topic(make, brokers: Brokers) -> None:
    producer = make()
    brokers.is_up = False

    async def send() -> None:
        await asyncio.gather(*(producer.append_async("a", b"k%d" % n, b"v%d" % n) for n in range(300)))

    asyncio.run(send())
    producer.append("b", [(b"", b"x"), (b"", b"y")])
    assert producer.is_spooling
    assert brokers.messages == []
    brokers.is_up = True
    _eventually(lambda: not producer.is_spooling)
    assert sorted(brokers.messages) == sorted(
        [("a", b"k%d" % n, b"v%d" % n) for n in range(300)] + [("b", b"", b"x"), ("b", b"", b"y")]
    )
    producer.append("a", [(b"", b"direct")])
    assert brokers.messages[-1] == ("a", b"", b"direct")


def test_requests_do_not_wait_for_brokers_known_to_be_down(make, brokers: Brokers, monkeypatch) -> None:
    monkeypatch.setattr(spool_module, "_PAUSE_SECONDS", 60)
    producer = make()
    brokers.is_up = False
    producer.append("a", [(b"", b"1")])
    attempts = brokers.attempts
    for _ in range(20):
        producer.append("a", [(b"", b"2")])
    assert brokers.attempts == attempts


def test_what_a_dead_process_spooled_is_drained_by_the_next(make, brokers: Brokers, tmp_path: Path) -> None:
    left = LocalProducer(tmp_path)
    left.append("a", [(b"k", b"left")])
    left.close()
    producer = make()
    assert producer.is_spooling
    _eventually(lambda: not producer.is_spooling)
    assert brokers.messages == [("a", b"k", b"left")]


def test_a_full_spool_says_so(make, brokers: Brokers) -> None:
    producer = make(max_bytes=30_000)
    brokers.is_up = False
    for _ in range(2):
        producer.append("a", [(b"", b"x" * 100_000)])
    with pytest.raises(StreamUnavailableError, match="full"):
        producer.append("a", [(b"", b"x" * 100_000)])


def test_two_processes_on_one_disk_send_each_message_once(make, brokers: Brokers) -> None:
    first, second = make(), make()
    brokers.is_up = False
    for number in range(50):
        (first if number % 2 else second).append("a", [(b"", b"%d" % number)])
    brokers.is_up = True
    _eventually(lambda: len(brokers.messages) >= 50 and not first.is_spooling and not second.is_spooling)
    time.sleep(0.2)
    assert sorted(int(value) for _, _, value in brokers.messages) == list(range(50))


def test_a_message_the_brokers_kept_without_saying_so_is_not_sent_again(make, brokers: Brokers) -> None:
    producer = make()
    brokers.dies_before_saying_so = True
    producer.append("a", [(b"k", b"kept")])
    brokers.dies_before_saying_so = brokers.is_up = False
    producer.append("a", [(b"k", b"new")])
    brokers.is_up = True
    _eventually(lambda: not producer.is_spooling)
    assert brokers.messages == [("a", b"k", b"kept"), ("a", b"k", b"new")]
    assert [(topic, count) for topic, count, _ in brokers.searches] == [("a", 1)]


def test_a_batch_whose_sender_died_is_looked_for_before_it_is_sent_again(
    make, brokers: Brokers, tmp_path: Path
) -> None:
    left = LocalProducer(tmp_path)
    left.append("a", [(b"k", b"sent"), (b"k", b"unsent")])
    left.close()
    (tmp_path / "sending").touch()
    brokers.messages.append(("a", b"k", b"sent"))
    producer = make()
    _eventually(lambda: not producer.is_spooling)
    assert brokers.messages == [("a", b"k", b"sent"), ("a", b"k", b"unsent")]
    assert not (tmp_path / "sending").exists()
