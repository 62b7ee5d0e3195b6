"""Every page of sign-in, onboarding, settings, account, statistics and status: accessible, fitting, and alive."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.checks import check_page
from tests.browser.conftest import sign_in, watched_page
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(300)]
SIGNED_OUT = ("/auth/login/", "/auth/reset/", "/auth/reset/wrong/", "/accept/wrong/")
PAGES = (
    "/organizations/new/",
    "/organizations/{org}/projects/",
    "/organizations/{org}/projects/new/",
    "/organizations/{org}/projects/{project}/getting-started/",
    "/organizations/{org}/stats/",
    "/settings/{org}/",
    "/settings/{org}/security-and-privacy/",
    "/settings/{org}/audit-log/",
    "/settings/{org}/quotas/",
    "/settings/{org}/projects/",
    "/settings/{org}/teams/",
    "/settings/{org}/teams/framework-team/",
    "/settings/{org}/members/",
    "/settings/{org}/projects/{project}/",
    "/settings/{org}/projects/{project}/delete/",
    "/settings/{org}/projects/{project}/environments/",
    "/settings/{org}/projects/{project}/teams/",
    "/settings/{org}/projects/{project}/keys/",
    "/settings/{org}/projects/{project}/keys/{key}/",
    "/settings/{org}/projects/{project}/filters/",
    "/settings/{org}/projects/{project}/security-and-privacy/",
    "/settings/{org}/projects/{project}/issue-grouping/",
    "/settings/account/",
    "/settings/account/password/",
    "/settings/account/appearance/",
    "/settings/account/api-tokens/",
    "/manage/status/",
)


@pytest.fixture(scope="module")
def place(server: Server) -> dict[str, str]:
    """The arguments of the addresses."""
    project = server.create_project("Settings pages", "python-django")
    return {
        "org": server.organization,
        "project": project["slug"],
        "key": project["dsn"].split("//")[1].split("@")[0],
    }


@pytest.fixture(scope="module")
def owner(chromium: Browser, server: Server, account: Callable[[str], str]) -> Iterator[Page]:
    """A page of a signed-in owner."""
    with watched_page(chromium, server.url) as page:
        sign_in(page, account("owner"))
        yield page


def picture_name(address: str) -> str:
    """A file name for the screenshot of an address."""
    return address.strip("/").replace("/", "_").replace("{", "").replace("}", "")


@pytest.mark.parametrize("address", PAGES)
def test_page_is_accessible_everywhere(owner: Page, place: dict[str, str], address: str) -> None:
    check_page(owner, address.format(**place), picture_name(address))


def test_signed_out_pages_are_accessible_everywhere(chromium: Browser, server: Server) -> None:
    context = chromium.new_context(base_url=server.url)
    page = context.new_page()
    for address in SIGNED_OUT:
        check_page(page, address, picture_name(address))
    context.close()


def test_token_is_created_copied_and_revoked_with_the_keyboard(owner: Page) -> None:
    owner.set_viewport_size({"width": 1440, "height": 900})
    owner.goto("/settings/account/api-tokens/")
    owner.get_by_label("Name").fill("Keyboard")
    owner.keyboard.press("Enter")
    expect(owner.locator("#token-text")).to_contain_text("sntryu_")
    revoke = owner.get_by_role("row", name="Keyboard").get_by_role("button", name="Revoke")
    revoke.focus()
    owner.keyboard.press("Enter")
    dialog = owner.get_by_role("dialog")
    expect(dialog).to_be_visible()
    owner.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    revoke.press("Enter")
    dialog.get_by_role("button", name="Revoke").press("Enter")
    expect(owner.get_by_role("status")).to_contain_text("is revoked")
    expect(owner.get_by_role("row", name="Keyboard")).to_have_count(0)


def test_key_is_rotated_and_the_old_one_disabled(owner: Page, place: dict[str, str]) -> None:
    owner.set_viewport_size({"width": 390, "height": 844})
    owner.goto("/settings/{org}/projects/{project}/keys/{key}/".format(**place))
    owner.get_by_role("button", name="Rotate this key").click()
    expect(owner.get_by_text("This is the new key.")).to_be_visible()
    assert place["key"] not in owner.url
    owner.goto("/settings/{org}/projects/{project}/keys/{key}/".format(**place))
    owner.get_by_label("Enabled").uncheck()
    owner.get_by_role("button", name="Save").click()
    expect(owner.get_by_text("This key is disabled")).to_be_visible()


def test_scrubbing_is_tried_before_it_is_saved(owner: Page, place: dict[str, str]) -> None:
    owner.set_viewport_size({"width": 1440, "height": 900})
    owner.goto("/settings/{org}/projects/{project}/security-and-privacy/".format(**place))
    owner.get_by_label("Sensitive fields").fill("order_id")
    owner.get_by_role("button", name="Scrub the sample").click()
    result = owner.locator("#try-result")
    expect(result).to_contain_text("[Filtered]")
    expect(result).not_to_contain_text("A-1001")
    expect(result).not_to_contain_text("hunter2")
    owner.get_by_role("textbox", name="Advanced rules").fill('{"rules": }')
    owner.get_by_role("button", name="Scrub the sample").click()
    expect(result).to_contain_text("Line 1, column 11")


def test_members_are_invited_with_a_link_to_copy(owner: Page, place: dict[str, str]) -> None:
    owner.goto("/settings/{org}/members/".format(**place))
    owner.get_by_label("E-mail addresses").fill("invited@example.com")
    owner.get_by_role("button", name="Invite").click()
    expect(owner.get_by_role("status")).to_contain_text("Invited invited@example.com.")
    link = owner.locator("li", has_text="invited@example.com").locator("[data-copy]").get_attribute("data-copy") or ""
    guest = owner.context.browser.new_context()  # type: ignore[union-attr]
    page = guest.new_page()
    page.goto(link)
    page.get_by_label("Your name").fill("Guest")
    page.get_by_label("New password").fill("another long secret")
    page.get_by_role("button", name="Create account and join").click()
    page.wait_for_url("**/issues/**")
    expect(page.get_by_role("status")).to_contain_text("Welcome to")
    guest.close()


def test_status_refreshes_itself(owner: Page) -> None:
    owner.goto("/manage/status/")
    expect(owner.get_by_text("Serving.")).to_be_visible()
    with owner.expect_response(lambda response: response.url.endswith("/manage/status/"), timeout=20_000):
        pass
    expect(owner.get_by_text("post-process-forwarder")).to_be_visible()
