"""Which events of a batch are stored already, by this very message or by another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.processing.batch import Batch
from dictamesh_sentry.processing.results import EventRecord
from dictamesh_sentry.processing.rows import to_datetime
from dictamesh_sentry.protocol.categories import Outcome

# A client that sends an event again may have its clock corrected differently; never by more than this.
_MARGIN = 2 * 86400
_CHUNK = 1000


class Stored(NamedTuple):
    """The row an event id already has."""

    origin: tuple[int, int]
    issue_id: int


def find_stored(store: EventStore, events: Sequence[EventRecord]) -> dict[tuple[int, str], Stored]:
    """(project id, event id) → row, for those that exist. One query for a usual batch."""
    found: dict[tuple[int, str], Stored] = {}
    if events:
        store.synchronize("events")
    for start in range(0, len(events), _CHUNK):
        chunk = events[start : start + _CHUNK]
        times = [event.timestamp for event in chunk]
        rows = store.rows(
            "SELECT project_id, replaceAll(toString(event_id), '-', ''), origin_partition, origin_offset, issue_id"
            " FROM events WHERE project_id IN {projects:Array(UInt64)} AND event_id IN {ids:Array(UUID)}"
            " AND timestamp >= {first:DateTime64(3)} AND timestamp <= {last:DateTime64(3)}",
            {
                "projects": sorted({event.project_id for event in chunk}),
                "ids": sorted({event.event_id for event in chunk}),
                "first": to_datetime(min(times) - _MARGIN),
                "last": to_datetime(max(times) + _MARGIN),
            },
        )
        for project_id, event_id, partition, offset, issue_id in rows:
            found[int(project_id), str(event_id)] = Stored((int(partition), int(offset)), int(issue_id))
    return found


def split_duplicates(batch: Batch, stored: dict[tuple[int, str], Stored]) -> None:
    """Fill ``batch.accepted`` and ``batch.replayed``; an event somebody sent twice is counted as invalid.

    A row with this message's own origin was inserted by an earlier attempt at this batch: the event is still to be
    counted, but not to be inserted again.
    """
    seen: set[tuple[int, str]] = set()
    for event in batch.events:
        row = stored.get(event.identity)
        if event.identity in seen or (row is not None and row.origin != (event.partition, event.offset)):
            batch.settle(event, Outcome.INVALID, "duplicate")
            continue
        seen.add(event.identity)
        if row is not None:
            batch.replayed.add(event.identity)
        batch.accepted.append(event)
