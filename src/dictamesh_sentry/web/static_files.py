"""Serves ``/_static/``: files of the package with hashed names, pre-compressed, cached for a year."""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PREFIX = "/_static/"
ROOT = Path(__file__).resolve().parent / "static"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_CACHED_FILES = 256
_YEAR = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=300"


@lru_cache(maxsize=_CACHED_FILES)
def _load(relative: str) -> tuple[bytes, str, bytes] | None:
    """Content, type and ETag of a file below the static folder; None when there is none."""
    path = (ROOT / relative).resolve()
    if not path.is_relative_to(ROOT) or not path.is_file():
        return None
    content = path.read_bytes()
    plain = relative.removesuffix(".br").removesuffix(".gz")
    kind = mimetypes.guess_type(plain)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind in ("application/javascript", "text/javascript"):
        kind += "; charset=utf-8"
    return content, kind, b'"' + blake2b(content, digest_size=12).hexdigest().encode() + b'"'


def _header(scope: Scope, name: bytes) -> bytes:
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return next((value for key, value in headers if key == name), b"")


def _choose(relative: str, accepted: str) -> tuple[tuple[bytes, str, bytes] | None, str]:
    """The best encoding the client takes that was built."""
    for encoding, suffix in _ENCODINGS:
        if encoding in accepted and (found := _load(relative + suffix)):
            return found, encoding
    return _load(relative), ""


async def serve_static(scope: Scope, send: Send) -> None:
    """Answer GET and HEAD below ``/_static/``."""
    relative = scope["path"][len(PREFIX) :]
    found, encoding = _choose(relative, _header(scope, b"accept-encoding").decode("latin-1"))
    if found is None or relative.endswith((".br", ".gz")) or scope["method"] not in ("GET", "HEAD"):
        await _answer(send, 404 if found is None else 405, [(b"content-type", b"text/plain")], b"not found\n")
        return
    content, kind, tag = found
    # dist/ names carry a hash of their content, so they never change.
    caching = _YEAR if relative.startswith("dist/") and relative.count(".") >= 2 else _SHORT
    headers = [
        (b"content-type", kind.encode()),
        (b"cache-control", caching.encode()),
        (b"etag", tag),
        (b"vary", b"accept-encoding"),
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]
    if encoding:
        headers.append((b"content-encoding", encoding.encode()))
    if _header(scope, b"if-none-match") == tag:
        await _answer(send, 304, headers, b"")
        return
    await _answer(send, 200, headers, content if scope["method"] == "GET" else b"", len(content))


async def _answer(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, length: int | None = None
) -> None:
    size = str(len(body) if length is None else length).encode()
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", size)]})
    await send({"type": "http.response.body", "body": body})
