"""Runs the pure steps: in this process, or spread over several so that a worker can use more than one core.

Only the pure steps leave the process. Everything that stores stays with the one consumer, so that what is exactly
once with one process is so with many.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import NamedTuple, Protocol

from dictamesh_sentry.processing.pipeline import StepError, process_message
from dictamesh_sentry.processing.results import Failure, MessageResult
from dictamesh_sentry.projects.options import ProjectConfig
from dictamesh_sentry.protocol.messages import IngestMessage

Result = MessageResult | Failure
_CHUNK = 8


class Task(NamedTuple):
    """One message for the pure steps."""

    message: IngestMessage
    config: ProjectConfig
    partition: int
    offset: int


class PureSteps(Protocol):
    """Something that runs the pure steps."""

    def run(self, tasks: Sequence[Task]) -> Iterable[Result]:
        """A result for every task, in order. A task that raises gives a Failure and disturbs no other."""
        ...

    def close(self) -> None: ...


def run_task(task: Task) -> Result:
    """Run one task; a defect becomes a Failure."""
    try:
        return process_message(task.message, task.config, task.partition, task.offset)
    except StepError as error:
        return Failure(task.partition, task.offset, error.stage, str(error), task.message.project_id)


class InProcess:
    """The pure steps here and now."""

    def run(self, tasks: Sequence[Task]) -> Iterable[Result]:
        return [run_task(task) for task in tasks]

    def close(self) -> None:
        return


def _run_chunk(tasks: list[Task]) -> list[Result]:
    return [run_task(task) for task in tasks]


def _child() -> None:
    """Children leave when the worker does: it alone answers signals, and nobody outlives it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, name="parent-watch", daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)


class Processes:
    """The pure steps in ``count`` child processes. A message that kills its process becomes a Failure."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        # Forked from a server without threads that has the steps imported: a new child costs milliseconds, and the
        # children share their memory.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([run_task.__module__])
        return ProcessPoolExecutor(self._count, mp_context=context, initializer=_child)

    def run(self, tasks: Sequence[Task]) -> Iterable[Result]:
        if len(tasks) <= 2:
            return [run_task(task) for task in tasks]
        size = max(1, min(_CHUNK, -(-len(tasks) // self._count)))
        chunks = [list(tasks[start : start + size]) for start in range(0, len(tasks), size)]
        try:
            futures: list[Future[list[Result]]] = [self._pool.submit(_run_chunk, chunk) for chunk in chunks]
            return [result for future in futures for result in future.result()]
        except BrokenProcessPool:
            return self._one_by_one(tasks)

    def _one_by_one(self, tasks: Sequence[Task]) -> list[Result]:
        """A child died. Alone with its message, the next one shows whose fault it was."""
        self._restart()
        results: list[Result] = []
        for task in tasks:
            try:
                results.append(self._pool.submit(run_task, task).result())
            except BrokenProcessPool:
                self._restart()
                reason = "the process that worked on this message died"
                results.append(Failure(task.partition, task.offset, "crash", reason, task.message.project_id))
        return results

    def _restart(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._start()

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)


def pure_steps(concurrency: int) -> PureSteps:
    """In process for one, otherwise that many child processes."""
    return InProcess() if concurrency <= 1 else Processes(concurrency)
