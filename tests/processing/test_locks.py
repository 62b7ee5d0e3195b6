"""Locks between processes, on files and on PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from django.db import DatabaseError, connections

from dictamesh_sentry.processing import cron, locks
from tests.support.postgres import PASSWORD, Postgres, running_postgres

New = Callable[[], locks.Locks]


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["files", "postgres"])
def new(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, django_db_blocker) -> Iterator[New]:
    """Makes the locks of one more process."""
    if request.param == "files":
        yield locks.FileLocks
        return
    server: Postgres = request.getfixturevalue("postgres")
    settings = deepcopy(connections.settings["default"])
    settings |= {"ENGINE": "django.db.backends.postgresql", "HOST": "127.0.0.1", "PORT": server.port}
    settings |= {
        "NAME": "sentry",
        "USER": "sentry",
        "PASSWORD": PASSWORD,
        "OPTIONS": {"options": "-c lock_timeout=500"},
    }
    monkeypatch.setitem(connections.settings, "default", settings)
    made: list[locks.PostgresLocks] = []

    def build() -> locks.Locks:
        made.append(locks.PostgresLocks())
        return made[-1]

    with django_db_blocker.unblock():
        yield build
        for one in made:
            if one._connection is not None and one._connection.connection is not None:
                one._connection.connection.close()  # by the driver: a test's thread may have opened it


def test_one_holder_at_a_time(new: New) -> None:
    first, second = new(), new()
    assert first.try_acquire("a")
    assert not second.try_acquire("a")
    assert second.try_acquire("b")
    first.release()
    assert second.try_acquire("a")
    second.release()


def test_a_second_one_waits(new: New) -> None:
    first, second = new(), new()
    first.acquire(["p-1", "p-0"])
    order: list[str] = []

    def take() -> None:
        second.acquire(["p-1", "p-2"])
        order.append("second")
        second.release()

    thread = threading.Thread(target=take)
    thread.start()
    time.sleep(0.2)
    order.append("first")
    first.release()
    thread.join(5)
    assert order == ["first", "second"]


def test_a_lock_that_is_lost_is_noticed(postgres: Postgres, new: New) -> None:
    held = new()
    if isinstance(held, locks.FileLocks):
        pytest.skip("a file stays locked")
    assert held.try_acquire("a")
    assert held.is_held()
    postgres.kill()
    assert not held.is_held()
    postgres.start()
    other = new()
    assert other.try_acquire("a")


def test_waiting_too_long_is_an_error(new: New) -> None:
    first, second = new(), new()
    if isinstance(first, locks.FileLocks):
        pytest.skip("files have no timeout; the process that holds one is on this host")
    first.acquire(["a"])
    with pytest.raises(DatabaseError):
        second.acquire(["a"])
    first.release()
    second.acquire(["a"])
    second.release()


def test_a_second_cron_waits_for_the_first_to_end(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    working: list[str] = []
    monkeypatch.setattr(cron, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(cron, "new_locks", new)
    monkeypatch.setattr(cron, "enqueue_due", lambda now: working.append(threading.current_thread().name))
    stops = {name: threading.Event() for name in ("first", "second")}
    threads = {name: threading.Thread(target=cron.run_cron, args=(stops[name].is_set,), name=name) for name in stops}
    threads["first"].start()
    _until(lambda: "first" in working)
    threads["second"].start()
    time.sleep(1)
    assert set(working) == {"first"}
    stops["first"].set()
    _until(lambda: "second" in working)
    stops["second"].set()
    for thread in threads.values():
        thread.join(5)


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_files_are_in_the_data_folder(tmp_path: Path, settings) -> None:
    held = locks.FileLocks()
    assert held.try_acquire("here")
    assert held.is_held()
    held.release()
    assert not held.is_held()
