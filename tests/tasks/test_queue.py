"""Tasks: enqueued in one place, run in another, retried, and periodic ones no more often than their interval."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.utils import timezone

from dictamesh_sentry.processing.cron import claim, enqueue_due
from dictamesh_sentry.tasks.queue import PeriodicTask, huey, start_consumer, task

seen: list[str] = []
failures: list[int] = []


@task()
def remember(word: str) -> None:
    """Note a word."""
    seen.append(word)


@task(retries=2, retry_delay=0)
def fail_twice() -> None:
    """Succeeds at the third attempt."""
    failures.append(1)
    if len(failures) < 3:
        raise RuntimeError("not yet")


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(huey, "_immediate", False)
    huey.flush()
    seen.clear()
    failures.clear()
    stop = start_consumer()
    yield
    stop()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_task_runs_in_the_consumer(consumer: None) -> None:
    remember("hello")
    _until(lambda: seen == ["hello"])


def test_a_failing_task_is_retried(consumer: None) -> None:
    fail_twice()
    _until(lambda: len(failures) == 3)


def test_run_executes_here_and_now() -> None:
    seen.clear()
    remember.run("now")
    assert seen == ["now"]


@pytest.mark.django_db
def test_a_periodic_task_is_claimed_once_per_interval() -> None:
    daily = PeriodicTask("tests.daily", timedelta(days=1), lambda: None)
    now = timezone.now()
    assert claim(daily, now)
    assert not claim(daily, now)
    assert not claim(daily, now + timedelta(hours=23))
    assert claim(daily, now + timedelta(hours=24))


@pytest.mark.django_db
def test_due_tasks_are_enqueued_by_name() -> None:
    now = timezone.now()
    names = enqueue_due(now)
    assert len(names) == len(set(names))
    assert enqueue_due(now) == []
