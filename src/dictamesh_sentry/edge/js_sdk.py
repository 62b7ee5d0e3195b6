"""``/js-sdk/{version}/{bundle}``: the browser SDK's bundles, which the loader script loads.

They come with the package, or from ``js-sdk/`` in the data folder, which wins: an installation can pin a version.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.edge.responses import JAVASCRIPT, TEXT, Response

JS_SDK_PREFIX = "/js-sdk/"
_NAME = re.compile(r"[a-z0-9][a-z0-9.]{0,15}/[a-z][a-z0-9.]{0,80}\.js(\.map)?")
_SHIPPED = Path(__file__).resolve().parent.parent / "web" / "static" / "js-sdk"
_CACHE = ((b"cache-control", b"public, max-age=3600"), (b"x-content-type-options", b"nosniff"))


def find_bundle(name: str) -> Path | None:
    """The file of ``{version}/{bundle}``; None when there is none."""
    if not _NAME.fullmatch(name) or ".." in name:
        return None
    for root in (get_settings().data_dir / "js-sdk", _SHIPPED):
        path = root / name
        if path.is_file():
            return path
    return None


async def serve_js_sdk(scope: MutableMapping[str, Any], send: Any) -> None:
    """Answer GET and HEAD below ``/js-sdk/``."""
    if scope["method"] not in ("GET", "HEAD"):
        await Response(405, b"method not allowed\n", TEXT).send(send)
        return
    path = await asyncio.to_thread(find_bundle, scope["path"][len(JS_SDK_PREFIX) :])
    if path is None:
        await Response(404, b"no such bundle\n", TEXT).send(send)
        return
    content = await asyncio.to_thread(path.read_bytes)
    kind = JAVASCRIPT if path.suffix == ".js" else b"application/json"
    await Response(200, b"" if scope["method"] == "HEAD" else content, kind, _CACHE).send(send)
