"""The page of a trace in a real browser, over traces that went through the real ingest."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import demo
from tests.browser.checks import MOST_ASSET_BYTES, MOST_SQL, asset_bytes, check_page, gzip_size, query_counts
from tests.browser.conftest import sign_in, watched_page
from tests.support import traces
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(300)]
LARGE = uuid.uuid4().hex
BLOCKS, STEPS = 12, 90


@dataclass
class Shown:
    """Addresses of traces."""

    list: str
    error: str
    large: str


def send_large(dsn: str) -> int:
    """A trace of several transactions, each called by the one before, that do one thing after the other."""
    start, parent = time.time() - 600, ""
    for block in range(BLOCKS):
        root = uuid.uuid4().hex[:16]
        spans = [
            {
                "trace_id": LARGE, "span_id": uuid.uuid4().hex[:16], "parent_span_id": root, "op": "function",
                "description": f"step {step} of block {block}", "start_timestamp": start + step / 100,
                "timestamp": start + (step + 1) / 100, "status": "ok",
            }
            for step in range(STEPS)
        ]  # fmt: skip
        transaction = {
            "event_id": uuid.uuid4().hex, "type": "transaction", "platform": "python", "transaction": f"block {block}",
            "transaction_info": {"source": "task"}, "start_timestamp": start, "timestamp": start + 2, "spans": spans,
            "contexts": {"trace": {
                "trace_id": LARGE, "span_id": root, "op": "task", "status": "ok",
                **({"parent_span_id": parent} if parent else {}),
            }},
        }  # fmt: skip
        traces.send(dsn, {"event_id": transaction["event_id"]}, [("transaction", transaction)])
        start, parent = start + 1, spans[5]["span_id"]
    return BLOCKS * (STEPS + 1)


@pytest.fixture(scope="module")
def shown(server: Server) -> Shown:
    projects = {name: server.create_project(f"waterfall {name}", kind) for name, kind in traces.SERVICES.items()}
    sent = demo.fill_traces({name: project["dsn"] for name, project in projects.items()}, share=0.3)
    count = send_large(projects[traces.WORKER]["dsn"])
    base = f"/organizations/{server.organization}"
    server.eventually(lambda: server.get(f"{base}/trace-meta/{LARGE}/?project=-1")["span_count"] >= count, seconds=60)
    failed = sent.traces["error"]
    server.eventually(lambda: server.get(f"{base}/trace-meta/{failed}/?project=-1")["errors"], seconds=60)
    return Shown(f"{base}/traces/", f"{base}/traces/{failed}/", f"{base}/traces/{LARGE}/")


@pytest.fixture(scope="module")
def owner(chromium: Browser, server: Server, account: Callable[[str], str], shown: Shown) -> Iterator[Page]:
    with watched_page(chromium, server.url) as page:
        sign_in(page, account("traces-owner"))
        yield page


@pytest.fixture
def desk(owner: Page) -> Page:
    owner.set_viewport_size({"width": 1440, "height": 900})
    owner.emulate_media(color_scheme="light", reduced_motion="reduce")
    return owner


def selected(page: Page) -> str:
    return page.locator(".trace-row.selected .trace-text").inner_text()


def test_the_pages_are_accessible(owner: Page, shown: Shown) -> None:
    check_page(owner, shown.list, "traces")
    check_page(owner, shown.error, "trace-error")
    check_page(owner, f"{shown.error}?q=status:error", "trace-panel")
    check_page(owner, shown.large, "trace-large")


def test_the_page_is_light(desk: Page, shown: Shown) -> None:
    with asset_bytes(desk) as paths:
        answer = desk.goto(shown.error)
    assert answer is not None
    assert query_counts(answer)["sql"] <= MOST_SQL
    assert sum(gzip_size(path) for path in paths if path.endswith((".css", ".js"))) <= MOST_ASSET_BYTES


def test_keys_move_open_and_close(desk: Page, shown: Shown) -> None:
    desk.goto(shown.error)
    desk.keyboard.press("ArrowDown")
    first = desk.locator("[data-trace-row]").first
    rows = desk.locator("[data-trace-row]").count()
    expect(first.locator("[data-trace-open]")).to_be_focused()
    desk.keyboard.press("ArrowLeft")
    expect(desk.locator("[data-trace-row]")).to_have_count(1)
    expect(first.locator("[data-trace-fold]")).to_have_attribute("aria-expanded", "false")
    desk.keyboard.press("ArrowRight")
    expect(desk.locator("[data-trace-row]")).to_have_count(rows)
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("Space")
    expect(desk.get_by_role("complementary", name="Selected span")).to_be_visible()
    assert "node=" in desk.url
    desk.keyboard.press("Escape")
    expect(desk.get_by_role("complementary", name="Selected span")).to_have_count(0)
    desk.go_back()
    expect(desk.get_by_role("complementary", name="Selected span")).to_be_visible()


def test_the_error_is_on_its_span(desk: Page, shown: Shown) -> None:
    desk.goto(shown.error)
    row = desk.locator(".trace-row:has(.badge.red)").first
    row.locator("[data-trace-open]").click()
    panel = desk.get_by_role("complementary", name="Selected span")
    expect(panel.get_by_role("heading", name="Issues")).to_be_visible()
    panel.locator("a[href*='/issues/']").first.click()
    expect(desk.get_by_role("heading", level=1)).to_contain_text("CheckoutError")
    desk.get_by_role("link", name=re.compile("^Trace [0-9a-f]{8}")).click()
    expect(desk.locator(".trace-row.selected")).to_have_count(1)


def test_search_goes_from_match_to_match(desk: Page, shown: Shown) -> None:
    desk.goto(shown.large)
    desk.keyboard.press("/")
    desk.keyboard.type('"step 7 of"')
    desk.keyboard.press("Enter")
    status = desk.get_by_role("status").filter(has_text=" of ")
    expect(status).to_have_text(f"1 of {BLOCKS}")
    # Down the tree: what is called in step 5 comes before step 7 of its caller.
    assert selected(desk) == f"step 7 of block {BLOCKS - 1}"
    desk.locator(".trace-row.selected [data-trace-open]").focus()
    desk.keyboard.press("n")
    expect(status).to_have_text(f"2 of {BLOCKS}")
    assert selected(desk) == f"step 7 of block {BLOCKS - 2}"
    desk.keyboard.press("p")
    expect(status).to_have_text(f"1 of {BLOCKS}")
    desk.locator("[data-trace-search]").fill("nothing:like:this(")
    desk.keyboard.press("Enter")
    expect(desk.locator("#trace-problem")).to_be_visible()


def test_rows_come_as_one_scrolls(desk: Page, shown: Shown) -> None:
    desk.goto(shown.large)
    desk.locator("[data-trace-fold]").first.wait_for()
    while (closed := desk.locator("[data-trace-fold][aria-expanded=false]")).count():
        before = closed.count()
        closed.first.click()
        expect(closed).not_to_have_count(before)
        if desk.locator("[data-trace-row]").count() > 150:
            break
    total = int(desk.locator(".trace-table").get_attribute("aria-rowcount") or 0)
    for _ in range(total // 100 + 5):
        if not desk.locator("[data-trace-after]").count():
            break
        desk.evaluate("scrollTo(0, document.body.scrollHeight)")
        desk.wait_for_timeout(300)
    names = desk.locator("[data-trace-row]").evaluate_all("rows => rows.map((row) => row.id)")
    assert len(names) == len(set(names))
    expect(desk.locator("[data-trace-after]")).to_have_count(0)


def test_without_scripts_links_do_the_same(chromium: Browser, server: Server, desk: Page, shown: Shown) -> None:
    context = chromium.new_context(
        base_url=server.url, java_script_enabled=False, storage_state=desk.context.storage_state()
    )
    page = context.new_page()
    page.goto(shown.error)
    rows = page.locator("[data-trace-row]").count()
    page.locator("[data-trace-fold]").first.click()
    assert page.locator("[data-trace-row]").count() == 1
    page.locator("[data-trace-fold]").first.click()
    assert page.locator("[data-trace-row]").count() == rows
    page.locator("[data-trace-open]").nth(1).click()
    assert page.get_by_role("complementary", name="Selected span").is_visible()
    context.close()
