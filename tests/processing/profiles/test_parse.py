"""Every format becomes one form; each defect has one reason, and nothing but InvalidProfileError comes out."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.processing.profiles import InvalidProfileError, parse_profile
from dictamesh_sentry.profiling.model import Profile, decode, encode
from tests.support.profiles import FRAMES, chunk, fixture_item, transaction_profile

PROFILER = "c" * 32


def parse(payload: Any, **options: Any) -> Profile:
    is_chunk = isinstance(payload, dict) and "chunk_id" in payload
    return parse_profile(orjson.dumps(payload), chunk=is_chunk, **options)


def reason(payload: Any, **options: Any) -> str:
    with pytest.raises(InvalidProfileError) as caught:
        parse(payload, **options)
    return caught.value.reason


def functions(profile: Profile, position: int) -> list[str]:
    """The stack of a sample, leaf first."""
    return [profile.frames[index].function for index in profile.stacks[profile.stack_of[position]]]


# What real SDKs send


@pytest.mark.parametrize("name", ["python_v1", "node_v1", "python_v2", "node_v2"])
def test_captured_profiles_are_read(name: str) -> None:
    item = fixture_item(name)
    profile = parse_profile(item.payload, chunk=name.endswith("v2"), platform=item.headers.get("platform", ""))
    raw = orjson.loads(item.payload)
    assert profile.platform == name.split("_")[0]
    assert profile.kind == ("chunk" if name.endswith("v2") else "transaction")
    assert (profile.release, profile.environment) == ("shop@1.2.0", "production")
    assert len(profile.times) == len(raw["profile"]["samples"])
    assert profile.times == sorted(profile.times)
    assert 0.1 < profile.duration_ns / 1e9 < 1
    assert decode(encode(profile)) == profile
    apps = {frame.function for frame in profile.frames if frame.in_app}
    assert {"digest", "checkout"} <= apps
    assert not any("node_modules" in frame.path for frame in profile.frames if frame.in_app)
    # The same stack for the same sample, read by other means.
    first = sorted(raw["profile"]["samples"], key=lambda s: float(s.get("timestamp") or s["elapsed_since_start_ns"]))[0]
    expected = [raw["profile"]["frames"][index]["function"] for index in raw["profile"]["stacks"][first["stack_id"]]]
    assert functions(profile, 0) == expected


def test_the_transaction_of_a_captured_profile_is_known() -> None:
    profile = parse_profile(fixture_item("python_v1").payload)
    assert profile.threads[profile.active].name == "MainThread"
    sent = profile.meta["transaction"]
    assert (sent["name"], len(sent["id"]), len(sent["trace_id"])) == ("checkout", 32, 32)
    assert profile.meta["runtime"]["name"] == "CPython"


# Formats of platforms


@pytest.mark.parametrize(
    ("platform", "frame", "expected"),
    [
        ("php", {"function": "Foo::bar", "filename": "/app/vendor/x/Foo.php", "lineno": 3}, False),
        ("go", {"function": "main.handle", "module": "main", "abs_path": "/src/shop/main.go"}, True),
        ("go", {"function": "net/http.serve", "abs_path": "/usr/local/go/src/net/http/server.go"}, False),
        (
            "javascript",
            {"function": "render", "abs_path": "https://shop.example/app.js", "lineno": 1, "colno": 9},
            True,
        ),
        ("rust", {"function": "std::rt::lang_start", "instruction_addr": "0x1005"}, False),
        ("node", {"function": "", "abs_path": "node:internal/main"}, False),
    ],
)
def test_where_no_frame_is_marked_library_places_decide(platform: str, frame: dict[str, Any], expected: bool) -> None:
    payload = transaction_profile(platform=platform)
    payload["profile"]["frames"] = [frame] * 4
    profile = parse(payload)
    assert [(one.in_app, one.platform) for one in profile.frames] == [(expected, "")]


def test_numbers_and_texts_are_both_read() -> None:
    payload = transaction_profile()
    for sample in payload["profile"]["samples"]:
        sample["elapsed_since_start_ns"] = int(sample["elapsed_since_start_ns"])
        sample["thread_id"] = int(sample["thread_id"])
    payload["transaction"]["active_thread_id"] = 1
    assert parse(payload).times == parse(transaction_profile()).times


def test_apple_profiles_need_the_device_and_take_libraries_from_the_images() -> None:
    payload = transaction_profile(platform="cocoa")
    assert reason(payload) == "profile_missing_device"
    payload["device"] = {"architecture": "arm64e", "model": "iPhone14,3"}
    payload["os"] = {"name": "iOS", "version": "17.1", "build_number": "21B74"}
    payload["profile"]["frames"] = [{"instruction_addr": f"0x{0x1000 + n * 0x800:x}"} for n in range(4)]
    payload["debug_meta"] = {
        "images": [
            {"type": "macho", "image_addr": "0x1000", "image_size": 0x1000, "code_file": "/private/Shop.app/Shop"},
            {"type": "macho", "image_addr": "0x2000", "image_size": 0x100, "code_file": "/usr/lib/libfoo.dylib"},
        ]
    }
    frames = {frame.address: frame.package for frame in parse(payload).frames}
    assert frames == {
        "0x1000": "/private/Shop.app/Shop",
        "0x1800": "/private/Shop.app/Shop",
        "0x2000": "/usr/lib/libfoo.dylib",
        "0x2800": "",
    }


def test_equal_frames_and_stacks_become_one_and_unused_ones_go() -> None:
    payload = transaction_profile()
    payload["profile"]["frames"] = FRAMES + FRAMES
    payload["profile"]["stacks"] += [[6, 5, 4], [7, 7]]
    payload["profile"]["samples"][0]["stack_id"] = 4
    profile = parse(payload)
    assert (len(profile.frames), len(profile.stacks)) == (4, 4)
    assert functions(profile, 0) == ["execute", "load", "main"]


def test_samples_are_put_in_order_and_lonely_threads_removed() -> None:
    payload = transaction_profile()
    payload["profile"]["samples"].append({"elapsed_since_start_ns": "5", "thread_id": "9", "stack_id": 0})
    payload["profile"]["samples"].reverse()
    profile = parse(payload)
    assert [thread.id for thread in profile.threads] == ["1", "2"] or {t.id for t in profile.threads} == {"1", "2"}
    assert profile.times == sorted(profile.times)


def test_a_chunk_begins_with_its_first_sample() -> None:
    payload = chunk(1_795_000_000.5, PROFILER)
    profile = parse(payload)
    assert (profile.start, profile.times[0], profile.duration_ns) == (1_795_000_000.5, 0, 2 * 10**9)
    assert (profile.profiler_id, profile.profile_id) == (PROFILER, payload["chunk_id"])
    assert profile.meta["sdk"]["name"] == "sentry.python"


# Defects


def _change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(payload: dict[str, Any]) -> None:
        *folders, last = path.split(".")
        target: Any = payload
        for name in folders:
            target = target[int(name)] if isinstance(target, list) else target[name]
        if value is None:
            del target[last]
        else:
            target[int(last) if isinstance(target, list) else last] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("version", "3", "profile_unsupported_version"),
        ("platform", None, "profile_missing_platform"),
        ("event_id", "x", "profile_invalid_id"),
        ("timestamp", "yesterday", "profile_invalid_timestamp"),
        ("profile", [], "profile_invalid_schema"),
        ("profile.frames", {}, "profile_invalid_schema"),
        ("profile.frames.0", 1, "profile_invalid_schema"),
        ("profile.stacks.0", 1, "profile_invalid_schema"),
        ("profile.stacks.0", [4], "profile_invalid_index"),
        ("profile.stacks.0", [-1], "profile_invalid_index"),
        ("profile.stacks.0", [True], "profile_invalid_index"),
        ("profile.samples.0", 1, "profile_invalid_sample"),
        ("profile.samples.0.stack_id", 4, "profile_invalid_index"),
        ("profile.samples.0.stack_id", -1, "profile_invalid_index"),
        ("profile.samples.0.elapsed_since_start_ns", "-5", "profile_invalid_sample"),
        ("profile.samples.0.elapsed_since_start_ns", [], "profile_invalid_sample"),
        ("profile.samples", [], "profile_too_few_samples"),
        ("transaction.active_thread_id", "77", "profile_too_few_samples"),
        ("profile.samples.6.elapsed_since_start_ns", str(30 * 10**9 + 1), "profile_duration_too_long"),
    ],
)
def test_each_defect_of_a_profile_has_its_reason(path: str, value: Any, expected: str) -> None:
    payload = orjson.loads(orjson.dumps(transaction_profile()))
    _change(path, value)(payload)
    assert reason(payload) == expected


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("version", "1", "profile_unsupported_version"),
        ("profiler_id", None, "profile_invalid_id"),
        ("chunk_id", "", "profile_invalid_id"),
        ("profile.samples.0.timestamp", "now", "profile_invalid_sample"),
        ("profile.samples.0.timestamp", -1.0, "profile_invalid_sample"),
        ("profile.samples.41.timestamp", 1_795_000_067.0, "profile_duration_too_long"),
    ],
)
def test_each_defect_of_a_chunk_has_its_reason(path: str, value: Any, expected: str) -> None:
    payload = orjson.loads(orjson.dumps(chunk(1_795_000_000, PROFILER)))
    _change(path, value)(payload)
    assert reason(payload) == expected


def test_limits_are_exact() -> None:
    payload = transaction_profile()
    payload["profile"]["samples"][-1]["elapsed_since_start_ns"] = str(30 * 10**9)
    assert parse(payload).duration_ns == 30 * 10**9
    long = chunk(1_795_000_000, PROFILER)
    long["profile"]["samples"][-1]["timestamp"] = 1_795_000_066.0
    assert parse(long).duration_ns == 66 * 10**9


def test_what_surrounds_the_payload_is_checked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = chunk(1_795_000_000, PROFILER)
    assert reason(payload, platform="node") == "profile_platform_mismatch"
    assert parse(payload, platform="python").platform == "python"
    assert reason(payload, content_type="application/x-perfetto-trace") == "profile_unsupported_perfetto"
    for garbage in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(InvalidProfileError, match="profile_invalid_json"):
            parse_profile(garbage)
    module = "dictamesh_sentry.processing.profiles"
    monkeypatch.setattr(f"{module}.parse.MAX_BYTES", 10)
    assert reason(payload) == "profile_too_large"
    monkeypatch.undo()
    for name, limit in (("FRAMES", 3), ("STACKS", 3), ("SAMPLES", 6)):
        monkeypatch.setattr(f"{module}.sample_format.MAX_{name}", limit)
        assert reason(transaction_profile()) == f"profile_too_many_{name.lower()}"
        monkeypatch.undo()
    monkeypatch.setattr(f"{module}.sample_format.MAX_THREADS", 1)
    assert reason(transaction_profile()) == "profile_too_many_threads"


def test_of_a_very_deep_stack_the_end_at_the_root_is_kept() -> None:
    payload = transaction_profile()
    payload["profile"]["stacks"][0] = [1] * 5000 + [0]
    profile = parse(payload)
    stack = functions(profile, 0)
    assert (len(stack), stack[-1], stack[0]) == (1024, "main", "load")


def test_errors_cross_process_boundaries() -> None:
    error = pickle.loads(pickle.dumps(InvalidProfileError("profile_invalid_id", "event_id")))
    assert (error.reason, error.detail) == ("profile_invalid_id", "event_id")


# Anything

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["1", "2", "c" * 32, "android", "cocoa"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
_PATHS = [
    "version", "event_id", "profiler_id", "platform", "timestamp", "transaction", "transactions", "profile", "release",
    "profile.frames", "profile.frames.0", "profile.frames.0.lineno", "profile.frames.0.in_app", "profile.stacks",
    "profile.frames.0.platform", "profile.frames.0.function", "profile.frames.0.abs_path", "profile.stacks.0",
    "profile.stacks.0.0", "profile.samples", "profile.samples.0", "profile.samples.0.stack_id",
    "profile.samples.0.thread_id", "profile.samples.0.timestamp", "profile.samples.0.elapsed_since_start_ns",
    "profile.thread_metadata", "measurements", "debug_meta", "os", "device", "runtime", "sampled_profile",
    "transaction.active_thread_id", "profile.queue_metadata", "client_sdk",
]  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(_PATHS), _VALUES), max_size=3), st.booleans())
def test_nothing_but_invalid_profile_errors_comes_out(changes: list[tuple[str, Any]], chunked: bool) -> None:
    made = chunk(1_795_000_000, PROFILER) if chunked else transaction_profile()
    payload = orjson.loads(orjson.dumps(made))
    for path, value in changes:
        try:
            _change(path, value)(payload)
        except (KeyError, IndexError, TypeError, ValueError):
            payload[path] = value
    try:
        profile = parse_profile(orjson.dumps(payload), chunk=chunked, received=1_795_000_000.0)
    except InvalidProfileError:
        return
    assert decode(encode(profile)) == profile
    assert len(profile.times) == len(profile.thread_of) == len(profile.stack_of) >= 2
    assert max(profile.thread_of) < len(profile.threads)
    assert max(profile.stack_of) < len(profile.stacks)
    assert all(frame < len(profile.frames) for stack in profile.stacks for frame in stack)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | _VALUES.map(orjson.dumps), st.booleans())
def test_any_bytes_are_refused_or_read(payload: bytes, chunked: bool) -> None:
    with pytest.raises(InvalidProfileError):
        parse_profile(payload, chunk=chunked)
