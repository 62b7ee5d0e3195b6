"""Huey's queue in Redis, through the process's own client: one server, Sentinels or a Cluster alike."""

from __future__ import annotations

from typing import Any

from huey.storage import SCHEDULE_POP_LUA, RedisStorage

from dictamesh_sentry.redis_client import KEY_PREFIX, get_redis


class SharedRedisStorage(RedisStorage):
    """Every command names one key, so that it works on a Cluster, too."""

    def __init__(self, name: str = "huey", **_: Any) -> None:
        self.conn = get_redis()
        self.name = name
        self._pop = self.conn.register_script(SCHEDULE_POP_LUA)
        self.queue_key = f"{KEY_PREFIX}{name}:tasks"
        self.schedule_key = f"{KEY_PREFIX}{name}:scheduled"
        self.result_key = f"{KEY_PREFIX}{name}:results"
        self.counter_key = f"{KEY_PREFIX}{name}:counters"
        self.notify_prefix = f"{KEY_PREFIX}{name}:notify:"
        self.notify_result = False
        self.notify_result_ttl = 60
        self.blocking = True
        self.read_timeout = 1
