"""An edge without a server: requests go straight into the ASGI application, the stream is a real local log."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dictamesh_sentry.blobs.filesystem import FilesystemBlobStore
from dictamesh_sentry.config.load import build_settings
from dictamesh_sentry.edge.app import EdgeApplication
from dictamesh_sentry.edge.ingest import Ingest
from dictamesh_sentry.edge.keys import EdgeKey, KeyDirectory
from dictamesh_sentry.edge.outcomes import OutcomeAggregator
from dictamesh_sentry.edge.request import Request
from dictamesh_sentry.edge.routing import find_route
from dictamesh_sentry.projects.key_queries import ClientKey
from dictamesh_sentry.protocol.compression import inflate
from dictamesh_sentry.protocol.envelope import Envelope, Item, parse_envelope, serialize_envelope
from dictamesh_sentry.protocol.messages import (
    TOPIC_INGEST,
    TOPIC_OUTCOMES,
    IngestMessage,
    OutcomeEntry,
    decode_ingest,
    decode_outcomes,
)
from dictamesh_sentry.quotas.limiter import Rule
from dictamesh_sentry.streams.local import LocalConsumer, LocalProducer

PROJECT = 42
KEY_ID = 7
KEY = "a" * 32
DISABLED_KEY = "d" * 32
FOREIGN_KEY = "f" * 32
UNKNOWN_KEY = "0" * 32
EVENT_ID = "9ec79c33ec9942ab8353589fcb2e04dc"
AUTH = {"X-Sentry-Auth": f"Sentry sentry_key={KEY}, sentry_version=7, sentry_client=test/1.0"}


def client_key(public_key: str, **changes: Any) -> ClientKey:
    fields: dict[str, Any] = {
        "public_key": public_key,
        "key_id": KEY_ID,
        "project_id": PROJECT,
        "organization_id": 1,
        "is_active": True,
        "allowed_origins": ("*",),
        "key_limit": None,
        "project_limit": None,
        "browser_sdk_version": "latest",
        "loader_options": {},
    }
    return ClientKey(**{**fields, **changes})


def envelope(*items: tuple[dict[str, Any], bytes], **headers: Any) -> bytes:
    headers.setdefault("event_id", EVENT_ID)
    return serialize_envelope(Envelope(headers, [Item(dict(head), payload) for head, payload in items]))


EVENT = ({"type": "event"}, b'{"message":"hello"}')


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    read_chunks: int
    """How much of the body was read; what is discarded after a refusal does not count."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Edge:
    """The application under test, and what it wrote."""

    folder: Path
    loop: asyncio.AbstractEventLoop
    application: EdgeApplication
    ingest: Ingest
    producer: LocalProducer
    blobs: FilesystemBlobStore
    keys: dict[str, EdgeKey] = field(default_factory=dict)

    def configure(self, public_key: str = KEY, rules: Sequence[Rule] = (), **changes: Any) -> None:
        """Change the key; known at once."""
        blanket = tuple(rule for rule in rules if not rule.categories)
        self.keys[public_key] = EdgeKey(client_key(public_key, **changes), tuple(rules), blanket)
        self.ingest.keys._known.clear()
        self.ingest.keys._unknown.clear()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | Sequence[bytes] = b"",
        headers: dict[str, str] | None = None,
        *,
        stall: bool = False,
        peer: str = "203.0.113.9",
    ) -> Answer:
        """Send a request; a sequence of bodies is a chunked one. ``stall``: the body never ends."""
        path, _, query = path.partition("?")
        chunks = [body] if isinstance(body, bytes) else list(body)
        all_headers = {"host": "localhost", **(headers or {})}
        if not isinstance(body, bytes):
            all_headers["transfer-encoding"] = "chunked"
        elif body and "content-length" not in {name.lower() for name in all_headers}:
            all_headers["content-length"] = str(len(body))
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in all_headers.items()],
            "client": (peer, 1234),
        }
        sent: list[dict[str, Any]] = []
        reads = 0

        async def receive() -> dict[str, Any]:
            nonlocal reads
            if reads < len(chunks):
                reads += 1
                return {"type": "http.request", "body": chunks[reads - 1], "more_body": stall or reads < len(chunks)}
            await asyncio.sleep(3600)
            raise AssertionError

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        route = find_route(path)
        assert route is not None, f"{path} is not an ingest path"
        self.loop.run_until_complete(self.application.handle(route, scope, receive, send))
        headers_out = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers_out, b"".join(part["body"] for part in sent[1:]), reads)

    def post(self, path: str, body: bytes | Sequence[bytes], headers: dict[str, str] | None = None, **more: Any):
        return self.request("POST", path, body, {**AUTH, **(headers or {})}, **more)

    def send_envelope(self, body: bytes | Sequence[bytes], headers: dict[str, str] | None = None, **more: Any):
        return self.post(f"/api/{PROJECT}/envelope/", body, headers, **more)

    def messages(self) -> list[IngestMessage]:
        """What was accepted since the last call."""
        consumer = LocalConsumer(self.folder / "streams", TOPIC_INGEST, "test")
        found = consumer.poll(1000, 0)
        if found:
            consumer.commit({0: found[-1].offset + 1})
        consumer.close()
        return [decode_ingest(message.value) for message in found]

    def envelopes(self) -> list[Envelope]:
        """The envelopes accepted since the last call."""
        found = []
        for message in self.messages():
            body = self.blobs.read(message.blob_key) if message.blob_key else message.body
            found.append(parse_envelope(inflate(body, message.content_encoding, 1 << 30)))
        return found

    def outcomes(self) -> list[OutcomeEntry]:
        """The outcomes counted since the last call."""
        self.ingest.outcomes.flush()
        consumer = LocalConsumer(self.folder / "streams", TOPIC_OUTCOMES, "test")
        found = consumer.poll(1000, 0)
        if found:
            consumer.commit({0: found[-1].offset + 1})
        consumer.close()
        return [entry for message in found for entry in decode_outcomes(message.value).entries]

    def reasons(self) -> set[tuple[int, int, str, int]]:
        """(category, outcome, reason, quantity) of the outcomes since the last call."""
        return {(entry.category, entry.outcome, entry.reason, entry.quantity) for entry in self.outcomes()}


@pytest.fixture
def settings_environment() -> dict[str, str]:
    return {"SENTRY_URL_PREFIX": "https://sentry.example.com"}


@pytest.fixture
def edge(tmp_path: Path, settings_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    async def discard_nothing(_request: Request) -> None:
        """Real connections need it (test_server.py); here it would hide what was read."""

    monkeypatch.setattr(Request, "discard_rest", discard_nothing)
    loop = asyncio.new_event_loop()
    producer = LocalProducer(tmp_path / "streams")
    blobs = FilesystemBlobStore(tmp_path / "blobs")
    keys: dict[str, EdgeKey] = {
        KEY: EdgeKey(client_key(KEY), (), ()),
        DISABLED_KEY: EdgeKey(client_key(DISABLED_KEY, is_active=False), (), ()),
        FOREIGN_KEY: EdgeKey(client_key(FOREIGN_KEY, project_id=99), (), ()),
    }

    def load(public_keys: Collection[str]) -> dict[str, EdgeKey]:
        return {name: keys[name] for name in public_keys if name in keys}

    settings = build_settings(settings_environment, {})
    ingest = Ingest(settings, producer, blobs, KeyDirectory(load), OutcomeAggregator(producer))
    application = EdgeApplication(ingest)
    yield Edge(tmp_path, loop, application, ingest, producer, blobs, keys)
    loop.run_until_complete(application.shutdown())
    producer.close()
    loop.close()
