"""Issues that the product itself finds: how an occurrence gets into the stream, to be stored as events are."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import orjson

from dictamesh_sentry.protocol.envelope import Envelope, Item, serialize_envelope
from dictamesh_sentry.protocol.messages import TOPIC_INGEST, IngestMessage, ingest_encoder
from dictamesh_sentry.streams.interface import Producer

_NAMESPACE = uuid.UUID("b2c0a3a2-7f3b-5d70-9d0e-5c2a8f5e7d21")


def occurrence_id(source: str, fingerprint: str) -> str:
    """The event id of what a detector found in ``source``: the same whenever that is looked at again."""
    return uuid.uuid5(_NAMESPACE, f"{source}/{fingerprint}").hex


def publish(producer: Producer, occurrences: Sequence[tuple[int, dict[str, Any]]]) -> None:
    """Send (project id, event) pairs to be stored. An event has ``event_id``, ``timestamp`` and ``occurrence``.

    The same ``event_id`` sent again is stored once. Raises StreamUnavailableError.
    """
    messages: list[tuple[bytes, bytes]] = []
    for project_id, event in occurrences:
        event_id: str = event["event_id"]
        body = serialize_envelope(Envelope({"event_id": event_id}, [Item({"type": "occurrence"}, orjson.dumps(event))]))
        message = IngestMessage(project_id=project_id, key_id=0, received=time.time(), body=body, event_id=event_id)
        messages.append((event_id.encode(), ingest_encoder.encode(message)))
    if messages:
        producer.append(TOPIC_INGEST, messages)
