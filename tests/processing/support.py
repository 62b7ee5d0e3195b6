"""Events, messages and stores for the tests of processing."""

from __future__ import annotations

import gzip
import io
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from dictamesh_sentry.processing.consumer import BatchProcessor, Stores
from dictamesh_sentry.processing.pool import InProcess
from dictamesh_sentry.projects.options import OrganizationOptions, ProjectConfig, ProjectOptions
from dictamesh_sentry.projects.queries import project_config
from dictamesh_sentry.protocol.messages import TOPIC_INGEST, IngestMessage, decode_stored_event, ingest_encoder
from dictamesh_sentry.streams.interface import Message


def config(**options: Any) -> ProjectConfig:
    """A project's configuration that exists nowhere else."""
    return ProjectConfig(1, 1, "shop", "python", ProjectOptions(**options), OrganizationOptions(), 90)


def frame(function: str, module: str = "shop.views", **more: Any) -> dict[str, Any]:
    return {
        "function": function,
        "module": module,
        "filename": f"{module.replace('.', '/')}.py",
        "in_app": True,
        **more,
    }


def exception(kind: str = "ValueError", value: str = "bad value", frames: Sequence[dict[str, Any]] = (), **more: Any):
    found: dict[str, Any] = {"type": kind, "value": value, **more}
    if frames:
        found["stacktrace"] = {"frames": list(frames)}
    return found


def error_event(*exceptions: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An error of a Python program."""
    found = list(exceptions) or [exception(frames=[frame("main"), frame("checkout")])]
    return {
        "event_id": uuid.uuid4().hex,
        "platform": "python",
        "timestamp": time.time(),
        "exception": {"values": found},
        **more,
    }


def envelope(*items: tuple[dict[str, Any], bytes], event_id: str | None = None, **headers: Any) -> bytes:
    """The bytes of an envelope."""
    head = {**headers, **({"event_id": event_id} if event_id else {})}
    lines = [json.dumps(head).encode()]
    for item_headers, payload in items:
        lines += [json.dumps({**item_headers, "length": len(payload)}).encode(), payload]
    return b"\n".join(lines) + b"\n"


def event_envelope(event: dict[str, Any], *more: tuple[dict[str, Any], bytes]) -> bytes:
    return envelope(({"type": "event"}, json.dumps(event).encode()), *more, event_id=event.get("event_id"))


def ingest(project_id: int, body: bytes, **more: Any) -> IngestMessage:
    fields = {"key_id": 7, "received": time.time(), "content_encoding": "gzip", **more}
    return IngestMessage(project_id=project_id, body=gzip.compress(body, 1), **fields)


def messages(*values: IngestMessage | bytes, first: int = 1, partition: int = 0) -> list[Message]:
    """Messages of the ingest stream with consecutive offsets."""
    return [
        Message(
            TOPIC_INGEST,
            partition,
            first + position,
            b"",
            value if isinstance(value, bytes) else ingest_encoder.encode(value),
            time.time(),
        )
        for position, value in enumerate(values)
    ]


@dataclass
class MemoryBlobs:
    """A blob store that forgets."""

    data: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, data: bytes | BinaryIO) -> None:
        self.data[key] = data if isinstance(data, bytes) else data.read()

    def open(self, key: str) -> BinaryIO:
        return io.BytesIO(self.read(key))

    def read(self, key: str) -> bytes:
        try:
            return self.data[key]
        except KeyError:
            raise FileNotFoundError(key) from None

    def delete(self, key: str) -> None:
        self.data.pop(key, None)

    def exists(self, key: str) -> bool:
        return key in self.data

    def keys(self, prefix: str) -> Iterator[tuple[str, int]]:
        return iter([(key, len(value)) for key, value in self.data.items() if key.startswith(prefix)])


@dataclass
class MemoryStream:
    """A producer that remembers what it was given."""

    appended: list[tuple[str, bytes, bytes]] = field(default_factory=list)

    def append(self, topic: str, messages: Sequence[tuple[bytes, bytes]]) -> None:
        self.appended += [(topic, key, value) for key, value in messages]

    async def append_async(self, topic: str, key: bytes, value: bytes) -> None:
        self.append(topic, [(key, value)])

    def close(self) -> None:
        return

    def stored_events(self) -> list[Any]:
        return [decode_stored_event(value) for _, _, value in self.appended]


def processor(event_store: Any) -> BatchProcessor:
    """A processor over the real event store and metadata, with blobs and stream in memory."""
    stores = Stores(event_store, MemoryBlobs(), MemoryStream(), project_config)
    return BatchProcessor(stores, InProcess())
