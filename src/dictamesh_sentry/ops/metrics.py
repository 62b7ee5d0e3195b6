"""``/metrics``: what every role counted, and the lag of the streams, in Prometheus' text format."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from dictamesh_sentry.config.load import get_settings
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


def render() -> tuple[bytes, str]:
    """The page and its content type."""
    forget_dead_processes()
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=MULTIPROCESS_FOLDER)
    messages = Gauge("sentry_stream_lag_messages", "Messages not yet processed", ["topic", "group"], registry=registry)
    age = Gauge("sentry_stream_lag_seconds", "Age of the oldest of them", ["topic", "group"], registry=registry)
    for topic in TOPICS:
        try:
            lags = stream_lags(topic)
        except StreamUnavailableError:
            continue
        for group, (count, seconds) in lags.items():
            messages.labels(topic, group).set(count)
            age.labels(topic, group).set(seconds)
    if get_settings().kafka_hosts:
        spooled = Gauge(
            "sentry_spool_messages", "Messages spooled to disk until the brokers are back", registry=registry
        )
        spooled.set(spooled_messages())
    return generate_latest(registry), CONTENT_TYPE_LATEST
