"""The one interface of the stream, whatever is behind it (local log or Kafka)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class StreamUnavailableError(Exception):
    """The stream cannot take messages now: disk full, backlog full, brokers down. The edge answers 503."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message. (topic, partition, offset) is its identity; offsets of a partition only grow."""

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    timestamp: float


class Producer(Protocol):
    """Appends messages. Safe to share between threads."""

    def append(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Store ``(key, value)`` pairs; returns when they are durable (fsync'd). Raises StreamUnavailableError."""
        ...

    async def append_async(self, topic: str, key: bytes, value: bytes) -> None:
        """As ``append`` for one message, group-committed with its contemporaries."""
        ...

    def close(self) -> None:
        """Wait for what is under way, then stop."""
        ...


class Consumer(Protocol):
    """Reads a topic's partitions in order. Where to start is the caller's knowledge (``StreamOffset``)."""

    def poll(self, limit: int, timeout: float) -> Sequence[Message]:
        """Up to ``limit`` messages, waiting at most ``timeout`` seconds for the first."""
        ...

    def seek(self, offsets: Mapping[int, int]) -> None:
        """Continue each partition at the given offset (after a failed batch, or at start)."""
        ...

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Tell the stream that everything below these offsets may be forgotten."""
        ...

    def oldest(self) -> Mapping[int, tuple[int, float]]:
        """Partition → (offset, timestamp) of the oldest message still kept; empty partitions are missing."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...
