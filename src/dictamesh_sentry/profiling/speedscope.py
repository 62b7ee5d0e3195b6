"""Profiles as others read them: speedscope's file format, and the sample format SDKs send. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from dictamesh_sentry.profiling.model import Frame, Profile

SPEEDSCOPE_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


def thread_label(profile: Profile, index: int) -> str:
    """How a thread is called: its name, else its number."""
    thread = profile.threads[index]
    return thread.name or f"Thread {thread.id or index + 1}"


def speedscope(profile: Profile, name: str) -> dict[str, Any]:
    """A file that https://www.speedscope.app opens: a sampled profile for each thread."""
    profiles = [_speedscope_thread(profile, thread) for thread in range(len(profile.threads))]
    return {
        "$schema": SPEEDSCOPE_SCHEMA,
        "name": name,
        "exporter": "DictaMesh Sentry",
        "activeProfileIndex": max(profile.active, 0),
        "shared": {"frames": [_speedscope_frame(frame) for frame in profile.frames]},
        "profiles": profiles,
    }


def _speedscope_frame(frame: Frame) -> dict[str, Any]:
    found: dict[str, Any] = {"name": frame.function or frame.address or "<anonymous>"}
    file = frame.path or frame.file or frame.package or frame.module
    if file:
        found["file"] = file
    if frame.line:
        found["line"] = frame.line
    if frame.column:
        found["col"] = frame.column
    return found


def _speedscope_thread(profile: Profile, thread: int) -> dict[str, Any]:
    samples = profile.samples_by_thread()[thread]
    start = samples[0][0] if samples else 0
    return {
        "type": "sampled",
        "name": thread_label(profile, thread),
        "unit": "nanoseconds",
        "startValue": start,
        "endValue": samples[-1][0] if samples else start,
        "samples": [profile.stacks[stack][::-1] for _, stack in samples[:-1]],
        "weights": [following - time for (time, _), (following, _) in pairwise(samples)],
    }


def sample_format(profile: Profile) -> dict[str, Any]:
    """``profile`` of an SDK's payload: version 1 for transactions, version 2 for chunks."""
    samples: list[dict[str, Any]] = []
    for time, thread, stack in zip(profile.times, profile.thread_of, profile.stack_of, strict=True):
        sample: dict[str, Any] = {"stack_id": stack, "thread_id": profile.threads[thread].id}
        if profile.kind == "chunk":
            sample["timestamp"] = profile.start + time / 1e9
        else:
            sample["elapsed_since_start_ns"] = time
        samples.append(sample)
    return {
        "frames": [_sent_frame(frame) for frame in profile.frames],
        "stacks": profile.stacks,
        "samples": samples,
        "thread_metadata": {thread.id: {"name": thread.name} for thread in profile.threads},
    }


def raw_profile(profile: Profile, organization_id: int, project_id: int) -> dict[str, Any]:
    """A payload as an SDK would send it, and whose it is."""
    meta = profile.meta
    body: dict[str, Any] = {
        "version": "2" if profile.kind == "chunk" else "1",
        "platform": profile.platform,
        "release": profile.release or None,
        "environment": profile.environment or None,
        "organization_id": organization_id,
        "project_id": project_id,
        "profile": sample_format(profile),
        "measurements": meta.get("measurements", {}),
    }
    if profile.kind == "chunk":
        chunk = {"profiler_id": profile.profiler_id, "chunk_id": profile.profile_id}
        return {**body, **chunk, "client_sdk": meta.get("sdk") or None}
    return {
        **body,
        "event_id": profile.profile_id,
        "profile_id": profile.profile_id,
        "timestamp": datetime.fromtimestamp(profile.start, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "transaction": meta.get("transaction", {}),
        **{name: meta.get(name, {}) for name in ("os", "device", "runtime")},
    }


def _sent_frame(frame: Frame) -> dict[str, Any]:
    values = {
        "function": frame.function,
        "module": frame.module,
        "package": frame.package,
        "filename": frame.file,
        "abs_path": frame.path,
        "lineno": frame.line,
        "colno": frame.column,
        "platform": frame.platform,
        "instruction_addr": frame.address,
    }
    return {"in_app": frame.in_app, **{key: value for key, value in values.items() if value}}
