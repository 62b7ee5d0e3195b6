"""One form for profiles of every SDK, and how it is kept in the blob store.

A sample says which stack a thread had at a moment. It stands for the time until the thread's next sample; a thread's
last sample only marks the end. Stacks are lists of frame indexes, the leaf first. Times are nanoseconds from the start.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson
import zstandard

Kind = Literal["transaction", "chunk"]
FORMAT = 1
_LEVEL = 6


class Frame(NamedTuple):
    """A place in the code. ``line`` and ``column`` are 0 where they are unknown, the texts empty."""

    function: str
    module: str
    package: str
    file: str
    path: str
    line: int
    column: int
    in_app: bool
    platform: str
    address: str


class Thread(NamedTuple):
    """A thread; its name is empty where the SDK sent none."""

    id: str
    name: str


@dataclass(slots=True)
class Profile:
    """A profile of a transaction, or a chunk of a continuous one.

    ``start`` is in epoch seconds. ``times``, ``thread_of`` and ``stack_of`` are columns of the samples, in the order
    of time; the latter two are indexes into ``threads`` and ``stacks``. ``active`` is the thread the transaction ran
    in, -1 where none is known. ``meta`` has what was sent about the machine, the SDK and the transaction.
    """

    kind: Kind
    profile_id: str
    profiler_id: str
    platform: str
    release: str
    environment: str
    start: float
    frames: list[Frame] = field(default_factory=list)
    stacks: list[list[int]] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    thread_of: list[int] = field(default_factory=list)
    stack_of: list[int] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    active: int = -1
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def duration_ns(self) -> int:
        """From the start to the last sample."""
        return self.times[-1] if self.times else 0

    @property
    def end(self) -> float:
        """The last sample's moment in epoch seconds."""
        return self.start + self.duration_ns / 1e9

    def thread_index(self, thread_id: str) -> int | None:
        """Where a thread is in ``threads``."""
        return next((index for index, thread in enumerate(self.threads) if thread.id == thread_id), None)

    def samples_by_thread(self) -> list[list[tuple[int, int]]]:
        """(nanoseconds, stack) of every thread, in the order of ``threads``."""
        found: list[list[tuple[int, int]]] = [[] for _ in self.threads]
        for time, thread, stack in zip(self.times, self.thread_of, self.stack_of, strict=True):
            found[thread].append((time, stack))
        return found


def encode(profile: Profile) -> bytes:
    """The profile as it is kept: JSON in columns, compressed."""
    body = {
        "format": FORMAT,
        "kind": profile.kind,
        "profile_id": profile.profile_id,
        "profiler_id": profile.profiler_id,
        "platform": profile.platform,
        "release": profile.release,
        "environment": profile.environment,
        "start": profile.start,
        "frames": [list(frame) for frame in profile.frames],
        "stacks": profile.stacks,
        "times": profile.times,
        "thread_of": profile.thread_of,
        "stack_of": profile.stack_of,
        "threads": [list(thread) for thread in profile.threads],
        "active": profile.active,
        "meta": profile.meta,
    }
    return zstandard.ZstdCompressor(level=_LEVEL).compress(orjson.dumps(body))


def decode(data: bytes) -> Profile:
    """The reverse of ``encode``. Raises ValueError for anything else."""
    try:
        body: dict[str, Any] = orjson.loads(zstandard.ZstdDecompressor().decompress(data))
        if body.pop("format") != FORMAT:
            raise ValueError("the profile was stored by another version")
        body["frames"] = [Frame(*frame) for frame in body["frames"]]
        body["threads"] = [Thread(*thread) for thread in body["threads"]]
        return Profile(**body)
    except (zstandard.ZstdError, KeyError, TypeError) as error:
        raise ValueError(f"not a stored profile: {error}") from error
