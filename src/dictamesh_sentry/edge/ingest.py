"""The pipeline every endpoint shares: who sends, may they, what is limited, into the stream."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from dictamesh_sentry.blobs.interface import BlobStore
from dictamesh_sentry.config.schema import Settings
from dictamesh_sentry.edge.client import ClientInfo, client_info
from dictamesh_sentry.edge.convert import event_id_of
from dictamesh_sentry.edge.keys import EdgeKey, KeyDirectory, KeysUnavailableError
from dictamesh_sentry.edge.origins import origin_allowed, request_origin
from dictamesh_sentry.edge.outcomes import OutcomeAggregator
from dictamesh_sentry.edge.request import Request, too_large
from dictamesh_sentry.edge.responses import EdgeError, Header, unavailable
from dictamesh_sentry.protocol import items as protocol_items
from dictamesh_sentry.protocol.auth import Auth, AuthError, find_auth
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.dsn import DsnError, parse_dsn, parse_project_id
from dictamesh_sentry.protocol.envelope import (
    Envelope,
    Item,
    new_event_id,
    serialize_envelope,
)
from dictamesh_sentry.protocol.messages import (
    TOPIC_INGEST,
    TOPIC_OUTCOMES,
    IngestMessage,
    OutcomesMessage,
    ingest_encoder,
)
from dictamesh_sentry.protocol.ratelimits import RateLimit, format_rate_limits, retry_after
from dictamesh_sentry.quotas.limiter import Limiter, Rule, as_rate_limit
from dictamesh_sentry.streams.interface import Producer, StreamUnavailableError

INLINE_BYTES = 1024 * 1024
_EMPTY_OUTCOMES = ingest_encoder.encode(OutcomesMessage([]))
_find_auth = lru_cache(maxsize=4096)(lambda header, authorization: find_auth(header, authorization, None))
_parse_dsn = lru_cache(maxsize=4096)(parse_dsn)


class Sender(NamedTuple):
    """An authenticated request: the key it uses and what is known of its client."""

    edge_key: EdgeKey
    auth: Auth
    origin: str

    @property
    def project_id(self) -> int:
        return self.edge_key.key.project_id

    @property
    def key_id(self) -> int:
        return self.edge_key.key.key_id


class Accepted(NamedTuple):
    """What became of an envelope. ``limited``: the limits that dropped items; ``active``: every exhausted one."""

    event_id: str | None
    limited: bool
    active: list[RateLimit]

    @property
    def headers(self) -> tuple[Header, ...]:
        return limit_headers(self.active, self.limited) if self.active else ()


def limit_headers(limits: Sequence[RateLimit], limited: bool) -> tuple[Header, ...]:
    """``X-Sentry-Rate-Limits`` for active limits, with ``Retry-After`` when something was limited."""
    headers: tuple[Header, ...] = ((b"x-sentry-rate-limits", format_rate_limits(limits).encode()),)
    return (*headers, (b"retry-after", b"%d" % retry_after(limits))) if limited else headers


class Ingest:
    """Holds what endpoints need: keys, limits, the stream. Belongs to one event loop."""

    def __init__(
        self,
        settings: Settings,
        producer: Producer,
        blobs: BlobStore,
        keys: KeyDirectory,
        outcomes: OutcomeAggregator,
        limiter: Limiter | None = None,
    ) -> None:
        self.settings = settings
        self.keys = keys
        self.outcomes = outcomes
        self.limiter = limiter or Limiter()
        self._producer = producer
        self._blobs = blobs

    # Who

    def request_auth(self, request: Request, path_key: str = "") -> Auth | None:
        """Credentials outside of the body; None when there are none. Raises EdgeError (400, 401)."""
        headers = request.headers
        try:
            if path_key or b"sentry_" in request.query_string:
                return find_auth(
                    request.header(b"x-sentry-auth"), request.header(b"authorization"), request.query(), path_key
                )
            return _find_auth(
                headers.get(b"x-sentry-auth", b"").decode("latin-1"),
                headers.get(b"authorization", b"").decode("latin-1"),
            )
        except AuthError as error:
            raise EdgeError(error.status, error.detail) from None

    async def authenticate(self, request: Request, auth: Auth | None, project: str) -> Sender:
        """The sender. ``project`` is the path's project id, "" when the path has none.

        Raises EdgeError: 400 (project id), 401 (no credentials), 403 (unknown or disabled key, other project, origin),
        503 (keys unavailable).
        """
        project_id = path_project(project) if project else None
        if auth is None:
            raise EdgeError(401, "missing authorization information")
        edge_key = self.keys.peek(auth.public_key)
        if edge_key is None:
            try:
                edge_key = await self.keys.get(auth.public_key)
            except KeysUnavailableError as error:
                raise unavailable("project configuration unavailable", str(error)) from None
        if edge_key is None:
            raise _rejected("unknown key")
        if project_id is not None and edge_key.key.project_id != project_id:
            raise _rejected("the key belongs to another project")
        key = edge_key.key
        if not key.is_active:
            self._count_refusal(edge_key, "project_state")
            raise _rejected("disabled key")
        headers = request.headers
        origin = ""
        if b"origin" in headers or b"referer" in headers:
            origin = request_origin(request.header(b"origin"), request.header(b"referer"))
            if not origin_allowed(origin, key.allowed_origins):
                self._count_refusal(edge_key, "cors")
                raise _rejected("origin not allowed")
        request.sender = Sender(edge_key, auth, origin)
        return request.sender

    def _count_refusal(self, edge_key: EdgeKey, reason: str) -> None:
        self.outcomes.add(
            edge_key.key.project_id, edge_key.key.key_id, Outcome.INVALID, reason, ((DataCategory.DEFAULT, 1),)
        )

    def check_blanket_limits(self, sender: Sender) -> None:
        """Raises EdgeError (429) when a limit over every category is exhausted: the body is not even read."""
        blanket = sender.edge_key.blanket
        if not blanket:
            return
        now = time.time()
        for rule in blanket:
            if self.limiter.exhausted(rule, now):
                self.drop(sender, Outcome.RATE_LIMITED, rule.reason, ((DataCategory.DEFAULT, 1),))
                raise EdgeError(
                    429,
                    "rate limit exceeded",
                    rule.reason,
                    headers=limit_headers(self.limiter.active(sender.edge_key.rules, now), True),
                )

    def drop(
        self, sender: Sender, outcome: Outcome, reason: str, quantities: Iterable[tuple[DataCategory, int]]
    ) -> None:
        """Count a drop."""
        self.outcomes.add(sender.project_id, sender.key_id, outcome, reason, quantities)

    def count_error(self, request: Request, error: EdgeError) -> None:
        """Count a refused request, when it is known whose it was and the refusal has a reason."""
        if request.sender is not None and error.reason:
            self.drop(request.sender, Outcome.INVALID, error.reason, ((DataCategory.DEFAULT, 1),))

    async def ready(self) -> bool:
        """Whether the stream takes messages now."""
        try:
            await self._producer.append_async(TOPIC_OUTCOMES, b"", _EMPTY_OUTCOMES)
        except StreamUnavailableError:
            return False
        return True

    # What

    async def accept(
        self,
        request: Request,
        sender: Sender,
        envelope: Envelope,
        body: bytes | None,
        encoding: str = "",
        *,
        internal: bool = False,
    ) -> Accepted:
        """Check, limit and durably store an envelope. ``body`` is the envelope as received, None when made here.
        ``internal``: made by the edge itself, so that it may hold internal items.

        Raises EdgeError: 400 (internal item types), 413 (limits), 503 (stream unavailable).
        """
        had_items = bool(envelope.items)
        kept = envelope.items if internal else self._check(sender, envelope)
        now = time.time()
        limited: list[Rule] = []
        if sender.edge_key.rules:
            kept = self._limit(sender, kept, now, limited)
        active = self.limiter.active(sender.edge_key.rules, now) if sender.edge_key.rules else []
        active += [as_rate_limit(rule, now) for rule in limited if not self.limiter.exhausted(rule, now)]
        event_id, changed = _ensure_event_id(envelope, kept)
        if not kept:
            return Accepted(event_id if had_items else envelope.event_id, bool(limited), active)
        if changed or body is None or len(kept) != len(envelope.items):
            body = serialize_envelope(Envelope(envelope.headers, kept))
            encoding = ""
        client = client_info(request, self.settings.trusted_proxies)
        await self._store(sender, client, body, encoding, event_id or "", now)
        return Accepted(event_id, bool(limited), active)

    def _check(self, sender: Sender, envelope: Envelope) -> list[Item]:
        """The items this server knows, within their limits. Raises EdgeError."""
        found = envelope.items
        try:
            surplus = protocol_items.check_limits(found)
        except protocol_items.ItemTooLargeError as error:
            for item in found:
                reason = f"too_large:{item.type if item.type in protocol_items.KNOWN_TYPES else 'unknown'}"
                self.drop(sender, Outcome.INVALID, reason, protocol_items.quantities(item))
            item_type = error.item_type if error.item_type in protocol_items.KNOWN_TYPES else "unknown"
            refusal = too_large(0, item_type, str(error))
            refusal.reason = ""  # counted above, item by item
            raise refusal from None
        for item in surplus:
            self.drop(sender, Outcome.INVALID, "duplicate_item", protocol_items.quantities(item))
        kept = [item for item in found if not any(item is other for other in surplus)] if surplus else found
        known = []
        for item in kept:
            if item.type in protocol_items.INTERNAL_TYPES:
                raise EdgeError(400, "invalid event envelope", f"item type {item.type} is internal")
            reason = protocol_items.unknown_reason(item)
            if reason:
                self.drop(sender, Outcome.INVALID, reason, protocol_items.quantities(item))
            else:
                known.append(item)
        return known

    def _limit(self, sender: Sender, found: list[Item], now: float, limited: list[Rule]) -> list[Item]:
        """The items within the limits; the rules that dropped the others are added to ``limited``."""
        event_rule: Rule | None = None
        verdicts: dict[int, Rule | None] = {}
        ordered = sorted(found, key=protocol_items.depends_on_event)
        for item in ordered:
            creates = protocol_items.creates_event(item)
            if event_rule is not None and (protocol_items.depends_on_event(item) or creates):
                rule: Rule | None = event_rule
            else:
                rule = self._verdict(sender.edge_key.rules, item, now)
            verdicts[id(item)] = rule
            if rule is not None:
                event_rule = rule if creates else event_rule
                if rule not in limited:
                    limited.append(rule)
                if DataCategory.SESSION not in protocol_items.limiting_categories(item):
                    self.drop(sender, Outcome.RATE_LIMITED, rule.reason, protocol_items.quantities(item))
        return [item for item in found if verdicts[id(item)] is None]

    def _verdict(self, rules: Sequence[Rule], item: Item, now: float) -> Rule | None:
        categories = protocol_items.limiting_categories(item)
        quantities = [entry for entry in protocol_items.quantities(item) if entry[0] in categories]
        if not quantities:
            return None
        # What belongs to an event is counted with it by rules over all categories.
        applicable = [rule for rule in rules if rule.categories] if protocol_items.depends_on_event(item) else rules
        return self.limiter.admit(applicable, quantities, now)

    async def _store(
        self, sender: Sender, client: ClientInfo, body: bytes, encoding: str, event_id: str, now: float
    ) -> None:
        blob_key = ""
        if len(body) > INLINE_BYTES:
            blob_key = f"ingest/{sender.project_id}/{time.strftime('%Y%m%d%H', time.gmtime(now))}/{uuid.uuid4().hex}"
            try:
                await asyncio.to_thread(self._blobs.put, blob_key, body)
            except OSError as error:
                raise unavailable("storage unavailable", str(error.strerror or error)) from None
            body = b""
        message = IngestMessage(
            project_id=sender.project_id,
            key_id=sender.key_id,
            received=now,
            body=body,
            content_encoding=encoding,
            client_ip=client.ip,
            user_agent=client.user_agent,
            client_hints=client.hints,
            sentry_client=sender.auth.client,
            origin=sender.origin,
            blob_key=blob_key,
            event_id=event_id,
        )
        # By event, so that whatever belongs to one event meets in one partition while a busy project has all of them.
        key = event_id.encode() or uuid.uuid4().hex.encode()
        try:
            await self._producer.append_async(TOPIC_INGEST, key, ingest_encoder.encode(message))
        except StreamUnavailableError as error:
            if blob_key:
                await asyncio.to_thread(self._blobs.delete, blob_key)
            raise unavailable("queue is full", str(error)) from None


def _ensure_event_id(envelope: Envelope, kept: list[Item]) -> tuple[str | None, bool]:
    """The event id to answer, and whether the envelope's headers had to be given one."""
    if envelope.event_id is not None:
        return envelope.event_id, False
    creator = next((item for item in kept if protocol_items.creates_event(item)), None)
    if creator is None:
        return None, False
    event_id = new_event_id() if creator.type in ("attachment", "unreal_report") else event_id_of(creator.payload)
    envelope.headers["event_id"] = event_id
    return event_id, True


def envelope_auth(envelope: Envelope, auth: Auth | None, project: str) -> Auth | None:
    """Credentials of an envelope: the request's own, else the ``dsn`` header's. Raises EdgeError (400)."""
    dsn_text = envelope.headers.get("dsn")
    if dsn_text is None:
        return auth
    try:
        dsn = _parse_dsn(dsn_text)
    except (DsnError, TypeError, AttributeError) as error:
        raise EdgeError(400, "invalid event envelope", f"invalid dsn: {error}", reason="invalid_envelope") from None
    if auth is not None and auth.public_key != dsn.public_key:
        raise EdgeError(400, "invalid event envelope", "public key of the dsn differs from the request's")
    if project and path_project(project) != dsn.project_id:
        raise EdgeError(400, "invalid event envelope", "project id of the dsn differs from the request's")
    return auth or Auth(dsn.public_key)


def path_project(project: str) -> int:
    """The project id of a path. Raises EdgeError (400)."""
    try:
        return parse_project_id(project)
    except DsnError as error:
        raise EdgeError(400, "invalid project id", str(error), reason="project_id") from None


def _rejected(cause: str) -> EdgeError:
    return EdgeError(403, "event submission rejected", cause, headers=((b"x-sentry-error", cause.encode()),))
