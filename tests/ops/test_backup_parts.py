"""The parts of backup and restore that need no second installation."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.ops.backup import events, metadata
from dictamesh_sentry.ops.backup.restore import repair_issue_ids
from tests.support.events import EventRow, insert_events
from tests.support.factories import make_issue, make_organization, make_project

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def _rows(store: EventStore) -> None:
    """Two projects, three weeks; one day, fingerprint and minute has far more than the others."""
    rows = [
        EventRow(project_id=project, timestamp=NOW - timedelta(days=day, minutes=n), issue_id=n % 4 + 1, size=1000)
        for project in (1, 2)
        for day in (0, 1, 10, 20)
        for n in range(12)
    ]
    rows += [EventRow(project_id=3, timestamp=NOW, issue_id=1, size=1000) for _ in range(100)]
    insert_events(store, rows)


def _events_table() -> events.Table:
    return next(table for table in events.describe() if table.name == "events")


@pytest.mark.parametrize("piece_bytes", [6_000, 30_000, 100_000, 10**9])
def test_pieces_are_small_disjoint_and_complete(event_store: EventStore, piece_bytes: int) -> None:
    _rows(event_store)
    table = _events_table()
    found: list[uuid.UUID] = []
    for piece, rows in events.pieces(table, events.Piece(("1",)), piece_bytes=piece_bytes):
        where = " AND ".join(piece.conditions)
        ids = event_store.rows(f"SELECT event_id FROM events WHERE {where}", piece.parameters)
        assert len(ids) == rows
        # The last division is by a hash, which is not exact.
        assert rows * 2500 <= piece_bytes * 4
        found += [row[0] for row in ids]
    assert len(found) == len(set(found)) == 196
    if piece_bytes == 10**9:
        assert len(list(events.pieces(table, events.Piece(("1",))))) <= 3


@pytest.mark.parametrize(
    ("partition", "offset", "age", "is_counted"),
    [
        (0, 99, 0, True),
        (0, 100, 0, False),
        (1, 0, 0, False),  # a partition without an offset
        (0, 5000, 7200, True),  # of a stream that was lost
        (events.RESTORED_PARTITION, 5000, 0, True),
    ],
)
def test_the_cut_is_where_the_snapshot_stopped_counting(
    event_store: EventStore, partition: int, offset: int, age: float, is_counted: bool
) -> None:
    insert_events(
        event_store,
        [EventRow(origin_partition=partition, origin_offset=offset, received=NOW - timedelta(seconds=age))],
    )
    table = _events_table()
    cut = events.Cut({0: 100}, since=(NOW - timedelta(hours=1)).timestamp())
    assert events.count(table, cut) == is_counted


def test_nothing_is_exported_when_no_offset_is_known(event_store: EventStore) -> None:
    insert_events(event_store, [EventRow(received=NOW)])
    table = _events_table()
    assert list(events.export(table, events.Cut({}, since=0.0), lambda _: None)) == []


@pytest.mark.django_db
def test_events_follow_the_issue_their_fingerprint_belongs_to(event_store: EventStore) -> None:
    """A merge moves the fingerprint at once; the task that moves the events is in no backup."""
    project = make_project(make_organization())
    issue = make_issue(project, hashes=(uuid.UUID(int=77).hex,))
    before = EventRow(project_id=project.pk, issue_id=77)
    other = EventRow(project_id=project.pk + 1, issue_id=77)
    insert_events(event_store, [before, other])
    assert repair_issue_ids() == 1
    stored = event_store.rows("SELECT project_id, issue_id FROM events ORDER BY project_id")
    assert [tuple(row) for row in stored] == [(project.pk, issue.pk), (project.pk + 1, 77)]
    assert repair_issue_ids() == 0


def test_text_postgresql_refuses_is_replaced() -> None:
    assert metadata._storable({"a\x00": ["\ud800x", "🦊", 1, None]}) == {"a�": ["�x", "🦊", 1, None]}


def test_keys_of_a_table_are_split_at_their_commas() -> None:
    assert events._split("a, f(b, g(c, d)), e") == ["a", "f(b, g(c, d))", "e"]
    assert events._split("") == []
