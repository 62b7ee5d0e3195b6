"""Answers of the edge. Every one carries the CORS headers, or browser SDKs could not read its rate limits."""

from __future__ import annotations

from typing import Any, NamedTuple

from dictamesh_sentry.protocol.errors import error_body

Header = tuple[bytes, bytes]

CORS: tuple[Header, ...] = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-sentry-error, x-sentry-rate-limits, retry-after"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
_PREFLIGHT_HEADERS = (
    b"x-sentry-auth, x-requested-with, x-forwarded-for, origin, referer, accept, content-type, authentication, "
    b"authorization, content-encoding, transfer-encoding"
)
JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"
JAVASCRIPT = b"text/javascript; charset=utf-8"


class Response(NamedTuple):
    """A complete answer."""

    status: int
    body: bytes = b""
    content_type: bytes = b""
    headers: tuple[Header, ...] = ()

    async def send(self, send: Any) -> None:
        """Send the answer whole."""
        headers = [(b"content-length", b"%d" % len(self.body)), *CORS, *self.headers]
        if self.content_type:
            headers.append((b"content-type", self.content_type))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


class EdgeError(Exception):
    """A request is refused. ``reason`` is the outcome's reason when the refusal is counted."""

    def __init__(
        self,
        status: int,
        detail: str,
        *causes: str,
        reason: str = "",
        headers: tuple[Header, ...] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.causes = causes
        self.reason = reason
        self.headers = headers

    def response(self) -> Response:
        return Response(self.status, error_body(self.detail, self.causes), JSON, self.headers)


class ClientGoneError(Exception):
    """The client closed the connection; there is nobody to answer."""


def unavailable(detail: str, cause: str = "") -> EdgeError:
    """503: the client may try again in a moment."""
    causes = (cause,) if cause else ()
    return EdgeError(503, detail, *causes, headers=((b"retry-after", b"10"),))


def preflight(methods: bytes = b"POST", headers: bytes = _PREFLIGHT_HEADERS) -> Response:
    """The answer to OPTIONS."""
    return Response(
        200,
        headers=(
            (b"access-control-allow-methods", methods),
            (b"access-control-allow-headers", headers),
            (b"access-control-max-age", b"3600"),
        ),
    )
