"""The ingest endpoints: each reads its request, makes an envelope of it and answers as SDKs expect."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable

import orjson

from dictamesh_sentry.edge import convert, minidump
from dictamesh_sentry.edge.ingest import Accepted, Ingest, Sender, envelope_auth
from dictamesh_sentry.edge.request import Request
from dictamesh_sentry.edge.responses import JSON, TEXT, EdgeError, Response
from dictamesh_sentry.edge.routing import Route
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.envelope import (
    Envelope,
    EnvelopeError,
    Item,
    json_depth,
    new_event_id,
    parse_envelope,
    parse_event_id,
)
from dictamesh_sentry.protocol.items import MAX_ENVELOPE, MAX_INTEGRATION_BODY, MAX_SMALL_BODY
from dictamesh_sentry.protocol.otlp import MalformedExportError, count_elements

Endpoint = Callable[[Ingest, Request, Route], Awaitable[Response]]

MAX_DEPTH = 512
_PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b")
_PROTOBUF = "application/x-protobuf"
# google.rpc.Code of HTTP statuses, for OTLP exporters.
_RPC_CODES = {400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 413: 8, 415: 3, 429: 8, 501: 12, 502: 14, 503: 14, 504: 4}


async def _sender(ingest: Ingest, request: Request, route: Route, *, quiet: bool = False) -> Sender:
    """Authenticate by the request itself. ``quiet`` endpoints are never answered 429."""
    sender = await ingest.authenticate(request, ingest.request_auth(request, route.key), route.project)
    if not quiet:
        ingest.check_blanket_limits(sender)
    return sender


async def _body(request: Request, limit: int) -> bytes:
    encoding = request.encoding()
    return await request.inflate(await request.read(limit), encoding, limit)


def _parse(body: bytes) -> Envelope:
    try:
        return parse_envelope(body)
    except EnvelopeError as error:
        raise EdgeError(400, "invalid event envelope", str(error), reason="invalid_envelope") from None


def _limited(accepted: Accepted) -> Response | None:
    """429 when something was limited, whatever else was accepted."""
    if not accepted.limited:
        return None
    return EdgeError(429, "rate limit exceeded", headers=accepted.headers).response()


def _id_response(accepted: Accepted) -> Response:
    refused = _limited(accepted)
    if refused is not None:
        return refused
    body = b'{"id":"%s"}' % accepted.event_id.encode() if accepted.event_id else b"{}"
    return Response(200, body, JSON, accepted.headers)


async def envelope(ingest: Ingest, request: Request, route: Route) -> Response:
    """``POST /api/{pid}/envelope/``: the content type is not looked at."""
    auth = ingest.request_auth(request)
    sender: Sender | None = None
    if auth is not None:
        sender = await ingest.authenticate(request, auth, route.project)
        ingest.check_blanket_limits(sender)
    encoding = request.encoding()
    body = await request.read(MAX_ENVELOPE)
    plain = await request.inflate(body, encoding, MAX_ENVELOPE)
    if not plain:
        raise EdgeError(400, "empty request body", reason="empty_body")
    parsed = _parse(plain)
    found = envelope_auth(parsed, auth, route.project)
    if sender is None:
        sender = await ingest.authenticate(request, found, route.project)
        ingest.check_blanket_limits(sender)
    claimed = parsed.headers.get("origin")
    if isinstance(claimed, str) and sender.origin and claimed != sender.origin:
        raise EdgeError(400, "invalid event envelope", "origin differs from the request's")
    return _id_response(await ingest.accept(request, sender, parsed, body, encoding))


async def store(ingest: Ingest, request: Request, route: Route) -> Response:
    """The legacy store endpoint; GET carries the payload in ``sentry_data`` and answers a pixel."""
    sender = await _sender(ingest, request, route)
    if request.method == "GET":
        data = request.query().get("sentry_data", "").encode()
        accepted = await ingest.accept(request, sender, _store_envelope(data, sender), None)
        return _limited(accepted) or Response(200, _PIXEL, b"image/gif", accepted.headers)
    body = await _body(request, MAX_SMALL_BODY)
    if request.content_type == "application/x-sentry-envelope":
        parsed = _parse(body)
        envelope_auth(parsed, sender.auth, str(sender.project_id))
        return _id_response(await ingest.accept(request, sender, parsed, body))
    return _id_response(await ingest.accept(request, sender, _store_envelope(body, sender), None))


def _store_envelope(body: bytes, sender: Sender) -> Envelope:
    made = convert.store_envelope(body, sender.auth.client)
    _check_depth(made.items[0].payload)
    return made


def _check_depth(payload: bytes) -> None:
    if payload.count(b"{") + payload.count(b"[") > MAX_DEPTH and json_depth(payload) > MAX_DEPTH:
        raise EdgeError(400, "invalid JSON data", "nested too deeply", reason="nesting_too_deep")


async def security(ingest: Ingest, request: Request, route: Route) -> Response:
    """Browser security reports: one, or an array of them."""
    sender = await _sender(ingest, request, route)
    if request.content_type not in convert.REPORT_CONTENT_TYPES:
        raise EdgeError(415, "unsupported content type", reason="content_type")
    body = await _body(request, MAX_SMALL_BODY)
    _check_depth(body)
    headers: tuple[tuple[bytes, bytes], ...] = ()
    for made in convert.report_envelopes(body, request.query()):
        accepted = await ingest.accept(request, sender, made, None)
        headers = accepted.headers
        refused = _limited(accepted)
        if refused is not None:
            return refused
    return Response(200, headers=headers)


async def nel(ingest: Ingest, request: Request, route: Route) -> Response:
    """Network error logging reports. Never 429."""
    sender = await _sender(ingest, request, route, quiet=True)
    if request.content_type not in ("application/json", "application/reports+json"):
        raise EdgeError(415, "unsupported content type", reason="content_type")
    body = await _body(request, MAX_SMALL_BODY)
    accepted = await ingest.accept(request, sender, convert.nel_envelope(body), None)
    return Response(200, headers=accepted.headers)


async def crash(ingest: Ingest, request: Request, route: Route) -> Response:
    """Minidump uploads. The answer is the hyphenated event id as text; never 429."""
    sender = await _sender(ingest, request, route, quiet=True)
    body = await _body(request, MAX_ENVELOPE)
    if not body:
        raise EdgeError(400, "empty request body", reason="empty_body")
    made = minidump.crash_envelope(body, request.header(b"content-type"))
    return await _crash_answer(ingest, request, sender, made)


async def unreal(ingest: Ingest, request: Request, route: Route) -> Response:
    """Unreal Engine crash archives, kept as one item for processing. Answers as minidump does."""
    sender = await _sender(ingest, request, route, quiet=True)
    body = await _body(request, MAX_ENVELOPE)
    if not body:
        raise EdgeError(400, "empty request body", reason="empty_body")
    headers = {"type": "unreal_report", "content_type": "application/octet-stream"}
    user = request.query().get("UserID")
    if user:
        headers["user_id"] = user[:400]
    made = Envelope({"event_id": new_event_id()}, [Item(headers, body)])
    return await _crash_answer(ingest, request, sender, made)


async def _crash_answer(ingest: Ingest, request: Request, sender: Sender, made: Envelope) -> Response:
    accepted = await ingest.accept(request, sender, made, None)
    text = str(uuid.UUID(made.headers["event_id"])).encode()
    return Response(200, text, TEXT, accepted.headers)


async def attachments(ingest: Ingest, request: Request, route: Route) -> Response:
    """Files for an event that was sent before: multipart, every file part an attachment."""
    try:
        event_id = parse_event_id(route.argument)
    except ValueError:
        raise EdgeError(400, "invalid event id") from None
    sender = await _sender(ingest, request, route)
    body = await _body(request, MAX_ENVELOPE)
    made = minidump.attachment_envelope(event_id, body, request.header(b"content-type"))
    accepted = await ingest.accept(request, sender, made, None)
    return _limited(accepted) or Response(201, headers=accepted.headers)


async def cron(ingest: Ingest, request: Request, route: Route) -> Response:
    """The HTTP shortcut of check-ins. 202 always, never 429."""
    sender = await _sender(ingest, request, route, quiet=True)
    body = await _body(request, MAX_SMALL_BODY) if request.method == "POST" else b""
    made = convert.check_in_envelope(route.argument, request.query(), body)
    accepted = await ingest.accept(request, sender, made, None)
    return Response(202, headers=accepted.headers)


async def _not_offered(ingest: Ingest, request: Request, route: Route, category: DataCategory) -> Sender:
    """Take a request of a product this server does not have yet, and count it for the project's owners."""
    sender = await _sender(ingest, request, route)
    await _body(request, MAX_INTEGRATION_BODY)
    ingest.drop(sender, Outcome.INVALID, "feature_disabled", ((category, 1),))
    return sender


async def otlp(ingest: Ingest, request: Request, route: Route) -> Response:
    """OpenTelemetry over HTTP, answered in the format of the request, errors included."""
    content_type = request.content_type
    protobuf = content_type != "application/json"
    kind = _PROTOBUF.encode() if protobuf else JSON
    try:
        accepted = await _take_export(ingest, request, route, content_type)
    except EdgeError as error:
        ingest.count_error(request, error)
        return Response(error.status, _rpc_status(error, protobuf=protobuf), kind, error.headers)
    return Response(200, b"" if protobuf else b"{}", kind, accepted.headers)


async def _take_export(ingest: Ingest, request: Request, route: Route, content_type: str) -> Accepted:
    """Put an OTLP export into the stream as it came: processing decodes it. Raises EdgeError."""
    if content_type not in (_PROTOBUF, "application/json"):
        raise EdgeError(415, "unsupported content type", reason="content_type")
    sender = await _sender(ingest, request, route)
    body = await _body(request, MAX_INTEGRATION_BODY)
    protobuf = content_type == _PROTOBUF
    try:
        count = count_elements(body, route.endpoint.removeprefix("otlp_"), protobuf=protobuf)
    except (MalformedExportError, RecursionError) as error:
        reason = "invalid_proto" if protobuf else "invalid_json"
        raise EdgeError(400, "invalid OTLP export", str(error), reason=reason) from None
    if not count:
        return Accepted(None, False, [])
    headers = {
        "type": "integration",
        "integration": route.endpoint,
        "content_type": content_type,
        "item_count": count,
        "length": len(body),
    }
    made = Envelope({}, [Item(headers, body)])
    accepted = await ingest.accept(request, sender, made, None, internal=True)
    if accepted.limited:
        raise EdgeError(429, "rate limit exceeded", headers=accepted.headers)
    return accepted


def _rpc_status(error: EdgeError, *, protobuf: bool) -> bytes:
    """A ``google.rpc.Status`` of code and message."""
    code = _RPC_CODES.get(error.status, 13)
    if not protobuf:
        return orjson.dumps({"code": code, "message": error.detail})
    message = error.detail.encode()[:120]  # one length byte
    return bytes((0x08, code, 0x12, len(message))) + message


async def vercel(ingest: Ingest, request: Request, route: Route) -> Response:
    """Vercel's log drain."""
    if request.content_type not in ("application/json", "application/x-ndjson"):
        raise EdgeError(415, "unsupported content type", reason="content_type")
    await _not_offered(ingest, request, route, DataCategory.LOG_ITEM)
    return Response(202)


async def upload(ingest: Ingest, request: Request, route: Route) -> Response:
    """Resumable uploads are not offered; the answer says so before any byte is read."""
    sender = await _sender(ingest, request, route)
    ingest.drop(sender, Outcome.INVALID, "feature_disabled", ((DataCategory.ATTACHMENT_ITEM, 1),))
    raise EdgeError(403, "event submission rejected", "feature disabled: uploads")


async def unknown(_ingest: Ingest, _request: Request, _route: Route) -> Response:
    raise EdgeError(404, "not found")


async def live(_ingest: Ingest, _request: Request, _route: Route) -> Response:
    return Response(200, b'{"is_healthy":true}', JSON)


async def ready(ingest: Ingest, _request: Request, _route: Route) -> Response:
    """Ready when the stream takes messages."""
    healthy = await ingest.ready()
    return Response(200 if healthy else 503, b'{"is_healthy":%s}' % (b"true" if healthy else b"false"), JSON)
