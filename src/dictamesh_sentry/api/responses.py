"""JSON as the web API writes it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import orjson
from django.http import HttpResponse


def iso(moment: datetime | None) -> str | None:
    """``2026-11-23T22:27:19.123456Z``: UTC, microseconds, ``Z``. Some clients refuse an offset."""
    return None if moment is None else required_iso(moment)


def required_iso(moment: datetime) -> str:
    """As ``iso`` for a time that is always there."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _default(value: Any) -> Any:
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"not JSON: {type(value).__name__}")


def encode(body: Any) -> bytes:
    """JSON bytes. Lone surrogates and integers over 64 bits, which orjson refuses, are written too."""
    if isinstance(body, datetime):
        return orjson.dumps(iso(body))
    try:
        return orjson.dumps(body, default=_default, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATETIME)
    except (TypeError, ValueError):
        return json.dumps(body, default=_fallback).encode()


def _fallback(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else _default(value)


def json_response(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    """An ``application/json`` answer; the only content type of the API, on errors as well."""
    response = HttpResponse(encode(body), status=status, content_type="application/json")
    for name, value in (headers or {}).items():
        response[name] = value
    return response
