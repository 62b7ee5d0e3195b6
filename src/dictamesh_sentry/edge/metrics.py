"""Counts of the edge, gathered in plain integers and handed to the metrics library once a second."""

from __future__ import annotations

import time

from dictamesh_sentry.telemetry import INGEST_BYTES, INGEST_REQUESTS, INGEST_SECONDS

_FLUSH_SECONDS = 1.0


class EdgeMetrics:
    """Belongs to one event loop. A request costs two dictionary updates, not four memory-mapped writes."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, int], int] = {}
        self._seconds: list[tuple[str, float]] = []
        self._bytes = 0
        self._due = 0.0

    def count(self, endpoint: str, status: int, seconds: float, received: int) -> None:
        """Record one answered request."""
        key = (endpoint, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        self._bytes += received
        # One in a while is enough for latencies under load; all of them otherwise.
        if len(self._seconds) < 200:
            self._seconds.append((endpoint, seconds))
        now = time.monotonic()
        if now >= self._due:
            self._due = now + _FLUSH_SECONDS
            self.flush()

    def flush(self) -> None:
        """Hand everything over."""
        for (endpoint, status), count in self._requests.items():
            INGEST_REQUESTS.labels(endpoint, str(status)).inc(count)
        for endpoint, seconds in self._seconds:
            INGEST_SECONDS.labels(endpoint).observe(seconds)
        if self._bytes:
            INGEST_BYTES.inc(self._bytes)
        self._requests.clear()
        self._seconds.clear()
        self._bytes = 0
