"""Profiles are stored once, samples before the rows that name them, however often a batch is given."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.profiling.ingest import store_profiles
from dictamesh_sentry.profiling.model import decode
from tests.support.profiles import profile_record, record_of, transaction_profile


class FailingStore:
    """Refuses to insert into one table, once."""

    def __init__(self, store: EventStore, table: str) -> None:
        self._store = store
        self.table = table

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def insert(self, table: str, columns: object, rows: object) -> None:
        if table == self.table:
            self.table = ""
            raise OSError("the store is down")
        self._store.insert(table, columns, rows)  # type: ignore[arg-type]


def counts(store: EventStore) -> tuple[int, int]:
    return tuple(store.rows(f"SELECT count() FROM {table}")[0][0] for table in ("profiles", "profile_functions"))  # type: ignore[return-value]


def yesterday() -> datetime:
    return datetime.now(UTC) - timedelta(days=1)


def test_a_replayed_batch_changes_nothing(event_store: EventStore) -> None:
    records = [profile_record(1, yesterday()) for _ in range(3)]
    for _ in range(3):
        stored = store_profiles(records, event_store, get_blob_store())
        assert (len(stored.accepted), stored.duplicates) == (3, [])
        assert counts(event_store) == (3, 9)
    [row] = event_store.query("SELECT * FROM profiles WHERE profile_id = {id:UUID}", {"id": records[0].profile_id})
    assert row["blob_bytes"] == len(records[0].blob)
    profile = decode(get_blob_store().read(row["blob_key"]))
    assert profile.profile_id == row["profile_id"].hex == records[0].profile_id
    assert (row["transaction"], row["duration"], row["sample_count"], row["thread_id"]) == ("/checkout", 40.0, 7, "1")


@pytest.mark.parametrize("table", ["profiles", "profile_functions"])
def test_an_attempt_that_failed_half_way_is_finished(event_store: EventStore, table: str) -> None:
    records = [profile_record(1, yesterday()) for _ in range(2)]
    failing = FailingStore(event_store, table)
    with pytest.raises(OSError, match="down"):
        store_profiles(records, failing, get_blob_store())  # type: ignore[arg-type]
    assert counts(event_store)[0] == 0
    store_profiles(records, failing, get_blob_store())  # type: ignore[arg-type]
    assert counts(event_store) == (2, 6)


def test_a_profile_sent_twice_is_a_duplicate_and_keeps_its_samples(event_store: EventStore) -> None:
    payload = transaction_profile()
    first = record_of(payload, offset=1)
    payload["profile"]["samples"] = payload["profile"]["samples"][:5]
    again, third = record_of(payload, offset=2), record_of(payload, offset=3)
    assert first.profile_id == again.profile_id
    store_profiles([first], event_store, get_blob_store())
    stored = store_profiles([again, third], event_store, get_blob_store())
    assert (stored.accepted, stored.duplicates) == ([], [again, third])
    assert counts(event_store) == (1, 3)
    assert len(decode(get_blob_store().read(first.blob_key)).times) == 7


def test_of_two_equal_ids_in_one_batch_the_first_wins(event_store: EventStore) -> None:
    payload = transaction_profile()
    records = [record_of(payload, offset=offset) for offset in (1, 2)]
    stored = store_profiles(records, event_store, get_blob_store())
    assert (stored.accepted, stored.duplicates) == ([records[0]], [records[1]])
    replayed = store_profiles(records, event_store, get_blob_store())
    assert (replayed.accepted, replayed.duplicates) == ([records[0]], [records[1]])


def test_functions_have_the_times_of_the_transactions_thread(event_store: EventStore) -> None:
    store_profiles([profile_record(1, yesterday())], event_store, get_blob_store())
    rows = event_store.rows(
        "SELECT function, package, in_app, self_ns, total_ns, samples, transaction FROM profile_functions"
        " ORDER BY total_ns DESC"
    )
    assert [tuple(row) for row in rows] == [
        ("main", "shop.views", 1, 10_000_000, 40_000_000, 4, "/checkout"),
        ("load", "shop.models", 1, 10_000_000, 30_000_000, 3, "/checkout"),
        ("execute", "driver", 0, 20_000_000, 20_000_000, 2, "/checkout"),
    ]
