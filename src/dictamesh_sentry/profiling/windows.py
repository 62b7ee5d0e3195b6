"""Parts of profiles: chunks put together, and only what happened between two moments. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dictamesh_sentry.profiling.model import Frame, Profile, Thread

# Chunks follow each other at once; after a longer silence one of them is missing.
_SILENCE_NS = 10**9


def merge(chunks: Sequence[Profile]) -> Profile:
    """Chunks of one profiler as one profile, which begins with the earliest. Equal frames and stacks become one.

    Where a chunk is missing, every thread is shown as idle.
    """
    ordered = sorted(chunks, key=lambda chunk: chunk.start)
    first = ordered[0]
    if len(ordered) == 1:
        return first
    merged = replace(
        first, frames=[], stacks=[], times=[], thread_of=[], stack_of=[], threads=[], active=-1, meta=dict(first.meta)
    )
    pack = _Pack(merged)
    last: int | None = None
    for chunk in ordered:
        offset = round((chunk.start - first.start) * 1e9)
        if last is not None and chunk.times and offset + chunk.times[0] - last > _SILENCE_NS:
            pack.silence(last)
        pack.add(chunk, offset)
        last = max(last or 0, offset + chunk.duration_ns)
    order = sorted(range(len(merged.times)), key=merged.times.__getitem__)
    merged.times = [merged.times[index] for index in order]
    merged.thread_of = [merged.thread_of[index] for index in order]
    merged.stack_of = [merged.stack_of[index] for index in order]
    return merged


class _Pack:
    """Adds samples of other profiles to one, with frames, stacks and threads of its own."""

    def __init__(self, target: Profile) -> None:
        self._target = target
        self._frames: dict[Frame, int] = {}
        self._stacks: dict[tuple[int, ...], int] = {}
        self._threads: dict[str, int] = {}

    def add(self, source: Profile, offset: int) -> None:
        target = self._target
        frames = [self._frames.setdefault(frame, len(self._frames)) for frame in source.frames]
        stacks = [
            self._stacks.setdefault(tuple(frames[frame] for frame in stack), len(self._stacks))
            for stack in source.stacks
        ]
        threads = [self._thread(thread) for thread in source.threads]
        if target.active < 0 and source.active >= 0:
            target.active = threads[source.active]
        target.times += [time + offset for time in source.times]
        target.thread_of += [threads[thread] for thread in source.thread_of]
        target.stack_of += [stacks[stack] for stack in source.stack_of]
        target.frames = list(self._frames)
        target.stacks = list(map(list, self._stacks))

    def silence(self, time: int) -> None:
        """From this moment on no thread does anything."""
        idle = self._stacks.setdefault((), len(self._stacks))
        for thread in range(len(self._target.threads)):
            self._target.times.append(time)
            self._target.thread_of.append(thread)
            self._target.stack_of.append(idle)

    def _thread(self, thread: Thread) -> int:
        known = self._threads.get(thread.id)
        if known is None:
            known = self._threads[thread.id] = len(self._threads)
            self._target.threads.append(thread)
        elif thread.name and not self._target.threads[known].name:
            self._target.threads[known] = thread
        return known


def between(profile: Profile, start: float, end: float) -> Profile:
    """What happened between two moments (epoch seconds), counted from the first one.

    A stack that a thread had at an edge is there from, or up to, the edge.
    """
    first, last = round((start - profile.start) * 1e9), round((end - profile.start) * 1e9)
    columns: list[tuple[int, int, int]] = []
    for thread, samples in enumerate(profile.samples_by_thread()):
        columns += [(time, thread, stack) for time, stack in _clip(samples, first, last)]
    columns.sort(key=lambda column: column[0])
    return replace(
        profile,
        start=start,
        times=[time - first for time, _, _ in columns],
        thread_of=[thread for _, thread, _ in columns],
        stack_of=[stack for _, _, stack in columns],
    )


def _clip(samples: Sequence[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    if len(samples) < 2 or samples[0][0] >= last or samples[-1][0] <= first:
        return []
    inside = [(time, stack) for time, stack in samples if first < time < last]
    before = [stack for time, stack in samples if time <= first]
    if before:
        inside.insert(0, (first, before[-1]))
    if samples[-1][0] >= last:
        inside.append((last, inside[-1][1]))
    return inside
