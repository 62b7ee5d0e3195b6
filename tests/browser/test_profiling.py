"""The profiling pages in a real browser, over profiles that went through the real ingest."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.checks import MOST_ASSET_BYTES, MOST_SQL, asset_bytes, check_page, gzip_size, query_counts
from tests.browser.conftest import sign_in, watched_page
from tests.support import traces
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(300)]
PROFILER = uuid.uuid4().hex
PATHS = (
    ("shop.app.dispatch", "shop.views.checkout", "shop.models.load_cart", "django.db.execute", "psycopg.wait"),
    ("shop.app.dispatch", "shop.views.checkout", "shop.models.load_cart", "django.db.execute", "psycopg.fetch"),
    ("shop.app.dispatch", "shop.views.checkout", "shop.prices.total", "shop.prices.discount", "decimal.quantize"),
    ("shop.app.dispatch", "shop.views.checkout", "shop.prices.total", "shop.prices.tax"),
    ("shop.app.dispatch", "shop.views.checkout", "jinja2.render", "jinja2.compile", "jinja2.lex"),
    ("shop.app.dispatch", "shop.middleware.session", "redis.get"),
)


@dataclass
class Shown:
    """Addresses of the pages."""

    home: str
    profile: str
    span: str
    continuous: str
    aggregate: str


def sampled(seed: int, count: int, *, start: float | None = None) -> dict[str, Any]:
    """A main thread that takes its paths in turns, and one that waits. ``start``: epoch seconds, for version 2."""
    names = sorted({name for path in PATHS for name in path})
    frames = [
        {
            "function": name.rpartition(".")[2], "module": name.rpartition(".")[0], "lineno": 10 + position,
            "filename": f"{name.rpartition('.')[0].replace('.', '/')}.py", "in_app": name.startswith("shop"),
        }
        for position, name in enumerate(names)
    ]  # fmt: skip
    dice, path, samples = random.Random(seed), 0, []
    for tick in range(count):
        path = dice.randrange(len(PATHS)) if dice.random() < 0.2 else path
        for thread, stack in (("1", path), ("2", len(PATHS))):
            when = {"elapsed_since_start_ns": tick * 10_000_000} if start is None else {"timestamp": start + tick / 100}
            samples.append({"thread_id": thread, "stack_id": stack, **when})
    stacks = [[names.index(name) for name in reversed(path)] for path in PATHS]
    return {
        "frames": [*frames, {"function": "wait", "module": "threading", "in_app": False}],
        "stacks": [*stacks, [len(frames)]],
        "samples": samples,
        "thread_metadata": {"1": {"name": "MainThread"}, "2": {"name": "reporter"}},
    }


def send(dsn: str, number: int) -> tuple[str, str]:
    """A transaction of a second with its profile; their ids."""
    event, profile, trace, span = uuid.uuid4().hex, uuid.uuid4().hex, uuid.uuid4().hex, uuid.uuid4().hex[:16]
    start = time.time() - 300 * (number + 1)
    inner = uuid.uuid4().hex[:16]
    transaction = {
        "event_id": event, "type": "transaction", "platform": "python", "transaction": "/checkout",
        "transaction_info": {"source": "route"}, "start_timestamp": start, "timestamp": start + 1,
        "contexts": {
            "trace": {"trace_id": trace, "span_id": span, "op": "http.server", "status": "ok"},
            "profile": {"profile_id": profile},
        },
        "spans": [{
            "trace_id": trace, "span_id": inner, "parent_span_id": span, "op": "db", "description": "SELECT cart",
            "start_timestamp": start + 0.3, "timestamp": start + 0.5, "status": "ok",
        }],
    }  # fmt: skip
    sent = {
        "version": "1", "event_id": profile, "platform": "python", "timestamp": start, "release": "shop@1.0",
        "os": {"name": "Linux", "version": "6.1"}, "runtime": {"name": "CPython", "version": "3.11"},
        "device": {"architecture": "x86_64"}, "profile": sampled(number, 101),
        "transaction": {"id": event, "name": "/checkout", "trace_id": trace, "active_thread_id": "1"},
    }  # fmt: skip
    traces.send(dsn, {"event_id": event}, [("transaction", transaction), ("profile", sent)])
    return profile, inner


def send_chunk(dsn: str, number: int) -> None:
    start = time.time() - 60 + 3 * number
    sent = {
        "version": "2", "profiler_id": PROFILER, "chunk_id": uuid.uuid4().hex, "platform": "python",
        "client_sdk": {"name": "sentry.python", "version": "2.75.0"}, "profile": sampled(number, 300, start=start),
    }  # fmt: skip
    traces.send(dsn, {}, [("profile_chunk", sent)])


@pytest.fixture(scope="module")
def shown(server: Server) -> Shown:
    project = server.create_project("profiled", "python")
    profiles = [send(project["dsn"], number) for number in range(6)]
    for number in range(3):
        send_chunk(project["dsn"], number)
    api = f"/organizations/{server.organization}/profiling"
    server.eventually(
        lambda: server.get(f"{api}/flamegraph/?project={project['slug']}")["metadata"]["profilesAvailable"] == 9,
        seconds=60,
    )
    identifier, span = profiles[0]
    page = f"{api}/profile/{project['slug']}/{identifier}/"
    return Shown(
        f"{api}/", page, f"{page}?span={span}", f"{api}/profile/{project['slug']}/{PROFILER}/",
        f"{api}/flamegraph/?project={project['slug']}&transaction=/checkout",
    )  # fmt: skip


@pytest.fixture(scope="module")
def owner(chromium: Browser, server: Server, account: Callable[[str], str], shown: Shown) -> Iterator[Page]:
    with watched_page(chromium, server.url) as page:
        sign_in(page, account("profiling-owner"))
        yield page


@pytest.fixture
def desk(owner: Page) -> Page:
    owner.set_viewport_size({"width": 1440, "height": 900})
    owner.emulate_media(color_scheme="light", reduced_motion="reduce")
    return owner


def width_of(page: Page, name: str) -> float:
    """How wide the first box of a function is on the screen."""
    box = page.locator(".flame a", has=page.locator("title", has_text=f"{name} ·")).first.locator("rect").bounding_box()
    assert box is not None
    return box["width"]


def test_the_pages_are_accessible(owner: Page, shown: Shown) -> None:
    check_page(owner, shown.home, "profiling")
    check_page(owner, shown.profile, "profile")
    check_page(owner, shown.span, "profile-span")
    check_page(owner, f"{shown.profile}?view=tree&q=shop", "profile-search")
    check_page(owner, shown.continuous, "profile-continuous")
    check_page(owner, shown.aggregate, "flamegraph")


def test_the_pages_are_light(desk: Page, shown: Shown) -> None:
    for address in (shown.home, shown.profile, shown.aggregate):
        with asset_bytes(desk) as paths:
            answer = desk.goto(address)
        assert answer is not None
        assert query_counts(answer)["sql"] <= MOST_SQL
        assert sum(gzip_size(path) for path in paths if path.endswith((".css", ".js"))) <= MOST_ASSET_BYTES


def test_a_click_zooms_and_going_back_returns(desk: Page, shown: Shown) -> None:
    desk.goto(f"{shown.profile}?view=tree")
    before = width_of(desk, "load_cart")
    whole = width_of(desk, "dispatch")
    desk.evaluate("window.same = true")
    desk.locator(".flame a", has=desk.locator("title", has_text="load_cart ·")).first.click()
    expect(desk.locator("[data-flame-reset]")).to_be_visible()
    assert "from=" in desk.url
    assert before < width_of(desk, "load_cart") == pytest.approx(whole, abs=1)
    desk.go_back()
    expect(desk.locator("[data-flame-reset]")).to_have_count(0)
    assert width_of(desk, "load_cart") == pytest.approx(before, abs=1)
    assert desk.evaluate("window.same") is True


def test_keys_move_zoom_and_reset(desk: Page, shown: Shown) -> None:
    desk.goto(f"{shown.profile}?view=tree")
    first = desk.locator(".flame a[tabindex='0']")
    first.focus()
    desk.keyboard.press("ArrowDown")
    expect(desk.locator(".flame a:focus title")).to_contain_text("checkout ·")
    expect(desk.locator("[data-flame-said]")).to_contain_text("checkout · shop.views")
    desk.keyboard.press("ArrowDown")
    desk.keyboard.press("ArrowRight")
    named = desk.locator(".flame a:focus title").text_content()
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-flame-reset]")).to_be_visible()
    assert (desk.locator(".flame a:focus title").text_content() or "").split(" ·")[0] == (named or "").split(" ·")[0]
    desk.keyboard.press("Escape")
    expect(desk.locator("[data-flame-reset]")).to_have_count(0)


def test_typing_marks_matches_at_once(desk: Page, shown: Shown) -> None:
    desk.goto(shown.profile)
    desk.locator("[data-flame-search]").fill("psycopg")
    expect(desk.locator(".flame[data-searched]")).to_have_count(1)
    titles = desk.locator(".flame a.match title").all_text_contents()
    assert titles
    assert all("psycopg" in title for title in titles)


def test_a_function_of_the_table_opens_between_its_callers_and_callees(desk: Page, shown: Shown) -> None:
    desk.goto(shown.aggregate)
    desk.locator(".function-name a", has_text="execute").click()
    expect(desk.get_by_role("heading", name="Callers")).to_be_visible()
    expect(desk.locator(".flame").first.locator("title", has_text="load_cart ·")).to_have_count(1)
    expect(desk.locator(".flame").last.locator("title", has_text="wait ·")).to_have_count(1)


def test_everything_works_without_scripts(chromium: Browser, server: Server, desk: Page, shown: Shown) -> None:
    context = chromium.new_context(
        base_url=server.url, java_script_enabled=False, storage_state=desk.context.storage_state()
    )
    page = context.new_page()
    page.goto(f"{shown.profile}?view=tree")
    page.locator(".flame a", has=page.locator("title", has_text="load_cart ·")).first.click()
    expect(page.locator("[data-flame-reset]")).to_be_visible()
    context.close()
