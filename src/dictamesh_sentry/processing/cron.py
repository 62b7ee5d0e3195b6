"""``run cron``: enqueues periodic tasks, each no more often than its interval, however many crons run."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.processing.models import PeriodicRun
from dictamesh_sentry.tasks.queue import PeriodicTask, load_tasks

log = structlog.get_logger(__name__)
TICK_SECONDS = 5.0


def claim(task: PeriodicTask, now: datetime) -> bool:
    """Whether this process may enqueue the task now. The conditional update lets one of several crons win."""
    run, created = PeriodicRun.objects.get_or_create(name=task.name, defaults={"last_enqueued": now})
    if created:
        return True
    return bool(PeriodicRun.objects.filter(pk=run.pk, last_enqueued__lte=now - task.interval).update(last_enqueued=now))


def enqueue_due(now: datetime) -> list[str]:
    """Enqueue every periodic task that is due; their names."""
    due = [task for task in load_tasks() if claim(task, now)]
    for task in due:
        task.enqueue()
    return [task.name for task in due]


@contextmanager
def _single_instance(should_stop: Callable[[], bool]) -> Iterator[bool]:
    """True once no other cron of this data folder runs; False when asked to stop while waiting."""
    path = get_settings().data_dir / "run" / "cron.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        waiting = False
        while not should_stop():
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not waiting:
                    log.info("another cron is running; waiting for it to end")
                    waiting = True
                time.sleep(0.5)
            else:
                yield True
                return
        yield False


def run_cron(should_stop: Callable[[], bool]) -> None:
    """Enqueue periodic tasks until told to stop."""
    with _single_instance(should_stop) as alone:
        if not alone:
            return
        log.info("cron started", tasks=[task.name for task in load_tasks()])
        next_tick = time.monotonic()
        while not should_stop():
            if time.monotonic() >= next_tick:
                next_tick = time.monotonic() + TICK_SECONDS
                try:
                    enqueue_due(timezone.now())
                except DatabaseError:
                    log.exception("cannot enqueue periodic tasks")
                    connection.close()
            time.sleep(0.2)
