"""The issue list and the page of an issue, in a real browser against a real server with real events."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import demo
from tests.browser.checks import MOST_ASSET_BYTES, MOST_SQL, asset_bytes, check_page, gzip_size, query_counts
from tests.browser.conftest import sign_in, watched_page
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(400)]


@dataclass
class Shop:
    """A project full of events."""

    organization: str
    project: dict[str, str]
    ids: dict[str, str]

    @property
    def list(self) -> str:
        return f"/organizations/{self.organization}/issues/?project={self.project['id']}"

    def issue(self, number: str) -> str:
        return f"/organizations/{self.organization}/issues/{number}/"


@pytest.fixture(scope="module")
def shop(server: Server) -> Shop:
    """The events of ``demo``, processed."""
    project = server.create_project("Issue pages", "python-django")
    ids = demo.fill(project["dsn"], share=1.0 if os.environ.get("DICTAMESH_PICTURES") else 0.2)
    server.eventually(lambda: len(server.issues(project["slug"])) >= len(demo.PLAN), seconds=60)
    return Shop(server.organization, project, ids)


@pytest.fixture(scope="module")
def checkout(server: Server, shop: Shop) -> str:
    """The id of the issue that has everything."""
    found = server.eventually(lambda: server.issues(shop.project["slug"], "error.type:CheckoutError"))
    return found[0]["id"]


@pytest.fixture(scope="module")
def owner(chromium: Browser, server: Server, account: Callable[[str], str]) -> Iterator[Page]:
    with watched_page(chromium, server.url) as page:
        sign_in(page, account("issues-owner"))
        yield page


@pytest.fixture
def desk(owner: Page) -> Page:
    """The signed-in page at desk size."""
    owner.set_viewport_size({"width": 1440, "height": 900})
    owner.emulate_media(color_scheme="light", reduced_motion="reduce")
    return owner


TABS = ("", "events/", "tags/", "tags/user/", "activity/", "feedback/", "attachments/", "grouping/")
VIEWS = ("?trace=raw", "?trace=full&order=oldest", "?crumb=http&times=absolute")
DIALOGS = ("assign/", "archive/", "resolve/", "delete/", "discard/")


def test_list_is_accessible_everywhere(owner: Page, shop: Shop) -> None:
    check_page(owner, shop.list, "issues")


@pytest.mark.parametrize("part", [*TABS, *VIEWS, *DIALOGS])
def test_issue_is_accessible_everywhere(owner: Page, shop: Shop, checkout: str, part: str) -> None:
    check_page(owner, shop.issue(checkout) + part, f"issue-{re.sub('[^a-z]+', '-', part) or 'details'}")


@pytest.mark.parametrize("kind", ["TypeError", "ExceptionGroup", "runtime.boundsError"])
def test_other_kinds_of_events_are_accessible(owner: Page, server: Server, shop: Shop, kind: str) -> None:
    found = server.issues(shop.project["slug"], f"error.type:{kind}")[0]
    check_page(owner, shop.issue(found["id"]), f"issue-{kind}")


def test_pages_keep_their_budgets(desk: Page, shop: Shop, checkout: str) -> None:
    for address in (shop.list, shop.issue(checkout)):
        with asset_bytes(desk) as paths:
            response = desk.goto(address)
            desk.wait_for_load_state("networkidle")
        assert response is not None
        assert query_counts(response)["sql"] <= MOST_SQL
        assert query_counts(response)["events"] <= 5
        names = {path.split(".")[0] for path in paths}
        assert {"dist/app", "dist/icons"} <= names
        scripts_and_styles = {path for path in paths if path.endswith((".css", ".js"))}
        assert sum(gzip_size(path) for path in scripts_and_styles) <= MOST_ASSET_BYTES
        shift = desk.evaluate(
            """() => new Promise((done) => {
                let sum = 0;
                new PerformanceObserver((list) => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) sum += entry.value; })
                    .observe({ type: "layout-shift", buffered: true });
                setTimeout(() => done(sum), 300);
            })"""
        )
        assert shift < 0.001


def test_completion_offers_keys_then_values(desk: Page, shop: Shop) -> None:
    desk.goto(shop.list)
    field = desk.get_by_role("combobox", name="Search issues")
    field.fill("")
    field.press_sequentially("lev")
    expect(desk.get_by_role("option", name="level:")).to_be_visible()
    field.press("ArrowDown")
    field.press("Enter")
    expect(field).to_have_value("level:")
    desk.get_by_role("option", name="fatal").click()
    expect(field).to_have_value("level:fatal ")
    field.press("Enter")
    desk.wait_for_url("**query=level%3Afatal**")
    expect(desk.get_by_role("list", name="Issues").get_by_role("listitem")).to_have_count(1)
    expect(desk.get_by_role("link", name="runtime.boundsError")).to_be_visible()


def test_a_wrong_search_is_pointed_at(chromium: Browser, server: Server, owner: Page, shop: Shop) -> None:
    context = chromium.new_context(base_url=server.url, storage_state=owner.context.storage_state())
    page = context.new_page()
    response = page.goto(f"{shop.list}&query=is:unresolved timesSeen:abc")
    assert response is not None
    assert response.status == 400
    expect(page.locator("#search-error mark")).to_have_text("abc")
    expect(page.get_by_role("combobox", name="Search issues")).to_have_attribute("aria-invalid", "true")
    context.close()


def test_keyboard_walks_selects_resolves_and_archives(desk: Page, server: Server, shop: Shop) -> None:
    desk.goto(f"{shop.list}&query=is:unresolved error.type:[IntegrityError, PermissionDenied]&sort=freq")
    rows = desk.locator("[data-row]")
    expect(rows).to_have_count(2)
    desk.keyboard.press("j")
    expect(rows.nth(0)).to_have_class(re.compile("current"))
    desk.keyboard.press("j")
    expect(rows.nth(1)).to_have_class(re.compile("current"))
    desk.keyboard.press("k")
    desk.keyboard.press("x")
    expect(rows.nth(0).get_by_role("checkbox")).to_be_checked()
    expect(desk.get_by_text("1 selected")).to_be_visible()
    desk.keyboard.press("e")
    expect(desk.get_by_role("status")).to_contain_text("Issue resolved.")
    expect(rows).to_have_count(1)
    desk.keyboard.press("j")
    desk.keyboard.press("a")
    expect(desk.get_by_text("No issues match")).to_be_visible()
    states = {
        item["title"].split(":")[0]: item["status"]
        for item in server.issues(shop.project["slug"], "error.type:[IntegrityError, PermissionDenied]")
    }
    assert set(states.values()) == {"resolved", "ignored"}


def test_bulk_bar_assigns_and_undoes(desk: Page, shop: Shop) -> None:
    desk.goto(f"{shop.list}&query=error.type:[KeyError, ConnectionError]")
    desk.get_by_role("checkbox", name="Select all issues on this page").check()
    bar = desk.locator("#bulk")
    bar.get_by_text("Assign").click()
    bar.get_by_role("button", name="To me").click()
    expect(desk.get_by_role("status")).to_contain_text("2 issues assigned to")
    expect(desk.get_by_role("link", name=re.compile("Owner of .*: nobody"))).to_have_count(0)


def test_palette_finds_pages_projects_and_issues(desk: Page, shop: Shop, checkout: str) -> None:
    desk.goto(shop.list)
    desk.keyboard.press("Control+k")
    field = desk.get_by_role("combobox", name="Go to a page, a project or an issue")
    expect(field).to_be_focused()
    expect(desk.get_by_role("option", name="Statistics")).to_be_visible()
    field.fill(f"{shop.project['slug'].upper()}-1")
    expect(desk.get_by_role("option").first).to_contain_text("Error")
    field.fill("CheckoutErr")
    expect(desk.get_by_role("option").first).to_contain_text("CheckoutError")
    field.press("Enter")
    desk.wait_for_url(f"**/issues/{checkout}/")
    desk.keyboard.press("g")
    desk.keyboard.press("i")
    desk.wait_for_url("**/issues/")
    desk.keyboard.press("Shift+?")
    expect(desk.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()
    desk.keyboard.press("Escape")
    desk.keyboard.press("/")
    expect(desk.get_by_role("combobox", name="Search issues")).to_be_focused()


def test_new_events_are_announced(desk: Page, server: Server, shop: Shop) -> None:
    desk.goto(shop.list)
    event = demo.simple("LookupError", "a new kind of error", "fresh.py", "fresh", 1, "raise LookupError")
    demo.send(shop.project["dsn"], {**event, "event_id": "f" * 31 + "1"})
    server.eventually(lambda: server.issues(shop.project["slug"], "error.type:LookupError"))
    announced = desk.get_by_role("link", name=re.compile("1 new"))
    for _ in range(10):
        desk.evaluate("document.querySelector('[data-poll]').dispatchEvent(new CustomEvent('poll'))")
        desk.wait_for_timeout(300)
        if announced.count():
            break
    announced.click()
    expect(desk.get_by_role("link", name="LookupError")).to_be_visible()


def test_trace_comes_first_with_source_locals_and_what_was_filtered(desk: Page, shop: Shop, checkout: str) -> None:
    desk.goto(shop.issue(checkout))
    trace = desk.locator("#trace")
    expect(trace.locator(".source .current").first).to_contain_text("raise CheckoutError")
    expect(trace.get_by_text("hunter2")).to_have_count(0)
    expect(trace.get_by_text("[Filtered]").first).to_be_visible()
    expect(trace.get_by_text("The direct cause of CheckoutError")).to_be_visible()
    folded = trace.locator(".frame-group").first
    expect(folded.get_by_text("django/views/generic/base.py").first).to_be_hidden()
    folded.locator("summary").first.click()
    expect(folded.get_by_text("django/views/generic/base.py").first).to_be_visible()
    desk.get_by_role("link", name="Raw").click()
    expect(desk.locator("#trace pre")).to_contain_text("Traceback (most recent call last):")
    assert desk.locator("#trace").bounding_box()["y"] < 420  # type: ignore[index]


def test_issue_is_resolved_assigned_commented_and_shared(
    desk: Page, chromium: Browser, server: Server, shop: Shop, checkout: str
) -> None:
    desk.goto(shop.issue(checkout))
    desk.keyboard.press("e")
    expect(desk.get_by_text("Resolved. A new event will open it again.")).to_be_visible()
    desk.get_by_role("button", name="Unresolve").click()
    expect(desk.get_by_role("status")).to_contain_text("opened again")
    desk.get_by_role("link", name="Assign").click()
    dialog = desk.get_by_role("dialog")
    dialog.get_by_role("button", name="To me").click()
    expect(desk.get_by_role("status")).to_contain_text("assigned to")
    desk.get_by_role("button", name="Bookmark").click()
    expect(desk.get_by_role("button", name="Bookmark")).to_have_attribute("aria-pressed", "true")
    desk.get_by_role("button", name="More ways to archive").or_(
        desk.locator("summary[aria-label='More ways to archive']")
    ).first.click()
    desk.get_by_role("link", name="Other conditions…").click()
    dialog.get_by_label("After so many more events").fill("25")
    dialog.get_by_role("button", name="Archive").click()
    expect(desk.get_by_text("Archived until 25 more events.")).to_be_visible()
    desk.get_by_role("button", name="Unarchive").click()
    expect(desk.get_by_text("Archived until")).to_have_count(0)

    desk.get_by_role("link", name="Activity").click()
    desk.get_by_label("Comment", exact=True).fill("Caused by **acme-pay**. <script>alert(1)</script> `x`")
    desk.get_by_role("button", name="Comment", exact=True).click()
    expect(desk.locator(".prose strong")).to_have_text("acme-pay")
    expect(desk.locator(".prose")).to_contain_text("<script>alert(1)</script>")

    desk.get_by_role("button", name="Share").click()
    desk.get_by_role("button", name="Make a public link").click()
    desk.get_by_role("button", name="Share").click()
    link = desk.get_by_label("Public link").input_value()
    guest = chromium.new_context()
    page = guest.new_page()
    check_page(page, link, "shared")
    text = page.locator("body").inner_text()
    assert "place_order" in text
    for secret in ("ana.souza", "203.0.113.7", "R-20418: 3 items", "acme-pay", "Chrome 141"):
        assert secret not in text
    guest.close()
    desk.get_by_role("button", name="Stop sharing").click()
    expect(desk.get_by_role("status")).to_contain_text("no longer works")


def test_events_are_walked_and_searched(desk: Page, shop: Shop, checkout: str) -> None:
    desk.goto(shop.issue(checkout))
    first = desk.locator(".event-id > code").inner_text()
    desk.keyboard.press("j")
    desk.wait_for_url("**/events/*/**")
    assert desk.locator(".event-id > code").inner_text() != first
    desk.get_by_role("link", name="Oldest event").click()
    desk.wait_for_url("**/events/oldest/**")
    desk.get_by_role("link", name="All events", exact=True).click()
    desk.get_by_role("combobox", name="Search the events of this issue").fill("user.email:marta@example.pt")
    desk.keyboard.press("Enter")
    desk.wait_for_url("**query=**")
    for cell in desk.locator("tbody td[data-label=User]").all_inner_texts():
        assert cell == "marta@example.pt"


def test_a_picture_is_shown_where_it_is_attached(desk: Page, shop: Shop, checkout: str) -> None:
    desk.goto(f"{shop.issue(checkout).split('?')[0]}attachments/")
    preview = desk.get_by_role("img", name="Preview of screenshot.png")
    expect(preview).to_be_visible()
    assert preview.evaluate("async image => { await image.decode(); return image.naturalWidth }") == 320


def test_the_pictures_of_the_readme(desk: Page, shop: Shop, checkout: str) -> None:
    """``make pictures`` keeps what is photographed here."""
    folder = os.environ.get("DICTAMESH_PICTURES")
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for name, address in (("issues", shop.list), ("issue", shop.issue(checkout))):
        desk.goto(address)
        expect(desk.get_by_text("CheckoutError").first).to_be_visible()
        picture = desk.screenshot()
        assert f"docs/images/{name}.png" in readme
        if folder:
            Path(folder, f"{name}.png").write_bytes(picture)


def test_issues_are_merged_and_split_again(desk: Page, server: Server, shop: Shop) -> None:
    for number, place in ((2, "left"), (3, "right")):
        event = demo.simple("MergeError", "twice the same", f"{place}.py", place, 1, f"raise {place}")
        demo.send(shop.project["dsn"], {**event, "event_id": "e" * 31 + str(number)})
    server.eventually(lambda: len(server.issues(shop.project["slug"], "error.type:MergeError")) == 2)
    desk.goto(f"{shop.list}&query=error.type:MergeError")
    desk.get_by_role("checkbox", name="Select all issues on this page").check()
    desk.get_by_role("button", name="Merge").click()
    expect(desk.get_by_role("status")).to_contain_text("2 issues merged")
    server.eventually(lambda: len(server.issues(shop.project["slug"], "error.type:MergeError")) == 1)
    desk.get_by_role("link", name="MergeError").click()
    desk.get_by_role("link", name="Grouping & merged").click()
    boxes = desk.get_by_role("checkbox", name=re.compile("Select fingerprint"))
    expect(boxes).to_have_count(2)
    boxes.first.check()
    desk.get_by_role("button", name="Split the selected off").click()
    expect(desk.get_by_role("status")).to_contain_text("Split off as")


def test_delete_asks_first(desk: Page, server: Server, shop: Shop) -> None:
    event = demo.simple("DoomedError", "to be deleted", "doomed.py", "doomed", 1, "raise DoomedError")
    demo.send(shop.project["dsn"], {**event, "event_id": "d" * 31 + "4"})
    found = server.eventually(lambda: server.issues(shop.project["slug"], "error.type:DoomedError"))
    desk.goto(shop.issue(found[0]["id"]))
    desk.locator("summary[aria-label='More actions']").click()
    desk.get_by_role("link", name="Delete…").click()
    dialog = desk.get_by_role("dialog")
    expect(dialog).to_contain_text("This cannot be undone.")
    dialog.get_by_role("button", name="Delete").click()
    desk.wait_for_url("**/issues/")
    expect(desk.get_by_role("status")).to_contain_text("deleted")
    assert server.issues(shop.project["slug"], "error.type:DoomedError") == []


def test_core_works_without_scripts(chromium: Browser, server: Server, owner: Page, shop: Shop, checkout: str) -> None:
    context = chromium.new_context(
        base_url=server.url, java_script_enabled=False, storage_state=owner.context.storage_state()
    )
    page = context.new_page()
    page.goto(f"{shop.list}&query=error.type:TypeError")
    page.get_by_role("checkbox", name=re.compile("Select ISSUE")).check()
    page.locator("#bulk").get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("Issue resolved.")).to_be_visible()
    page.goto(shop.issue(checkout))
    page.locator("details.frame-group summary").first.click()
    expect(page.get_by_text("django/views/generic/base.py").first).to_be_visible()
    page.get_by_role("link", name="Assign").or_(page.locator("a[title=Owner]")).first.click()
    page.get_by_role("button", name="To me").click()
    expect(page.get_by_text("assigned to")).to_be_visible()
    page.locator("summary[aria-label='More actions']").click()
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_text("This cannot be undone.")).to_be_visible()
    page.get_by_role("link", name="Cancel").click()
    context.close()
