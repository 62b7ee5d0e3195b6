"""The browser SDK in a page of headless Chromium."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.sdk.checks import Reports
from tests.sdk.conftest import EXAMPLES
from tests.support.requirements import require
from tests.support.server import Server

pytestmark = [pytest.mark.sdk, pytest.mark.browser]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """No access log in the test output."""


@pytest.fixture
def page_url(tmp_path: Path, server: Server) -> Iterator[tuple[str, dict[str, str]]]:
    """The example page, built and served on a port of its own (so every report is cross-origin)."""
    npm = require("npm")
    subprocess.run([npm, "run", "--silent", "build"], cwd=EXAMPLES / "browser", check=True, timeout=60)
    project = server.create_project("browser", "javascript")
    shutil.copy(EXAMPLES / "browser" / "index.html", tmp_path)
    shutil.copytree(EXAMPLES / "browser" / "bin", tmp_path / "bin")
    (tmp_path / "config.js").write_text(f"window.SENTRY_DSN = {json.dumps(project['dsn'])};")
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/index.html", project
        site.shutdown()


def test_browser_page(server: Server, page_url: tuple[str, dict[str, str]]) -> None:
    url, project = page_url
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=require("chromium", "chromium-browser", "google-chrome"),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        page = chromium.new_page()
        page.goto(url)
        for name in ("message", "fingerprint", "attachment", "feedback", "burst", "error"):
            page.click(f"#{name}")
            page.wait_for_function(f"document.getElementById('state').textContent === 'done {name}'", timeout=30000)
        chromium.close()
    reports = Reports(server, project["slug"])
    event = reports.check_error("PaymentDeclinedError", chained=False)
    tags = {tag["key"]: tag["value"] for tag in event["tags"]}
    assert tags["browser.name"].startswith("Chrom") or "Chrome" in tags["browser.name"]
    assert event["user"]["ip_address"] == "127.0.0.1"
    reports.check_message()
    reports.check_fingerprint()
    reports.check_attachment()
    reports.check_feedback()
    reports.check_burst(100)
