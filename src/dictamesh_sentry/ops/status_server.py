"""``/_health/`` and ``/metrics`` of the roles that serve no pages."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dictamesh_sentry.telemetry import HEARTBEAT

# Longer than any batch may take on a loaded machine; a loop that waits for a store beats, too.
SILENCE_SECONDS = 120.0
_GAUGE_SECONDS = 5.0


class Heart:
    """Knows when the role's loop last said that it is alive."""

    def __init__(self, role: str) -> None:
        self._role = role
        self._last = time.monotonic()
        self._shown = 0.0

    def beat(self) -> None:
        """The loop is alive."""
        self._last = time.monotonic()
        if self._last - self._shown >= _GAUGE_SECONDS:
            self._shown = self._last
            HEARTBEAT.labels(self._role).set(time.time())

    @property
    def silence(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self._last

    def listening(self, should_stop: Callable[[], bool]) -> Callable[[], bool]:
        """``should_stop``, which every loop asks all the time, as the sign of life."""

        def asked() -> bool:
            self.beat()
            return should_stop()

        return asked


class _Handler(BaseHTTPRequestHandler):
    heart: Heart

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        if path == "/_health":
            alive = self.heart.silence < SILENCE_SECONDS
            text = "ok" if alive else f"the loop has been silent for {self.heart.silence:.0f} s"
            self._answer(200 if alive else 503, "text/plain", text.encode())
        elif path == "/metrics":
            from dictamesh_sentry.ops import metrics  # only paid for where somebody scrapes

            body, kind = metrics.render(shared=False)
            self._answer(200, kind, body)
        else:
            self._answer(404, "text/plain", b"/_health/ or /metrics")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Probes are no news."""


def serve_status(heart: Heart, host: str, port: int) -> Callable[[], None]:
    """Serve in a thread until the returned function is called. Port 0: nothing is served."""
    if not port:
        return lambda: None
    server = ThreadingHTTPServer((host, port), type("Handler", (_Handler,), {"heart": heart}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="status", daemon=True).start()
    return server.shutdown
