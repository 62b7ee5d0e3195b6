"""The one interface to ClickHouse, embedded or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class StoreUnavailableError(Exception):
    """The event store does not answer; callers retry or show that it is down."""


class QueryTimeoutError(Exception):
    """The query needed longer than its limit."""


class EventStore(Protocol):
    """Reads and writes rows. Safe to share between threads."""

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

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Insert rows as one block; durable when it returns."""
        ...

    def command(self, sql: str, parameters: Mapping[str, Any] | None = None) -> None:
        """Run a statement that returns nothing."""
        ...
