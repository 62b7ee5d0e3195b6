"""``/metrics``: what every role counted, and the lag of the streams, in Prometheus' text format."""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from django.db import DatabaseError, connection

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.ops.dlq import count_letters
from dictamesh_sentry.protocol.messages import TOPICS
from dictamesh_sentry.streams.factory import spooled_messages, stream_lags
from dictamesh_sentry.streams.interface import StreamUnavailableError
from dictamesh_sentry.telemetry import (
    CONTENT_TYPE_LATEST,
    MULTIPROCESS_FOLDER,
    CollectorRegistry,
    Gauge,
    MultiProcessCollector,
    generate_latest,
    mark_process_dead,
)

_FILE_OF_PROCESS = re.compile(r"_(\d+)\.db$")
_KEPT_SECONDS = 86400
_FRESH_SECONDS = 5.0
_STALE_SECONDS = 60.0
_PATIENCE_SECONDS = 2.0


def forget_dead_processes() -> None:
    """Drop the gauges of processes that ended, and a day later what they counted.

    Until then their counters are part of the sum; Prometheus takes the drop for a restart, which it was.
    """
    if not os.path.isdir("/proc"):
        return
    for path in Path(MULTIPROCESS_FOLDER).glob("*.db"):
        matched = _FILE_OF_PROCESS.search(path.name)
        if matched is None or Path(f"/proc/{matched.group(1)}").exists():
            continue
        if path.name.startswith("gauge_live"):
            mark_process_dead(int(matched.group(1)), MULTIPROCESS_FOLDER)
        elif time.time() - path.stat().st_mtime > _KEPT_SECONDS:
            path.unlink(missing_ok=True)


@dataclass
class _Shared:
    """What is asked of the servers that all roles share, as it was a moment ago."""

    lags: dict[tuple[str, str], tuple[int, float]]
    dead_letters: int | None
    measured: float


class _Observer:
    """Asks in the background, so that a server that is down never makes a scrape wait for its timeouts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: _Shared | None = None
        self._asking: threading.Thread | None = None

    def look(self) -> _Shared | None:
        """What is known, no older than a minute; the first look waits a little. None when nothing is."""
        with self._lock:
            age = time.monotonic() - self._last.measured if self._last else math.inf
            if age > _FRESH_SECONDS and (self._asking is None or not self._asking.is_alive()):
                self._asking = threading.Thread(target=self._ask, name="metrics", daemon=True)
                self._asking.start()
            asking = self._asking
        if asking is not None and age > _FRESH_SECONDS:
            asking.join(_PATIENCE_SECONDS)
        last = self._last
        return last if last is not None and time.monotonic() - last.measured < _STALE_SECONDS else None

    def _ask(self) -> None:
        found = _Shared({}, None, 0.0)
        try:
            for topic in TOPICS:
                for group, lag in stream_lags(topic).items():
                    found.lags[topic, group] = lag
        except StreamUnavailableError:
            found.lags = {}
        try:
            found.dead_letters = count_letters()
        except DatabaseError:
            found.dead_letters = None
        finally:
            connection.close()
        found.measured = time.monotonic()
        self._last = found


_observer = _Observer()


def render(*, shared: bool = True) -> tuple[bytes, str]:
    """The page and its content type. ``shared``: with lags and dead letters, which are the same whoever is asked."""
    forget_dead_processes()
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=MULTIPROCESS_FOLDER)
    settings = get_settings()
    free = Gauge("sentry_data_free_bytes", "Bytes free on the disk of the data folder", registry=registry)
    free.set(shutil.disk_usage(settings.data_dir).free)
    if shared:
        _add_shared(registry)
    if settings.kafka_hosts:
        spool = Gauge("sentry_spool_messages", "Messages on disk until the brokers are back", registry=registry)
        with contextlib.suppress(StreamUnavailableError):
            spool.set(spooled_messages())
    return generate_latest(registry), CONTENT_TYPE_LATEST


def _add_shared(registry: CollectorRegistry) -> None:
    known = _observer.look()
    if known is None:
        return
    messages = Gauge("sentry_stream_lag_messages", "Messages not yet processed", ["topic", "group"], registry=registry)
    age = Gauge("sentry_stream_lag_seconds", "Age of the oldest of them", ["topic", "group"], registry=registry)
    for (topic, group), (count, seconds) in known.lags.items():
        messages.labels(topic, group).set(count)
        age.labels(topic, group).set(seconds)
    if known.dead_letters is not None:
        letters = Gauge("sentry_dead_letters", "Messages set aside that nobody has replayed", registry=registry)
        letters.set(known.dead_letters)
