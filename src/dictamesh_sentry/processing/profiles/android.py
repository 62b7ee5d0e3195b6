"""Android's method traces (``Debug.startMethodTracing``), as the platform's sources document them.

A text part names threads and methods; a binary part has one record per entry or exit of a method:

    u4 magic "SLOW" · u2 version · u2 offset of the records · u8 start in microseconds · u2 size of a record (version 3)
    record: u1 or u2 thread · u4 method, its lowest two bits the action · u4 time · u4 second time (both clocks)

Between two records of a thread its stack stays as it is, so each record is a sample. Traces of the newer
streaming format have another magic and are refused.
"""

from __future__ import annotations

import base64
import binascii
import struct
from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.processing.profiles.errors import InvalidProfileError
from dictamesh_sentry.processing.profiles.sample_format import MAX_DEPTH, MAX_SAMPLES, RawSample, Sampled
from dictamesh_sentry.processing.profiles.values import text

_MAGIC = 0x574F4C53
_RECORDS = {(1, 9): "<BII", (2, 10): "<HII", (3, 10): "<HII", (3, 14): "<HIII"}
_ENTER, _UNWIND = 0, 2  # 1: exit, as unwinding
# Depths of the stacks of all records together.
_MAX_HELD = 30_000_000
_MARKS = (b"*version", b"*threads", b"*methods", b"*end")


@dataclass(slots=True)
class _Trace:
    """The text part, and where the records begin."""

    threads: dict[int, str] = field(default_factory=dict)
    methods: dict[int, tuple[str, str, str, int]] = field(default_factory=dict)
    clock: str = ""
    records: int = 0


def read_trace(encoded: object) -> tuple[Sampled, float]:
    """Samples of a trace in base64, and its start in epoch seconds (0 where unknown). Raises InvalidProfileError."""
    data = _decoded(encoded)
    trace = _read_text(data)
    start, layout, first = _read_header(data, trace.records)
    return _sampled(trace, _records(data, layout, first, trace.clock)), start


def _decoded(encoded: object) -> bytes:
    if type(encoded) is not str or not encoded:
        raise InvalidProfileError("profile_invalid_android_trace", "sampled_profile is not a text")
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidProfileError("profile_invalid_android_trace", "sampled_profile is not base64") from None


def _read_text(data: bytes) -> _Trace:
    if not data.startswith(b"*version"):
        raise InvalidProfileError("profile_unsupported_android_trace", "it has no *version section")
    end = data.find(b"\n*end\n")
    if end < 0:
        raise InvalidProfileError("profile_invalid_android_trace", "it has no *end")
    trace = _Trace(records=end + len(b"\n*end\n"))
    section = b""
    for line in data[:end].split(b"\n"):
        if line in _MARKS:
            section = line
        elif section == b"*version" and line.startswith(b"clock="):
            trace.clock = line.removeprefix(b"clock=").decode("ascii", "replace")
        elif section == b"*threads":
            _read_thread(trace, line)
        elif section == b"*methods":
            _read_method(trace, line)
    return trace


def _read_thread(trace: _Trace, line: bytes) -> None:
    number, _, name = line.partition(b"\t")
    if number.isdigit():
        trace.threads[int(number[:10])] = name.decode("utf-8", "replace")[:128]


def _read_method(trace: _Trace, line: bytes) -> None:
    parts = line.decode("utf-8", "replace").split("\t")
    try:
        number = int(parts[0], 16)
    except ValueError:
        return
    if len(parts) < 3:
        return
    file = parts[4] if len(parts) > 4 else ""
    number_of_line = int(parts[5]) if len(parts) > 5 and parts[5].isascii() and parts[5].isdigit() else 0
    trace.methods[number] = (text(parts[1], 256), text(parts[2]), text(file), number_of_line)


def _read_header(data: bytes, at: int) -> tuple[float, struct.Struct, int]:
    try:
        magic, version, offset, start = struct.unpack_from("<IHHQ", data, at)
        size = struct.unpack_from("<H", data, at + 16)[0] if version >= 3 else {1: 9, 2: 10}.get(version, 0)
    except struct.error:
        raise InvalidProfileError("profile_invalid_android_trace", "the header is cut off") from None
    if magic != _MAGIC:
        raise InvalidProfileError("profile_unsupported_android_trace", "unknown magic")
    layout = _RECORDS.get((version, size))
    if layout is None:
        raise InvalidProfileError("profile_unsupported_android_trace", f"version {version}, records of {size} bytes")
    if offset < 16:
        raise InvalidProfileError("profile_invalid_android_trace", "the records begin inside the header")
    return start / 1e6, struct.Struct(layout), at + offset


def _records(data: bytes, layout: struct.Struct, first: int, clock: str) -> list[tuple[int, int, int, int]]:
    """(microseconds, thread, method, action), of wall time where the trace has it."""
    body = memoryview(data)[first:]
    whole = len(body) // layout.size
    if whole > MAX_SAMPLES:
        raise InvalidProfileError("profile_too_many_samples", f"{whole} of at most {MAX_SAMPLES}")
    if len(layout.format.lstrip("<")) == 3 and clock == "thread-cpu":
        raise InvalidProfileError("profile_unsupported_android_trace", "it has only CPU times")
    found: list[tuple[int, int, int, int]] = []
    for record in layout.iter_unpack(body[: whole * layout.size]):
        action = record[1] & 3
        if action > _UNWIND:
            raise InvalidProfileError("profile_invalid_android_trace", "unknown action")
        found.append((record[-1], record[0], record[1] & ~3, action))
    found.sort(key=lambda record: record[0])
    return found


def _sampled(trace: _Trace, records: list[tuple[int, int, int, int]]) -> Sampled:
    """One sample for each moment at which a thread's stack changed."""
    frames: dict[int, int] = {}
    stacks: dict[tuple[int, ...], int] = {}
    current: dict[int, list[int]] = {}
    samples: list[RawSample] = []
    last: dict[int, int] = {}
    held = 0
    for time, thread, method, action in records:
        stack = current.setdefault(thread, [])
        _apply(stack, frames.setdefault(method, len(frames)), action)
        held += len(stack)
        if held > _MAX_HELD:
            raise InvalidProfileError("profile_too_many_frames", "the stacks together are too deep")
        number = stacks.setdefault(tuple(stack[:MAX_DEPTH][::-1]), len(stacks))
        position = last.get(thread)
        if position is not None and samples[position].time == time * 1000:
            samples[position].stack = number
            continue
        last[thread] = len(samples)
        samples.append(RawSample(time * 1000, str(thread), number))
    names = {str(key): name for key, name in trace.threads.items()}
    return Sampled([_frame(trace, method) for method in frames], list(map(list, stacks)), samples, names)


def _apply(stack: list[int], frame: int, action: int) -> None:
    """Enter a method, or leave it with all that is still open inside: its own exits were lost."""
    if action == _ENTER:
        stack.append(frame)
    elif frame in stack:
        while stack.pop() != frame:
            pass


def _frame(trace: _Trace, method: int) -> dict[str, Any]:
    module, function, file, line = trace.methods.get(method, ("", "", "", 0))
    return {
        "module": module.replace("/", "."),
        "function": function or f"0x{method:x}",
        "filename": file,
        "lineno": line,
    }
