"""Where a consumer group is, kept with the counters it changes."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from django.utils import timezone

from dictamesh_sentry.processing.models import StreamOffset
from dictamesh_sentry.streams.interface import Consumer

log = structlog.get_logger(__name__)
_CLOCK_MARGIN = 5.0


class OffsetConflictError(Exception):
    """Another consumer of the group has moved the offset: this batch, or part of it, is already done."""


def read_offsets(group: str, topic: str) -> dict[int, int]:
    """Partition → next offset to process."""
    rows = StreamOffset.objects.filter(consumer_group=group, topic=topic)
    return dict(rows.values_list("partition", "next_offset"))


def advance(group: str, topic: str, spans: Mapping[int, tuple[int, int]]) -> None:
    """Move each partition past a batch, inside the caller's transaction.

    ``spans`` is partition → (first offset of the batch, offset after its last). Raises OffsetConflictError when the
    stored offset is beyond the batch's first message; the transaction has to be rolled back then.
    """
    for partition, (first, following) in sorted(spans.items()):
        row, _ = StreamOffset.objects.get_or_create(consumer_group=group, topic=topic, partition=partition)
        moved = StreamOffset.objects.filter(pk=row.pk, next_offset__lte=first).update(
            next_offset=following, updated_at=timezone.now()
        )
        if not moved:
            raise OffsetConflictError(f"{group}/{topic}/{partition} is beyond {first}")


def check_unmoved(group: str, topic: str, spans: Mapping[int, tuple[int, int]]) -> None:
    """Raises OffsetConflictError when ``advance`` would, before anything is written anywhere."""
    stored = read_offsets(group, topic)
    for partition, (first, _) in spans.items():
        if stored.get(partition, 0) > first:
            raise OffsetConflictError(f"{group}/{topic}/{partition} is beyond {first}")


def starting_offsets(group: str, consumer: Consumer, topic: str) -> dict[int, int]:
    """Partition → where the group continues, after making sure that the stream is still the one it was reading.

    A stream that was lost and began anew (its files deleted, only the metadata restored from a backup) counts from
    the start again; waiting for the stored offset would silently skip everything until then. Such a stream shows
    by its oldest message: below the stored offset, and younger than the offset itself.
    """
    known = StreamOffset.objects.filter(consumer_group=group, topic=topic)
    stored = {row.partition: row for row in known}
    if not stored:
        return {}
    offsets = {partition: row.next_offset for partition, row in stored.items()}
    for partition, (offset, timestamp) in consumer.oldest().items():
        row = stored.get(partition)
        if row is None or offset >= row.next_offset:
            continue
        if timestamp > row.updated_at.timestamp() + _CLOCK_MARGIN:
            log.warning("the stream began anew; reading it from its start", topic=topic, stored=row.next_offset)
            offsets[partition] = offset
            StreamOffset.objects.filter(pk=row.pk).update(next_offset=offset)
    return offsets
