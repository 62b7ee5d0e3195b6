"""What every page is measured by in a real browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import picture

SIZES = ((1440, 900), (390, 844))
SCHEMES = ("light", "dark")
MOST_ASSET_BYTES = 40 * 1024
MOST_SQL = 25
STATIC = Path(__file__).resolve().parents[2] / "src/dictamesh_sentry/web/static"
# Colours of a new scheme are there after the next frame; axe would otherwise measure a mixture of both.
_SETTLED = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 50))))"
# A scheme changes colours and nothing else: the other rules need to run in one of them only.
_RULES = {"light": None, "dark": {"runOnly": ["color-contrast"]}}
_COUNT = re.compile(r'(sql|events);[^,]*desc="(\d+)"')


def check_page(page: Page, address: str, name: str) -> None:
    """One heading, no violation of an accessibility rule (contrast included), no sideways scrolling; everywhere."""
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.evaluate(_SETTLED)
            found = [
                f"{item['id']} ({item['impact']}): {[node['target'] for node in item['nodes']][:4]}"
                for item in Axe().run(page, options=_RULES[scheme]).response["violations"]
                if item["impact"] in ("moderate", "serious", "critical")
            ]
            assert found == [], f"{address} at {width} px, {scheme}"
            picture(page, f"{name}-{width}-{scheme}")
        sideways = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert sideways <= 0, f"{address} scrolls sideways at {width} px"


def query_counts(response: Response) -> dict[str, int]:
    """``{"sql": n, "events": n}`` of the Server-Timing header."""
    return {name: int(count) for name, count in _COUNT.findall(response.headers["server-timing"])}


@contextmanager
def asset_bytes(page: Page) -> Iterator[list[str]]:
    """Collects the paths of CSS, JavaScript and icon files the block loads."""
    paths: list[str] = []

    def note(response: Response) -> None:
        if "/_static/" in response.url:
            paths.append(response.url.split("/_static/")[1])

    page.on("response", note)
    yield paths
    page.remove_listener("response", note)


def gzip_size(path: str) -> int:
    """Bytes of a built file's gzip form."""
    return (STATIC / f"{path}.gz").stat().st_size


def manifest() -> dict[str, dict[str, int | str]]:
    """The built files."""
    return json.loads((STATIC / "dist/manifest.json").read_text())["files"]
