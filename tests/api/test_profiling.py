"""Profiles in the shapes clients read, and nothing of other organizations."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import orjson
import pytest
from pydantic import TypeAdapter

from dictamesh_sentry.api.profiling import FlamegraphBody
from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.profiling.ingest import store_profiles
from dictamesh_sentry.profiling.records import ProfileRecord
from tests.api.conftest import World, api_of
from tests.support import factories
from tests.support.profiles import chunk, profile_record, record_of

pytestmark = pytest.mark.django_db
NOW = datetime.now(UTC)
PROFILER = "c" * 32
START = (NOW - timedelta(minutes=30)).replace(microsecond=0)


def stored(store: EventStore, *records: ProfileRecord) -> ProfileRecord:
    store_profiles(records, store, get_blob_store())
    return records[0]


def weight_by_name(body: dict[str, Any], position: int = 0) -> dict[str, int]:
    """Self time by function name, computed as a reader of the format would."""
    names = [frame["name"] for frame in body["shared"]["frames"]]
    found: dict[str, int] = {}
    for sample, weight in zip(
        body["profiles"][position]["samples"], body["profiles"][position]["weights"], strict=True
    ):
        found[names[sample[-1]]] = found.get(names[sample[-1]], 0) + weight
    return found


def test_a_profile_has_threads_frames_and_samples(world: World, event_store: EventStore) -> None:
    record = stored(event_store, profile_record(world.project.pk, NOW - timedelta(hours=1)))
    body = world.api.get(f"/projects/acme/shop/profiling/profiles/{record.profile_id}/")
    TypeAdapter(FlamegraphBody).validate_python({key: body[key] for key in FlamegraphBody.__annotations__})
    assert (body["platform"], body["projectID"], body["transactionName"]) == ("python", world.project.pk, "/checkout")
    main = body["profiles"][body["activeProfileIndex"]]
    assert (main["name"], main["unit"], main["isMainThread"]) == ("MainThread", "nanoseconds", True)
    assert weight_by_name(body, body["activeProfileIndex"]) == {
        "execute": 20_000_000, "load": 10_000_000, "main": 10_000_000,
    }  # fmt: skip
    infos = {
        frame["name"]: info for frame, info in zip(body["shared"]["frames"], body["shared"]["frame_infos"], strict=True)
    }
    assert infos["load"] == {
        "count": 3, "weight": 30_000_000, "sumDuration": 30_000_000, "sumSelfTime": 10_000_000,
    }  # fmt: skip
    assert body["metadata"]["traceID"] == "a" * 32
    assert len(body["profile"]["samples"]) == 7
    assert body["transaction"]["name"] == "/checkout"


def test_a_raw_profile_can_be_ingested_again(world: World, event_store: EventStore) -> None:
    record = stored(event_store, profile_record(world.project.pk, NOW - timedelta(hours=1)))
    raw = world.api.get(f"/projects/acme/{world.project.pk}/profiling/raw_profiles/{record.profile_id}/")
    again = record_of(raw, world.project.pk)
    assert [row[-3:] for row in again.function_rows] == [row[-3:] for row in record.function_rows]
    continuous = stored(event_store, record_of(chunk(START.timestamp(), PROFILER), world.project.pk))
    raw = world.api.get(f"/projects/acme/shop/profiling/raw_profiles/{continuous.profile_id}/")
    assert (raw["version"], raw["profiler_id"], raw["client_sdk"]["name"]) == ("2", PROFILER, "sentry.python")
    assert len(record_of(raw, world.project.pk).function_rows) == len(continuous.function_rows)


def test_what_is_not_there_is_404(world: World, event_store: EventStore) -> None:
    other = factories.make_project(factories.make_organization())
    foreign = stored(event_store, profile_record(other.pk, NOW - timedelta(hours=1)))
    second = factories.make_project(world.organization, slug="second")
    mine = stored(event_store, profile_record(second.pk, NOW - timedelta(hours=1)))
    for kind in ("profiles", "raw_profiles"):
        for identifier in (foreign.profile_id, mine.profile_id, uuid.uuid4().hex, "1", "x" * 32):
            assert world.api("GET", f"/projects/acme/shop/profiling/{kind}/{identifier}/").status_code == 404
    assert world.api("GET", f"/projects/acme/second/profiling/profiles/{mine.profile_id}/").status_code == 200
    get_blob_store().delete(mine.blob_key)
    gone = world.api("GET", f"/projects/acme/second/profiling/profiles/{mine.profile_id}/")
    assert (gone.status_code, orjson.loads(gone.content)["detail"]) == (404, "The samples of this profile are gone.")
    chunks = stored(event_store, record_of(chunk(START.timestamp(), PROFILER), other.pk))
    query = urlencode({"project": world.project.pk, "profiler_id": chunks.row[8], "statsPeriod": "1h"})
    assert world.api("GET", f"/organizations/acme/profiling/chunks/?{query}").status_code == 404
    query = urlencode({"project": other.pk, "profiler_id": PROFILER})
    assert world.api("GET", f"/organizations/acme/profiling/chunks/?{query}").status_code == 404
    assert world.api.get("/organizations/acme/profiling/flamegraph/?project=-1")["metadata"]["profilesAvailable"] == 1


def test_a_flamegraph_sums_profiles_and_says_which(world: World, event_store: EventStore) -> None:
    records = [
        profile_record(
            world.project.pk, NOW - timedelta(hours=hours), transaction={"name": name, "active_thread_id": "1"}
        )
        for hours, name in ((1, "/a"), (2, "/a"), (3, "/b"))
    ]
    stored(event_store, *records)
    body = world.api.get('/organizations/acme/profiling/flamegraph/?project=shop&query=transaction:"/a"')
    assert weight_by_name(body) == {"execute": 40_000_000, "load": 20_000_000, "main": 20_000_000}
    assert {one["profile_id"] for one in body["shared"]["profiles"]} == {one.profile_id for one in records[:2]}
    assert all(sorted(origins) == [0, 1] for origins in body["profiles"][0]["samples_profiles"])
    assert (body["metadata"]["profilesUsed"], body["transactionName"]) == (2, "/a")
    assert len(body["shared"]["frame_infos"]) == len(body["shared"]["frames"])
    path = "/organizations/acme/profiling/flamegraph/?project=shop"
    assert world.api.get(f"{path}&query=event.type:transaction")["metadata"]["profilesUsed"] == 3
    assert world.api.get(f"{path}&environment=staging")["metadata"]["profilesUsed"] == 0
    assert world.api.get(f"{path}&statsPeriod=90m")["metadata"]["profilesUsed"] == 1
    for query in ("foo", "level:error", "transaction:/a*", "!transaction:/a", "transaction:/a OR transaction:/b"):
        assert world.api("GET", f"{path}&{urlencode({'query': query})}").status_code == 400


def test_chunks_of_a_range_come_as_one(world: World, event_store: EventStore) -> None:
    stored(
        event_store,
        *(
            record_of(chunk((START + timedelta(seconds=2 * n)).timestamp(), PROFILER), world.project.pk, offset=n)
            for n in range(3)
        ),
    )
    end = START + timedelta(seconds=3)
    query = {"project": world.project.pk, "profiler_id": PROFILER, "start": START.isoformat(), "end": end.isoformat()}
    body = world.api.get(f"/organizations/acme/profiling/chunks/?{urlencode(query)}")["chunk"]
    times = [sample["timestamp"] for sample in body["profile"]["samples"]]
    assert (min(times), max(times)) == (pytest.approx(START.timestamp()), pytest.approx(end.timestamp()))
    assert (body["profiler_id"], body["project_id"], body["version"]) == (PROFILER, world.project.pk, "2")
    assert {thread["name"] for thread in body["profile"]["thread_metadata"].values()} == {"MainThread", "worker"}
    for wrong in ({"profiler_id": "x"}, {"end": (START + timedelta(days=1)).isoformat()}, {"project": -1}):
        if "project" in wrong:
            factories.make_project(world.organization, slug="another")
        response = world.api("GET", f"/organizations/acme/profiling/chunks/?{urlencode({**query, **wrong})}")
        assert response.status_code == 400, wrong
    assert world.api.get("/organizations/acme/profiling/has-chunks/?project=shop") == {"hasChunks": True}
    assert api_of(world.owner).get("/organizations/acme/profiling/has-chunks/?project=another") == {"hasChunks": False}
