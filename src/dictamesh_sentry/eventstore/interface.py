"""The one interface to ClickHouse, embedded or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class StoreUnavailableError(Exception):
    """The event store does not answer; callers retry or show that it is down."""


class QueryTimeoutError(Exception):
    """The query needed longer, or more memory, than its limit."""


class QueryError(Exception):
    """The event store refused the statement. ``code`` is ClickHouse's error code."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class EventStore(Protocol):
    """Reads and writes rows. Safe to share between threads.

    Every method raises StoreUnavailableError, QueryTimeoutError or QueryError. Times come back as aware datetimes
    in UTC, and must be given so.
    """

    def query(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 20.0
    ) -> list[dict[str, Any]]:
        """Rows as dictionaries. Parameters are ClickHouse's own, bound by the server: ``{name:Type}``."""
        ...

    def rows(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 20.0
    ) -> Sequence[Sequence[Any]]:
        """As ``query``, rows as tuples."""
        ...

    def columns(
        self, sql: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 20.0
    ) -> Sequence[Sequence[Any]]:
        """As ``query``, one sequence per column; columns of numbers are arrays. A hundred thousand numbers cost a
        fraction of what they do as rows."""
        ...

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows as one block; durable when it returns. A retry inside the client inserts nothing twice."""
        ...

    def synchronize(self, table: str) -> None:
        """Wait until this connection's replica shows every row of the table that was inserted before, by anybody.

        A single server always does, and nothing is asked of it.
        """
        ...

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing."""
        ...
