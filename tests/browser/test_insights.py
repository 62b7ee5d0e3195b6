"""Every insights page with figures of transactions that were really sent: accessible, fitting, and leading on."""

from __future__ import annotations

import json
import random
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.checks import MOST_ASSET_BYTES, MOST_SQL, asset_bytes, check_page, gzip_size, query_counts
from tests.browser.conftest import sign_in, watched_page
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.server, pytest.mark.timeout(300)]
STATEMENTS = (
    'SELECT "carts"."id", "carts"."owner" FROM "carts" LEFT JOIN "users" ON "users"."id" = "carts"."owner" '
    'WHERE "carts"."id" = 4711 AND "users"."mail" = \'ana@example.com\' ORDER BY "carts"."id" LIMIT 21',
    'UPDATE "stock" SET "left" = 3 WHERE "sku" = \'MUG-1\'',
    'INSERT INTO "orders" ("number", "total") VALUES (20418, 149.90)',
)
PAGES = (
    "", "databases/", "http/", "http/domain/?domain=pay.example.com", "caches/", "caches/?by=prefix",
    "caches/?prefix=user", "queues/", "queues/destination/?destination=mails", "vitals/",
    "vitals/page/?transaction=/product/:slug", "vitals/page/?transaction=/product/:slug&vital=cls", "mobile/",
    "mobile/?by=release", "mobile/screen/?transaction=MainActivity", "queues/?system=none",
)  # fmt: skip


def _span(start: float, op: str, description: str, seconds: float, **data: Any) -> dict[str, Any]:
    return {
        "span_id": uuid.uuid4().hex[:16], "op": op, "description": description, "start_timestamp": start,
        "timestamp": start + seconds, "status": data.pop("status", "ok"), "data": data,
    }  # fmt: skip


def _transaction(name: str, op: str, at: float, seconds: float, **more: Any) -> dict[str, Any]:
    trace = {"trace_id": uuid.uuid4().hex, "span_id": uuid.uuid4().hex[:16], "op": op, "status": "ok"}
    contexts = {**more.pop("contexts", {}), "trace": trace}
    spans = [
        {**span, "trace_id": trace["trace_id"], "parent_span_id": trace["span_id"]} for span in more.pop("spans", [])
    ]
    return {
        "type": "transaction", "event_id": uuid.uuid4().hex, "transaction": name,
        "transaction_info": {"source": "route"}, "start_timestamp": at, "timestamp": at + seconds,
        "contexts": contexts, "spans": spans, "environment": "production", "release": "shop@3.14.2", **more,
    }  # fmt: skip


def transactions() -> Iterator[dict[str, Any]]:
    """What a shop's server, worker, website and app report in a day."""
    rnd = random.Random(1)
    for _ in range(60):
        at = time.time() - rnd.uniform(60, 80_000)
        spans = [_span(at, "db", text, rnd.uniform(0.001, 0.2), **{"db.system": "postgresql"}) for text in STATEMENTS]
        hit = rnd.random() < 0.7
        size = {"cache.item_size": rnd.randrange(200, 9000)} if hit else {}
        spans.append(_span(at, "cache.get", f"user:{rnd.randrange(99)}", 0.002, **{"cache.hit": hit}, **size))
        code = rnd.choice([200, 200, 200, 404, 502])
        failed = {"status": "internal_error"} if code == 502 else {}
        spans.append(
            _span(at, "http.client", "POST https://pay.example.com/v2/charges", rnd.uniform(0.05, 2),
                  **{"http.response.status_code": code, "http.request.method": "POST"}, **failed)
        )  # fmt: skip
        mails = {"messaging.destination.name": "mails", "messaging.system": "celery"}
        spans.append(_span(at, "queue.publish", "mails", 0.003, **mails))
        yield _transaction(rnd.choice(["/checkout", "/cart"]), "http.server", at, 2.5, platform="python", spans=spans)
        work = _span(
            at, "queue.process", "mails", 0.4, **mails, **{"messaging.message.receive.latency": rnd.uniform(5, 900)}
        )
        yield _transaction("send_mail", "queue.task.celery", at, 0.5, platform="python", spans=[work])
        vitals = {"lcp": rnd.uniform(900, 5000), "fcp": rnd.uniform(500, 3500), "ttfb": rnd.uniform(100, 2000)}
        measured = {name: {"value": value, "unit": "millisecond"} for name, value in vitals.items()}
        measured["cls"] = {"value": rnd.choice([0, rnd.uniform(0, 0.4)]), "unit": ""}
        yield _transaction(
            rnd.choice(["/product/:slug", "/"]), "pageload", at, 3.0, platform="javascript", measurements=measured,
            contexts={"browser": {"name": rnd.choice(["Firefox", "Chrome"]), "version": "144"}},
        )  # fmt: skip
        app = {"app_start_cold": rnd.uniform(300, 3000), "time_to_initial_display": rnd.uniform(100, 900)}
        started = {name: {"value": value, "unit": "millisecond"} for name, value in app.items()}
        frames = {"frames_total": 300, "frames_slow": rnd.randrange(20), "frames_frozen": rnd.randrange(3)}
        started |= {name: {"value": value, "unit": ""} for name, value in frames.items()}
        yield _transaction(
            rnd.choice(["MainActivity", "CartActivity"]), "ui.load", at, 1.0, platform="java", measurements=started,
            contexts={"os": {"name": "Android", "version": "16"}}, tags={"device.class": rnd.choice("123")},
            release=rnd.choice(["app@7.0.0", "app@7.1.0"]),
        )  # fmt: skip


def _send(dsn: str, event: dict[str, Any]) -> None:
    parts = urlsplit(dsn)
    body = "\n".join([json.dumps({"event_id": event["event_id"]}), '{"type": "transaction"}', json.dumps(event)])
    address = f"{parts.scheme}://{parts.hostname}:{parts.port}/api{parts.path}/envelope/?sentry_key={parts.username}"
    urllib.request.urlopen(urllib.request.Request(address, body.encode(), method="POST"), timeout=10).close()


@pytest.fixture(scope="module")
def insights(server: Server) -> str:
    """The address of the insights of a project that has everything."""
    project = server.create_project("Insights", "python")
    sent = 0
    for event in transactions():
        _send(project["dsn"], event)
        sent += 1
    counted = f"/organizations/{server.organization}/events/?dataset=transactions&field=count()&statsPeriod=24h"
    server.eventually(
        lambda: server.get(f"{counted}&project={project['id']}")["data"][0]["count()"] >= sent, seconds=60
    )
    return f"/organizations/{server.organization}/insights/{{path}}project={project['id']}&statsPeriod=24h"


@pytest.fixture(scope="module")
def owner(chromium: Browser, server: Server, account: Callable[[str], str]) -> Iterator[Page]:
    """A page of a signed-in owner."""
    with watched_page(chromium, server.url) as page:
        sign_in(page, account("insights"))
        yield page


def _address(insights: str, path: str) -> str:
    return insights.format(path=f"{path}{'&' if '?' in path else '?'}")


@pytest.mark.parametrize("path", PAGES)
def test_page_is_accessible_everywhere(owner: Page, insights: str, path: str) -> None:
    name = path.replace("/", "_").replace("?", "_").replace("=", "_").replace(":", "").replace("&", "_")
    check_page(owner, _address(insights, path), f"insights_{name}")


def test_pages_are_light(owner: Page, insights: str) -> None:
    for path in PAGES[1:]:
        with asset_bytes(owner) as paths:
            response = owner.goto(_address(insights, path))
        assert response is not None
        assert query_counts(response)["sql"] <= MOST_SQL
        assert sum(gzip_size(one) for one in paths if one.endswith((".css", ".js"))) <= MOST_ASSET_BYTES


def test_from_the_overview_to_a_trace(owner: Page, insights: str) -> None:
    owner.set_viewport_size({"width": 1440, "height": 900})
    owner.goto(_address(insights, ""))
    card = owner.get_by_role("listitem").filter(has=owner.get_by_role("heading", name="Databases"))
    expect(card.get_by_text("/min")).to_be_visible()
    card.get_by_role("link", name="Databases").click()
    expect(owner.locator("tbody tr")).not_to_have_count(0)
    owner.get_by_role("link", name="p95").click()
    expect(owner.get_by_role("columnheader", name="p95")).to_have_attribute("aria-sort", "descending")
    owner.get_by_role("link", name="FROM carts").first.click()
    expect(owner.locator(".code .k").first).to_be_visible()
    expect(owner.get_by_role("rowheader", name="/checkout")).to_be_visible()
    check_page(owner, owner.url, "insights_query")
    owner.get_by_role("region", name="Examples").get_by_role("link").first.click()
    owner.wait_for_url("**/traces/**")
    expect(owner.get_by_role("heading", level=1)).to_be_visible()


def test_choosing_a_browser_keeps_the_page(owner: Page, insights: str) -> None:
    owner.goto(_address(insights, "vitals/page/?transaction=/product/:slug"))
    owner.get_by_label("Browser").select_option("Firefox")
    owner.wait_for_url("**browser=Firefox**")
    expect(owner.get_by_role("heading", level=1)).to_have_text("/product/:slug")
