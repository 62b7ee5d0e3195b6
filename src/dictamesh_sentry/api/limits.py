"""How often and how concurrently one caller may use the API."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dictamesh_sentry.quotas.shared import SharedCounter

WINDOW = 10
CONCURRENT = 25
_LONGEST_TABLE = 20_000


@dataclass(frozen=True)
class Allowance:
    """What is left to a caller in the current window. ``reset`` is epoch seconds."""

    limit: int
    remaining: int
    reset: int
    concurrent_limit: int
    concurrent_remaining: int
    exceeded: bool
    concurrent_exceeded: bool

    def headers(self) -> dict[str, str]:
        """The ``X-Sentry-Rate-Limit-*`` headers, and ``Retry-After`` when refused."""
        found = {
            "X-Sentry-Rate-Limit-Limit": str(self.limit),
            "X-Sentry-Rate-Limit-Remaining": str(self.remaining),
            "X-Sentry-Rate-Limit-Reset": str(self.reset),
            "X-Sentry-Rate-Limit-ConcurrentLimit": str(self.concurrent_limit),
            "X-Sentry-Rate-Limit-ConcurrentRemaining": str(self.concurrent_remaining),
        }
        if self.exceeded:
            found["Retry-After"] = str(max(1, self.reset - int(time.time())))
        elif self.concurrent_exceeded:
            found["Retry-After"] = "1"
        return found


class CallerLimits:
    """Fixed windows of requests, and requests under way, per caller."""

    def __init__(
        self, limit: int, concurrent: int = CONCURRENT, window: int = WINDOW, shared: SharedCounter | None = None
    ) -> None:
        self._shared = shared
        self.limit, self.concurrent, self.window = limit, concurrent, window
        self._lock = threading.Lock()
        self._period = 0
        self._counts: dict[str, int] = {}
        self._running: dict[str, int] = {}

    def enter(self, caller: str, now: float | None = None) -> Allowance:
        """Count a request; one that is not ``exceeded`` in either way must be followed by ``leave``."""
        moment = time.time() if now is None else now
        period = int(moment // self.window)
        everywhere = self._shared.count(caller, period, self.window) if self._shared else None
        with self._lock:
            # A flood of made-up callers must not grow the table without bound.
            if period != self._period or len(self._counts) > _LONGEST_TABLE:
                self._period, self._counts = period, {}
            used = self._counts.get(caller, 0) + 1
            self._counts[caller] = used
            used = max(used, everywhere or 0)
            running = self._running.get(caller, 0)
            exceeded, too_many = used > self.limit, running >= self.concurrent
            if not exceeded and not too_many:
                running += 1
                self._running[caller] = running
        return Allowance(
            limit=self.limit,
            remaining=max(0, self.limit - used),
            reset=(period + 1) * self.window,
            concurrent_limit=self.concurrent,
            concurrent_remaining=max(0, self.concurrent - running),
            exceeded=exceeded,
            concurrent_exceeded=too_many,
        )

    def leave(self, caller: str) -> None:
        """A counted request has been answered."""
        with self._lock:
            left = self._running.get(caller, 1) - 1
            if left > 0:
                self._running[caller] = left
            else:
                self._running.pop(caller, None)
