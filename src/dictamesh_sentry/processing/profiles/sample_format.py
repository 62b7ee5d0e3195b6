"""The sample format: frames, stacks (leaf first) and samples that SDKs of every platform but old Android send.

Version 1 counts time from the profile's start, version 2 in epoch seconds. Indexes are checked, what no sample uses
is left out, and equal frames and stacks become one.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.processing.grouping.frames import is_library_frame
from dictamesh_sentry.processing.profiles.errors import InvalidProfileError
from dictamesh_sentry.processing.profiles.values import listing, mapping, name_of, small, text, whole
from dictamesh_sentry.profiling.model import Frame, Profile, Thread

MAX_SAMPLES = 500_000
MAX_STACKS = 200_000
MAX_FRAMES = 200_000
MAX_REFERENCES = 5_000_000
"""Frames of all stacks together."""
MAX_DEPTH = 1024
MAX_THREADS = 2000
_LATEST = 253_402_300_799.0
Images = list[tuple[int, int, str]]


@dataclass(slots=True)
class RawSample:
    """A sample before its stack is looked at. ``time`` is in nanoseconds, since the start or the epoch."""

    time: int
    thread: str
    stack: int


@dataclass(slots=True)
class Sampled:
    """The sample format's parts, their counts checked."""

    frames: list[Any]
    stacks: list[Any]
    samples: list[RawSample]
    names: dict[str, str] = field(default_factory=dict)


def read_sampled(body: object, *, absolute: bool) -> Sampled:
    """Check the container and read its samples, which have epoch seconds when ``absolute``.

    Raises InvalidProfileError.
    """
    if type(body) is not dict:
        raise InvalidProfileError("profile_invalid_schema", "profile is not an object")
    frames = _limited(body, "frames", MAX_FRAMES)
    stacks = _limited(body, "stacks", MAX_STACKS)
    raw = _limited(body, "samples", MAX_SAMPLES)
    read = _epoch_time if absolute else _elapsed_time
    samples = [_sample(one, read) for one in raw]
    samples.sort(key=_time_of)
    metadata = mapping(body.get("thread_metadata"))
    names = {name_of(key, 64): text(mapping(value).get("name"), 128) for key, value in metadata.items()}
    for key, value in mapping(body.get("queue_metadata")).items():
        names.setdefault(f"queue:{key}", text(mapping(value).get("label"), 128))
    return Sampled(frames, stacks, samples, names)


def _limited(body: dict[str, Any], name: str, limit: int) -> list[Any]:
    found = listing(body.get(name), name)
    if len(found) > limit:
        raise InvalidProfileError(f"profile_too_many_{name}", f"{len(found)} of at most {limit}")
    return found


def _time_of(sample: RawSample) -> int:
    return sample.time


def _sample(one: object, read: Any) -> RawSample:
    if type(one) is not dict:
        raise InvalidProfileError("profile_invalid_sample", "a sample is not an object")
    thread = one.get("thread_id")
    stack = whole(one.get("stack_id"))
    if stack is None:
        raise InvalidProfileError("profile_invalid_index", "stack_id is not an index")
    return RawSample(read(one), name_of(thread, 64), stack)


def _elapsed_time(sample: dict[str, Any]) -> int:
    found = whole(sample.get("elapsed_since_start_ns", sample.get("relative_timestamp_ns")))
    if found is None:
        raise InvalidProfileError("profile_invalid_sample", "elapsed_since_start_ns is not a number")
    return found


def _epoch_time(sample: dict[str, Any]) -> int:
    value = sample.get("timestamp")
    if not (isinstance(value, int | float) and math.isfinite(value) and 0 < value < _LATEST):
        raise InvalidProfileError("profile_invalid_sample", "timestamp is not a time")
    return round(value * 1e9)


def drop_lonely_threads(sampled: Sampled) -> None:
    """Remove the samples of threads that have but one: no time can be told from it."""
    counts = Counter(sample.thread for sample in sampled.samples)
    if min(counts.values(), default=2) < 2:
        sampled.samples = [sample for sample in sampled.samples if counts[sample.thread] > 1]


def fill(profile: Profile, sampled: Sampled, *, zero: int, images: Images) -> None:
    """Put samples, stacks, frames and threads into a profile. ``zero``: the time that is its start.

    Raises InvalidProfileError for an index that leads nowhere.
    """
    packer = _Packer(sampled, profile.platform, images)
    threads: dict[str, int] = {}
    for sample in sampled.samples:
        thread = threads.setdefault(sample.thread, len(threads))
        profile.times.append(sample.time - zero)
        profile.thread_of.append(thread)
        profile.stack_of.append(packer.stack(sample.stack))
    if len(threads) > MAX_THREADS:
        raise InvalidProfileError("profile_too_many_threads", f"{len(threads)} of at most {MAX_THREADS}")
    profile.threads = [Thread(key, sampled.names.get(key, "")) for key in threads]
    profile.frames = packer.frames()
    profile.stacks = list(map(list, packer.stacks))


class _Packer:
    """Takes over the stacks and frames that are used, each once."""

    def __init__(self, sampled: Sampled, platform: str, images: Images) -> None:
        self._raw_stacks = sampled.stacks
        self._raw_frames = sampled.frames
        self._platform = platform
        self._images = images
        self._guess_in_app = not any(mapping(frame).get("in_app") is True for frame in sampled.frames)
        self._frames: dict[Frame, int] = {}
        self._frame_of: dict[int, int] = {}
        self._stack_of: dict[int, int] = {}
        self._references = 0
        self.stacks: dict[tuple[int, ...], int] = {}

    def frames(self) -> list[Frame]:
        """Every frame in use."""
        return list(self._frames)

    def stack(self, index: int) -> int:
        """The new index of a stack."""
        known = self._stack_of.get(index)
        if known is None:
            if index >= len(self._raw_stacks):
                raise InvalidProfileError("profile_invalid_index", f"stack {index} of {len(self._raw_stacks)}")
            packed = tuple(map(self._frame, self._references_of(self._raw_stacks[index])))
            known = self._stack_of[index] = self.stacks.setdefault(packed, len(self.stacks))
        return known

    def _references_of(self, raw: object) -> list[Any]:
        stack = listing(raw, "a stack")
        self._references += len(stack)
        if self._references > MAX_REFERENCES:
            raise InvalidProfileError("profile_too_many_frames", "the stacks together are too deep")
        # Of a deeper stack the end at the root is kept: without it, trees would not meet.
        return stack[-MAX_DEPTH:]

    def _frame(self, raw: object) -> int:
        index = raw if type(raw) is int else -1
        known = self._frame_of.get(index)
        if known is None:
            if not 0 <= index < len(self._raw_frames):
                raise InvalidProfileError("profile_invalid_index", f"frame {raw!r:.20} of {len(self._raw_frames)}")
            frame = self._build(self._raw_frames[index])
            known = self._frame_of[index] = self._frames.setdefault(frame, len(self._frames))
        return known

    def _build(self, raw: object) -> Frame:
        if type(raw) is not dict:
            raise InvalidProfileError("profile_invalid_schema", "a frame is not an object")
        return build_frame(raw, self._platform, self._images, guess_in_app=self._guess_in_app)


def build_frame(raw: dict[str, Any], platform: str, images: Images, *, guess_in_app: bool = True) -> Frame:
    """A frame of the sample format. Where the SDK marked no frame as its app's, well-known places of libraries do."""
    in_app = raw.get("in_app")
    if type(in_app) is not bool:
        in_app = guess_in_app and not is_library_frame(raw, "java" if platform == "android" else platform)
    address = name_of(raw.get("instruction_addr"), 32)
    return Frame(
        function=text(raw.get("function")),
        module=text(raw.get("module"), 256),
        package=text(raw.get("package"), 256) or _image_of(address, images),
        file=text(raw.get("filename")),
        path=text(raw.get("abs_path")),
        line=small(raw.get("lineno")),
        column=small(raw.get("colno")),
        in_app=in_app,
        platform=text(raw.get("platform"), 32),
        address=address,
    )


def read_images(debug_meta: object) -> Images:
    """(first address, address after the last, file) of the native libraries that were loaded."""
    images = mapping(debug_meta).get("images")
    found: Images = []
    for image in images[:5000] if type(images) is list else ():
        one = mapping(image)
        start, size = _address(one.get("image_addr")), whole(one.get("image_size"))
        name = text(one.get("code_file")) or text(one.get("name"))
        if start is not None and size and name:
            found.append((start, start + size, name))
    return sorted(found)


def _address(value: object) -> int | None:
    if type(value) is str and value[:2].lower() == "0x" and len(value) <= 18:
        try:
            return int(value, 16)
        except ValueError:
            return None
    return whole(value)


def _image_of(address: str, images: Images) -> str:
    number = _address(address) if images and address else None
    if number is None:
        return ""
    position = bisect_right(images, (number, 2**64, "")) - 1
    if position >= 0 and number < images[position][1]:
        return images[position][2][-256:]
    return ""
