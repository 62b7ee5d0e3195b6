"""Is it serving, and how is each of its dependencies."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection

from dictamesh_sentry import __version__
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.eventstore.interface import QueryError, QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.ops.dlq import count_letters
from dictamesh_sentry.protocol.messages import TOPICS
from dictamesh_sentry.streams.factory import spooled_messages, stream_folder, stream_lags
from dictamesh_sentry.streams.interface import StreamUnavailableError


def _metadata() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        cursor.fetchone()
    return {"backend": connection.vendor}


def _event_store() -> dict[str, Any]:
    version = get_store().rows("SELECT version()", timeout=3)[0][0]
    return {"backend": "clickhouse" if get_settings().clickhouse_host else "embedded", "version": version}


def _stream() -> dict[str, Any]:
    """Queue length and age of the oldest message per topic and consumer group."""
    topics: dict[str, Any] = {}
    for topic in TOPICS:
        topics[topic] = {
            group: {"lag": count, "oldest_seconds": round(seconds, 1)}
            for group, (count, seconds) in stream_lags(topic).items()
        }
    if get_settings().kafka_hosts:
        return {"backend": "kafka", "topics": topics, "spooled_messages": spooled_messages()}
    return {"backend": "local", "topics": topics}


def _disk() -> dict[str, Any]:
    settings = get_settings()
    folder = stream_folder() if stream_folder().exists() else settings.data_dir
    usage = shutil.disk_usage(folder)
    if usage.free < settings.stream_min_free_bytes:
        raise StreamUnavailableError(
            f"only {usage.free} bytes free; new events are refused below {settings.stream_min_free_bytes}"
        )
    return {"free_bytes": usage.free, "total_bytes": usage.total}


def _dead_letters() -> dict[str, Any]:
    return {"waiting": count_letters()}


CHECKS: dict[str, Callable[[], dict[str, Any]]] = {
    "metadata": _metadata,
    "event_store": _event_store,
    "stream": _stream,
    "disk": _disk,
    "dead_letters": _dead_letters,
}

_NEEDED_TO_SERVE = ("metadata", "event_store", "stream", "disk")


def report() -> tuple[dict[str, Any], bool]:
    """Every check with ``ok``, ``milliseconds`` and details; and whether this installation is serving."""
    checks: dict[str, Any] = {}
    for name, check in CHECKS.items():
        began = time.perf_counter()
        try:
            result: dict[str, Any] = {"ok": True, **check()}
        except (
            DatabaseError,
            StoreUnavailableError,
            StreamUnavailableError,
            QueryError,
            QueryTimeoutError,
            OSError,
        ) as error:
            result = {"ok": False, "error": str(error)[:300]}
        result["milliseconds"] = round((time.perf_counter() - began) * 1000, 1)
        checks[name] = result

    serving = all(checks[name]["ok"] for name in _NEEDED_TO_SERVE)
    return {"version": __version__, "serving": serving, "checks": checks}, serving
