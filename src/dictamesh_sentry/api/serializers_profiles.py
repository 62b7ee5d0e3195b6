"""Profiles and flame graphs in the shapes clients read: speedscope's, with more about each frame."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from dictamesh_sentry.api.responses import required_iso
from dictamesh_sentry.profiling.aggregate import Aggregate, Source
from dictamesh_sentry.profiling.functions import Function, function_of, tally
from dictamesh_sentry.profiling.model import Frame, Profile
from dictamesh_sentry.profiling.queries import StoredProfile
from dictamesh_sentry.profiling.speedscope import raw_profile, thread_label
from dictamesh_sentry.projects.models import Project


def serialize_profile(project: Project, row: StoredProfile, profile: Profile) -> dict[str, Any]:
    """A profile by thread; ``profile`` is the same in the format SDKs send."""
    return {
        **_head(project, row),
        "activeProfileIndex": max(profile.active, 0),
        "measurements": profile.meta.get("measurements", {}),
        "profiles": [_thread(profile, index) for index in range(len(profile.threads))],
        "shared": {
            "frames": [_frame(frame, profile.platform) for frame in profile.frames],
            "frame_infos": _frame_infos(profile),
            "profiles": [_reference(Source(row))],
        },
        **raw_profile(profile, project.organization_id, project.pk),  # type: ignore[attr-defined]
    }


def _head(project: Project, row: StoredProfile) -> dict[str, Any]:
    return {
        "metadata": {
            "environment": row.environment,
            "organizationID": project.organization_id,  # type: ignore[attr-defined]
            "projectID": project.pk,
            "profileID": row.profile_id,
            "profilerID": row.profiler_id or None,
            "release": row.release,
            "timestamp": required_iso(row.timestamp),
            "traceID": row.trace_id or None,
            "transactionID": row.event_id or None,
            "transactionName": row.transaction,
            "runtime": row.runtime,
            "osName": row.os_name,
            "osVersion": row.os_version,
            "deviceModel": row.device_model,
            "durationNS": round(row.duration * 1e6),
        },
        "platform": row.platform,
        "profileID": row.profile_id,
        "projectID": project.pk,
        "transactionName": row.transaction,
    }


def _frame(frame: Frame, platform: str) -> dict[str, Any]:
    function = function_of(frame, platform)
    return {
        "name": function.name,
        "file": frame.file or None,
        "path": frame.path or None,
        "line": frame.line or None,
        "col": frame.column or None,
        "module": frame.module or None,
        "image": frame.package or None,
        "is_application": frame.in_app,
        "platform": function.platform,
        "fingerprint": function.fingerprint,
    }


def _function(function: Function) -> dict[str, Any]:
    return {
        "name": function.name,
        "file": function.file or None,
        "module": function.place or None,
        "is_application": function.in_app,
        "platform": function.platform,
        "fingerprint": function.fingerprint,
    }


def _thread(profile: Profile, index: int) -> dict[str, Any]:
    samples = profile.samples_by_thread()[index]
    return {
        "type": "sampled",
        "name": thread_label(profile, index),
        "threadID": profile.threads[index].id,
        "isMainThread": index == profile.active,
        "unit": "nanoseconds",
        "startValue": samples[0][0],
        "endValue": samples[-1][0],
        "samples": [profile.stacks[stack][::-1] for _, stack in samples[:-1]],
        "weights": [following - time for (time, _), (following, _) in pairwise(samples)],
    }


def _frame_infos(profile: Profile) -> list[dict[str, Any]]:
    """For each frame, in the order of ``frames``: samples it was in, and its time in all threads."""
    own: dict[int, int] = defaultdict(int)
    total: dict[int, int] = defaultdict(int)
    counts: dict[int, int] = defaultdict(int)
    for samples in profile.samples_by_thread():
        for (time, stack), (following, _) in pairwise(samples):
            frames = profile.stacks[stack]
            for frame in set(frames):
                total[frame] += following - time
                counts[frame] += 1
            if frames:
                own[frames[0]] += following - time
    return [_info(counts[index], own[index], total[index]) for index in range(len(profile.frames))]


def _info(count: int, own: int, total: int) -> dict[str, Any]:
    return {"count": count, "weight": total, "sumDuration": total, "sumSelfTime": own}


def _reference(source: Source) -> dict[str, Any]:
    """Which profile something was taken from, and which part of it."""
    row = source.row
    start = source.start.timestamp() if source.start else row.start
    end = source.end.timestamp() if source.end else row.end.timestamp()
    found: dict[str, Any] = {"project_id": row.project_id, "start": start, "end": end}
    if row.kind == "chunk":
        found |= {"profiler_id": row.profiler_id, "chunk_id": row.profile_id, "thread_id": source.thread_id or None}
    else:
        found |= {"profile_id": row.profile_id, "transaction_id": row.event_id or None}
    return found


def serialize_aggregate(
    result: Aggregate, *, project_id: int | None, transaction: str, projects: Sequence[Project]
) -> dict[str, Any]:
    """A flame graph of several profiles: one sampled profile whose samples are call chains with their weight."""
    times = {time.function: time for time in tally(result.functions, result.chains)}
    functions = result.functions.items
    platforms = sorted({source.row.platform for source in result.used})
    chains = [(chain, origins) for chain, origins in zip(result.chains, result.origins, strict=True) if chain.functions]
    weights = [chain.nanoseconds for chain, _ in chains]
    return {
        "activeProfileIndex": 0,
        "metadata": {
            "profilesUsed": len(result.used),
            "profilesAvailable": result.available,
            "projects": [project.slug for project in projects],
        },
        "measurements": None,
        "platform": platforms[0] if len(platforms) == 1 else "",
        "projectID": project_id,
        "transactionName": transaction,
        "profiles": [
            {
                "type": "sampled",
                "name": transaction or "All profiles",
                "threadID": 0,
                "isMainThread": True,
                "unit": "nanoseconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": [list(chain.functions) for chain, _ in chains],
                "weights": weights,
                "sample_durations_ns": weights,
                "sample_counts": [chain.samples for chain, _ in chains],
                "samples_profiles": [origins for _, origins in chains],
            }
        ],
        "shared": {
            "frames": [_function(function) for function in functions],
            "frame_infos": [
                _info(times[function].samples, times[function].self_ns, times[function].total_ns)
                if function in times
                else _info(0, 0, 0)
                for function in functions
            ],
            "profiles": [_reference(source) for source in result.used],
        },
    }
