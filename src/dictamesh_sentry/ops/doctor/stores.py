"""The stores: do they answer, how fast, in which version and at what time, and do they have this version's schema."""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.config.schema import Settings
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.eventstore.interface import StoreUnavailableError
from dictamesh_sentry.eventstore.migrate import known_migrations, pending
from dictamesh_sentry.ops.doctor.findings import Found, failure, ok, skipped, warning
from dictamesh_sentry.ops.doctor.machine import product_runs

_SKEW_WARNING = 2.0
_SKEW_FAILURE = 30.0
_SLOW_SECONDS = 0.25
_OLDEST_POSTGRES = 14
_OLDEST_CLICKHOUSE = (24, 3)
_OLDEST_REDIS = (6, 2)
_LITTLE_SHARE = 0.05
_UPGRADE = "dictamesh-sentry upgrade --noinput --create-kafka-topics"


def _timed(ask: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    answer = ask()
    return answer, time.perf_counter() - began


def _answers(what: str, seconds: float) -> Found:
    text = f"{what} answers in {seconds * 1000:.1f} ms"
    if seconds > _SLOW_SECONDS:
        return warning(text, "Look at its load and at the network between here and there; every request waits for it.")
    return ok(text)


def _clock(what: str, ask: Callable[[], float]) -> Iterator[Found]:
    """The difference between here and there, as of the middle of the question."""
    before = time.time()
    theirs = ask()
    skew = theirs - (before + time.time()) / 2
    if abs(skew) < _SKEW_WARNING:
        return
    text = f"the clock of {what} is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    advice = "Run a time service (chrony, systemd-timesyncd) on both machines."
    yield failure(text, advice) if abs(skew) >= _SKEW_FAILURE else warning(text, advice)


# Metadata


def metadata(_settings: Settings) -> Iterator[Found]:
    """PostgreSQL or SQLite."""
    if connection.vendor != "postgresql":
        _, seconds = _timed(lambda: _one("SELECT count(*) FROM sqlite_master"))
        yield _answers(f"SQLite {sqlite3.sqlite_version}", seconds)
        return
    _connect_to_postgres()
    number, seconds = _timed(lambda: int(_one("SHOW server_version_num")))
    yield _answers(f"PostgreSQL {number // 10000}.{number % 10000}", seconds)
    if number // 10000 < _OLDEST_POSTGRES:
        yield failure(f"PostgreSQL {number // 10000}", f"Use PostgreSQL {_OLDEST_POSTGRES} or newer.")
    yield from _clock("PostgreSQL", lambda: float(_one("SELECT extract(epoch FROM clock_timestamp())")))
    used, most = _one("SELECT count(*) FROM pg_stat_activity"), int(_one("SHOW max_connections"))
    if used > most * 0.9:
        yield warning(
            f"{used} of PostgreSQL's {most} connections are in use",
            "Raise max_connections, or lower SENTRY_DB_POOL_SIZE.",
        )


def _connect_to_postgres() -> None:
    """Raises with the server's own words, which the pool would replace by a timeout."""
    alone = connection.copy("doctor")
    alone.settings_dict["OPTIONS"].pop("pool", None)
    try:
        alone.ensure_connection()
    finally:
        alone.close()
    connection.ensure_connection()


def _one(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return (cursor.fetchone() or (None,))[0]


def metadata_schema(_settings: Settings) -> Iterator[Found]:
    """Neither older nor newer than this code."""
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    newer = sorted(set(executor.loader.applied_migrations) - set(executor.loader.disk_migrations))
    if newer:
        yield failure(
            f"the metadata has migrations of a newer version ({'.'.join(newer[0])})",
            "Run the version that made them, or restore a backup from before the upgrade.",
        )
    if missing:
        yield failure(f"{len(missing)} migrations of the metadata have not run", _UPGRADE)
    if not newer and not missing:
        yield ok("the metadata schema is this version's")


# Events


def event_store(settings: Settings) -> Iterator[Found]:
    """ClickHouse, or the embedded engine."""
    try:
        version, seconds = _timed(lambda: str(get_store().rows("SELECT version()", timeout=5)[0][0]))
    except StoreUnavailableError as error:
        if settings.clickhouse_host or product_runs(settings):
            raise
        yield ("skipped", f"{error}", "Start the product: dictamesh-sentry up")
        return
    what = "ClickHouse" if settings.clickhouse_host else "the embedded event store, ClickHouse"
    yield _answers(f"{what} {version}", seconds)
    if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_CLICKHOUSE:
        yield failure(f"ClickHouse {version}", "Use ClickHouse {}.{} or newer.".format(*_OLDEST_CLICKHOUSE))
    if not settings.clickhouse_host:
        return
    yield from _clock(
        "ClickHouse", lambda: get_store().rows("SELECT toUnixTimestamp64Milli(now64(3))", timeout=5)[0][0] / 1000
    )
    for name, free, total in get_store().rows("SELECT name, free_space, total_space FROM system.disks", timeout=5):
        if total and free < total * _LITTLE_SHARE:
            yield warning(
                f"ClickHouse's disk {name} has {free >> 20:,} MiB of {total >> 20:,} MiB free",
                "Enlarge it, or dictamesh-sentry cleanup --days N.",
            )


def event_schema(_settings: Settings) -> Iterator[Found]:
    """Neither older nor newer than this code."""
    missing = pending()
    if missing:
        yield failure(f"{len(missing)} migrations of the event store have not run", _UPGRADE)
        return
    applied = {row[0] for row in get_store().rows("SELECT name FROM schema_migrations", timeout=5)}
    newer = sorted(applied - {migration.name for migration in known_migrations()})
    if newer:
        yield failure(
            f"the event store has migrations of a newer version ({newer[0]})", "Run the version that made them."
        )
    else:
        yield ok("the event store's schema is this version's")


# Redis


def redis(settings: Settings) -> Iterator[Found]:
    """Cache, rate limits and task queue."""
    if not settings.redis_host:
        yield skipped("not configured: cache, limits and tasks are local")
        return
    from dictamesh_sentry.redis_client import build_redis

    client = build_redis(settings)
    try:
        _, seconds = _timed(client.ping)
        info = client.info()
        if settings.redis_mode == "cluster":
            info = next(iter(info.values())) if "redis_version" not in info else info
        version = str(info.get("redis_version", "0"))
        yield _answers(f"Redis {info.get('valkey_version', version)}", seconds)
        if tuple(int(part) for part in version.split(".")[:2]) < _OLDEST_REDIS:
            yield warning(f"Redis {version}", "Use Redis {}.{}, or Valkey.".format(*_OLDEST_REDIS))
        policy = str(info.get("maxmemory_policy", "noeviction"))
        if int(info.get("maxmemory", 0)) and policy != "noeviction":
            yield warning(
                f"Redis may evict keys ({policy}), background tasks among them", "Set maxmemory-policy noeviction."
            )
        if settings.redis_mode != "cluster":
            yield from _clock("Redis", lambda: _redis_time(client))
    finally:
        client.close()


def _redis_time(client: Any) -> float:
    seconds, micro = client.time()
    return seconds + micro / 1e6


# Blobs


def blobs(settings: Settings) -> Iterator[Found]:
    """A small file there and back."""
    store = get_blob_store()
    key, content = f"doctor/{uuid.uuid4().hex}", b"written by dictamesh-sentry doctor"

    def there_and_back() -> None:
        store.put(key, content)
        try:
            if store.read(key) != content:
                raise OSError("a file came back with other content than it was written with")
        finally:
            store.delete(key)

    _, seconds = _timed(there_and_back)
    where = f"bucket {settings.filestore_bucket}" if settings.filestore_backend == "s3" else "the folder of blobs"
    yield ok(f"{where} takes and gives files ({seconds * 1000:.0f} ms)")
