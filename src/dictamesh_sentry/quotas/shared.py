"""Counters of limits that every web process shares through Redis."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Any

import structlog

from dictamesh_sentry.quotas.limiter import Limiter, Rule
from dictamesh_sentry.redis_client import KEY_PREFIX, CircuitBreaker, RedisError

log = structlog.get_logger(__name__)
SYNC_SECONDS = 0.5


class SharedLimiter(Limiter):
    """Counts here at once, and twice a second adds up with the other processes.

    A limit may therefore be passed by what the processes admit within half a second. While Redis is down each process
    counts for itself.
    """

    def __init__(self, redis: Any) -> None:
        super().__init__()
        self._redis = redis
        self._breaker = CircuitBreaker()
        self._pending: dict[tuple[str, int, int], int] = {}

    async def run(self) -> None:
        """Share until cancelled."""
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            await self.sync()

    async def sync(self) -> None:
        """Add what was counted since the last time, and learn what the others counted."""
        if self._breaker.is_open:
            self._pending = _current(self._pending)
            return
        pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            totals = await asyncio.to_thread(self._exchange, pending)
        except (RedisError, OSError) as error:
            for key, count in pending.items():
                self._pending[key] = self._pending.get(key, 0) + count
            if self._breaker.trip():
                log.warning("limits are counted by process until Redis is back", error=str(error))
            return
        for (rule_id, window, period), total in totals.items():
            since = self._pending.get((rule_id, window, period), 0)
            if self._windows.get(rule_id, (period, 0))[0] == period:
                self._windows[rule_id] = (period, total + since)

    def _count(self, rule: Rule, used: int, now: float) -> None:
        super()._count(rule, used, now)
        key = (rule.id, rule.window, int(now // rule.window))
        self._pending[key] = self._pending.get(key, 0) + used

    def exhausted(self, rule: Rule, now: float) -> bool:
        """Whether nothing more is admitted in the current window. A rule asked for is followed from then on."""
        self._pending.setdefault((rule.id, rule.window, int(now // rule.window)), 0)
        return super().exhausted(rule, now)

    def _exchange(self, pending: dict[tuple[str, int, int], int]) -> dict[tuple[str, int, int], int]:
        current = _current(pending)
        pipeline = self._redis.pipeline(transaction=False)
        for (rule_id, window, period), count in current.items():
            name = f"{KEY_PREFIX}limit:{rule_id}:{period}"
            pipeline.incrby(name, count)
            pipeline.expire(name, window + 60)
        answers = pipeline.execute() if current else []
        return dict(zip(current, map(int, answers[::2]), strict=True))


def _current(pending: dict[tuple[str, int, int], int]) -> dict[tuple[str, int, int], int]:
    """Without the windows that are over."""
    now = time.time()
    return {key: count for key, count in pending.items() if key[2] == int(now // key[1])}


class SharedCounter:
    """Requests of a caller in a period, over all processes. While Redis is down it knows nothing."""

    def __init__(self, redis: Any) -> None:
        self._redis = redis
        self._breaker = CircuitBreaker()

    def count(self, caller: str, period: int, seconds: int) -> int | None:
        """Count one more; how many there were. None when Redis does not answer."""
        if self._breaker.is_open:
            return None
        digest = hashlib.blake2b(caller.encode(), digest_size=16).hexdigest()
        name = f"{KEY_PREFIX}api:{digest}:{period}"
        try:
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.incr(name)
            pipeline.expire(name, seconds * 2)
            return int(pipeline.execute()[0])
        except (RedisError, OSError) as error:
            if self._breaker.trip():
                log.warning("requests are counted by process until Redis is back", error=str(error))
            return None
