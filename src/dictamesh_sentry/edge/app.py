"""The ingest application: plain ASGI, one path lookup away from the pipeline."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import MutableMapping
from typing import Any, NamedTuple

import structlog

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.edge import endpoints
from dictamesh_sentry.edge.error_page import error_page
from dictamesh_sentry.edge.ingest import Ingest
from dictamesh_sentry.edge.key_memory import KeyMemory
from dictamesh_sentry.edge.keys import KeyDirectory
from dictamesh_sentry.edge.loader import loader
from dictamesh_sentry.edge.metrics import EdgeMetrics
from dictamesh_sentry.edge.outcomes import OutcomeAggregator
from dictamesh_sentry.edge.request import BodyBudget, Request, Watchdog
from dictamesh_sentry.edge.responses import ClientGoneError, EdgeError, Response, preflight
from dictamesh_sentry.edge.routing import Route
from dictamesh_sentry.quotas.factory import new_limiter
from dictamesh_sentry.streams.factory import get_edge_producer

LARGE_BODY_BYTES = 640 * 1024 * 1024
_log = structlog.get_logger(__name__)


class _Endpoint(NamedTuple):
    handle: endpoints.Endpoint
    methods: tuple[str, ...]


_POST = ("POST",)
_BOTH = ("GET", "POST")
_READ = ("GET", "HEAD")
ENDPOINTS: dict[str, _Endpoint] = {
    "envelope": _Endpoint(endpoints.envelope, _POST),
    "store": _Endpoint(endpoints.store, _BOTH),
    "security": _Endpoint(endpoints.security, _POST),
    "nel": _Endpoint(endpoints.nel, _POST),
    "minidump": _Endpoint(endpoints.crash, _POST),
    "unreal": _Endpoint(endpoints.unreal, _POST),
    "attachments": _Endpoint(endpoints.attachments, _POST),
    "cron": _Endpoint(endpoints.cron, _BOTH),
    "otlp_traces": _Endpoint(endpoints.otlp, _POST),
    "otlp_logs": _Endpoint(endpoints.otlp, _POST),
    "vercel": _Endpoint(endpoints.vercel, _POST),
    "upload": _Endpoint(endpoints.upload, ("POST", "PATCH")),
    "live": _Endpoint(endpoints.live, _READ),
    "ready": _Endpoint(endpoints.ready, _READ),
    "loader": _Endpoint(loader, _READ),
    "error_page": _Endpoint(error_page, _BOTH),
    "unknown": _Endpoint(endpoints.unknown, (*_BOTH, "HEAD", "PUT", "PATCH", "DELETE")),
}
_EMBED_HEADERS = b"Content-Type, Authorization, X-Requested-With"


class EdgeApplication:
    """Answers the requests ``find_route`` knows. Call ``startup`` on the event loop first, ``shutdown`` last."""

    def __init__(self, ingest: Ingest | None = None) -> None:
        self._ingest = ingest
        self._budget = BodyBudget(LARGE_BODY_BYTES)
        self._metrics = EdgeMetrics()
        self._watchdog = Watchdog()
        self._tickers: list[asyncio.Task[None]] = []

    async def startup(self) -> None:
        """Open the stream, begin to flush outcomes. Harmless when repeated."""
        if self._ingest is None:
            settings = get_settings()
            producer = get_edge_producer()
            self._ingest = Ingest(
                settings,
                producer,
                get_blob_store(),
                KeyDirectory(memory=KeyMemory(settings.data_dir / "run" / "keys.bin")),
                OutcomeAggregator(producer),
                new_limiter(),
            )
        if not self._tickers:
            self._tickers = [
                asyncio.create_task(self._ingest.outcomes.run()),
                asyncio.create_task(self._ingest.limiter.run()),
                asyncio.create_task(self._watchdog.run()),
            ]

    async def shutdown(self) -> None:
        """Append the outcomes counted so far, and stop."""
        for ticker in self._tickers:
            ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticker
        self._tickers = []
        if self._ingest is not None:
            self._ingest.outcomes.flush()
            self._ingest.keys.close()
        self._metrics.flush()

    async def handle(self, route: Route, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        started = time.perf_counter()
        if not self._tickers:
            await self.startup()
        assert self._ingest is not None
        request = Request(scope, receive, self._budget, self._watchdog)
        try:
            response = await self._respond(self._ingest, request, route)
        except ClientGoneError:
            self._metrics.count(route.endpoint, 499, time.perf_counter() - started, request.received_bytes)
            return
        finally:
            request.release()
        if not request.complete:
            await request.discard_rest()
        await response.send(send)
        self._metrics.count(route.endpoint, response.status, time.perf_counter() - started, request.received_bytes)

    async def _respond(self, ingest: Ingest, request: Request, route: Route) -> Response:
        endpoint = ENDPOINTS[route.endpoint]
        if request.method not in endpoint.methods:
            if request.method == "OPTIONS":
                return _preflight(route, endpoint)
            allowed = ", ".join((*endpoint.methods, "OPTIONS")).encode()
            return EdgeError(405, "method not allowed", headers=((b"allow", allowed),)).response()
        try:
            return await endpoint.handle(ingest, request, route)
        except EdgeError as error:
            ingest.count_error(request, error)
            return error.response()
        except Exception:
            _log.exception("ingest request failed", endpoint=route.endpoint)
            return EdgeError(500, "internal error").response()


def _preflight(route: Route, endpoint: _Endpoint) -> Response:
    if route.endpoint == "error_page":
        return preflight(b"GET, POST, OPTIONS", _EMBED_HEADERS)
    return preflight(", ".join(endpoint.methods).encode())
