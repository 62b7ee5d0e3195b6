"""Redis or Valkey, as the settings say: one server, Sentinels, or a Cluster; with or without login and TLS."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.exceptions import RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.config.schema import Settings

__all__ = ["CircuitBreaker", "RedisError", "build_redis", "get_redis"]

KEY_PREFIX = "dictamesh-sentry:"
_CONNECT_SECONDS = 2.0
_ANSWER_SECONDS = 5.0


def _nodes(settings: Settings) -> list[tuple[str, int]]:
    nodes = []
    for entry in settings.redis_host.split(","):
        host, _, port = entry.strip().partition(":")
        nodes.append((host, int(port) if port else settings.redis_port))
    return nodes


def _options(settings: Settings) -> dict[str, Any]:
    options: dict[str, Any] = {
        "password": settings.redis_password or None,
        "username": settings.redis_username or None,
        "socket_connect_timeout": _CONNECT_SECONDS,
        "socket_timeout": _ANSWER_SECONDS,
        "socket_keepalive": True,
        "health_check_interval": 30,
        "client_name": "dictamesh-sentry",
    }
    if settings.redis_tls:
        options["ssl"] = True
        options["ssl_ca_certs"] = settings.redis_ca_cert or None
    return options


def build_redis(settings: Settings) -> Any:
    """A client of its own; connects when first used. It raises RedisError when the server does not answer."""
    nodes, options = _nodes(settings), _options(settings)
    if settings.redis_mode == "cluster":
        return RedisCluster(startup_nodes=[ClusterNode(host, port) for host, port in nodes], **options)
    options["retry"] = Retry(ExponentialBackoff(cap=0.5, base=0.05), 2)
    if settings.redis_mode == "sentinel":
        # Sentinels have a login of their own, which few set; data nodes use the configured one.
        reach = {name: value for name, value in options.items() if name.startswith(("socket", "ssl"))}
        sentinel = Sentinel(nodes, sentinel_kwargs=reach, db=settings.redis_db, **options)
        return sentinel.master_for(settings.redis_sentinel_master)
    host, port = nodes[0]
    return Redis(host=host, port=port, db=settings.redis_db, **options)


@lru_cache(maxsize=1)
def get_redis() -> Any:
    """The client of this process. Safe to share between threads."""
    return build_redis(get_settings())


class CircuitBreaker:
    """Leaves a server that just failed alone for a while, so that no caller waits for its timeouts."""

    def __init__(self, seconds: float = 5.0) -> None:
        self._seconds = seconds
        self._until = 0.0

    @property
    def is_open(self) -> bool:
        """Whether to do without the server now."""
        return time.monotonic() < self._until

    def trip(self) -> bool:
        """Note a failure; whether it is the first for a while, and worth a line in the log."""
        first = time.monotonic() > self._until + self._seconds
        self._until = time.monotonic() + self._seconds
        return first
