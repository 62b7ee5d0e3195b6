"""What the brokers do not take waits on this host's disk, and reaches them once they are back."""

from __future__ import annotations

import contextlib
import fcntl
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import structlog

from dictamesh_sentry.streams.interface import Producer, StreamUnavailableError
from dictamesh_sentry.streams.local import LocalProducer
from dictamesh_sentry.streams.local_consumer import LocalConsumer

log = structlog.get_logger(__name__)
_GROUP = "drain"
_BATCH = 200
_PAUSE_SECONDS = 0.5
_LOOK_SECONDS = 5.0


class SpoolingProducer:
    """Appends to the brokers; while they are down, to a local log that a thread drains into them.

    A message may reach the brokers twice: when they stored it but died before saying so, and when a drained batch
    was not yet forgotten. Consumers recognise both copies, see ``processing/seen.py``. The order of messages is not
    kept across an outage; nothing downstream relies on it.
    """

    def __init__(self, primary: Producer, spool: LocalProducer, folder: Path) -> None:
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
                    self._primary.append(path.stem, [(message.key, message.value) for message in messages])
                    consumer.commit({message.partition: message.offset + 1 for message in messages})
                    sent += len(messages)
            finally:
                consumer.close()
        if sent:
            log.info("the brokers are back; the spool is empty", messages=sent)
        return True


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
