"""Profiles as SDKs send them, and as they are stored."""

from __future__ import annotations

import uuid
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from dictamesh_sentry.processing.profiles import ProfileRecord, process_profile_item
from dictamesh_sentry.projects.options import OrganizationOptions, ProjectConfig, ProjectOptions
from dictamesh_sentry.protocol.envelope import Item, parse_envelope
from dictamesh_sentry.protocol.messages import IngestMessage

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures/profiles"
TRACE = "a" * 32
# Leaf first: main calls load, which calls the driver; main alone; the worker's own loop.
STACKS = [[2, 1, 0], [1, 0], [0], [3]]
FRAMES: list[dict[str, Any]] = [
    {"function": "main", "module": "shop.views", "filename": "shop/views.py", "lineno": 10, "in_app": True},
    {"function": "load", "module": "shop.models", "filename": "shop/models.py", "lineno": 20, "in_app": True},
    {"function": "execute", "module": "driver", "filename": "driver/core.py", "lineno": 30, "in_app": False},
    {"function": "loop", "module": "shop.worker", "filename": "shop/worker.py", "lineno": 40, "in_app": True},
]


def fixture_item(name: str, kind: str = "") -> Item:
    """The profile (or the item of another kind) in an envelope that an SDK sent."""
    items = parse_envelope((FIXTURES / f"{name}.envelope").read_bytes()).items
    return next(item for item in items if item.type == kind or (not kind and item.type.startswith("profile")))


def transaction_profile(**changes: Any) -> dict[str, Any]:
    """A ``profile`` payload: a main thread of 40 ms in three stacks, a worker of 30 ms."""
    samples = [(0, "1", 0), (0, "2", 3), (10, "1", 0), (20, "1", 1), (30, "1", 2), (30, "2", 3), (40, "1", 2)]
    return {
        "version": "1",
        "event_id": uuid.uuid4().hex,
        "platform": "python",
        "release": "shop@1.0.0",
        "environment": "production",
        "timestamp": datetime.now(UTC).timestamp(),
        "os": {"name": "Linux", "version": "6.1"},
        "device": {"architecture": "x86_64"},
        "runtime": {"name": "CPython", "version": "3.11"},
        "transaction": {"id": "b" * 32, "name": "/checkout", "trace_id": TRACE, "active_thread_id": "1"},
        "profile": {
            "frames": deepcopy(FRAMES),
            "stacks": deepcopy(STACKS),
            "samples": [
                {"elapsed_since_start_ns": str(ms * 1_000_000), "thread_id": thread, "stack_id": stack}
                for ms, thread, stack in samples
            ],
            "thread_metadata": {"1": {"name": "MainThread"}, "2": {"name": "worker"}},
        },
        **changes,
    }


def chunk(start: float, profiler_id: str, **changes: Any) -> dict[str, Any]:
    """A ``profile_chunk`` payload of two seconds, a sample each tenth of a second in each of two threads."""
    samples = [
        {"timestamp": start + tick / 10, "thread_id": thread, "stack_id": 3 if thread == "2" else tick % 3}
        for tick in range(21)
        for thread in ("1", "2")
    ]
    return {
        "version": "2",
        "profiler_id": profiler_id,
        "chunk_id": uuid.uuid4().hex,
        "platform": "python",
        "release": "shop@1.0.0",
        "environment": "production",
        "client_sdk": {"name": "sentry.python", "version": "2.75.0"},
        "profile": {
            "frames": deepcopy(FRAMES),
            "stacks": deepcopy(STACKS),
            "samples": samples,
            "thread_metadata": {"1": {"name": "MainThread"}, "2": {"name": "worker"}},
        },
        **changes,
    }


def config(project_id: int = 1, retention_days: int = 90) -> ProjectConfig:
    """What processing knows of a project."""
    return ProjectConfig(project_id, 1, "shop", "python", ProjectOptions(), OrganizationOptions(), retention_days)


def record_of(
    payload: dict[str, Any],
    project_id: int = 1,
    *,
    offset: int = 0,
    transaction: dict[str, Any] | None = None,
    received: float | None = None,
    retention_days: int = 90,
) -> ProfileRecord:
    """What the pure steps make of a payload."""
    is_chunk = "chunk_id" in payload
    item = Item({"type": "profile_chunk"} if is_chunk else {"type": "profile", "sampled": False}, orjson.dumps(payload))
    message = IngestMessage(project_id, 1, received or datetime.now(UTC).timestamp(), b"")
    return process_profile_item(item, config(project_id, retention_days), message, transaction, origin=(0, offset))


def profile_record(project_id: int, start: datetime, **changes: Any) -> ProfileRecord:
    """A stored form of ``transaction_profile`` that began then."""
    payload = transaction_profile(timestamp=start.timestamp(), **changes)
    return record_of(payload, project_id, received=start.timestamp() + 1)
