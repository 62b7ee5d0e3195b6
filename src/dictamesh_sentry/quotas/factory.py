"""Counters of this process alone, or shared through Redis when it is configured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.quotas.limiter import Limiter

if TYPE_CHECKING:
    from dictamesh_sentry.quotas.shared import SharedCounter


def new_limiter() -> Limiter:
    """The limiter of one event loop. A shared one also wants its ``run`` to be running there."""
    if not get_settings().redis_host:
        return Limiter()
    from dictamesh_sentry.quotas.shared import SharedLimiter
    from dictamesh_sentry.redis_client import get_redis

    return SharedLimiter(get_redis())


def shared_counter() -> SharedCounter | None:
    """What adds up the requests of a caller over all processes; None without Redis."""
    if not get_settings().redis_host:
        return None
    from dictamesh_sentry.quotas.shared import SharedCounter
    from dictamesh_sentry.redis_client import get_redis

    return SharedCounter(get_redis())
