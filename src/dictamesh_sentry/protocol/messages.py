"""The messages on our streams, as msgpack. Pure data; a new field needs a default, so that old messages decode."""

from __future__ import annotations

import msgspec

TOPIC_INGEST = "ingest-events"
TOPIC_OUTCOMES = "outcomes"
TOPIC_EVENTS = "events"
TOPICS = (TOPIC_INGEST, TOPIC_OUTCOMES, TOPIC_EVENTS)


class IngestMessage(msgspec.Struct, array_like=True, omit_defaults=True):
    """One accepted request, as the edge received it.

    ``body`` is an envelope, still in ``content_encoding`` ("" for identity). A body too large for the stream is in
    the blob store instead, under ``blob_key``. Requests that are not envelopes (store, security, minidump) are
    turned into an envelope by the edge, so that there is one format to process.
    """

    project_id: int
    key_id: int
    received: float
    body: bytes
    content_encoding: str = ""
    client_ip: str = ""
    user_agent: str = ""
    client_hints: dict[str, str] = {}
    sentry_client: str = ""
    origin: str = ""
    blob_key: str = ""
    event_id: str = ""


class OutcomeEntry(msgspec.Struct, array_like=True):
    """``quantity`` items (or bytes) of one category met one fate at ``timestamp`` (epoch seconds)."""

    project_id: int
    key_id: int
    category: int
    outcome: int
    reason: str
    quantity: int
    timestamp: float


class OutcomesMessage(msgspec.Struct, array_like=True):
    """Outcomes decided at the edge, aggregated over a moment."""

    entries: list[OutcomeEntry]


class StoredEventMessage(msgspec.Struct, array_like=True, omit_defaults=True):
    """An event that was stored, for post-processing. Handlers must be idempotent: a replay sends it again."""

    project_id: int
    event_id: str
    issue_id: int
    timestamp: float
    received: float
    is_new_issue: bool
    environment: str = ""
    release: str = ""
    level: str = "error"
    user: str = ""
    tags: dict[str, str] = {}


ingest_encoder = msgspec.msgpack.Encoder()
decode_ingest = msgspec.msgpack.Decoder(IngestMessage).decode
decode_outcomes = msgspec.msgpack.Decoder(OutcomesMessage).decode
decode_stored_event = msgspec.msgpack.Decoder(StoredEventMessage).decode
