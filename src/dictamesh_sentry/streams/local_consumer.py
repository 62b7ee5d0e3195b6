"""Reading the local log."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from dictamesh_sentry.streams.interface import Message
from dictamesh_sentry.streams.local_log import open_log, topic_path

PARTITION = 0
_IDLE_SLEEP_SECONDS = 0.04
_POLL_BYTES = 32 * 1024 * 1024
_FORGET_ROWS = 2000
_FORGET_SECONDS = 0.5


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

    def oldest(self) -> Mapping[int, tuple[int, float]]:
        """Offset and timestamp of the oldest message still kept."""
        with self._lock:
            row = self._connection.execute("SELECT offset, timestamp FROM message ORDER BY offset LIMIT 1").fetchone()
        return {PARTITION: (row[0], row[1])} if row else {}

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
