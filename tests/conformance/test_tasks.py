"""What every task queue must do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huey import Huey, SqliteHuey
from huey.serializer import SignedSerializer

from dictamesh_sentry import redis_client
from dictamesh_sentry.config.load import build_settings
from dictamesh_sentry.tasks import redis_storage

MODES = ("sqlite", "single", "sentinel", "cluster")
Open = Callable[[], Huey]


@pytest.fixture(params=MODES)
def open_queue(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Opens the queue as another process would."""
    serializer = SignedSerializer(secret="s" * 40)
    if request.param == "sqlite":
        yield lambda: SqliteHuey(
            "t", filename=str(tmp_path / "t.sqlite3"), results=False, utc=True, serializer=serializer
        )
        return
    environ = request.getfixturevalue("redis_environments")(request.param)
    client = redis_client.build_redis(build_settings(environ, {}))
    monkeypatch.setattr(redis_storage, "get_redis", lambda: client)
    client.flushall()
    yield lambda: Huey(
        "t", storage_class=redis_storage.SharedRedisStorage, results=False, utc=True, serializer=serializer
    )
    client.close()


def _declare(huey: Huey) -> tuple[list[str], Callable[..., object]]:
    seen: list[str] = []

    def remember(word: str) -> None:
        seen.append(word)
        if word == "fail" and len(seen) < 3:
            raise RuntimeError("not yet")

    return seen, huey.task(retries=2, retry_delay=0, name="remember")(remember)


def _work(huey: Huey, until: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        for task in huey.read_schedule():
            huey.enqueue(task)
        task = huey.dequeue()
        if task is not None:
            huey.execute(task)


def test_a_task_enqueued_by_one_process_runs_in_another(open_queue: Open) -> None:
    _, enqueue = _declare(open_queue())
    enqueue("one")
    enqueue("two")
    other = open_queue()
    seen, _ = _declare(other)
    assert other.pending_count() == 2
    _work(other, lambda: len(seen) == 2)
    assert seen == ["one", "two"]
    assert other.pending_count() == 0


def test_a_task_runs_once_however_many_workers_there_are(open_queue: Open) -> None:
    first, second = open_queue(), open_queue()
    (seen_first, enqueue), (seen_second, _) = _declare(first), _declare(second)
    for number in range(20):
        enqueue(str(number))
    while first.pending_count():
        for huey in (first, second):
            task = huey.dequeue()
            if task is not None:
                huey.execute(task)
    assert sorted(map(int, seen_first + seen_second)) == list(range(20))


def test_a_failing_task_is_tried_again(open_queue: Open) -> None:
    huey = open_queue()
    seen, enqueue = _declare(huey)
    enqueue("fail")
    _work(huey, lambda: len(seen) == 3)
    assert seen == ["fail"] * 3


def test_a_later_task_waits(open_queue: Open) -> None:
    huey = open_queue()
    seen, enqueue = _declare(huey)
    began = time.monotonic()
    enqueue.schedule(args=("late",), delay=1.2)  # type: ignore[attr-defined]
    _work(huey, lambda: seen == ["late"])
    assert time.monotonic() - began > 1.0


def test_a_task_signed_with_another_key_is_refused(open_queue: Open) -> None:
    huey = open_queue()
    _, enqueue = _declare(huey)
    enqueue("forged")
    other = open_queue()
    other.serializer = SignedSerializer(secret="x" * 40)
    with pytest.raises(ValueError, match=r"[Ss]ignature"):
        other.dequeue()
