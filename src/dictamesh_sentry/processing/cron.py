"""``run cron``: enqueues periodic tasks, each no more often than its interval, however many crons run."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import structlog
from django.db import DatabaseError, connection
from django.utils import timezone

from dictamesh_sentry.processing.locks import Locks, new_locks
from dictamesh_sentry.processing.models import PeriodicRun
from dictamesh_sentry.processing.pause import pause
from dictamesh_sentry.tasks.queue import QUEUE_ERRORS, PeriodicTask, load_tasks

log = structlog.get_logger(__name__)
TICK_SECONDS = 5.0
_WAIT_SECONDS = 0.5
TASK_ERRORS = (DatabaseError, *QUEUE_ERRORS)


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


def _wait_for_turn(locks: Locks, should_stop: Callable[[], bool]) -> bool:
    """True once this is the only cron; False when asked to stop while waiting."""
    waiting = False
    while not should_stop():
        try:
            if locks.try_acquire("cron"):
                return True
        except DatabaseError as error:
            log.warning("cron waits for the metadata store", error=str(error))
        else:
            if not waiting:
                log.info("another cron is running; waiting for it to end")
                waiting = True
        pause(_WAIT_SECONDS, should_stop)
    return False


def run_cron(should_stop: Callable[[], bool]) -> None:
    """Enqueue periodic tasks until told to stop. Of several, one works and the others wait for it to end."""
    locks = new_locks()
    try:
        while _wait_for_turn(locks, should_stop):
            log.info("cron started", tasks=[task.name for task in load_tasks()])
            _tick(locks, should_stop)
    finally:
        locks.release()


def _tick(locks: Locks, should_stop: Callable[[], bool]) -> None:
    """Enqueue what is due until told to stop, or until the lock is lost."""
    while not should_stop():
        if not locks.is_held():
            log.warning("the cron lock is lost; taking it again")
            locks.release()
            return
        try:
            enqueue_due(timezone.now())
        except TASK_ERRORS as error:
            log.warning("cannot enqueue periodic tasks", error=f"{type(error).__name__}: {error}")
            connection.close()
        pause(TICK_SECONDS, should_stop)
