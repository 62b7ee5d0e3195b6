"""What is stored of a profile item: its row, its functions, its samples; and what links it to its transaction."""

from __future__ import annotations

import pickle
import time
from typing import Any

import orjson
import pytest

from dictamesh_sentry.processing.profiles import InvalidProfileError, process_profile_item
from dictamesh_sentry.profiling.model import decode
from dictamesh_sentry.profiling.records import FUNCTION_COLUMNS, PROFILE_COLUMNS
from dictamesh_sentry.protocol.envelope import Item
from dictamesh_sentry.protocol.messages import IngestMessage
from tests.support.profiles import chunk, config, fixture_item, record_of, transaction_profile

NOW = time.time()
TRANSACTION = {
    "event_id": "1" * 32,
    "transaction": "/checkout/{id}",
    "release": "shop@2.0.0",
    "environment": "staging",
    "contexts": {"trace": {"trace_id": "2" * 32, "span_id": "00000000000000ab"}},
}


def process(item: Item, transaction: dict[str, Any] | None = None, **options: Any) -> Any:
    message = IngestMessage(7, 3, options.pop("received", NOW), b"")
    return process_profile_item(item, config(7), message, transaction, origin=(2, 99), **options)


def named(record: Any) -> dict[str, Any]:
    return dict(zip(PROFILE_COLUMNS, record.row, strict=True))


def item_of(payload: dict[str, Any], **headers: Any) -> Item:
    return Item({"type": "profile", **headers}, orjson.dumps(payload))


def test_the_transaction_counts_more_than_what_the_profile_says_of_it() -> None:
    record = process(item_of(transaction_profile(timestamp=NOW - 5)), TRANSACTION, quantities=[(11, 1)])
    row = named(record)
    assert (row["event_id"], row["trace_id"], row["span_id"]) == ("1" * 32, "2" * 32, 0xAB)
    assert (row["transaction"], row["release"], row["environment"]) == ("/checkout/{id}", "shop@2.0.0", "staging")
    assert (row["project_id"], row["origin_partition"], row["origin_offset"]) == (7, 2, 99)
    assert (row["os_name"], row["runtime"], row["thread_count"]) == ("Linux", "CPython 3.11", 2)
    assert record.quantities == [(11, 1)]
    stored = decode(record.blob)
    assert stored.release == "shop@2.0.0"
    assert stored.meta["transaction"]["name"] == "/checkout/{id}"
    functions = [dict(zip(FUNCTION_COLUMNS, values, strict=True)) for values in record.function_rows]
    assert [one["function"] for one in functions] == ["main", "load", "execute"]
    assert {one["transaction"] for one in functions} == {"/checkout/{id}"}
    assert pickle.loads(pickle.dumps(record)) == record


def test_a_profile_without_its_transaction_is_refused_unless_the_sdk_dropped_it() -> None:
    payload = transaction_profile(timestamp=NOW)
    for headers in ({}, {"sampled": True}, {"sampled": "false"}):
        with pytest.raises(InvalidProfileError, match="profile_without_transaction"):
            process(item_of(payload, **headers))
    assert named(process(item_of(payload, sampled=False)))["transaction"] == "/checkout"


def test_a_chunk_needs_no_transaction() -> None:
    item = Item({"type": "profile_chunk", "platform": "python"}, orjson.dumps(chunk(NOW - 10, "c" * 32)))
    row = named(process(item))
    assert (row["kind"], row["profiler_id"], row["event_id"]) == ("chunk", "c" * 32, "0" * 32)
    assert row["sdk_name"] == "sentry.python"


def test_a_wrong_clock_is_corrected_and_an_impossible_time_refused() -> None:
    day = 86400
    record = process(item_of(transaction_profile(timestamp=NOW - day)), TRANSACTION, sent_at=NOW - day + 2)
    assert record.timestamp == pytest.approx(NOW - 2, abs=0.01)
    for start in (NOW + 120, NOW - 91 * day):
        with pytest.raises(InvalidProfileError, match="profile_invalid_timestamp"):
            process(item_of(transaction_profile(timestamp=start)), TRANSACTION)


def test_the_key_of_the_samples_says_when_they_expire() -> None:
    payload = transaction_profile(timestamp="2026-11-20T23:59:59Z")
    record = record_of(payload, 12, offset=4, received=1_795_300_000.0, retention_days=30)
    assert record.blob_key == f"profiles/12/20261120-30/{payload['event_id']}-0-4"


def test_functions_of_the_app_are_kept_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dictamesh_sentry.processing.profiles.record.MAX_FUNCTIONS", 2)
    record = process(item_of(transaction_profile(timestamp=NOW)), TRANSACTION)
    assert [row[FUNCTION_COLUMNS.index("function")] for row in record.function_rows] == ["main", "load"]


def test_the_same_message_gives_the_same_record() -> None:
    item = fixture_item("python_v1")
    start = 1_795_522_830.0
    first, second = (process(item, TRANSACTION, received=start) for _ in range(2))
    assert first == second
