"""Which spans and logs of a batch are stored already, by this very message or by another."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.processing.batch import Batch
from dictamesh_sentry.processing.logs import ITEM_ID
from dictamesh_sentry.processing.results import LogGroup, SpanGroup
from dictamesh_sentry.processing.rows import to_datetime
from dictamesh_sentry.processing.spans.rows import SPAN_ID
from dictamesh_sentry.protocol.categories import Outcome

_MARGIN = 2 * 86400
_CHUNK = 1000
Origin = tuple[int, int]


@dataclass
class StoredSpans:
    """Origins of stored transactions, and the span ids that messages of this batch stored before."""

    transactions: dict[tuple[int, str], Origin] = field(default_factory=dict)
    replayed: dict[Origin, set[Any]] = field(default_factory=dict)


def find_stored_spans(store: EventStore, groups: Sequence[SpanGroup]) -> StoredSpans:
    """What the event store has of these spans. Two queries for a usual batch."""
    found = StoredSpans()
    if groups:
        store.synchronize("spans")
    for start in range(0, len(groups), _CHUNK):
        chunk = groups[start : start + _CHUNK]
        window = _window(chunk)
        _find_transactions(store, chunk, window, found)
        found.replayed |= _find_replayed(store, "spans", chunk, window)
    return found


def find_stored_logs(store: EventStore, groups: Sequence[LogGroup]) -> dict[Origin, set[Any]]:
    """Item ids that an earlier attempt at these messages stored, by origin."""
    found: dict[Origin, set[Any]] = {}
    if groups:
        store.synchronize("logs")
    for start in range(0, len(groups), _CHUNK):
        chunk = groups[start : start + _CHUNK]
        found |= _find_replayed(store, "logs", chunk, _window(chunk))
    return found


def new_log_rows(batch: Batch, stored: dict[Origin, set[Any]]) -> list[list[Any]]:
    """Count the batch's logs, and return the rows still to be inserted."""
    rows: list[list[Any]] = []
    for group in batch.logs:
        batch.settle_group(group, Outcome.ACCEPTED)
        present = stored.get((group.partition, group.offset))
        rows += [row for row in group.rows if row[ITEM_ID] not in present] if present else group.rows
    return rows


def _window(groups: Sequence[SpanGroup] | Sequence[LogGroup]) -> dict[str, Any]:
    return {
        "projects": sorted({group.project_id for group in groups}),
        "first": to_datetime(min(group.first for group in groups) - _MARGIN),
        "last": to_datetime(max(group.last for group in groups) + _MARGIN),
    }


def _find_transactions(
    store: EventStore, groups: Sequence[SpanGroup], window: dict[str, Any], found: StoredSpans
) -> None:
    ids = sorted({group.event_id for group in groups if group.is_transaction})
    if not ids:
        return
    rows = store.rows(
        "SELECT project_id, event_id, origin_partition, origin_offset FROM spans WHERE is_segment = 1"
        " AND project_id IN {projects:Array(UInt64)} AND event_id IN {ids:Array(UUID)}"
        " AND timestamp >= {first:DateTime64(6)} AND timestamp <= {last:DateTime64(6)}",
        {**window, "ids": [uuid.UUID(one) for one in ids]},
    )
    for project_id, event_id, partition, offset in rows:
        found.transactions[int(project_id), event_id.hex] = (int(partition), int(offset))


_REPLAYED = {
    table: f"SELECT origin_partition, origin_offset, groupArray({column}) FROM {table} WHERE {first_key}"  # noqa: S608
    " project_id IN {projects:Array(UInt64)} AND origin_offset IN {offsets:Array(UInt64)}"
    " AND timestamp >= {first:DateTime64(6)} AND timestamp <= {last:DateTime64(6)}"
    " GROUP BY origin_partition, origin_offset"
    for table, column, first_key in (("spans", "span_id", "is_segment IN (0, 1) AND"), ("logs", "item_id", ""))
}


def _find_replayed(
    store: EventStore, table: str, groups: Sequence[SpanGroup] | Sequence[LogGroup], window: dict[str, Any]
) -> dict[Origin, set[Any]]:
    """Only an earlier attempt at these very messages leaves rows of their origins: usually there are none."""
    origins = {(group.partition, group.offset) for group in groups}
    rows = store.rows(_REPLAYED[table], {**window, "offsets": sorted({offset for _, offset in origins})})
    found = {(int(partition), int(offset)): set(ids) for partition, offset, ids in rows}
    return {origin: ids for origin, ids in found.items() if origin in origins}


def split_duplicate_spans(batch: Batch, stored: StoredSpans) -> list[list[Any]]:
    """Fill ``batch.accepted_spans`` and return the rows still to be inserted.

    A transaction somebody sent twice is counted as invalid. Rows of this message's own origin stay as they are.
    """
    seen: set[tuple[int, str]] = set()
    rows: list[list[Any]] = []
    for group in batch.spans:
        origin = (group.partition, group.offset)
        if group.is_transaction:
            if group.identity in seen or stored.transactions.get(group.identity, origin) != origin:
                batch.settle_group(group, Outcome.INVALID, "duplicate")
                continue
            seen.add(group.identity)
        batch.accepted_spans.append(group)
        batch.settle_group(group, Outcome.ACCEPTED)
        present = stored.replayed.get(origin)
        rows += [row for row in group.rows if row[SPAN_ID] not in present] if present else group.rows
    return rows
