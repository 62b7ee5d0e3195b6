"""From the payload of a ``profile`` or ``profile_chunk`` item to the one internal form."""

from __future__ import annotations

from typing import Any

import orjson

from dictamesh_sentry.processing.normalize.values import to_timestamp
from dictamesh_sentry.processing.profiles.android import read_trace
from dictamesh_sentry.processing.profiles.errors import InvalidProfileError
from dictamesh_sentry.processing.profiles.sample_format import (
    Images,
    Sampled,
    drop_lonely_threads,
    fill,
    read_images,
    read_sampled,
)
from dictamesh_sentry.processing.profiles.values import (
    identifier,
    mapping,
    name_of,
    optional_identifier,
    text,
    texts,
    whole,
)
from dictamesh_sentry.profiling.model import Profile

MAX_BYTES = 50 * 1024 * 1024
MAX_TRANSACTION_NS = 30 * 10**9
MAX_CHUNK_NS = 66 * 10**9
MAX_MEASUREMENT_VALUES = 5000
PERFETTO = "application/x-perfetto-trace"


def parse_profile(
    payload: bytes,
    *,
    chunk: bool = False,
    content_type: str = "",
    platform: str = "",
    received: float = 0.0,
) -> Profile:
    """Read a profile. Raises InvalidProfileError and nothing else, with one reason for each defect.

    ``chunk``: the item is a ``profile_chunk``. ``content_type`` and ``platform`` are the item's headers.
    ``received`` stands in for the start of an old Android profile that does not say when it began.
    """
    if len(payload) > MAX_BYTES:
        raise InvalidProfileError("profile_too_large", f"{len(payload)} bytes")
    if content_type.split(";")[0].strip().lower() == PERFETTO:
        raise InvalidProfileError("profile_unsupported_perfetto")
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise InvalidProfileError("profile_invalid_json", str(error)[:200]) from None
    if type(body) is not dict:
        raise InvalidProfileError("profile_invalid_schema", "the payload is not an object")
    return _chunk(body, platform, received) if chunk else _transaction_profile(body, received)


def _platform(body: dict[str, Any]) -> str:
    platform = text(body.get("platform"), 32)
    if not platform:
        raise InvalidProfileError("profile_missing_platform")
    return platform


def _empty(body: dict[str, Any], platform: str) -> Profile:
    return Profile(
        kind="transaction",
        profile_id="",
        profiler_id="",
        platform=platform,
        release=text(body.get("release"), 250),
        environment=text(body.get("environment"), 64),
        start=0.0,
    )


# Version 1


def _transaction_profile(body: dict[str, Any], received: float) -> Profile:
    platform = _platform(body)
    profile = _empty(body, platform)
    profile.profile_id = identifier(body.get("event_id") or body.get("profile_id"), "event_id")
    version = name_of(body.get("version"), 16)
    start = to_timestamp(body.get("timestamp"))
    if "profile" not in body and "sampled_profile" in body:
        sampled, began = read_trace(body["sampled_profile"])
        start = start or began or received
        _legacy_android(profile, body)
    elif version == "1":
        sampled = read_sampled(body.get("profile"), absolute=False)
        _check_device(platform, body)
    else:
        raise InvalidProfileError("profile_unsupported_version", f"{version!r} of a profile")
    if start is None or start <= 0:
        raise InvalidProfileError("profile_invalid_timestamp", "timestamp")
    profile.start = start
    _describe(profile, body)
    profile.meta["transaction"] = transaction = _transaction(body)
    _finish(profile, sampled, zero=0, longest=MAX_TRANSACTION_NS, images=read_images(body.get("debug_meta")))
    _set_active(profile, transaction.get("active_thread_id", ""))
    return profile


def _legacy_android(profile: Profile, body: dict[str, Any]) -> None:
    """Old Android SDKs describe the device flat, and the release by version and build."""
    name, code = text(body.get("version_name"), 128), name_of(body.get("version_code"), 64)
    package = text(mapping(body.get("build")).get("package"), 128)
    if not profile.release and name:
        profile.release = (f"{package}@" if package else "") + name + (f" ({code})" if code else "")
    names = ("manufacturer", "model", "is_emulator", "locale")
    profile.meta["device"] = texts({name: body.get(f"device_{name}") for name in names}, names)
    system = {"name": body.get("device_os_name"), "version": body.get("device_os_version")}
    profile.meta["os"] = texts(system, ("name", "version"))


def _check_device(platform: str, body: dict[str, Any]) -> None:
    """Apple's stacks are addresses, which mean something only together with the device and the system's build."""
    if platform != "cocoa":
        return
    device = texts(body.get("device"), ("architecture", "model"))
    if len(device) < 2 or not texts(body.get("os"), ("build_number",)):
        raise InvalidProfileError("profile_missing_device", "device.architecture, device.model and os.build_number")


def _transaction(body: dict[str, Any]) -> dict[str, Any]:
    """The transaction it belongs to: SDKs send one, or a list of them, or flat fields."""
    source = mapping(body.get("transaction"))
    listed = body.get("transactions")
    if not source and type(listed) is list and listed:
        source = mapping(listed[0])
    flat = {"id": body.get("transaction_id"), "name": body.get("transaction_name"), "trace_id": body.get("trace_id")}
    found: dict[str, Any] = {
        "id": optional_identifier(source.get("id") or flat["id"]),
        "name": text(source.get("name") or flat["name"], 200),
        "trace_id": optional_identifier(source.get("trace_id") or flat["trace_id"]),
        "active_thread_id": name_of(source.get("active_thread_id"), 64),
    }
    for name in ("relative_start_ns", "relative_end_ns"):
        number = whole(source.get(name))
        if number is not None:
            found[name] = number
    return {key: value for key, value in found.items() if value != ""}


def _set_active(profile: Profile, thread_id: str) -> None:
    """Find the transaction's thread. Raises InvalidProfileError when it was sampled less than twice."""
    if thread_id in ("", "0") and profile.thread_index(thread_id) is None:
        # Android says 0 for its main thread, whose number in the trace is another.
        named = [index for index, thread in enumerate(profile.threads) if thread.name.lower() == "main"]
        profile.active = named[0] if named else -1
        return
    index = profile.thread_index(thread_id)
    if index is None:
        raise InvalidProfileError("profile_too_few_samples", "of the transaction's thread")
    profile.active = index


# Version 2


def _chunk(body: dict[str, Any], header_platform: str, received: float) -> Profile:
    platform = _platform(body)
    if header_platform and header_platform != platform:
        raise InvalidProfileError("profile_platform_mismatch", f"{header_platform!r:.40} and {platform!r}")
    profile = _empty(body, platform)
    profile.kind = "chunk"
    profile.profiler_id = identifier(body.get("profiler_id"), "profiler_id")
    profile.profile_id = identifier(body.get("chunk_id"), "chunk_id")
    version = name_of(body.get("version"), 16)
    if version != "2":
        raise InvalidProfileError("profile_unsupported_version", f"{version!r} of a chunk")
    if "sampled_profile" in body and not mapping(body.get("profile")).get("samples"):
        sampled, began = read_trace(body["sampled_profile"])
        origin = to_timestamp(body.get("timestamp")) or began or received
    else:
        sampled, origin = read_sampled(body.get("profile"), absolute=True), 0.0
    drop_lonely_threads(sampled)
    zero = sampled.samples[0].time if sampled.samples else 0
    profile.start = origin + zero / 1e9
    _describe(profile, body)
    _finish(profile, sampled, zero=zero, longest=MAX_CHUNK_NS, images=read_images(body.get("debug_meta")))
    main = [index for index, thread in enumerate(profile.threads) if thread.name.lower() in ("main", "mainthread")]
    profile.active = main[0] if main else -1
    return profile


# Both


def _describe(profile: Profile, body: dict[str, Any]) -> None:
    meta = profile.meta
    described = {
        "os": texts(body.get("os"), ("name", "version", "build_number")),
        "device": texts(
            body.get("device"),
            ("architecture", "classification", "locale", "manufacturer", "model", "is_emulator"),
        ),
        "runtime": texts(body.get("runtime"), ("name", "version")),
        "sdk": texts(body.get("client_sdk"), ("name", "version")),
        "measurements": _measurements(body.get("measurements")),
    }
    meta.update({key: value for key, value in described.items() if value})


def _measurements(source: object) -> dict[str, Any]:
    """Readings taken meanwhile (CPU, memory, slow frames), as they were sent but bounded."""
    found: dict[str, Any] = {}
    for name, entry in list(mapping(source).items())[:50]:
        values = mapping(entry).get("values")
        if type(values) is not list:
            continue
        kept = [
            {key: one[key] for key in ("elapsed_since_start_ns", "timestamp", "value") if key in one}
            for one in values[:MAX_MEASUREMENT_VALUES]
            if type(one) is dict and type(one.get("value")) in (int, float)
        ]
        scalar = (int, float, str)
        kept = [one for one in kept if all(type(value) in scalar and len(str(value)) < 40 for value in one.values())]
        if kept:
            found[text(name, 64)] = {"unit": text(mapping(entry).get("unit"), 32), "values": kept}
    return found


def _finish(profile: Profile, sampled: Sampled, *, zero: int, longest: int, images: Images) -> None:
    drop_lonely_threads(sampled)
    samples = sampled.samples
    if len(samples) < 2:
        raise InvalidProfileError("profile_too_few_samples", "no thread has two")
    if samples[-1].time - samples[0].time > longest:
        raise InvalidProfileError("profile_duration_too_long", f"{(samples[-1].time - samples[0].time) / 1e9:.1f} s")
    fill(profile, sampled, zero=zero, images=images)
    if profile.times[-1] > 10 * longest:
        raise InvalidProfileError("profile_invalid_sample", "the samples begin long after the profile")
