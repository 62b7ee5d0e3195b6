"""What the brokers do not take waits on this host's disk, and reaches them once they are back."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import structlog

from dictamesh_sentry.streams.interface import Message, Producer, StreamUnavailableError
from dictamesh_sentry.streams.local import LocalProducer
from dictamesh_sentry.streams.local_consumer import LocalConsumer

log = structlog.get_logger(__name__)
_GROUP = "drain"
# Messages the brokers may hold although they did not say so; the others were never sent.
_DOUBTFUL = "doubtful-"
# How long before it was spooled a doubtful message may have been sent, clocks included.
_SENT_BEFORE_SECONDS = 60.0
_BATCH = 200
_SENDING = "sending"
_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 5.0


class Primary(Producer, Protocol):
    """A producer that can tell whether messages arrived."""

    def find(self, topic: str, messages: Sequence[tuple[bytes, bytes]], since: float) -> set[int]:
        """Which of the messages the topic holds, by index, if they were appended after ``since`` (epoch seconds)."""
        ...


class SpoolingProducer:
    """Appends to the brokers; while they are down, to a local log that a thread drains into them.

    The brokers may have stored a message and died before saying so, and this process may die before it forgets what
    it drained. Such messages are looked for in the topic before they are sent again, so each is there once. The order
    of messages is not kept across an outage; nothing downstream relies on it.
    """

    def __init__(self, primary: Primary, spool: LocalProducer, folder: Path) -> None:
        self._primary = primary
        self._spool = spool
        self._folder = folder
        self._down = threading.Event()
        self._closed = threading.Event()
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.glob("*.sqlite3")):
            self._down.set()  # what an earlier process left is drained first
        self._thread = threading.Thread(target=self._run, name="drain-spool", daemon=True)
        self._thread.start()

    @property
    def is_spooling(self) -> bool:
        """Whether messages go to the disk now."""
        return self._down.is_set()

    def append(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Store ``(key, value)`` pairs; returns when they are durable, here or there. Raises StreamUnavailableError."""
        if not self._down.is_set():
            try:
                self._primary.append(topic, messages)
            except StreamUnavailableError as error:
                self._went_down(error)
                topic = _DOUBTFUL + topic
            else:
                return
        self._spool.append(topic, messages)

    async def append_async(self, topic: str, key: bytes, value: bytes) -> None:
        """Store one message; returns when it is durable, here or there. Raises StreamUnavailableError."""
        if not self._down.is_set():
            try:
                await self._primary.append_async(topic, key, value)
            except StreamUnavailableError as error:
                self._went_down(error)
                topic = _DOUBTFUL + topic
            else:
                return
        await self._spool.append_async(topic, key, value)

    def close(self) -> None:
        """Stop draining; what is left in the spool is drained by the next process on this disk."""
        if not self._closed.is_set():
            self._closed.set()
            self._thread.join()
            self._primary.close()
            self._spool.close()

    def _went_down(self, error: StreamUnavailableError) -> None:
        if not self._down.is_set():
            log.warning("the brokers do not take messages; spooling to disk", error=str(error))
            self._down.set()

    def _run(self) -> None:
        looked = 0.0
        while not self._closed.wait(_PAUSE_SECONDS):
            # A message may be spooled in the very moment the drain ends, so the disk is looked at now and then.
            if not self._down.is_set() and time.monotonic() - looked < _LOOK_SECONDS:
                continue
            looked = time.monotonic()
            try:
                with _only_drainer(self._folder) as alone:
                    if alone and self._drain():
                        self._down.clear()
            except (StreamUnavailableError, sqlite3.Error, OSError) as error:
                log.debug("the spool cannot be drained yet", error=str(error))

    def _drain(self) -> bool:
        """Send what is spooled. True when all of it was, False when told to stop."""
        sent = 0
        for path in sorted(self._folder.glob("*.sqlite3")):
            consumer = LocalConsumer(self._folder, path.stem, _GROUP)
            try:
                while messages := consumer.poll(_BATCH, 0.0):
                    if self._closed.is_set():
                        return False
                    self._send(path.stem, messages)
                    consumer.commit({message.partition: message.offset + 1 for message in messages})
                    (self._folder / _SENDING).unlink(missing_ok=True)
                    sent += len(messages)
            finally:
                consumer.close()
        if sent:
            log.info("the brokers are back; the spool is empty", messages=sent)
        return True

    def _send(self, name: str, messages: Sequence[Message]) -> None:
        """Send a batch, without those of its messages that an attempt whose end nobody saw has already stored."""
        topic = name.removeprefix(_DOUBTFUL)
        pairs = [(message.key, message.value) for message in messages]
        marker = self._folder / _SENDING
        since = marker.stat().st_mtime if marker.exists() else None
        if since is None:
            marker.touch()
        if name != topic:
            first = min(message.timestamp for message in messages)
            since = first if since is None else min(since, first)
        if since is not None:
            stored = self._primary.find(topic, pairs, since - _SENT_BEFORE_SECONDS)
            pairs = [pair for index, pair in enumerate(pairs) if index not in stored]
        self._primary.append(topic, pairs)


@contextlib.contextmanager
def _only_drainer(folder: Path) -> Iterator[bool]:
    """Whether no other process of this host drains the folder now."""
    with (folder / "drain.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
