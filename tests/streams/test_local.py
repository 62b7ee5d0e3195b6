"""What is particular to the local log: disk limits, reuse of space, crashes, many processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dictamesh_sentry.streams.interface import StreamUnavailableError
from dictamesh_sentry.streams.local import LocalConsumer, LocalProducer


def _drain(consumer: LocalConsumer) -> list[bytes]:
    values = []
    while messages := consumer.poll(1000, 0):
        values += [message.value for message in messages]
        consumer.commit({0: messages[-1].offset + 1})
    return values


def test_a_full_backlog_refuses_and_recovers(tmp_path: Path) -> None:
    producer = LocalProducer(tmp_path, max_bytes=300_000)
    consumer = LocalConsumer(tmp_path, "t", "g")
    stored = 0
    with contextlib.suppress(StreamUnavailableError):
        while stored < 100:
            producer.append("t", [(b"", os.urandom(10_000))])
            stored += 1
    with pytest.raises(StreamUnavailableError, match="full"):
        producer.append("t", [(b"", b"x")])
    assert 5 < stored < 40
    assert len(_drain(consumer)) == stored
    consumer.close()
    producer.append("t", [(b"", b"again")])
    producer.close()


def test_an_almost_full_disk_refuses(tmp_path: Path) -> None:
    producer = LocalProducer(tmp_path, min_free_bytes=1 << 60)
    with pytest.raises(StreamUnavailableError, match="disk"):
        producer.append("t", [(b"", b"x")])
    with pytest.raises(StreamUnavailableError, match="disk"):
        asyncio.run(producer.append_async("t", b"", b"x"))
    producer.close()


def test_sqlite_out_of_space_refuses_and_keeps_what_was_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dictamesh_sentry.streams.local as local

    def limited(path: Path, *, durable: bool) -> sqlite3.Connection:
        connection = open_log(path, durable=durable)
        connection.execute("PRAGMA max_page_count=20")
        return connection

    open_log = local.open_log
    producer = LocalProducer(tmp_path)
    producer.append("t", [(b"", b"kept")])
    producer.close()
    monkeypatch.setattr(local, "open_log", limited)
    producer = LocalProducer(tmp_path)
    with pytest.raises(StreamUnavailableError, match="full"):
        producer.append("t", [(b"", b"x" * 500_000)])
    monkeypatch.setattr(local, "open_log", open_log)
    producer.append("t", [(b"", b"after")])
    producer.close()
    assert _drain(LocalConsumer(tmp_path, "t", "g")) == [b"kept", b"after"]


def test_space_of_forgotten_messages_is_used_again(tmp_path: Path) -> None:
    producer = LocalProducer(tmp_path)
    consumer = LocalConsumer(tmp_path, "t", "g")
    sizes = []
    for _ in range(6):
        producer.append("t", [(b"", os.urandom(20_000)) for _ in range(100)])
        assert len(_drain(consumer)) == 100
        consumer._forget()
        sizes.append(consumer._connection.execute("PRAGMA page_count").fetchone()[0])
    assert sizes[-1] <= sizes[1] * 1.2
    consumer.close()
    producer.close()


def test_a_big_backlog_gives_its_space_back(tmp_path: Path) -> None:
    producer = LocalProducer(tmp_path)
    consumer = LocalConsumer(tmp_path, "t", "g")
    producer.append("t", [(b"", b"x" * 100_000) for _ in range(400)])
    _drain(consumer)
    for _ in range(20):
        consumer._forget()
    with sqlite3.connect(tmp_path / "t.sqlite3") as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    assert pages * 4096 < 25_000_000
    consumer.close()
    producer.close()


def test_a_closed_producer_stored_everything_and_refuses_more(tmp_path: Path) -> None:
    producer = LocalProducer(tmp_path)

    async def fill() -> None:
        waiting = [asyncio.ensure_future(producer.append_async("t", b"", b"%d" % number)) for number in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(producer.close)
        await asyncio.gather(*waiting)

    asyncio.run(fill())
    with pytest.raises(StreamUnavailableError, match="closed"):
        producer.append("t", [(b"", b"late")])
    assert len(_drain(LocalConsumer(tmp_path, "t", "g"))) == 50


def test_group_commit_shares_transactions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import dictamesh_sentry.streams.local as local

    transactions = []
    insert = local._insert

    def slow(connection: sqlite3.Connection, messages: list[tuple[bytes, bytes]]) -> None:
        transactions.append(len(messages))
        time.sleep(0.01)
        insert(connection, messages)

    monkeypatch.setattr(local, "_insert", slow)
    producer = LocalProducer(tmp_path)

    async def fill() -> None:
        await asyncio.gather(*(producer.append_async("t", b"", b"x") for _ in range(300)))

    asyncio.run(fill())
    producer.close()
    assert sum(transactions) == 300
    assert len(transactions) <= 6


@pytest.mark.parametrize("topic", ["", "../x", "a/b", "a b", "a.b"])
def test_a_topic_is_a_plain_name(tmp_path: Path, topic: str) -> None:
    producer = LocalProducer(tmp_path)
    with pytest.raises(ValueError, match="topic"):
        producer.append(topic, [(b"", b"")])
    producer.close()


WRITER = """
import sys
from pathlib import Path
from dictamesh_sentry.streams.local import LocalProducer
producer = LocalProducer(Path(sys.argv[1]))
number = 0
while True:
    producer.append("t", [(b"", f"{sys.argv[2]}-{number}".encode())])
    print(number, flush=True)
    number += 1
"""


def test_what_was_acknowledged_survives_kill_9_of_its_writers(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    acknowledged = {"a": -1, "b": -1}
    try:
        for name, writer in zip("ab", writers, strict=True):
            assert writer.stdout is not None
            for _ in range(20):
                acknowledged[name] = int(writer.stdout.readline())
        for name, writer in zip("ab", writers, strict=True):
            writer.send_signal(signal.SIGKILL)
            assert writer.stdout is not None
            rest = writer.stdout.read().split("\n")[:-1]  # a last line without a newline is no answer
            if rest:
                acknowledged[name] = int(rest[-1])
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    values = _drain(LocalConsumer(tmp_path, "t", "g"))
    assert len(values) == len(set(values))
    for name, last in acknowledged.items():
        own = [value.decode() for value in values if value.startswith(name.encode())]
        assert own[: last + 1] == [f"{name}-{number}" for number in range(last + 1)]
        assert len(own) <= last + 2  # at most the one that was being acknowledged


def test_a_damaged_tail_loses_nothing_before_it(tmp_path: Path) -> None:
    """A power cut leaves half-written frames at the end of the write-ahead log."""
    producer = LocalProducer(tmp_path)
    producer.append("t", [(b"", b"one")])
    producer.append("t", [(b"", b"two")])
    wal = (tmp_path / "t.sqlite3-wal").read_bytes()
    base = (tmp_path / "t.sqlite3").read_bytes()
    producer.close()
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "t.sqlite3").write_bytes(base)
    (copy / "t.sqlite3-wal").write_bytes(wal + wal[32:2000] + os.urandom(3000))
    assert _drain(LocalConsumer(copy, "t", "g")) == [b"one", b"two"]
