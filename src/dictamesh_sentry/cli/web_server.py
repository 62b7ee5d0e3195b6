"""Granian in this very process: one process less than its own supervisor needs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal

from granian.constants import Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from dictamesh_sentry.config.schema import Settings


async def _serve(settings: Settings) -> None:
    from dictamesh_sentry.asgi import application

    server = Server(
        application,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        websockets=False,
        backlog=1024,
        log_enabled=False,
        http1_settings=HTTP1Settings(header_read_timeout=15_000),
    )
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stopping.set)
    serving = asyncio.create_task(server.serve())
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if not serving.done():
        server.stop()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(serving, timeout=10)
    waiting.cancel()
    if serving.done() and serving.exception() is not None:
        raise serving.exception()  # type: ignore[misc]


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dictamesh_sentry.config.django")
    asyncio.run(_serve(settings))
