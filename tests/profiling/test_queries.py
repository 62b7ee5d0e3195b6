"""Reads of stored profiles: scoped, in their window, and aggregates evenly sampled."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.profiling import queries
from dictamesh_sentry.profiling.aggregate import aggregate
from dictamesh_sentry.profiling.flamegraph import call_tree
from dictamesh_sentry.profiling.function_queries import ORDERS, slowest_functions
from dictamesh_sentry.profiling.functions import function_times
from dictamesh_sentry.profiling.ingest import store_profiles
from dictamesh_sentry.profiling.queries import Filters
from dictamesh_sentry.profiling.records import ProfileRecord
from dictamesh_sentry.profiling.speedscope import sample_format, speedscope
from dictamesh_sentry.search.period import Period, parse_period
from tests.support.profiles import chunk, profile_record, record_of
from tests.support.spans import insert_spans

NOW = datetime.now(UTC)
PROFILER = "c" * 32
WEEK = parse_period("7d")


def ago(**delta: float) -> datetime:
    return NOW - timedelta(**delta)


def stored(store: EventStore, *records: ProfileRecord) -> None:
    store_profiles(records, store, get_blob_store())


def named(name: str, identifier: str = "") -> dict[str, Any]:
    return {"transaction": {"id": identifier or uuid.uuid4().hex, "name": name, "active_thread_id": "1"}}


def test_a_profile_is_found_by_its_id_and_its_transaction_in_its_project_only(event_store: EventStore) -> None:
    record = profile_record(1, ago(hours=1))
    stored(event_store, record)
    found = queries.find_profile([1, 2], record.profile_id)
    assert found is not None
    assert (found.project_id, found.profile_id, found.trace_id) == (1, record.profile_id, "a" * 32)
    assert queries.read_profile(found).duration_ns == 40_000_000
    assert queries.profile_of_transaction([1], "b" * 32) == found
    for projects, identifier in (([2], record.profile_id), ([], record.profile_id), ([1], "f" * 32), ([1], "x")):
        assert queries.find_profile(projects, identifier) is None
    assert queries.find_profile([1], "0" * 32) is None
    get_blob_store().delete(record.blob_key)
    with pytest.raises(queries.ProfileMissingError):
        queries.read_profile(found)


def test_chunks_that_overlap_a_range_are_found(event_store: EventStore) -> None:
    starts = [ago(minutes=10) + timedelta(seconds=2 * number) for number in range(5)]
    records = [record_of(chunk(start.timestamp(), PROFILER), offset=n) for n, start in enumerate(starts)]
    other = record_of(chunk(starts[0].timestamp(), "d" * 32), offset=9)
    stored(event_store, *records, other)
    first, last = starts[1] + timedelta(seconds=1), starts[3] + timedelta(seconds=1)
    found = queries.chunks_between([1], PROFILER, first, last)
    assert [row.profile_id for row in found] == [record.profile_id for record in records[1:4]]
    assert queries.chunks_between([1], PROFILER, starts[4] + timedelta(seconds=3), NOW) == []
    assert queries.chunks_between([2], PROFILER, first, last) == []
    assert queries.has_chunks([1], WEEK)
    assert not queries.has_chunks([2], WEEK)
    assert not queries.has_chunks([1], Period(ago(days=6), ago(days=5)))
    newest = queries.latest_chunk([1], PROFILER)
    assert newest is not None
    assert newest.profile_id == records[4].profile_id
    [one, two] = queries.recent_profilers(Filters([1], WEEK))
    assert (one.profiler_id, one.chunks, two.chunks) == (PROFILER, 5, 1)
    assert one.seconds == pytest.approx(10, abs=0.01)


def test_lists_obey_the_filters(event_store: EventStore) -> None:
    stored(
        event_store,
        profile_record(1, ago(hours=1), **named("/a")),
        profile_record(1, ago(hours=2), **named("/a"), environment="staging"),
        profile_record(2, ago(hours=3), **named("/b")),
        profile_record(1, ago(days=8), **named("/old")),
    )
    insert_spans(event_store, [
        {"project_id": 1, "is_segment": 1, "transaction": "/c", "profiler_id": PROFILER, "timestamp": ago(hours=1)},
        {"project_id": 1, "is_segment": 1, "transaction": "/unprofiled", "timestamp": ago(hours=1)},
    ])  # fmt: skip
    everything = Filters([1, 2], WEEK)
    assert [row.transaction for row in queries.recent_profiles(everything)] == ["/a", "/a", "/b"]
    assert [row.environment for row in queries.recent_profiles(Filters([1], WEEK, ["staging"]))] == ["staging"]
    assert [(t.project_id, t.transaction, t.profiles) for t in queries.profiled_transactions(everything)] == [
        (1, "/a", 2),
        (2, "/b", 1),
        (1, "/c", 1),
    ]
    assert [t.transaction for t in queries.profiled_transactions(Filters([1], WEEK, ["staging"]))] == ["/a"]
    assert queries.has_profiles([2])
    assert not queries.has_profiles([3])


def test_slowest_functions_add_up_over_profiles(event_store: EventStore) -> None:
    records = [profile_record(1, ago(hours=hours), **named("/a")) for hours in (1, 2, 3)]
    stored(event_store, *records, profile_record(2, ago(hours=1)))
    [main, load] = slowest_functions(Filters([1], WEEK))
    assert {main.function, load.function} == {"main", "load"}
    assert {(one.self_ns, one.profiles, one.p95_self_ns) for one in (main, load)} == {(30_000_000, 3, 10_000_000)}
    assert main.example in {record.profile_id for record in records}
    assert next(one.function for one in slowest_functions(Filters([1], WEEK), in_app=None)) == "execute"
    assert [one.function for one in slowest_functions(Filters([1], WEEK), order="total")] == ["main", "load"]
    assert [one.function for one in slowest_functions(Filters([1], WEEK), text="models.lo")] == ["load"]
    assert len(slowest_functions(Filters([1], WEEK), fingerprint=main.fingerprint)) == 1
    assert slowest_functions(Filters([1], WEEK, transaction="/b")) == []
    for order in ORDERS:
        assert slowest_functions(Filters([1], WEEK), order=order, limit=1, offset=1)


def test_an_aggregate_has_the_sums_of_its_profiles(event_store: EventStore) -> None:
    stored(event_store, *(profile_record(1, ago(hours=hours), **named("/a")) for hours in range(1, 6)))
    result = aggregate(Filters([1], WEEK, transaction="/a"))
    graph = call_tree(result.functions, result.chains)
    assert (result.available, len(result.used), graph.total) == (5, 5, 200_000_000)
    assert [graph.functions[number].name for number in graph.function] == ["main", "load", "execute"]
    assert graph.width == [200_000_000, 150_000_000, 100_000_000]
    folded = aggregate(Filters([1], WEEK, transaction="/a"), in_app_only=True)
    tree = call_tree(folded.functions, folded.chains)
    assert [tree.functions[number].name for number in tree.function] == ["main", "load"]
    assert tree.own == [50_000_000, 150_000_000]


def test_of_many_profiles_some_are_taken_evenly_over_time(event_store: EventStore) -> None:
    stored(event_store, *(profile_record(1, ago(hours=hours), **named("/a")) for hours in range(1, 31)))
    result = aggregate(Filters([1], WEEK, transaction="/a"), limit=6)
    assert (result.available, len(result.used)) == (30, 6)
    hours = [round((NOW - source.row.timestamp).total_seconds() / 3600) for source in result.used]
    steps = {earlier - later for earlier, later in itertools.pairwise(hours)}
    assert steps == {5}


def test_of_continuous_profiles_only_the_transactions_part_counts(event_store: EventStore) -> None:
    start = ago(minutes=30).replace(microsecond=0)
    stored(
        event_store,
        record_of(chunk(start.timestamp(), PROFILER)),
        record_of(chunk(start.timestamp(), "d" * 32), offset=1),
    )
    insert_spans(event_store, [{
        "project_id": 1, "is_segment": 1, "transaction": "/a", "profiler_id": PROFILER, "thread_id": "1",
        "timestamp": start + timedelta(seconds=0.5), "duration": 700.0,
    }])  # fmt: skip
    result = aggregate(Filters([1], WEEK, transaction="/a"))
    graph = call_tree(result.functions, result.chains)
    assert graph.total == pytest.approx(700_000_000, abs=5000)
    assert "loop" not in {graph.functions[number].name for number in graph.function}
    assert aggregate(Filters([1], WEEK, transaction="/b")).used == []
    both = aggregate(Filters([1], WEEK))
    assert (both.available, len(both.used)) == (2, 2)


def test_samples_that_are_gone_leave_the_others(event_store: EventStore) -> None:
    records = [profile_record(1, ago(hours=hours), **named("/a")) for hours in (1, 2)]
    stored(event_store, *records)
    get_blob_store().delete(records[0].blob_key)
    result = aggregate(Filters([1], WEEK, transaction="/a"))
    assert (result.available, len(result.used)) == (2, 1)


def test_a_span_says_when_it_ran(event_store: EventStore) -> None:
    insert_spans(event_store, [{"project_id": 1, "span_id": "00000000000000ff", "op": "db", "description": "SELECT 1"}])
    found = queries.span_window([1], "00000000000000ff")
    assert found is not None
    assert (found.span_id, found.duration, found.label) == ("00000000000000ff", 100.0, "db SELECT 1")
    for projects, span in (([2], "00000000000000ff"), ([1], "ff"), ([1], "zzzzzzzzzzzzzzzz"), ([1], "0" * 16)):
        assert queries.span_window(projects, span) is None


# The published schema (https://www.speedscope.app/file-format-schema.json) for sampled profiles.
_SPEEDSCOPE = {
    "type": "object",
    "required": ["$schema", "profiles", "shared"],
    "properties": {
        "$schema": {"enum": ["https://www.speedscope.app/file-format-schema.json"]},
        "activeProfileIndex": {"type": "number"},
        "exporter": {"type": "string"},
        "name": {"type": "string"},
        "shared": {
            "type": "object",
            "required": ["frames"],
            "properties": {
                "frames": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "file": {"type": "string"},
                            "line": {"type": "number"},
                            "col": {"type": "number"},
                        },
                    },
                }
            },
        },
        "profiles": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["type", "name", "unit", "startValue", "endValue", "samples", "weights"],
                "additionalProperties": False,
                "properties": {
                    "type": {"enum": ["sampled"]},
                    "name": {"type": "string"},
                    "unit": {"enum": ["bytes", "microseconds", "milliseconds", "nanoseconds", "none", "seconds"]},
                    "startValue": {"type": "number"},
                    "endValue": {"type": "number"},
                    "samples": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                    "weights": {"type": "array", "items": {"type": "number"}},
                },
            },
        },
    },
}


def test_speedscope_files_follow_the_schema_and_have_the_same_times(event_store: EventStore) -> None:
    record = profile_record(1, ago(hours=1))
    stored(event_store, record)
    row = queries.find_profile([1], record.profile_id)
    assert row is not None
    profile = queries.read_profile(row)
    file = speedscope(profile, "checkout")
    jsonschema.validate(file, _SPEEDSCOPE)
    shown = file["profiles"][file["activeProfileIndex"]]
    assert (shown["name"], sum(shown["weights"])) == ("MainThread", 40_000_000)
    assert len(shown["samples"]) == len(shown["weights"])
    names = [[file["shared"]["frames"][index]["name"] for index in sample] for sample in shown["samples"]]
    assert names[0] == ["main", "load", "execute"]
    # What SDKs send can be made again, and read again.
    again = record_of(
        {
            "version": "1", "event_id": "e" * 32, "platform": "python", "timestamp": row.start,
            "transaction": {"active_thread_id": "1"}, "profile": sample_format(profile),
        }
    )  # fmt: skip
    from dictamesh_sentry.profiling.model import decode

    assert function_times(decode(again.blob)) == function_times(profile)


def test_of_large_profiles_fewer_are_taken(event_store: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(event_store, *(profile_record(1, ago(hours=hours), **named("/a")) for hours in range(1, 21)))
    monkeypatch.setattr("dictamesh_sentry.profiling.aggregate.MAX_SAMPLES", 70)  # seven each
    result = aggregate(Filters([1], WEEK, transaction="/a"))
    assert (result.available, len(result.used)) == (20, 10)
    monkeypatch.setattr("dictamesh_sentry.profiling.aggregate.MAX_SAMPLES", 1)
    assert len(aggregate(Filters([1], WEEK)).used) == 5
