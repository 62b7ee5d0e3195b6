"""What a profile says of each function: time in itself, and time until it returned."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from dictamesh_sentry.profiling.model import Frame, Profile


class Function(NamedTuple):
    """Frames that are one function, wherever they are in it. ``place``: its module, else its library, else its file."""

    name: str
    place: str
    file: str
    in_app: bool
    platform: str

    @property
    def fingerprint(self) -> int:
        """Identifies the function across profiles, releases and machines."""
        return fingerprint(self.name, self.place)


@dataclass(slots=True)
class FunctionTime:
    """Nanoseconds of one function in a profile. ``samples``: how many had it on their stack."""

    function: Function
    self_ns: int = 0
    total_ns: int = 0
    samples: int = 0


@lru_cache(maxsize=65536)
def fingerprint(name: str, place: str) -> int:
    """48 bits of a function's name and place: JavaScript keeps them exact."""
    return int.from_bytes(hashlib.blake2b(f"{place}\0{name}".encode(), digest_size=6).digest(), "big")


def function_of(frame: Frame, platform: str = "") -> Function:
    """The function a frame is in."""
    library = frame.package.replace("\\", "/").rsplit("/", 1)[-1]
    return Function(
        name=frame.function or frame.address or "<anonymous>",
        place=frame.module or library or frame.file or frame.path,
        file=frame.file or frame.path,
        in_app=frame.in_app,
        platform=frame.platform or platform,
    )


class Functions:
    """Gives every function a number, and merges what differs only in where it is seen from."""

    def __init__(self) -> None:
        self.items: list[Function] = []
        self._known: dict[tuple[str, str], int] = {}

    def of_frames(self, frames: Iterable[Frame], platform: str) -> list[int]:
        """The number of each frame's function."""
        return [self.number(function_of(frame, platform)) for frame in frames]

    def number(self, function: Function) -> int:
        """The number of a function; new ones get the next. It is in the app when any of its frames is."""
        key = (function.name, function.place)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = len(self.items)
            self.items.append(function)
        elif function.in_app and not self.items[found].in_app:
            self.items[found] = self.items[found]._replace(in_app=True)
        return found


class Chain(NamedTuple):
    """Functions that called each other, the root first, and how long and in how many samples they did."""

    functions: tuple[int, ...]
    nanoseconds: int
    samples: int


def relevant_threads(profile: Profile) -> list[int]:
    """The thread of the transaction; every thread where that is unknown, and in continuous profiles."""
    if profile.kind == "transaction" and profile.active >= 0:
        return [profile.active]
    return list(range(len(profile.threads)))


def chains_of_stacks(profile: Profile, functions: Functions, *, in_app_only: bool = False) -> list[tuple[int, ...]]:
    """Every stack as functions, the root first; without what is not in the app when ``in_app_only``."""
    numbers = functions.of_frames(profile.frames, profile.platform)
    if not in_app_only:
        return [tuple(numbers[frame] for frame in reversed(stack)) for stack in profile.stacks]
    frames = profile.frames
    return [tuple(numbers[frame] for frame in reversed(stack) if frames[frame].in_app) for stack in profile.stacks]


def weighted_chains(
    profile: Profile, functions: Functions, threads: Sequence[int], *, in_app_only: bool = False
) -> list[Chain]:
    """What these threads did and for how long. A thread's last sample has no length; an empty chain is idleness."""
    chains = chains_of_stacks(profile, functions, in_app_only=in_app_only)
    lengths: dict[tuple[int, ...], int] = defaultdict(int)
    counts: dict[tuple[int, ...], int] = defaultdict(int)
    by_thread = profile.samples_by_thread()
    for thread in threads:
        for (time, stack), (following, _) in pairwise(by_thread[thread]):
            lengths[chains[stack]] += following - time
            counts[chains[stack]] += 1
    return [Chain(chain, length, counts[chain]) for chain, length in lengths.items()]


def tally(functions: Functions, chains: Iterable[Chain]) -> list[FunctionTime]:
    """Every function with its times, the longest first. A function that calls itself counts once per chain."""
    found: dict[int, FunctionTime] = {}
    for chain in chains:
        for number in set(chain.functions):
            time = found.get(number)
            if time is None:
                time = found[number] = FunctionTime(functions.items[number])
            time.total_ns += chain.nanoseconds
            time.samples += chain.samples
        if chain.functions:
            found[chain.functions[-1]].self_ns += chain.nanoseconds
    return sorted(found.values(), key=lambda time: (-time.total_ns, -time.self_ns, time.function))


def function_times(profile: Profile, threads: Sequence[int] | None = None) -> list[FunctionTime]:
    """The functions of a profile's threads, of the relevant ones when none are named."""
    functions = Functions()
    chosen = relevant_threads(profile) if threads is None else threads
    return tally(functions, weighted_chains(profile, functions, chosen))
