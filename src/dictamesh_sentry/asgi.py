"""The one ASGI application of ``run web``.

Ingest paths are answered by the edge before Django is asked; ``/_static/``, ``/_health/`` and ``/metrics`` are
answered here; everything else is Django's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dictamesh_sentry.config.django")

from django.core.asgi import get_asgi_application

_django = get_asgi_application()

from dictamesh_sentry.edge.app import EdgeApplication  # noqa: E402 - needs the app registry
from dictamesh_sentry.edge.js_sdk import JS_SDK_PREFIX, serve_js_sdk  # noqa: E402
from dictamesh_sentry.edge.routing import find_route  # noqa: E402
from dictamesh_sentry.ops import health, metrics  # noqa: E402
from dictamesh_sentry.self_observation import is_tracing, span  # noqa: E402
from dictamesh_sentry.telemetry import HEARTBEAT  # noqa: E402
from dictamesh_sentry.web.static_files import PREFIX, serve_static  # noqa: E402

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_HEARTBEAT_SECONDS = 5.0
# Parts of paths that name a kind of page, not an object.
_WORDS = frozenset(
    re.findall(
        r"\w+",
        "api 0 organizations projects teams issues events releases settings auth account members keys users tags stats"
        " stats_v2 _static _health metrics",
    )
)


async def _answer(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _pattern(path: str) -> str:
    """A path as a name of few values: neither ids nor slugs."""
    route = find_route(path)
    if route is not None:
        return route.endpoint
    parts = [part if part in _WORDS else "*" for part in path.split("/") if part]
    return "/" + "/".join(parts[:8])


class Application:
    """Dispatches by path; owns the edge's background work between lifespan start and end."""

    def __init__(self) -> None:
        self.edge = EdgeApplication()
        self._beating: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif is_tracing():
            await self._traced(scope, receive, send)
        else:
            await self._dispatch(scope, receive, send)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        with span(f"{scope['method']} {_pattern(scope['path'])}") as current:

            async def noting(message: MutableMapping[str, Any]) -> None:
                if message["type"] == "http.response.start":
                    current.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._dispatch(scope, receive, noting)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        route = find_route(path)
        if route is not None:
            await self.edge.handle(route, scope, receive, send)
        elif path.startswith(PREFIX):
            await serve_static(scope, send)
        elif path.startswith(JS_SDK_PREFIX):
            await serve_js_sdk(scope, send)
        elif path in ("/_health/", "/_health"):
            await self._health(scope, send)
        elif path in ("/metrics", "/metrics/"):
            body, kind = await asyncio.to_thread(metrics.render)
            await _answer(send, 200, kind.encode(), body)
        else:
            await _django(scope, receive, send)

    async def _health(self, scope: Scope, send: Send) -> None:
        """Live: this process answers. With ``?full``: whether everything it needs does."""
        if b"full" not in scope["query_string"]:
            await _answer(send, 200, b"text/plain", b"ok")
            return
        report, serving = await asyncio.to_thread(health.report)
        body = orjson.dumps(report, option=orjson.OPT_INDENT_2)
        await _answer(send, 200 if serving else 503, b"application/json", body)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.edge.startup()
                self._beating = asyncio.create_task(self._beat())
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._beating is not None:
                    self._beating.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await self._beating
                await self.edge.shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _beat(self) -> None:
        while True:
            HEARTBEAT.labels("web").set(time.time())
            await asyncio.sleep(_HEARTBEAT_SECONDS)


application = Application()
