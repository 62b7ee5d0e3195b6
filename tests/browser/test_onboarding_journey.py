"""The whole way of a new user: sign in, change the password, create a project, run its snippet, open the issue."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PASSWORD, picture, sign_in
from tests.support.requirements import require
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(300)]


def run_python(source: str, folder: Path) -> None:
    """Run what the page told the user to paste into a file. The program fails, as it is meant to."""
    program = folder / "app.py"
    program.write_text(source)
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, check=False)
    assert "ZeroDivisionError" in done.stderr, done.stderr


def test_from_first_sign_in_to_the_first_issue(page: Page, tmp_path: Path) -> None:
    page.goto("/")
    page.get_by_label("E-mail").fill("admin@dictamesh.local")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("The e-mail address or the password is wrong.")
    page.get_by_label("Password").fill("admin")
    page.keyboard.press("Enter")

    warning = page.get_by_text("well-known default password")
    expect(warning).to_be_visible()
    page.get_by_role("link", name="Change it now").click()
    page.get_by_label("Current password").fill("admin")
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_label("Repeat it").fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password is changed.")).to_be_visible()
    expect(warning).to_have_count(0)

    page.get_by_role("navigation", name="Main").get_by_role("link", name="Projects").click()
    page.get_by_role("link", name="New project").click()
    page.get_by_label("Search platforms").fill("celery")
    expect(page.get_by_text("Spring Boot")).to_be_hidden()
    page.locator(".platform-tile", has_text="Python").click()
    page.get_by_label("Project name").fill("Night jobs")
    picture(page, "onboarding-new-project")
    page.get_by_role("button", name="Create project").click()

    expect(page.get_by_role("heading", name="Send an event from Python")).to_be_visible()
    status = page.locator("#first-event")
    expect(status).to_contain_text("Waiting for your first event")
    dsn = page.locator("#dsn").inner_text()
    snippets = [
        item.get_attribute("data-copy") or ""
        for item in page.locator(".guide", has_text="Configure").locator(".copy").all()
        + page.locator(".guide", has_text="Verify").locator(".copy").all()
    ]
    assert len(snippets) == 2
    assert dsn in snippets[0]
    picture(page, "onboarding-getting-started")

    run_python("\n".join(snippets), tmp_path)
    expect(status).to_contain_text("Your first event is here.", timeout=30_000)
    picture(page, "onboarding-arrived")
    page.get_by_role("link", name="Open the issue").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("ZeroDivisionError")
    expect(page.locator("#main")).to_contain_text("return 1 / 0")


def test_curl_command_works_as_shown(page: Page, server: Server, account: Callable[[str], str]) -> None:
    require("curl")
    project = server.create_project("Curl", "other")
    sign_in(page, account("curl"), f"/organizations/{server.organization}/projects/{project['slug']}/getting-started/")
    command = page.locator("#without-sdk .copy").get_attribute("data-copy") or ""
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=True)
    assert '"id"' in done.stdout
    expect(page.locator("#first-event")).to_contain_text("FirstError: Hello from the command line", timeout=30_000)
