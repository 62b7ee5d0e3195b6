"""Shared counters of limits, and the cache, over every mode of Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dictamesh_sentry import redis_cache
from dictamesh_sentry.api.limits import CallerLimits
from dictamesh_sentry.config.load import build_settings
from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.quotas.limiter import Rule
from dictamesh_sentry.quotas.shared import SharedCounter, SharedLimiter
from dictamesh_sentry.redis_client import CircuitBreaker, RedisError, build_redis
from tests.support.redis import running_redis

ONE_ERROR = ((DataCategory.ERROR, 1),)


@pytest.fixture(params=("single", "sentinel", "cluster"))
def client(request: pytest.FixtureRequest, redis_environments: Callable[[str], dict[str, str]]) -> Iterator[Any]:
    made = build_redis(build_settings(redis_environments(request.param), {}))
    made.flushall()
    yield made
    made.close()


def _rule(limit: int, window: int = 3600) -> Rule:
    return Rule("p1", limit, window, "project", "project_limit")


def test_processes_share_a_limit(client: Any) -> None:
    first, second, rule, now = SharedLimiter(client), SharedLimiter(client), _rule(10), time.time()
    for _ in range(6):
        assert first.admit([rule], ONE_ERROR, now) is None
    for _ in range(4):
        assert second.admit([rule], ONE_ERROR, now) is None
    asyncio.run(_sync(first, second))
    assert not first.exhausted(rule, now)  # half a second behind
    asyncio.run(_sync(first))
    assert first.admit([rule], ONE_ERROR, now) is rule
    assert second.admit([rule], ONE_ERROR, now) is rule


def test_a_process_that_only_asks_learns_of_the_others(client: Any) -> None:
    busy, idle, rule, now = SharedLimiter(client), SharedLimiter(client), _rule(3), time.time()
    for _ in range(3):
        busy.admit([rule], ONE_ERROR, now)
    assert not idle.exhausted(rule, now)
    asyncio.run(_sync(busy, idle))
    assert idle.exhausted(rule, now)


def test_nothing_is_counted_twice(client: Any) -> None:
    limiter, rule, now = SharedLimiter(client), _rule(100), time.time()
    for _ in range(5):
        limiter.admit([rule], ONE_ERROR, now)
        asyncio.run(_sync(limiter, limiter))
    fresh = SharedLimiter(client)
    fresh.exhausted(rule, now)
    asyncio.run(_sync(fresh))
    assert fresh._used(rule, now) == 5


def test_a_new_window_begins_at_zero(client: Any) -> None:
    limiter, rule, now = SharedLimiter(client), _rule(1, 3600), time.time()
    limiter.admit([rule], ONE_ERROR, now)
    asyncio.run(_sync(limiter))
    assert limiter.exhausted(rule, now)
    assert not limiter.exhausted(rule, now + 3600)


def test_callers_of_the_api_are_counted_over_processes(client: Any) -> None:
    first = CallerLimits(3, window=3600, shared=SharedCounter(client))
    second = CallerLimits(3, window=3600, shared=SharedCounter(client))
    assert [limits.enter("me").exceeded for limits in (first, second, first, second)] == [False, False, False, True]
    assert not first.enter("you").exceeded


def test_the_cache_keeps_what_it_is_given(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_cache, "get_redis", lambda: client)
    monkeypatch.setattr(redis_cache, "_breaker", CircuitBreaker())
    cache = redis_cache.Cache("redis://", {"KEY_PREFIX": "t"})
    assert cache.get("a", "none") == "none"
    cache.set("a", {"n": [1, None, "ü"]}, 60)
    assert cache.get("a") == {"n": [1, None, "ü"]}
    assert cache.has_key("a")
    assert not cache.add("a", 2)
    cache.delete("a")
    assert cache.get("a") is None


def test_without_redis_each_process_counts_for_itself(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_redis(tmp_path) as server:
        client = build_redis(build_settings(server.environment, {}))
        limiter, rule, now = SharedLimiter(client), _rule(2), time.time()
        monkeypatch.setattr(redis_cache, "get_redis", lambda: client)
        monkeypatch.setattr(redis_cache, "_breaker", CircuitBreaker(0.5))
        cache = redis_cache.Cache("redis://", {})
        server.kill()
        with pytest.raises(RedisError):
            client.ping()
        assert limiter.admit([rule], ONE_ERROR, now) is None
        asyncio.run(_sync(limiter))
        assert limiter.admit([rule], ONE_ERROR, now) is None
        assert limiter.admit([rule], ONE_ERROR, now) is rule
        assert cache.get("a", 7) == 7
        assert not CallerLimits(5, shared=SharedCounter(client)).enter("me").exceeded
        server.start()
        limiter._breaker = CircuitBreaker()
        asyncio.run(_sync(limiter))
        other = SharedLimiter(client)
        other.exhausted(rule, now)
        asyncio.run(_sync(other))
        assert other.exhausted(rule, now)  # what was counted meanwhile was not forgotten


async def _sync(*limiters: SharedLimiter) -> None:
    for limiter in limiters:
        await limiter.sync()
