"""Chooses the stream from the settings."""

from __future__ import annotations

import contextlib
import sqlite3
from functools import lru_cache
from pathlib import Path

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.streams.interface import Consumer, Producer, StreamUnavailableError
from dictamesh_sentry.streams.local import LocalConsumer, LocalProducer
from dictamesh_sentry.streams.local_log import group_lags, open_log, topic_path


def stream_folder() -> Path:
    """Where the local log keeps its files."""
    return get_settings().data_dir / "streams"


@lru_cache(maxsize=1)
def get_producer() -> Producer:
    """The producer of this process. Close it before the process ends, or let the process end: nothing that was
    acknowledged is lost either way."""
    settings = get_settings()
    return LocalProducer(
        stream_folder(), max_bytes=settings.stream_max_bytes, min_free_bytes=settings.stream_min_free_bytes
    )


def get_consumer(topic: str, group: str) -> Consumer:
    """A consumer that registers ``group`` on ``topic``; the caller closes it."""
    return LocalConsumer(stream_folder(), topic, group)


def stream_lags(topic: str) -> dict[str, tuple[int, float]]:
    """Registered group → (messages not yet committed, age in seconds of the oldest), without joining any group.

    Raises StreamUnavailableError when the stream cannot be read. A topic nobody has used yet is empty.
    """
    path = topic_path(stream_folder(), topic)
    if not path.exists():
        return {}
    try:
        with contextlib.closing(open_log(path, durable=False)) as connection:
            return group_lags(connection)
    except sqlite3.Error as error:
        raise StreamUnavailableError(f"cannot read {topic}: {error}") from error
