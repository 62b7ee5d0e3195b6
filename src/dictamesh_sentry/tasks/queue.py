"""Background tasks on Huey: in a SQLite file, or in Redis when it is configured.

A task may be lost only together with its process (killed while it runs) and may run twice (retries, a second enqueue),
so every task is idempotent and whatever must happen in the end also has a periodic task that finds it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, wraps
from typing import Any, Generic, ParamSpec

from django.db import connection
from huey import Huey, SqliteHuey
from huey.consumer import Consumer
from huey.serializer import SignedSerializer

from dictamesh_sentry.config.load import get_settings, secret_key
from dictamesh_sentry.telemetry import TASKS

P = ParamSpec("P")


@dataclass(frozen=True)
class PeriodicTask:
    """A task ``run cron`` enqueues every ``interval``."""

    name: str
    interval: timedelta
    enqueue: Callable[[], None]


def _with_fresh_connections(function: Callable[P, object]) -> Callable[P, object]:
    """A worker's thread lives long: a connection that broke in one task must not be the next one's."""

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> object:
        result = "failed"
        try:
            value = function(*args, **kwargs)
            result = "ok"
            return value
        finally:
            TASKS.labels(result).inc()
            if not connection.in_atomic_block:  # tests run tasks inside their own transaction
                connection.close()

    return run


class Task(Generic[P]):
    """A function that runs in a worker. Calling it enqueues; ``run`` executes it here and now."""

    def __init__(self, function: Callable[P, object], retries: int, retry_delay: int) -> None:
        self.run = function
        in_worker = _with_fresh_connections(function)
        self.name = f"{function.__module__}.{function.__qualname__}"
        self.__doc__ = function.__doc__
        self._queued = huey.task(retries=retries, retry_delay=retry_delay, name=self.name)(in_worker)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> None:
        self._queued(*args, **kwargs)

    def later(self, seconds: float, *args: P.args, **kwargs: P.kwargs) -> None:
        """Enqueue so that it starts no earlier than ``seconds`` from now."""
        self._queued.schedule(args=args, kwargs=kwargs, delay=seconds)


def _build() -> Huey:
    settings = get_settings()
    # Signed, because tasks are pickled and a shared Redis must not be able to make a worker run code.
    serializer = SignedSerializer(secret=secret_key(settings))
    if settings.redis_host:
        from dictamesh_sentry.tasks.redis_storage import SharedRedisStorage

        return Huey("dictamesh", storage_class=SharedRedisStorage, results=False, utc=True, serializer=serializer)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return SqliteHuey(
        "dictamesh",
        filename=str(settings.data_dir / "tasks.sqlite3"),
        results=False,
        utc=True,
        serializer=serializer,
    )


def _queue_errors() -> tuple[type[Exception], ...]:
    if not get_settings().redis_host:
        return ()
    from dictamesh_sentry.redis_client import RedisError

    return (RedisError,)


# What enqueueing raises while the queue is down.
QUEUE_ERRORS = _queue_errors()
huey = _build()
_periodic: dict[str, PeriodicTask] = {}


def task(*, retries: int = 0, retry_delay: int = 30) -> Callable[[Callable[P, object]], Task[P]]:
    """Declare a background task; on an exception it is retried ``retries`` times, ``retry_delay`` seconds apart."""

    def decorate(function: Callable[P, object]) -> Task[P]:
        return Task(function, retries, retry_delay)

    return decorate


def periodic_task(*, minutes: int) -> Callable[[Callable[[], object]], Task[[]]]:
    """Declare a task without arguments that ``run cron`` enqueues every so many minutes."""

    def decorate(function: Callable[[], object]) -> Task[[]]:
        declared: Task[[]] = Task(function, 0, 0)
        _periodic[declared.name] = PeriodicTask(declared.name, timedelta(minutes=minutes), declared)
        return declared

    return decorate


@lru_cache(maxsize=1)
def load_tasks() -> tuple[PeriodicTask, ...]:
    """Import the ``tasks`` module of every app, so that a worker knows them all; the periodic ones."""
    from django.utils.module_loading import autodiscover_modules

    autodiscover_modules("tasks")
    return tuple(_periodic.values())


class _QuietConsumer(Consumer):
    """Huey's consumer inside a process that has its own signal handlers."""

    def _set_signal_handlers(self) -> None:
        return


def start_consumer(threads: int = 1) -> Callable[[], None]:
    """Run tasks in threads of this process; the returned function stops them after the task under way."""
    load_tasks()
    consumer: Any = _QuietConsumer(
        huey, workers=threads, periodic=False, initial_delay=0.1, backoff=1.3, max_delay=1.0, check_worker_health=False
    )
    consumer.start()

    def stop() -> None:
        consumer.stop(graceful=True)

    return stop
