"""Chooses the stream from the settings."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.config.schema import Settings
from dictamesh_sentry.streams.interface import Consumer, Producer, StreamUnavailableError
from dictamesh_sentry.streams.local import LocalConsumer, LocalProducer
from dictamesh_sentry.streams.local_log import group_lags, open_log, topic_path

if TYPE_CHECKING:
    from dictamesh_sentry.streams.kafka import KafkaProducer

_DELIVERY_SECONDS = 10.0
_EDGE_DELIVERY_SECONDS = 5.0
_NOTE_SECONDS = 30.0
_noted = 0.0
log = structlog.get_logger(__name__)


def stream_folder() -> Path:
    """Where the local log keeps its files; what the brokers do not take is spooled there, too."""
    return get_settings().data_dir / ("spool" if get_settings().kafka_hosts else "streams")


def _note_error(error: object) -> None:
    """librdkafka repeats itself many times a second while brokers are down; one line in half a minute will do."""
    global _noted
    now = time.monotonic()
    if now - _noted >= _NOTE_SECONDS:
        _noted = now
        log.warning("trouble with the brokers", error=str(error))


def kafka_connection(settings: Settings) -> dict[str, Any]:
    """librdkafka's configuration for reaching the cluster."""
    connection: dict[str, Any] = {
        "bootstrap.servers": ",".join(host.strip() for host in settings.kafka_hosts.split(",")),
        "security.protocol": settings.kafka_security_protocol,
        "client.id": "dictamesh-sentry",
        "topic.metadata.refresh.interval.ms": 60_000,
        "log_level": 2,
        "error_cb": _note_error,
        "reconnect.backoff.max.ms": 2_000,
    }
    if settings.kafka_security_protocol.startswith("sasl"):
        connection |= {
            "sasl.mechanism": settings.kafka_sasl_mechanism,
            "sasl.username": settings.kafka_sasl_username,
            "sasl.password": settings.kafka_sasl_password,
        }
    if settings.kafka_ca_cert:
        connection["ssl.ca.location"] = settings.kafka_ca_cert
    return connection


def _local_producer(settings: Settings) -> LocalProducer:
    return LocalProducer(
        stream_folder(), max_bytes=settings.stream_max_bytes, min_free_bytes=settings.stream_min_free_bytes
    )


def _kafka_producer(settings: Settings, timeout: float) -> KafkaProducer:
    from dictamesh_sentry.streams.kafka import KafkaProducer

    return KafkaProducer(
        kafka_connection(settings),
        prefix=settings.kafka_topic_prefix,
        compression=settings.kafka_compression,
        timeout=timeout,
    )


@lru_cache(maxsize=1)
def get_producer() -> Producer:
    """The producer of this process. Close it before the process ends, or let the process end: nothing that was
    acknowledged is lost either way."""
    settings = get_settings()
    if not settings.kafka_hosts:
        return _local_producer(settings)
    return _kafka_producer(settings, _DELIVERY_SECONDS)


@lru_cache(maxsize=1)
def get_edge_producer() -> Producer:
    """The producer of a web process: what the brokers do not take goes to a spool on its own disk, and from there
    to the brokers once they are back."""
    settings = get_settings()
    if not settings.kafka_hosts:
        return get_producer()
    from dictamesh_sentry.streams.spool import SpoolingProducer

    primary = _kafka_producer(settings, _EDGE_DELIVERY_SECONDS)
    return SpoolingProducer(primary, _local_producer(settings), stream_folder())


def get_consumer(topic: str, group: str) -> Consumer:
    """A consumer that registers ``group`` on ``topic``; the caller closes it."""
    settings = get_settings()
    if not settings.kafka_hosts:
        return LocalConsumer(stream_folder(), topic, group)
    from dictamesh_sentry.streams.kafka_consumer import KafkaConsumer

    return KafkaConsumer(kafka_connection(settings), topic, group, prefix=settings.kafka_topic_prefix)


def prepare_topics(topics: tuple[str, ...]) -> None:
    """Create the topics the brokers miss. The local log needs no preparation. Raises StreamUnavailableError."""
    settings = get_settings()
    if not settings.kafka_hosts:
        return
    from dictamesh_sentry.streams.kafka_admin import ensure_topics

    ensure_topics(
        kafka_connection(settings),
        [settings.kafka_topic_prefix + topic for topic in topics],
        partitions=settings.kafka_partitions,
        replication=settings.kafka_replication_factor,
        retention_seconds=settings.kafka_retention_hours * 3600,
        retention_bytes=settings.kafka_retention_bytes,
    )


def stream_lags(topic: str) -> dict[str, tuple[int, float]]:
    """Registered group → (messages not yet committed, age in seconds of the oldest), without joining any group.

    Raises StreamUnavailableError when the stream cannot be read. A topic nobody has used yet is empty.
    """
    settings = get_settings()
    if settings.kafka_hosts:
        from dictamesh_sentry.streams import kafka_admin

        prefix = settings.kafka_topic_prefix
        lags = kafka_admin.group_lags(kafka_connection(settings), prefix + topic)
        return {name.removeprefix(prefix): lag for name, lag in lags.items() if name.startswith(prefix)}
    return _local_lags(topic)


def spooled_messages() -> int:
    """How many messages wait on this host's disk for the brokers. Raises StreamUnavailableError."""
    if not get_settings().kafka_hosts:
        return 0
    names = [path.stem for path in stream_folder().glob("*.sqlite3")]
    return sum(count for name in names for count, _ in _local_lags(name).values())


def _local_lags(topic: str) -> dict[str, tuple[int, float]]:
    path = topic_path(stream_folder(), topic)
    if not path.exists():
        return {}
    try:
        with contextlib.closing(open_log(path, durable=False)) as connection:
            return group_lags(connection)
    except sqlite3.Error as error:
        raise StreamUnavailableError(f"cannot read {topic}: {error}") from error
