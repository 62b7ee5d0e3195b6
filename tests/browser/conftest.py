"""One server and one Chromium for all browser tests. Tests make their own projects and accounts in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.support.requirements import require
from tests.support.server import Server, running_server

PASSWORD = "a longer secret than admin"


@pytest.fixture(scope="package")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    executable = require("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def watched_page(browser: Browser, url: str, *, width: int = 1440, height: int = 900) -> Iterator[Page]:
    """A page in a profile of its own. Fails on script errors, blocked content and errors in the console."""
    context = browser.new_context(base_url=url, viewport={"width": width, "height": height})
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    yield page
    context.close()
    assert problems == []


@pytest.fixture
def page(chromium: Browser, server: Server) -> Iterator[Page]:
    """A signed-out page."""
    with watched_page(chromium, server.url) as page:
        yield page


@pytest.fixture(scope="package")
def account(server: Server) -> Callable[[str], str]:
    """Creates an account (a superuser and owner) by name and gives its address; the password is ``PASSWORD``."""

    def create(name: str) -> str:
        email = f"{name}@example.com"
        arguments = [
            "createuser",
            "--email",
            email,
            "--password",
            PASSWORD,
            "--superuser",
            "--no-input",
            "--force-update",
        ]
        membership = ["--organization", server.organization, "--role", "owner"]
        subprocess.run(
            [sys.executable, "-m", "dictamesh_sentry", *arguments, *membership],
            env=server.environment, check=True, timeout=60, capture_output=True,
        )  # fmt: skip
        return email

    return create


def sign_in(page: Page, email: str, then: str = "/settings/account/") -> None:
    """Sign in through the form and open a page."""
    page.goto(f"/auth/login/?next={then}")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "/auth/login/" not in url)


def picture(page: Page, name: str) -> None:
    """A screenshot, where ``DICTAMESH_SCREENSHOTS`` names a folder."""
    folder = os.environ.get("DICTAMESH_SCREENSHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
