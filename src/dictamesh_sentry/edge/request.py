"""One request to the edge: its headers, its query, and its body read within bounds of size and time."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from dictamesh_sentry.edge.responses import ClientGoneError, EdgeError, unavailable
from dictamesh_sentry.protocol import compression

if TYPE_CHECKING:
    from dictamesh_sentry.edge.ingest import Sender

# A body may take this long, plus the time its bytes need at the slowest rate we put up with.
BODY_SECONDS = 30.0
SLOWEST_BYTES_PER_SECOND = 16 * 1024
FREE_BYTES = 1024 * 1024
_MAX_QUERY_FIELDS = 100


class BodyBudget:
    """Bounds the memory of large bodies under way at once; the first MiB of each is free."""

    def __init__(self, total: int) -> None:
        self._left = total

    def take(self, size: int) -> None:
        """Raises EdgeError (503) when too much is under way."""
        if size > self._left:
            raise unavailable("too many large requests at once")
        self._left -= size

    def give_back(self, size: int) -> None:
        self._left += size


class Request:
    """A request as the endpoints see it. Header names are lower case."""

    __slots__ = (
        "_budget",
        "_receive",
        "_taken",
        "headers",
        "method",
        "peer",
        "query_string",
        "received_bytes",
        "sender",
    )

    def __init__(self, scope: MutableMapping[str, Any], receive: Any, budget: BodyBudget) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.query_string: bytes = scope.get("query_string", b"")
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        self.received_bytes = 0
        self.sender: Sender | None = None
        self._receive = receive
        self._budget = budget
        self._taken = 0

    def header(self, name: bytes) -> str:
        """A header's text, "" when missing. Bytes that are not UTF-8 are replaced."""
        value = self.headers.get(name)
        return value.decode("utf-8", "replace") if value else ""

    @property
    def content_type(self) -> str:
        """The media type alone, lower case."""
        return self.header(b"content-type").partition(";")[0].strip().lower()

    def query(self) -> dict[str, str]:
        """Query parameters, the first of each name. Raises EdgeError (400) for hundreds of them."""
        if not self.query_string:
            return {}
        try:
            pairs = parse_qsl(
                self.query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=_MAX_QUERY_FIELDS
            )
        except ValueError:
            raise EdgeError(400, "too many query parameters") from None
        found: dict[str, str] = {}
        for name, value in pairs:
            found.setdefault(name, value)
        return found

    def encoding(self) -> str:
        """The content encoding, "" for identity. Raises EdgeError (415)."""
        value = self.headers.get(b"content-encoding")
        if not value:
            return ""
        try:
            return compression.normalize_encoding(value.decode("latin-1"))
        except compression.UnknownEncodingError as error:
            accepted = ", ".join(compression.ENCODINGS).encode()
            raise EdgeError(415, str(error), headers=((b"accept-encoding", accepted),)) from None

    async def read(self, limit: int) -> bytes:
        """The body as sent, at most ``limit`` bytes.

        Raises EdgeError 413 (too large, before reading when the length is announced), 408 (too slow), 503 (too much
        under way), and ClientGoneError.
        """
        announced = self.headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            raise too_large(limit)
        loop = asyncio.get_running_loop()
        started = loop.time()
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout_at(started + BODY_SECONDS) as timeout:
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise ClientGoneError
                    chunk = message.get("body", b"")
                    size += len(chunk)
                    if size > limit:
                        raise too_large(limit)
                    self._take(size)
                    chunks.append(chunk)
                    if not message.get("more_body", False):
                        break
                    timeout.reschedule(started + BODY_SECONDS + size / SLOWEST_BYTES_PER_SECOND)
        except TimeoutError:
            raise EdgeError(408, "request body took too long") from None
        finally:
            self.received_bytes = size
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def inflate(self, body: bytes, encoding: str, limit: int) -> bytes:
        """The plain body. Raises EdgeError 413 (bomb), 400 (damaged), 503 (too much under way)."""
        if not encoding:
            return body
        try:
            if len(body) <= 64 * 1024:
                try:
                    return compression.inflate(body, encoding, min(limit, FREE_BYTES))
                except compression.TooLargeError:
                    if limit <= FREE_BYTES:
                        raise
            # Large, or small and inflating to much: off the event loop, and within the budget.
            room = min(limit, max(len(body) * 50, 8 * FREE_BYTES))
            self._budget.take(room)
            self._taken += room
            try:
                return await asyncio.to_thread(compression.inflate, body, encoding, room)
            except compression.TooLargeError:
                if room == limit:
                    raise
            self._budget.take(limit - room)
            self._taken += limit - room
            return await asyncio.to_thread(compression.inflate, body, encoding, limit)
        except compression.TooLargeError:
            raise too_large(limit) from None
        except compression.CompressionError as error:
            raise EdgeError(400, "invalid request body", str(error), reason="invalid_compression") from None

    def release(self) -> None:
        """Give the budget back; the request is answered."""
        if self._taken:
            self._budget.give_back(self._taken)
            self._taken = 0

    def _take(self, size: int) -> None:
        more = size - FREE_BYTES - self._taken
        if more > 0:
            self._budget.take(more)
            self._taken += more


def too_large(limit: int, item_type: str = "", cause: str = "") -> EdgeError:
    """413, with the outcome reason of what was too large."""
    reason = f"too_large:{item_type}" if item_type else "request_too_large"
    what = f"envelope contains an oversized {item_type} item" if item_type else f"request body exceeds {limit} bytes"
    return EdgeError(413, what, cause or "see the size limits of the ingest documentation", reason=reason)
