"""``/js-sdk/``: bundles of the browser SDK."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.edge.js_sdk import find_bundle, serve_js_sdk


@pytest.fixture
def bundle() -> Path:
    path = get_settings().data_dir / "js-sdk" / "9.1.0" / "bundle.tracing.min.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"/* sdk */")
    (path.parent.parent / "secret.js").write_bytes(b"no")
    return path


def get(path: str, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(serve_js_sdk({"method": method, "path": path}, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def test_a_bundle_of_the_data_folder_is_served_to_every_origin(bundle: Path) -> None:
    status, headers, body = get("/js-sdk/9.1.0/bundle.tracing.min.js")
    assert (status, body) == (200, b"/* sdk */")
    assert headers[b"access-control-allow-origin"] == b"*"
    assert headers[b"content-type"].startswith(b"text/javascript")
    assert get("/js-sdk/9.1.0/bundle.min.js")[0] == 404
    assert get("/js-sdk/9.1.0/bundle.tracing.min.js", "POST")[0] == 405


@pytest.mark.parametrize(
    "name",
    [
        "",
        "secret.js",
        "../secret_key",
        "9.1.0/../secret.js",
        "..%2f/secret.js",
        "/etc/passwd",
        "9.1.0/x.html",
        ".../a.js",
    ],
)
def test_nothing_else_can_be_reached(bundle: Path, name: str) -> None:
    assert find_bundle(name) is None
