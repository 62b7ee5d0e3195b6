"""The embedded stream: one SQLite file per topic, appended by many processes, read by registered groups.

Every topic has one partition, 0. Offsets grow by one and are never used again, even after every message was
forgotten and the process restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue

from dictamesh_sentry.streams.interface import Message, StreamUnavailableError
from dictamesh_sentry.streams.local_log import group_lags, open_log, topic_path, used_bytes

PARTITION = 0
DEFAULT_MAX_BYTES = 8 * 1024**3
DEFAULT_MIN_FREE_BYTES = 256 * 1024**2

_BATCH_ROWS = 128
_BATCH_BYTES = 16 * 1024 * 1024
_DISK_CHECK_SECONDS = 1.0
_IDLE_SLEEP_SECONDS = 0.04
_POLL_BYTES = 32 * 1024 * 1024
_FORGET_ROWS = 2000
_FORGET_SECONDS = 0.5


class _Append:
    """Messages of one caller on their way to the file, and whom to tell."""

    __slots__ = ("error", "loop", "messages", "topic", "waiter")

    def __init__(
        self,
        topic: str,
        messages: Sequence[tuple[bytes, bytes]],
        waiter: Future[None] | asyncio.Future[None],
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.topic = topic
        self.messages = messages
        self.waiter = waiter
        self.loop = loop
        self.error: StreamUnavailableError | None = None


class LocalProducer:
    """Appends with group commit: whatever arrives while one fsync runs shares the next one.

    ``max_bytes`` bounds each topic's backlog, ``min_free_bytes`` is left free on the disk; beyond either,
    appends raise StreamUnavailableError until there is room again.
    """

    def __init__(
        self, folder: Path, *, max_bytes: int = DEFAULT_MAX_BYTES, min_free_bytes: int = DEFAULT_MIN_FREE_BYTES
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._min_free_bytes = min_free_bytes
        self._queue: SimpleQueue[_Append | None] = SimpleQueue()
        self._connections: dict[str, sqlite3.Connection] = {}
        self._disk_checked = -_DISK_CHECK_SECONDS
        self._disk_free = 0
        self._closed = False
        self._close_lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="stream-writer", daemon=True)
        self._thread.start()

    def append(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Store ``(key, value)`` pairs; returns when they are durable. Raises StreamUnavailableError."""
        if messages:
            waiter: Future[None] = Future()
            self._enqueue(_Append(topic, messages, waiter, None))
            waiter.result()

    async def append_async(self, topic: str, key: bytes, value: bytes) -> None:
        """Store one message; returns when it is durable. Raises StreamUnavailableError."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._enqueue(_Append(topic, ((key, value),), waiter, loop))
        await waiter

    def close(self) -> None:
        """Write what is queued, then stop."""
        with self._close_lock:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def _enqueue(self, append: _Append) -> None:
        topic_path(self._folder, append.topic)
        with self._close_lock:
            if self._closed:
                raise StreamUnavailableError("the stream is closed")
            self._queue.put(append)

    # The writer thread

    def _run(self) -> None:
        running = True
        while running:
            pending: list[_Append] = []
            entry = self._queue.get()
            with contextlib.suppress(Empty):
                while entry is not None:
                    pending.append(entry)
                    entry = self._queue.get_nowait()
                running = False
            if pending:
                self._write(pending)
        for connection in self._connections.values():
            connection.close()

    def _write(self, pending: list[_Append]) -> None:
        topics: dict[str, list[_Append]] = {}
        for append in pending:
            topics.setdefault(append.topic, []).append(append)
        for topic, appends in topics.items():
            for batch in _batches(appends):
                error = self._store(topic, batch)
                for append in batch:
                    append.error = error
                _tell(batch)

    def _store(self, topic: str, batch: list[_Append]) -> StreamUnavailableError | None:
        """One transaction. Returns why it failed; then nothing of the batch was stored."""
        try:
            self._check_disk()
            connection = self._connection(topic)
            if used_bytes(connection) >= self._max_bytes:
                return StreamUnavailableError(f"the backlog of {topic} is full")
            _insert(connection, [message for append in batch for message in append.messages])
        except StreamUnavailableError as error:
            return error
        except Exception as error:  # the writer thread must outlive every error, or all later appends would hang
            self._discard(topic)
            return StreamUnavailableError(f"cannot append to {topic}: {error}")
        return None

    def _connection(self, topic: str) -> sqlite3.Connection:
        connection = self._connections.get(topic)
        if connection is None:
            connection = self._connections[topic] = open_log(topic_path(self._folder, topic), durable=True)
        return connection

    def _discard(self, topic: str) -> None:
        """Forget a connection after an error, whatever state it is in: closing rolls back."""
        connection = self._connections.pop(topic, None)
        if connection is not None:
            with contextlib.suppress(sqlite3.Error):
                connection.close()

    def _check_disk(self) -> None:
        now = time.monotonic()
        if now - self._disk_checked >= _DISK_CHECK_SECONDS:
            self._disk_checked = now
            self._disk_free = shutil.disk_usage(self._folder).free
        if self._disk_free < self._min_free_bytes:
            raise StreamUnavailableError("the disk is almost full")


def _batches(appends: list[_Append]) -> Iterable[list[_Append]]:
    """Appends in groups of bounded rows and bytes; the messages of one append stay together."""
    batch: list[_Append] = []
    rows = size = 0
    for append in appends:
        if batch and (rows + len(append.messages) > _BATCH_ROWS or size > _BATCH_BYTES):
            yield batch
            batch, rows, size = [], 0, 0
        batch.append(append)
        rows += len(append.messages)
        size += sum(len(value) for _, value in append.messages)
    yield batch


def _insert(connection: sqlite3.Connection, messages: list[tuple[bytes, bytes]]) -> None:
    """Insert in one transaction.

    One statement of many rows, not one statement a row: each step gives up the interpreter lock, and under load
    taking it back costs up to a switch interval.
    """
    now = time.time()
    if len(messages) <= _BATCH_ROWS:
        _insert_rows(connection, now, messages)
        return
    connection.execute("BEGIN IMMEDIATE")
    for start in range(0, len(messages), _BATCH_ROWS):
        _insert_rows(connection, now, messages[start : start + _BATCH_ROWS])
    connection.execute("COMMIT")


def _insert_rows(connection: sqlite3.Connection, now: float, messages: list[tuple[bytes, bytes]]) -> None:
    values: list[object] = []
    for key, value in messages:
        values += (now, key, value)
    rows = ",".join(["(?,?,?)"] * len(messages))
    connection.execute(f"INSERT INTO message (timestamp, key, value) VALUES {rows}", values)  # noqa: S608 - no text


def _tell(batch: list[_Append]) -> None:
    """Resolve the waiters; those of one event loop in one wake-up."""
    loops: dict[asyncio.AbstractEventLoop, list[_Append]] = {}
    for append in batch:
        if append.loop is not None:
            loops.setdefault(append.loop, []).append(append)
        elif append.error is None:
            append.waiter.set_result(None)
        else:
            append.waiter.set_exception(append.error)
    for loop, appends in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
            loop.call_soon_threadsafe(_resolve, appends)


def _resolve(appends: list[_Append]) -> None:
    for append in appends:
        if append.waiter.done():
            continue
        if append.error is None:
            append.waiter.set_result(None)
        else:
            append.waiter.set_exception(append.error)


class LocalConsumer:
    """Reads one topic for one group. Creating it registers the group: from then on nothing it has not committed
    is forgotten. Safe to share between threads; two consumers of one group would each read everything."""

    def __init__(self, folder: Path, topic: str, group: str) -> None:
        self._topic = topic
        self._group = group
        self._lock = threading.Lock()
        self._connection = open_log(topic_path(folder, topic), durable=False)
        self._forget_due = 0.0
        self._connection.execute(
            "INSERT INTO consumer_group (name, next_offset) VALUES (?, 0) ON CONFLICT DO NOTHING", (group,)
        )
        self._position = self._committed()

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """Up to ``limit`` messages (fewer when they are big), waiting at most ``timeout`` seconds for the first.

        A message is seen at most 50 ms after it was appended.
        """
        deadline = time.monotonic() + timeout
        pause = 0.002
        while True:
            messages = self._read(limit)
            left = deadline - time.monotonic()
            if messages or left <= 0:
                return messages
            time.sleep(min(pause, left))
            pause = min(pause * 2, _IDLE_SLEEP_SECONDS)

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Continue at the given offset."""
        if PARTITION in offsets:
            self._position = offsets[PARTITION]

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Everything below the offset may be forgotten; it is, once every registered group says so."""
        offset = offsets.get(PARTITION)
        if offset is None:
            return
        with self._lock:
            self._connection.execute(
                "UPDATE consumer_group SET next_offset = ? WHERE name = ? AND next_offset < ?",
                (offset, self._group, offset),
            )
            if time.monotonic() >= self._forget_due:
                self._forget()
                self._forget_due = time.monotonic() + _FORGET_SECONDS

    def lag(self) -> Mapping[int, tuple[int, float]]:
        """Messages the group has not committed, and the age in seconds of the oldest of them."""
        with self._lock:
            return {PARTITION: group_lags(self._connection).get(self._group, (0, 0.0))}

    def close(self) -> None:
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                self._forget()
            self._connection.close()

    def _committed(self) -> int:
        row = self._connection.execute(
            "SELECT next_offset FROM consumer_group WHERE name = ?", (self._group,)
        ).fetchone()
        return row[0] if row else 0

    def _read(self, limit: int) -> list[Message]:
        messages: list[Message] = []
        size = 0
        with self._lock, contextlib.closing(self._connection.cursor()) as cursor:
            cursor.execute(
                "SELECT offset, timestamp, key, value FROM message WHERE offset >= ? ORDER BY offset LIMIT ?",
                (self._position, limit),
            )
            for offset, timestamp, key, value in cursor:
                messages.append(Message(self._topic, PARTITION, offset, key, value, timestamp))
                size += len(value)
                if size >= _POLL_BYTES:
                    break
        if messages:
            self._position = messages[-1].offset + 1
        return messages

    def _forget(self) -> None:
        """Delete what every group has committed, in short transactions, so that appends never wait long."""
        end = self._connection.execute("SELECT min(next_offset) FROM consumer_group").fetchone()[0] or 0
        while True:
            first = self._connection.execute("SELECT min(offset) FROM message").fetchone()[0]
            if first is None or first >= end:
                break
            self._connection.execute("DELETE FROM message WHERE offset < ?", (min(end, first + _FORGET_ROWS),))
        self._shrink()

    def _shrink(self) -> None:
        """Give pages back to the disk after a backlog; a small reserve is kept to be used again."""
        pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        free = self._connection.execute("PRAGMA freelist_count").fetchone()[0]
        if free > 4096 and free > pages // 2:
            # As a script: execute() would take one step of this statement, and each step frees one page.
            self._connection.executescript(f"PRAGMA incremental_vacuum({min(free - 2048, 2048)})")
