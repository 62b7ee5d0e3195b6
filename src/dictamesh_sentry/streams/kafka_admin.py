"""Topics of a Kafka cluster, and how far behind their readers are."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Consumer as RawConsumer
from confluent_kafka.admin import (
    AdminClient,
    NewPartitions,  # pyright: ignore[reportPrivateImportUsage]
    NewTopic,  # pyright: ignore[reportPrivateImportUsage]
    OffsetSpec,  # pyright: ignore[reportPrivateImportUsage]
)

from dictamesh_sentry.streams.interface import StreamUnavailableError

_POLL_SECONDS = 0.1
_ADMIN_SECONDS = 15.0
_PROBE_SECONDS = 5.0
_SCAN_SECONDS = 120.0
_LATEST: OffsetSpec = OffsetSpec.latest()  # pyright: ignore[reportAssignmentType]


def ensure_topics(
    connection: Mapping[str, Any],
    topics: Sequence[str],
    *,
    partitions: int,
    replication: int,
    retention_seconds: int,
    retention_bytes: int,
) -> None:
    """Create the topics that are missing and add partitions to those that have fewer; never removes anything.

    Raises StreamUnavailableError.
    """
    admin = AdminClient(dict(connection))
    config = {
        "retention.ms": str(retention_seconds * 1000),
        "retention.bytes": str(retention_bytes),
        "max.message.bytes": str(8 * 1024 * 1024),
    }
    try:
        known = admin.list_topics(timeout=_ADMIN_SECONDS).topics
        missing = [NewTopic(name, partitions, replication, config=config) for name in topics if name not in known]
        for name, done in (admin.create_topics(missing) if missing else {}).items():
            _created(name, done)
        small = [NewPartitions(name, partitions) for name in topics if 0 < _partitions(known, name) < partitions]
        for done in (admin.create_partitions(small) if small else {}).values():
            done.result(_ADMIN_SECONDS)
    except KafkaException as error:
        raise StreamUnavailableError(f"cannot prepare the topics: {error}") from error


def _partitions(known: Mapping[str, Any], name: str) -> int:
    return len(known[name].partitions) if name in known else 0


def _created(name: str, done: Future[None]) -> None:
    """Somebody else may have created it in the same moment."""
    try:
        done.result(_ADMIN_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise StreamUnavailableError(f"cannot create topic {name}: {error}") from error


def group_lags(connection: Mapping[str, Any], topic: str) -> dict[str, tuple[int, float]]:
    """Consumer group → (messages not yet committed, age in seconds of the oldest); names as the cluster knows them.

    Raises StreamUnavailableError.
    """
    admin = AdminClient(dict(connection))
    try:
        partitions = sorted(admin.list_topics(topic, timeout=_ADMIN_SECONDS).topics[topic].partitions)
        every = [TopicPartition(topic, number) for number in partitions]
        ends = {tp.partition: done.result(_ADMIN_SECONDS).offset
                for tp, done in admin.list_offsets(dict.fromkeys(every, _LATEST)).items()}  # fmt: skip
        groups = [group.group_id for group in admin.list_consumer_groups().result(_ADMIN_SECONDS).valid]
        lags: dict[str, tuple[int, float]] = {}
        for group in groups:
            request = [ConsumerGroupTopicPartitions(group, every)]
            [done] = admin.list_consumer_group_offsets(request).values()
            committed = {
                tp.partition: tp.offset for tp in done.result(_ADMIN_SECONDS).topic_partitions or () if tp.offset >= 0
            }
            if committed:
                read = {number: committed.get(number, 0) for number in partitions}
                behind = {number: offset for number, offset in read.items() if ends[number] > offset}
                count = sum(ends[number] - offset for number, offset in behind.items())
                lags[group] = (count, _oldest_age(connection, topic, behind))
    except (KafkaException, KeyError) as error:
        raise StreamUnavailableError(f"cannot read {topic}: {error}") from error
    return lags


def _oldest_age(connection: Mapping[str, Any], topic: str, offsets: Mapping[int, int]) -> float:
    found = first_messages(connection, topic, offsets)
    return max(0.0, time.time() - min(stamp for _, stamp in found.values())) if found else 0.0


def first_messages(
    connection: Mapping[str, Any], topic: str, offsets: Mapping[int, int] | None = None
) -> dict[int, tuple[int, float]]:
    """Partition → (offset, timestamp) of the first message at or after the offset, without joining a group.

    Without ``offsets``: of every partition's oldest message. Raises StreamUnavailableError.
    """
    if offsets is not None and not offsets:
        return {}
    reader = RawConsumer({**connection, "group.id": "sentry-probe", "enable.auto.commit": False})
    try:
        if offsets is None:
            topics = reader.list_topics(topic, timeout=_ADMIN_SECONDS).topics
            offsets = dict.fromkeys(topics[topic].partitions, OFFSET_BEGINNING)
        waiting = {}
        for number, offset in offsets.items():
            low, high = reader.get_watermark_offsets(TopicPartition(topic, number), timeout=_ADMIN_SECONDS)
            if max(low, offset) < high:
                waiting[number] = offset
        reader.assign([TopicPartition(topic, number, offset) for number, offset in waiting.items()])
        return _first_of_each(reader, set(waiting))
    except KafkaException as error:
        raise StreamUnavailableError(f"cannot read {topic}: {error}") from error
    finally:
        reader.close()


def _first_of_each(reader: RawConsumer, waiting: set[int]) -> dict[int, tuple[int, float]]:
    found: dict[int, tuple[int, float]] = {}
    deadline = time.monotonic() + _PROBE_SECONDS
    while waiting and time.monotonic() < deadline:
        message = reader.poll(_POLL_SECONDS)
        if message is None or message.error() is not None:
            continue
        partition = message.partition() or 0
        if partition in waiting:
            waiting.discard(partition)
            found[partition] = (message.offset() or 0, message.timestamp()[1] / 1000)
            reader.pause([TopicPartition(message.topic() or "", partition)])
    return found


def find_messages(
    connection: Mapping[str, Any], topic: str, messages: Sequence[tuple[bytes, bytes]], since: float
) -> set[int]:
    """Which of the ``(key, value)`` pairs the topic already holds, by index, looking at what came after ``since``.

    Raises StreamUnavailableError when the topic cannot be read to its end.
    """
    wanted: dict[tuple[bytes, bytes], list[int]] = {}
    for index, message in enumerate(messages):
        wanted.setdefault(message, []).append(index)
    keys = {key for key, _ in wanted}
    reader = RawConsumer(
        {**connection, "group.id": "sentry-probe", "enable.auto.commit": False, "enable.partition.eof": True}
    )
    found: set[int] = set()
    try:
        known = reader.list_topics(topic, timeout=_ADMIN_SECONDS).topics[topic].partitions
        starts = [TopicPartition(topic, number, int(since * 1000)) for number in known]
        starts = reader.offsets_for_times(starts, timeout=_ADMIN_SECONDS)
        reader.assign(starts)
        unread = {start.partition for start in starts}
        deadline = time.monotonic() + _SCAN_SECONDS
        while unread:
            if time.monotonic() > deadline:
                raise StreamUnavailableError(f"{topic} could not be read to its end")
            for message in reader.consume(500, _POLL_SECONDS):
                error = message.error()
                if error is None:
                    if (key := message.key() or b"") in keys:
                        found.update(wanted.get((key, message.value() or b""), ()))
                elif error.code() == KafkaError._PARTITION_EOF:
                    unread.discard(message.partition() or 0)
                elif not error.retriable():
                    raise StreamUnavailableError(f"cannot read {topic}: {error}")
    except (KafkaException, KeyError) as error:
        raise StreamUnavailableError(f"cannot read {topic}: {error}") from error
    finally:
        reader.close()
    return found
