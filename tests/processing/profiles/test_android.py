"""Android's method traces: entries and exits become samples."""

from __future__ import annotations

import base64
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.processing.profiles import InvalidProfileError, parse_profile
from dictamesh_sentry.processing.profiles.android import read_trace
from dictamesh_sentry.profiling.functions import function_times
from dictamesh_sentry.profiling.model import Profile

ENTER, EXIT, UNWIND = 0, 1, 2
MAIN, LOAD, READ = 0x10, 0x20, 0x30
# (thread, method, action, microseconds)
RECORDS = [
    (1, MAIN, ENTER, 0),
    (1, LOAD, ENTER, 1000),
    (2, READ, ENTER, 1500),
    (1, READ, ENTER, 3000),
    (1, READ, UNWIND, 6000),
    (1, LOAD, EXIT, 7000),
    (2, READ, EXIT, 9000),
    (1, MAIN, EXIT, 10_000),
]


def trace(records: list[tuple[int, int, int, int]], version: int = 3, clock: str = "dual", size: int = 0) -> bytes:
    """A trace as Android writes it."""
    text = (
        f"*version\n{version}\ndata-file-overflow=false\nclock={clock}\nelapsed-time-usec=10000\nvm=art\npid=7\n"
        "*threads\n1\tmain\n2\tOkHttp Dispatcher\n*methods\n"
        "0x10\tcom.shop.MainActivity\tonCreate\t(Landroid/os/Bundle;)V\tMainActivity.kt\t12\n"
        "0x20\tcom.shop.Orders\tload\t()V\tOrders.kt\t30\n"
        "0x30\tjava.io.InputStream\tread\t()I\tInputStream.java\n*end\n"
    ).encode()
    dual = version == 3 and clock == "dual"
    length = size or {1: 9, 2: 10, 3: 14 if dual else 10}[version]
    header = struct.pack("<IHHQ", 0x574F4C53, version, 32, 1_795_000_000_000_000)
    header += struct.pack("<H", length) + bytes(14)
    body = b""
    for thread, method, action, time in records:
        body += struct.pack("<B" if version == 1 else "<H", thread) + struct.pack("<I", method | action)
        body += struct.pack("<II", time // 2, time) if dual else struct.pack("<I", time)
    return text + header + body


def payload(data: bytes, **changes: Any) -> dict[str, Any]:
    return {
        "sampled_profile": base64.b64encode(data).decode(),
        "profile_id": "d" * 32,
        "platform": "android",
        "timestamp": "2026-11-20T10:00:00Z",
        "version_name": "1.4",
        "version_code": "140",
        "device_manufacturer": "Google",
        "device_model": "Pixel 8",
        "device_os_name": "android",
        "device_os_version": "14",
        "transaction_id": "b" * 32,
        "transaction_name": "MainActivity",
        "trace_id": "a" * 32,
        **changes,
    }


def parse(body: dict[str, Any], **options: Any) -> Profile:
    return parse_profile(orjson.dumps(body), **options)


@pytest.mark.parametrize(("version", "clock"), [(1, "wall"), (2, "wall"), (3, "wall"), (3, "dual")])
def test_entries_and_exits_become_samples(version: int, clock: str) -> None:
    profile = parse(payload(trace(RECORDS, version, clock)))
    assert {thread.name for thread in profile.threads} == {"main", "OkHttp Dispatcher"}
    assert profile.threads[profile.active].name == "main"
    times = {time.function.name: (time.self_ns, time.total_ns) for time in function_times(profile)}
    assert times == {
        "onCreate": (4_000_000, 10_000_000),
        "load": (3_000_000, 6_000_000),
        "read": (3_000_000, 3_000_000),
    }
    frames = {frame.function: frame for frame in profile.frames}
    assert (frames["onCreate"].module, frames["onCreate"].line) == ("com.shop.MainActivity", 12)
    assert (frames["onCreate"].in_app, frames["read"].in_app) == (True, False)
    assert profile.meta["device"]["model"] == "Pixel 8"
    assert profile.release == "1.4 (140)"


def test_several_records_of_one_moment_are_one_sample() -> None:
    records = [(1, MAIN, ENTER, 0), (1, LOAD, ENTER, 0), (1, READ, ENTER, 0), (1, MAIN, EXIT, 500)]
    profile = parse(payload(trace(records)))
    assert profile.times == [0, 500_000]
    assert [profile.frames[frame].function for frame in profile.stacks[profile.stack_of[0]]] == [
        "read", "load", "onCreate",
    ]  # fmt: skip
    assert profile.stacks[profile.stack_of[1]] == []


def test_chunks_of_android_hold_traces_too() -> None:
    body = payload(trace(RECORDS), version="2", profiler_id="e" * 32, chunk_id="f" * 32)
    profile = parse(body, chunk=True)
    assert profile.kind == "chunk"
    assert profile.start == pytest.approx(1_795_168_800.0)
    assert profile.threads[profile.active].name == "main"


def test_without_a_timestamp_the_traces_own_start_counts() -> None:
    body = payload(trace(RECORDS))
    del body["timestamp"]
    assert parse(body).start == 1_795_000_000.0


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "profile_invalid_android_trace"),
        (b"SLOW\x04\x00", "profile_unsupported_android_trace"),
        (trace(RECORDS)[:150], "profile_invalid_android_trace"),
        (trace(RECORDS).replace(b"SLOW", b"FAST"), "profile_unsupported_android_trace"),
        (trace(RECORDS, version=3, clock="thread-cpu"), "profile_unsupported_android_trace"),
        (trace(RECORDS, size=20), "profile_unsupported_android_trace"),
        (trace([(1, MAIN, 3, 0), (1, MAIN, 1, 5)]), "profile_invalid_android_trace"),
        (trace([]), "profile_too_few_samples"),
        (trace([(1, MAIN, 0, 0), (1, MAIN, 1, 30_000_001)]), "profile_duration_too_long"),
    ],
)
def test_each_defect_has_its_reason(data: bytes, expected: str) -> None:
    with pytest.raises(InvalidProfileError) as caught:
        parse(payload(data))
    assert caught.value.reason == expected


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damaged_traces_are_refused_or_read(data: st.DataObject) -> None:
    whole = bytearray(trace(RECORDS))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        sampled, _ = read_trace(base64.b64encode(bytes(whole[:cut])).decode())
    except InvalidProfileError:
        return
    assert all(sample.stack < len(sampled.stacks) for sample in sampled.samples)
    assert all(frame < len(sampled.frames) for stack in sampled.stacks for frame in stack)
