"""Locks between processes: on PostgreSQL for roles on many machines, as files for the roles of one.

A lock ends with the process, or with the database, that holds it. It fences work that several stores take part in; what
must be exact is still decided by a transaction.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any, Protocol

from django.db import DatabaseError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from dictamesh_sentry.config.load import get_settings

_local = threading.local()


class Locks(Protocol):
    """Named locks held together. Belongs to one thread."""

    def acquire(self, names: Sequence[str]) -> None:
        """Wait until all are held. Raises DatabaseError when the wait is too long or the database is down."""
        ...

    def try_acquire(self, name: str) -> bool:
        """Take one if nobody holds it. Raises DatabaseError."""
        ...

    def is_held(self) -> bool:
        """Whether what was taken is still held: a database that was restarted has forgotten it."""
        ...

    def release(self) -> None:
        """Give all back. Never raises."""
        ...


class PostgresLocks:
    """Session-level advisory locks, on a connection of their own."""

    def __init__(self) -> None:
        self._connection: BaseDatabaseWrapper | None = None

    def acquire(self, names: Sequence[str]) -> None:
        """Wait until all are held, in one order for everybody. Raises DatabaseError."""
        keys = sorted(_key(name) for name in names)
        self._execute("SELECT pg_advisory_lock(key) FROM unnest(%s::bigint[]) WITH ORDINALITY AS k(key, n)", keys)

    def try_acquire(self, name: str) -> bool:
        """Take one if nobody holds it. Raises DatabaseError."""
        return bool(self._execute("SELECT pg_try_advisory_lock(%s)", _key(name))[0])

    def is_held(self) -> bool:
        """Whether the connection that holds the locks is alive."""
        if self._connection is None or self._connection.connection is None:
            return False
        try:
            self._execute("SELECT 1")
        except DatabaseError:
            return False
        return True

    def release(self) -> None:
        """Give all back, by closing the connection when it does not answer."""
        if self._connection is not None and self._connection.connection is not None:
            with contextlib.suppress(DatabaseError):
                self._execute("SELECT pg_advisory_unlock_all()")

    def _execute(self, sql: str, *parameters: Any) -> Sequence[Any]:
        if self._connection is None:
            self._connection = connections.create_connection("default")
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(sql, parameters)
                return cursor.fetchone() or ()
        except DatabaseError:
            with contextlib.suppress(DatabaseError):
                self._connection.close()
            self._connection = None
            raise


class FileLocks:
    """Locks on files of the data folder."""

    def __init__(self) -> None:
        self._files: list[IO[str]] = []

    def acquire(self, names: Sequence[str]) -> None:
        """Wait until all are held."""
        for name in sorted(names):
            fcntl.flock(self._open(name), fcntl.LOCK_EX)

    def try_acquire(self, name: str) -> bool:
        """Take one if nobody holds it."""
        try:
            fcntl.flock(self._open(name), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._files.pop().close()
            return False
        return True

    def is_held(self) -> bool:
        """A file stays locked as long as it is open."""
        return bool(self._files)

    def release(self) -> None:
        """Give all back."""
        for file in self._files:
            file.close()
        self._files = []

    def _open(self, name: str) -> IO[str]:
        folder = get_settings().data_dir / "run"
        folder.mkdir(parents=True, exist_ok=True)
        self._files.append((folder / f"{name}.lock").open("w"))
        return self._files[-1]


def new_locks() -> Locks:
    """Locks that every role using the same metadata store sees."""
    return PostgresLocks() if connection.vendor == "postgresql" else FileLocks()


@contextlib.contextmanager
def exclusive(names: Sequence[str]) -> Iterator[None]:
    """Hold all of the locks inside. Raises DatabaseError when they cannot be had."""
    locks: Locks | None = getattr(_local, "locks", None)
    if locks is None:
        locks = _local.locks = new_locks()
    locks.acquire(names)
    try:
        yield
    finally:
        locks.release()


def _key(name: str) -> int:
    """The 64-bit number PostgreSQL knows a lock by."""
    return int.from_bytes(hashlib.blake2b(f"dictamesh/{name}".encode(), digest_size=8).digest(), signed=True)
