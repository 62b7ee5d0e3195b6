"""One request to the edge: its headers, its query, and its body read within bounds of size and time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, MutableMapping
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
# What is still received of a body that was refused.
DISCARD_SECONDS = 2.0
DISCARD_PAUSE_SECONDS = 0.2
DISCARD_BYTES = 32 * 1024 * 1024
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


class Watchdog:
    """Ends requests whose body takes too long.

    One sweep a second over those under way; a timer for each request would cost more than reading it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._deadlines: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()

    def watch(self, task: asyncio.Task[Any], deadline: float) -> None:
        """Cancel the task's read once the clock passes ``deadline``."""
        self._deadlines[task] = deadline

    def release(self, task: asyncio.Task[Any]) -> bool:
        """Stop watching; whether the task was cancelled by this watchdog."""
        self._deadlines.pop(task, None)
        overdue = task in self._overdue
        self._overdue.discard(task)
        return overdue

    def sweep(self) -> None:
        """Cancel what is overdue."""
        now = self.clock()
        for task in [task for task, deadline in self._deadlines.items() if deadline < now]:
            del self._deadlines[task]
            self._overdue.add(task)
            task.cancel()

    async def run(self) -> None:
        """Sweep every second until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            self.sweep()


class Request:
    """A request as the endpoints see it. Header names are lower case."""

    __slots__ = (
        "_budget",
        "_receive",
        "_taken",
        "_watchdog",
        "complete",
        "headers",
        "method",
        "peer",
        "query_string",
        "received_bytes",
        "sender",
    )

    def __init__(self, scope: MutableMapping[str, Any], receive: Any, budget: BodyBudget, watchdog: Watchdog) -> None:
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.method: str = scope["method"]
        self.query_string: bytes = scope.get("query_string", b"")
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        # Whether nothing is left to receive.
        self.complete = b"content-length" not in self.headers and b"transfer-encoding" not in self.headers
        self.received_bytes = 0
        self.sender: Sender | None = None
        self._receive = receive
        self._budget = budget
        self._watchdog = watchdog
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
        task = asyncio.current_task()
        assert task is not None
        started = self._watchdog.clock()
        self._watchdog.watch(task, started + BODY_SECONDS)
        chunks: list[bytes] = []
        more = True
        try:
            while more:
                message = await self._receive()
                if message["type"] == "http.disconnect":
                    self.complete = True
                    raise ClientGoneError
                chunk = message.get("body", b"")
                chunks.append(chunk)
                self.received_bytes += len(chunk)
                if self.received_bytes > limit:
                    raise too_large(limit)
                if self.received_bytes > FREE_BYTES:
                    self._take(self.received_bytes)
                more = message.get("more_body", False)
                if more:
                    allowed = BODY_SECONDS + self.received_bytes / SLOWEST_BYTES_PER_SECOND
                    self._watchdog.watch(task, started + allowed)
        except asyncio.CancelledError:
            if not self._watchdog.release(task):
                raise
            task.uncancel()
            self.complete = True  # it had its time
            raise EdgeError(408, "request body took too long") from None
        finally:
            self._watchdog.release(task)
        self.complete = True
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def discard_rest(self) -> None:
        """Take a refused body off the wire and keep nothing, while it keeps coming and up to a bound.

        Most clients send everything before they listen. Answering at once would close the connection under them,
        and they would see a reset instead of the answer and its rate limits.
        """
        announced = self.headers.get(b"content-length", b"0")
        if self.complete or b"expect" in self.headers or not announced.isdigit() or int(announced) > DISCARD_BYTES:
            return
        left = DISCARD_BYTES
        ends = self._watchdog.clock() + DISCARD_SECONDS
        with contextlib.suppress(TimeoutError):
            while left > 0 and self._watchdog.clock() < ends:
                async with asyncio.timeout(DISCARD_PAUSE_SECONDS):
                    message = await self._receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return

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
