"""Requests that are not envelopes, turned into envelopes."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

import msgspec
import orjson

from dictamesh_sentry.edge.responses import EdgeError
from dictamesh_sentry.protocol.compression import CompressionError, TooLargeError, inflate
from dictamesh_sentry.protocol.envelope import Envelope, Item, new_event_id, parse_event_id
from dictamesh_sentry.protocol.items import MAX_SMALL_BODY

MAX_REPORTS = 100
_SECURITY_TYPES = ("csp", "hpkp", "expectct", "expectstaple")
REPORT_CONTENT_TYPES = ("application/csp-report", "application/json", "application/reports+json")


class _EventHead(msgspec.Struct):
    """The two fields of an event the edge needs; the rest is skipped, not decoded."""

    event_id: Any = None
    type: Any = None


_decode_head = msgspec.json.Decoder(_EventHead).decode


def event_id_of(payload: bytes) -> str:
    """The ``event_id`` inside an event payload, or a new one when it has none that is valid."""
    try:
        return parse_event_id(_decode_head(payload).event_id)
    except (ValueError, RecursionError):
        return new_event_id()


def store_envelope(body: bytes, client: str) -> Envelope:
    """A body of the legacy store endpoint: JSON, or base64 of JSON or of zlib-compressed JSON.

    Raises EdgeError (400, 413).
    """
    payload = body.strip()
    if not payload:
        raise EdgeError(400, "empty request body", reason="empty_body")
    if not payload.startswith(b"{"):
        payload = _unpack(payload)
    head = _read_head(payload, client)
    try:
        event_id = parse_event_id(head.event_id)
    except ValueError:
        event_id = new_event_id()
    item_type = "event"
    if head.type == "transaction":
        item_type = "transaction"
    elif head.type in _SECURITY_TYPES:
        item_type = "security"
    return Envelope({"event_id": event_id}, [Item({"type": item_type}, payload)])


def _unpack(payload: bytes) -> bytes:
    try:
        packed = base64.b64decode(payload.replace(b" ", b"+"), validate=True)
    except (binascii.Error, ValueError):
        raise EdgeError(400, "invalid JSON data", "neither JSON nor base64", reason="invalid_json") from None
    if packed.lstrip().startswith(b"{"):
        return packed.strip()
    try:
        return inflate(packed, "deflate", MAX_SMALL_BODY)
    except TooLargeError:
        raise EdgeError(413, "event is too large", reason="too_large:event") from None
    except CompressionError as error:
        raise EdgeError(400, "invalid request body", str(error), reason="invalid_compression") from None


def _read_head(payload: bytes, client: str) -> _EventHead:
    try:
        return _decode_head(payload)
    except (ValueError, RecursionError) as error:
        if client.startswith(("raven-python/", "sentry-python/")) and (b"NaN" in payload or b"Infinity" in payload):
            try:
                event = json.loads(payload)
                return _EventHead(event.get("event_id"), event.get("type"))
            except (ValueError, RecursionError, AttributeError):
                pass
        raise EdgeError(400, "invalid JSON data", str(error)[:200], reason="invalid_json") from None


def report_envelopes(body: bytes, query: dict[str, str]) -> list[Envelope]:
    """Security reports: one report or an array of them, an envelope each. Raises EdgeError (400)."""
    if not body.strip():
        raise EdgeError(400, "empty request body", reason="empty_body")
    try:
        reports = _split_reports(body)
    except (ValueError, RecursionError) as error:
        raise EdgeError(400, "invalid JSON data", str(error)[:200], reason="invalid_json") from None
    headers: dict[str, Any] = {"type": "raw_security", "content_type": "application/json"}
    for name in ("sentry_release", "sentry_environment"):
        if query.get(name):
            headers[name] = query[name][:250]
    return [Envelope({"event_id": new_event_id()}, [Item(dict(headers), report)]) for report in reports[:MAX_REPORTS]]


def _split_reports(body: bytes) -> list[bytes]:
    """The elements of an array, or the one report, as JSON texts. Raises ValueError."""
    if body.lstrip()[:1] == b"[":
        return [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
    _decode_head(body)
    return [body]


def nel_envelope(body: bytes) -> Envelope:
    """Network error reports travel as they are; they are not events. Raises EdgeError (400)."""
    if not body.strip():
        raise EdgeError(400, "empty request body", reason="empty_body")
    return Envelope({}, [Item({"type": "nel", "content_type": "application/json"}, body)])


def check_in_envelope(slug: str, query: dict[str, str], body: bytes) -> Envelope:
    """A check-in of the HTTP shortcut: JSON body, else query parameters. Raises EdgeError (400)."""
    fields: dict[str, Any]
    if body.strip():
        try:
            decoded = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise EdgeError(400, "invalid JSON data", str(error)[:200], reason="invalid_json") from None
        if not isinstance(decoded, dict):
            raise EdgeError(400, "invalid JSON data", "not an object", reason="invalid_json")
        fields = decoded
    else:
        fields = {name: query[name] for name in ("check_in_id", "environment") if query.get(name)}
        fields["status"] = query.get("status")
        if query.get("duration"):
            try:
                fields["duration"] = float(query["duration"])
            except ValueError:
                raise EdgeError(400, "invalid duration", reason="invalid_check_in") from None
    if fields.get("status") not in ("ok", "error", "in_progress"):
        raise EdgeError(400, "invalid or missing status", reason="invalid_check_in")
    fields["monitor_slug"] = slug
    return Envelope({}, [Item({"type": "check_in", "content_type": "application/json"}, orjson.dumps(fields))])
