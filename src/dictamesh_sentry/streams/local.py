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
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue

from dictamesh_sentry.streams.interface import StreamUnavailableError
from dictamesh_sentry.streams.local_consumer import LocalConsumer
from dictamesh_sentry.streams.local_log import open_log, topic_path, used_bytes

__all__ = ["LocalConsumer", "LocalProducer"]

DEFAULT_MAX_BYTES = 8 * 1024**3
DEFAULT_MIN_FREE_BYTES = 256 * 1024**2

_BATCH_ROWS = 128
_BATCH_BYTES = 16 * 1024 * 1024
_DISK_CHECK_SECONDS = 1.0


class _Append:
    """Messages of one caller on their way to the file, and whom to tell."""

    __slots__ = ("error", "gate", "messages", "topic", "waiter")

    def __init__(
        self,
        topic: str,
        messages: Sequence[tuple[bytes, bytes]],
        waiter: Future[None] | asyncio.Future[None],
        gate: _Gate | None,
    ) -> None:
        self.topic = topic
        self.messages = messages
        self.waiter = waiter
        self.gate = gate
        self.error: StreamUnavailableError | None = None


class _Gate:
    """Where the appends of one event loop wait while the writer is busy with those before them.

    They change threads once per commit in each direction. Handing over one by one would wake the writer for the
    first and make it fight the loop for the interpreter lock over each of the others.
    """

    __slots__ = ("loop", "pending", "scheduled", "under_way")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.pending: list[_Append] = []
        self.scheduled = False
        self.under_way = 0


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
        self._queue: SimpleQueue[list[_Append] | None] = SimpleQueue()
        self._connections: dict[str, sqlite3.Connection] = {}
        self._disk_checked = -_DISK_CHECK_SECONDS
        self._disk_free = 0
        self._backlogs: dict[str, tuple[float, int]] = {}
        self._topics: set[str] = set()
        self._gates: dict[asyncio.AbstractEventLoop, _Gate] = {}
        self._closed = False
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)
        self._thread = threading.Thread(target=self._run, name="stream-writer", daemon=True)
        self._thread.start()

    def append(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Store ``(key, value)`` pairs; returns when they are durable. Raises StreamUnavailableError."""
        if not messages:
            return
        waiter: Future[None] = Future()
        self._check_topic(topic)
        with self._lock:
            self._check_open()
            self._queue.put([_Append(topic, messages, waiter, None)])
        waiter.result()

    async def append_async(self, topic: str, key: bytes, value: bytes) -> None:
        """Store one message; returns when it is durable. Raises StreamUnavailableError."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        self._check_topic(topic)
        with self._lock:
            self._check_open()
            gate = self._gates.get(loop) or self._add_gate(loop)
            gate.pending.append(_Append(topic, ((key, value),), waiter, gate))
            if not gate.under_way and not gate.scheduled:
                gate.scheduled = True
                loop.call_soon(self._hand_over, gate)
        await waiter

    def close(self) -> None:
        """Write what is queued, then stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for gate in self._gates.values():
                self._release(gate)
            self._queue.put(None)
        self._thread.join()

    def _check_topic(self, topic: str) -> None:
        if topic not in self._topics:
            topic_path(self._folder, topic)
            self._topics.add(topic)

    def _check_open(self) -> None:
        if self._closed:
            raise StreamUnavailableError("the stream is closed")

    def _add_gate(self, loop: asyncio.AbstractEventLoop) -> _Gate:
        for gone in [known for known in self._gates if known.is_closed()]:
            del self._gates[gone]
        gate = self._gates[loop] = _Gate(loop)
        return gate

    def _hand_over(self, gate: _Gate) -> None:
        """End of a turn of the loop: give the writer everything the turn appended."""
        with self._lock:
            gate.scheduled = False
            if not self._closed:
                self._release(gate)

    def _release(self, gate: _Gate) -> None:
        if gate.pending:
            gate.under_way += len(gate.pending)
            self._queue.put(gate.pending)
            gate.pending = []

    def _resolve(self, gate: _Gate, appends: list[_Append]) -> None:
        """Back on the loop: tell who waited, and hand over who came meanwhile."""
        for append in appends:
            _settle(append)
        gate.under_way -= len(appends)
        if not gate.under_way and gate.pending:
            self._hand_over(gate)

    # The writer thread

    def _run(self) -> None:
        running = True
        while running:
            pending: list[_Append] = []
            entry = self._queue.get()
            with contextlib.suppress(Empty):
                while entry is not None:
                    pending += entry
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
                self._tell(batch)

    def _tell(self, batch: list[_Append]) -> None:
        """Settle the waiters; those of one event loop in one wake-up."""
        gates: dict[_Gate, list[_Append]] = {}
        for append in batch:
            if append.gate is None:
                _settle(append)
            else:
                gates.setdefault(append.gate, []).append(append)
        for gate, appends in gates.items():
            with contextlib.suppress(RuntimeError):  # the loop is gone, and with it whoever waited
                gate.loop.call_soon_threadsafe(self._resolve, gate, appends)

    def _store(self, topic: str, batch: list[_Append]) -> StreamUnavailableError | None:
        """One transaction. Returns why it failed; then nothing of the batch was stored."""
        try:
            self._check_disk()
            connection = self._connection(topic)
            self._check_backlog(topic, connection, batch)
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

    def _check_backlog(self, topic: str, connection: sqlite3.Connection, batch: list[_Append]) -> None:
        """Measured once a second; in between, what this process appends is added up."""
        now = time.monotonic()
        measured, used = self._backlogs.get(topic, (0.0, 0))
        if now - measured >= _DISK_CHECK_SECONDS or used >= self._max_bytes:
            measured, used = now, used_bytes(connection)
        if used >= self._max_bytes:
            raise StreamUnavailableError(f"the backlog of {topic} is full")
        size = sum(len(value) for append in batch for _, value in append.messages)
        self._backlogs[topic] = (measured, used + size)

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


def _settle(append: _Append) -> None:
    waiter = append.waiter
    if waiter.done():
        return
    if append.error is None:
        waiter.set_result(None)
    else:
        waiter.set_exception(append.error)
