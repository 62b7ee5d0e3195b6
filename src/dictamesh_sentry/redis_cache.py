"""Django's cache on Redis. It only ever remembers what can be had elsewhere, so it never fails."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.cache.backends.redis import (  # pyright: ignore[reportMissingImports] - the stubs lack it
    RedisCache,
    RedisCacheClient,
)

from dictamesh_sentry.redis_client import CircuitBreaker, RedisError, get_redis

log = structlog.get_logger(__name__)
_breaker = CircuitBreaker()


class _Client(RedisCacheClient):
    """Uses the process's own client, whichever mode it is in."""

    def get_client(self, key: str | None = None, *, write: bool = False) -> Any:
        """The one client."""
        del key, write
        return get_redis()


class Cache(RedisCache):
    """A server that is down is an empty cache."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return self._safely(False, super().add, *args, **kwargs)

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        return self._safely(default, super().get, key, default, version)

    def set(self, *args: Any, **kwargs: Any) -> None:
        self._safely(None, super().set, *args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> bool:
        return self._safely(False, super().delete, *args, **kwargs)

    def has_key(self, *args: Any, **kwargs: Any) -> bool:
        return self._safely(False, super().has_key, *args, **kwargs)

    def _safely(self, otherwise: Any, operation: Any, *args: Any, **kwargs: Any) -> Any:
        if _breaker.is_open:
            return otherwise
        try:
            return operation(*args, **kwargs)
        except RedisError as error:
            if _breaker.trip():
                log.warning("the cache is down; doing without", error=str(error))
            return otherwise
