"""The spans explorer in a real browser, over transactions that went through the real ingest."""

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
ROUTES = ("/checkout/", "/cart/", "/orders/<id>/", "/search/")
QUERIES = (
    ("db.sql.query", "SELECT id, total FROM orders WHERE user_id = 42", {"db.system": "postgresql"}),
    ("db.sql.query", "UPDATE stock SET items = items - 1 WHERE sku = 'MUG-1'", {"db.system": "postgresql"}),
    ("http.client", "GET https://pay.example.com/v2/charges", {"http.request.method": "GET"}),
    ("cache.get", "cart:42", {"cache.hit": True, "cache.key": ["cart:42"]}),
)


def _transaction(rng: random.Random, start: float) -> dict[str, Any]:
    trace, root = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    spans, at = [], start
    for op, description, data in rng.sample(QUERIES, k=3):
        took = rng.lognormvariate(-4, 0.8)
        spans.append({
            "trace_id": trace, "span_id": uuid.uuid4().hex[:16], "parent_span_id": root, "op": op, "data": data,
            "description": description, "start_timestamp": at, "timestamp": at + took,
            "status": rng.choice(["ok", "ok", "ok", "internal_error"]),
        })  # fmt: skip
        at += took
    return {
        "event_id": uuid.uuid4().hex, "type": "transaction", "platform": "python", "transaction": rng.choice(ROUTES),
        "transaction_info": {"source": "route"}, "start_timestamp": start, "timestamp": at + 0.01, "spans": spans,
        "environment": "production", "release": "shop@3.14.2", "tags": {"plan": rng.choice(["free", "pro"])},
        "contexts": {"trace": {"trace_id": trace, "span_id": root, "op": "http.server", "status": "ok"}},
    }  # fmt: skip


def send_transactions(dsn: str, count: int) -> None:
    """Transactions of the last two days, each in an envelope."""
    rng, parts = random.Random(5), urlsplit(dsn)
    url = f"{parts.scheme}://{parts.hostname}:{parts.port}/api{parts.path}/envelope/"
    for _ in range(count):
        event = _transaction(rng, time.time() - rng.uniform(60, 2 * 86400))
        lines = [{"event_id": event["event_id"]}, {"type": "transaction"}, event]
        body = "\n".join(json.dumps(line) for line in lines).encode()
        headers = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={parts.username}"}
        urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10).close()


@pytest.fixture(scope="module")
def address(server: Server) -> str:
    project = server.create_project("Explored", "python-django")
    send_transactions(project["dsn"], 60)
    count = f"/organizations/{server.organization}/events-meta/?dataset=spans&project={project['id']}"
    server.eventually(lambda: server.get(count)["count"] >= 240, seconds=60)
    return f"/organizations/{server.organization}/explore/spans/?project={project['id']}&statsPeriod=7d"


@pytest.fixture(scope="module")
def owner(chromium: Browser, server: Server, account: Callable[[str], str], address: str) -> Iterator[Page]:
    with watched_page(chromium, server.url) as page:
        sign_in(page, account("explore-owner"))
        yield page


AGGREGATES = "&mode=aggregates&groupBy=span.op&groupBy=plan&aggregate=count()&aggregate=p95(span.duration)"


def test_samples_and_aggregates_are_accessible(owner: Page, address: str) -> None:
    check_page(owner, f"{address}&field=span.status", "explore-samples")
    check_page(owner, f"{address}{AGGREGATES}&aggregate=failure_rate()&chart=p95(span.duration)", "explore-aggregates")
    check_page(owner, f"{address}&query=span.op:nothing", "explore-empty")


def test_pages_are_light(owner: Page, address: str) -> None:
    with asset_bytes(owner) as paths:
        answer = owner.goto(f"{address}{AGGREGATES}")
    assert answer is not None
    assert query_counts(answer)["sql"] <= MOST_SQL
    assert sum(gzip_size(path) for path in paths if path.endswith((".css", ".js"))) <= MOST_ASSET_BYTES


def test_a_question_is_put_together_by_hand_and_saved(owner: Page, address: str) -> None:
    owner.set_viewport_size({"width": 1440, "height": 900})
    owner.goto(address)
    owner.get_by_role("link", name="Aggregates", exact=True).click()
    group = owner.get_by_label("Group by a field or attribute")
    group.fill("span.o")
    owner.get_by_role("option", name="span.op").first.click()
    owner.get_by_role("button", name="Group", exact=True).click()
    table = owner.get_by_role("region", name="Groups").get_by_role("table")
    expect(table).to_contain_text("db.sql.query")
    owner.get_by_label("Function").select_option("p95")
    owner.get_by_role("button", name="Figure", exact=True).click()
    expect(table.get_by_role("link", name="p95(span.duration)")).to_be_visible()
    search = owner.get_by_label("Search spans")
    search.fill("span.op:htt")
    owner.get_by_role("option", name="http.client").click()
    search.press("Enter")
    expect(table).not_to_contain_text("db.sql.query")
    owner.locator("summary[aria-label='Saved queries']").click()
    owner.get_by_role("link", name="Save this query").click()
    owner.get_by_label("Name").fill("Outgoing calls")
    owner.get_by_role("button", name="Save", exact=True).click()
    owner.goto(address)
    owner.locator("summary[aria-label='Saved queries']").click()
    owner.get_by_role("link", name="Outgoing calls").click()
    expect(table).to_contain_text("http.client")
    expect(search).to_have_value("span.op:http.client")
    table.get_by_role("link", name="Samples").first.click()
    expect(owner.get_by_role("region", name="Spans").get_by_role("table")).to_contain_text("pay.example.com")
