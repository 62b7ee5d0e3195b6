"""The loader script and the crash-report dialog in a real browser, on a page with a strict policy, with a stand-in SDK."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, Route, sync_playwright

from tests.edge.conftest import EVENT_ID, KEY, PROJECT, Edge
from tests.support.requirements import require

pytestmark = pytest.mark.browser
SITE = "https://shop.example"
SENTRY = "https://sentry.example.com"
POLICY = f"default-src 'none'; script-src 'nonce-x' {SENTRY}; connect-src {SENTRY}; style-src 'none'"

# Like the real bundles, it fills the object that is already there.
BUNDLE = """
(function (S) {
  window.sent = [];
  S.SDK_VERSION = "9.0.0";
  S.init = function (options) { window.sent.push(["init", options.dsn, options.release || null]); };
  ["captureException", "captureMessage", "setTag"].forEach(function (name) {
    S[name] = function (value) { window.sent.push([name, value && value.message ? value.message : String(value)]); };
  });
})(window.Sentry);
"""


@pytest.fixture
def page(edge: Edge) -> Iterator[Page]:
    """Ends before the edge does: while it lives, no other event loop can run in this thread."""
    executable = require("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = browser.new_page()
        yield page
        browser.close()


def serve(page: Page, edge: Edge, body: str) -> list[tuple[str, str]]:
    """Answer the page's requests: its own document, ours through the edge, the bundle by the stand-in."""
    asked: list[tuple[str, str]] = []
    beside = ThreadPoolExecutor(1)

    def answer(route: Route, request: Request) -> None:
        asked.append((request.method, request.url))
        if request.url.startswith(SITE):
            headers = {"content-security-policy": POLICY, "content-type": "text/html; charset=utf-8"}
            document = f"<!doctype html><html lang=en><title>Shop</title><main><h1>Shop</h1>{body}</main></html>"
            route.fulfill(status=200, headers=headers, body=document)
        elif "/js-sdk/" in request.url:
            route.fulfill(
                status=200, headers={"access-control-allow-origin": "*", "content-type": "text/javascript"}, body=BUNDLE
            )
        else:
            path, sent = request.url.removeprefix(SENTRY), request.post_data_buffer or b""
            found = beside.submit(edge.request, request.method, path, sent, {"Origin": SITE}).result(timeout=10)
            route.fulfill(status=found.status, headers=found.headers, body=found.body)

    page.route("**/*", answer)
    page.goto(SITE)
    return asked


def loader_tag(extra: str = "") -> str:
    return f'<script src="{SENTRY}/js-sdk-loader/{KEY}.min.js" crossorigin="anonymous" {extra}></script>'


def wait_for_calls(page: Page, count: int) -> None:
    """Until the stand-in SDK was called so often. Playwright's own waiting needs ``eval``, which the policy forbids."""
    for _ in range(100):
        if page.evaluate("() => (window.sent || []).length") >= count:
            return
        page.wait_for_timeout(50)
    raise AssertionError(page.evaluate("() => window.sent"))


def test_nothing_is_loaded_until_something_happens(page: Page, edge: Edge) -> None:
    script = "<script nonce=x>Sentry.onLoad(function () { Sentry.init({release: 'r1'}); });</script>"
    asked = serve(page, edge, loader_tag() + script)
    page.wait_for_timeout(300)
    assert not any("/js-sdk/" in url for _, url in asked)
    page.evaluate("setTimeout(function () { throw new Error('early'); })")
    wait_for_calls(page, 2)
    dsn = f"https://{KEY}@sentry.example.com/{PROJECT}"
    assert page.evaluate("window.sent") == [["init", dsn, "r1"], ["captureException", "early"]]


def test_calls_before_the_sdk_are_kept_in_order(page: Page, edge: Edge) -> None:
    script = "<script nonce=x>Sentry.setTag('a'); Sentry.captureMessage('hello');</script>"
    serve(page, edge, loader_tag() + script)
    wait_for_calls(page, 3)
    assert [entry[0] for entry in page.evaluate("window.sent")] == ["init", "setTag", "captureMessage"]


def test_it_can_be_told_to_load_at_once(page: Page, edge: Edge) -> None:
    serve(page, edge, loader_tag('data-lazy="no"'))
    wait_for_calls(page, 1)


def open_dialog(page: Page, edge: Edge, **more: str) -> None:
    serve(page, edge, "<button id=before>before</button>")
    page.focus("#before")
    query = urlencode({"dsn": f"https://{KEY}@sentry.example.com/{PROJECT}", "eventId": EVENT_ID, **more})
    page.evaluate(
        """url => { const s = document.createElement("script"); s.src = url; document.head.append(s); }""",
        f"{SENTRY}/api/embed/error-page/?{query}",
    )
    page.get_by_role("dialog").wait_for()


def test_the_dialog_sends_a_report(page: Page, edge: Edge) -> None:
    open_dialog(page, edge, name="Ann", title="<b>Broken</b>")
    assert page.get_by_role("heading", name="<b>Broken</b>").is_visible()  # text, not markup
    assert page.evaluate("getComputedStyle(document.querySelector('.sentry-error-embed-wrapper').shadowRoot"
                         ".querySelector('.backdrop')).position") == "fixed"  # fmt: skip
    page.get_by_label("Email").fill("not an address")
    page.get_by_label("What happened?").fill("I clicked")
    page.get_by_role("button", name="Send report").click()
    page.get_by_text("Enter a valid email address.").wait_for()
    assert page.get_by_label("Email").get_attribute("aria-invalid") == "true"
    page.get_by_label("Email").fill("ann@example.com")
    page.get_by_role("button", name="Send report").click()
    page.get_by_text("Your report was sent. Thank you!").wait_for()
    [stored] = edge.envelopes()
    assert stored.event_id == EVENT_ID
    assert b'"comments":"I clicked"' in stored.items[0].payload
    page.get_by_role("button", name="Close").click()
    assert page.get_by_role("dialog").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dialog_is_accessible_and_operable_by_keyboard(page: Page, edge: Edge, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": 390, "height": 640})
    page.add_init_script(path=_axe_file())
    open_dialog(page, edge)
    found = Axe().run(page, options={"runOnly": ["wcag2a", "wcag2aa"]})
    assert found.response["violations"] == []
    order = []
    for _ in range(6):
        order.append(page.evaluate(
            "document.querySelector('.sentry-error-embed-wrapper').shadowRoot.activeElement?.tagName || 'outside'"
        ))  # fmt: skip
        page.keyboard.press("Tab")
    assert order == ["INPUT", "INPUT", "TEXTAREA", "BUTTON", "BUTTON", "INPUT"]
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    assert page.evaluate("document.activeElement.id") == "before"


def _axe_file() -> str:
    from axe_playwright_python.base import AXE_FILE_PATH

    return str(AXE_FILE_PATH)


def test_a_report_of_a_page_that_may_not_send_is_refused(edge: Edge) -> None:
    edge.configure(allowed_origins=("https://other.example",))
    query = urlencode({"dsn": f"https://{KEY}@sentry.example.com/{PROJECT}", "eventId": EVENT_ID})
    answer = edge.request("POST", f"/api/embed/error-page/?{query}", b"name=a", {"Origin": SITE})
    assert answer.status == 403
