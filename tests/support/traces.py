"""A believable shop's traces, sent through the real ingest: a storefront, its server and a worker over two weeks.

A visit is one trace: the page loads, calls the server, which asks a database, a cache and others, and hands work to the worker. The
cart has an N+1; the search is slow since release 3.15.0; some orders fail, with an error in the same trace; some requests of the server
are profiled. Deterministic but for the clock.
"""

from __future__ import annotations

import json
import random
import time
import urllib.request
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

DAY = 86_400
STOREFRONT, SHOP, WORKER = "storefront", "shop", "worker"
SERVICES = {STOREFRONT: "javascript-react", SHOP: "python-django", WORKER: "python-celery"}
SLOW_SINCE_DAYS = 4
Item = tuple[str, dict[str, Any]]
#: What tells of a failed order: an event at a moment; it is given the trace.
Failure = Callable[[float, random.Random], dict[str, Any]]

_VISITORS = [("1001", "ana.souza@example.com", "BR"), ("1002", "li.wei@example.cn", "CN"), ("1003", "marta@example.pt", "PT"),
             ("1004", "jonas.berg@example.se", "SE"), ("1005", "priya@example.in", "IN")]  # fmt: skip
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)


class Place(NamedTuple):
    """A page of the shop, what its server does for it, and how often it is visited."""

    page: str
    method: str
    route: str
    share: int


PLACES = (
    Place("/", "GET", "/api/offers/", 30),
    Place("/product/:slug", "GET", "/api/products/{slug}/", 34),
    Place("/search", "GET", "/api/search/", 18),
    Place("/cart", "GET", "/api/cart/", 12),
    Place("/checkout", "POST", "/api/checkout/", 10),
)


@dataclass
class Sent:
    """What was sent: trace ids by what is to be seen in them, and the number of transactions and spans by service."""

    traces: dict[str, str] = field(default_factory=dict)
    transactions: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERVICES, 0))
    spans: dict[str, int] = field(default_factory=lambda: dict.fromkeys(SERVICES, 0))
    errors: int = 0
    profiles: int = 0


def send(dsn: str, header: dict[str, Any], items: Sequence[Item]) -> None:
    """One envelope of JSON items."""
    parts = urlsplit(dsn)
    lines = [json.dumps({"dsn": dsn, **header}).encode()]
    for kind, content in items:
        payload = json.dumps(content).encode()
        lines += [json.dumps({"type": kind, "length": len(payload)}).encode(), payload]
    request = urllib.request.Request(
        f"{parts.scheme}://{parts.hostname}:{parts.port}/api{parts.path}/envelope/", data=zlib.compress(b"\n".join(lines)),
        headers={"Content-Type": "application/x-sentry-envelope", "Content-Encoding": "deflate"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()


class Visit:
    """One trace in the making: who, when, and what each service reports."""

    def __init__(self, rng: random.Random, moment: float, place: Place) -> None:
        self.rng = rng
        self.moment = moment
        self.place = place
        self.trace_id = f"{rng.getrandbits(128):032x}"
        self.visitor = rng.choice(_VISITORS)
        self.agent = rng.choice(_AGENTS)
        self.environment = "staging" if rng.random() < 0.06 else "production"
        self.is_slow = place.route == "/api/search/" and time.time() - moment < SLOW_SINCE_DAYS * DAY
        self.version = "3.15.0" if time.time() - moment < SLOW_SINCE_DAYS * DAY else "3.14.2"
        self.failed = place.route == "/api/checkout/" and rng.random() < 0.3

    def id(self, digits: int = 16) -> str:
        """An id of hexadecimal digits, the same in every run."""
        return f"{self.rng.getrandbits(4 * digits) or 1:0{digits}x}"

    def lasting(self, typical: float, spread: float = 0.4) -> float:
        """Seconds around a typical time in milliseconds."""
        return typical / 1000 * self.rng.lognormvariate(0, spread)

    def transaction(self, service: str, name: str, op: str, spans: Builder, **more: Any) -> dict[str, Any]:
        """The transaction of a builder's spans."""
        identifier, email, country = self.visitor
        platform = SERVICES[service].partition("-")[0]
        trace = {
            "trace_id": self.trace_id, "span_id": spans.root, "op": op, "status": more.pop("status", "ok"),
            "data": more.pop("data", {}), **({"parent_span_id": spans.parent} if spans.parent else {}),
        }  # fmt: skip
        return {
            "type": "transaction", "event_id": self.id(32), "transaction": name, "platform": platform,
            "transaction_info": {"source": "task" if service == WORKER else "route"},
            "start_timestamp": spans.start, "timestamp": max(spans.now, spans.start), "environment": self.environment,
            "release": f"{service}@{self.version}", "contexts": {"trace": trace, **more.pop("contexts", {})},
            "user": {"id": identifier, "email": email, "geo": {"country_code": country}},
            "tags": {"customer.plan": "business" if identifier in ("1001", "1004") else "free", **more.pop("tags", {})},
            "spans": spans.found, **more,
        }  # fmt: skip


class Builder:
    """Spans one after the other below a root; ``now`` is where the last one ended."""

    def __init__(self, visit: Visit, start: float, parent: str = "") -> None:
        self.visit = visit
        self.start = self.now = start
        self.parent = parent
        self.root = visit.id()
        self.found: list[dict[str, Any]] = []

    def add(self, op: str, description: str, milliseconds: float, *, below: str = "", **data: Any) -> dict[str, Any]:
        """A span that begins where the last one ended, after a pause."""
        start = self.now + self.visit.lasting(0.6)
        span = {
            "trace_id": self.visit.trace_id, "span_id": self.visit.id(), "parent_span_id": below or self.root, "op": op,
            "description": description, "start_timestamp": start, "timestamp": start + self.visit.lasting(milliseconds),
            "status": data.pop("status", "ok"), "origin": f"auto.{op.partition('.')[0]}", "data": data,
        }  # fmt: skip
        self.found.append(span)
        self.now = span["timestamp"]
        return span

    def sql(self, statement: str, milliseconds: float, **more: Any) -> dict[str, Any]:
        """A query."""
        return self.add(
            "db.sql.query", statement, milliseconds, **{"db.system": "postgresql", "db.name": "shop", **more}
        )

    def pause(self, milliseconds: float) -> None:
        """Time in which there is no span."""
        self.now += self.visit.lasting(milliseconds)


# The page


def _page(visit: Visit) -> tuple[dict[str, Any], Builder, dict[str, Any]]:
    """The page load; its builder, and the request that the server answers."""
    spans = Builder(visit, visit.moment)
    request = spans.add("browser.request", "Request", 160)
    spans.add("browser.response", "Response", 40)
    for kind, name, size, time_taken in (
        ("script", "app.4f1c9a2e.js", 312_000, 140), ("css", "app.91bd07c4.css", 41_000, 60),
        ("img", "hero.webp", 184_000, 190), ("script", "reviews.77aa10f3.js", 96_000, 80),
    ):  # fmt: skip
        spans.add(f"resource.{kind}", f"https://cdn.example.com/assets/{name}", time_taken,
                  **{"http.response_transfer_size": size, "http.response_content_length": size - 400,
                     "http.decoded_response_content_length": size * 3, "resource.render_blocking_status": "blocking" if kind == "css" else "non-blocking"})  # fmt: skip
    place = visit.place
    call = spans.add(
        "http.client", f"{place.method} https://shop.example.com{place.route.replace('{slug}', 'mug-1')}", 30,
        **{"http.request.method": place.method, "url": f"https://shop.example.com{place.route}", "server.address": "shop.example.com"},
    )  # fmt: skip
    spans.add("ui.react.mount", f"<{place.page.strip('/').partition('/')[0].title() or 'Home'}Page>", 35)
    ttfb = (request["timestamp"] - visit.moment) * 1000
    vitals = {
        "ttfb": ttfb,
        "fcp": ttfb + 1000 * visit.lasting(500),
        "cls": round(0.05 * visit.rng.lognormvariate(0, 0.8), 4),
    }
    vitals["lcp"] = vitals["fcp"] + 1000 * visit.lasting(900)
    vitals["inp"] = 1000 * visit.lasting(140)
    measurements = {
        name: {"value": value, "unit": "" if name == "cls" else "millisecond"} for name, value in vitals.items()
    }
    page = visit.transaction(
        STOREFRONT, place.page, "pageload", spans, measurements=measurements,
        request={"url": f"https://shop.example.com{place.page.replace(':slug', 'mug-1')}", "headers": {"User-Agent": visit.agent}},
        sdk={"name": "sentry.javascript.react", "version": "10.2.0"},
    )  # fmt: skip
    return page, spans, call


# The server


def _offers(spans: Builder) -> None:
    hit = spans.visit.rng.random() < 0.85
    spans.add(
        "cache.get",
        "offers:today",
        1.2,
        **{"cache.key": ["offers:today"], "cache.hit": hit, "cache.item_size": 5200 if hit else 0},
    )
    if not hit:
        spans.sql(
            "SELECT offer.id, offer.title FROM offer WHERE offer.day = '2026-01-08' ORDER BY offer.rank LIMIT 20", 18
        )
        spans.add("cache.put", "offers:today", 1.6, **{"cache.key": ["offers:today"], "cache.item_size": 5200})


def _product(spans: Builder) -> None:
    key = f"product:{spans.visit.rng.randrange(1, 400)}"
    hit = spans.visit.rng.random() < 0.6
    spans.add(
        "cache.get", key, 1.1, **{"cache.key": [key], "cache.hit": hit, **({"cache.item_size": 1800} if hit else {})}
    )
    if not hit:
        spans.sql(
            'SELECT "product"."id", "product"."title", "product"."price" FROM "product" WHERE "product"."slug" = \'mug-1\' LIMIT 21',
            6,
        )
    spans.sql("SELECT AVG(stars), COUNT(*) FROM review WHERE product_id = 17", 11)
    spans.add("http.client", "GET https://tax.example.com/v1/rates/DE", 45, **{
        "http.request.method": "GET", "server.address": "tax.example.com", "http.response.status_code": 200, "url": "https://tax.example.com/v1/rates/DE"})  # fmt: skip


def _search(spans: Builder) -> None:
    spans.sql("SELECT id, title FROM product WHERE to_tsvector(title) @@ plainto_tsquery('mug') ORDER BY rank DESC LIMIT 24",
              640 if spans.visit.is_slow else 120)  # fmt: skip
    spans.sql("SELECT category_id, COUNT(*) FROM product GROUP BY category_id", 24)


def _cart(spans: Builder) -> None:
    """A query for the lines, and one for each of them."""
    spans.sql("SELECT id, product_id, quantity FROM cart_line WHERE cart_id = 8123", 5)
    for product in range(12):
        spans.sql(f"SELECT id, title, price FROM product WHERE id = {1000 + product}", 9)


def _checkout(spans: Builder) -> None:
    spans.sql("SELECT id, total FROM cart WHERE id = 8123 FOR UPDATE", 4)
    failed = spans.visit.failed
    spans.add("http.client", "POST https://pay.example.com/v2/charges", 2600 if failed else 320, status="unavailable" if failed else "ok", **{
        "http.request.method": "POST", "server.address": "pay.example.com", "http.response.status_code": 502 if failed else 200})  # fmt: skip
    if not failed:
        spans.sql("INSERT INTO orders (number, total, currency) VALUES ('R-20418', 149.90, 'EUR')", 7)
        spans.sql("UPDATE stock SET quantity = quantity - 1 WHERE sku = 'MUG-1'", 5)


_WORK: dict[str, Callable[[Builder], None]] = {
    "/api/offers/": _offers, "/api/products/{slug}/": _product, "/api/search/": _search, "/api/cart/": _cart,
    "/api/checkout/": _checkout,
}  # fmt: skip


def _server(visit: Visit, call: dict[str, Any]) -> tuple[dict[str, Any], Builder, dict[str, Any] | None]:
    """What the server does for the page; its builder, and the message to the worker when an order was placed."""
    spans = Builder(visit, call["start_timestamp"] + visit.lasting(12), call["span_id"])
    place = visit.place
    spans.add("middleware.django", "django.contrib.sessions.middleware", 1.5)
    spans.sql("SELECT session_data FROM django_session WHERE session_key = 'k3y' AND expire_date > '2026-01-08'", 2)
    _WORK[place.route](spans)
    message = None
    if place.route == "/api/checkout/" and not visit.failed:
        message = spans.add("queue.publish", "orders.confirm", 3, **{
            "messaging.destination.name": "orders", "messaging.message.id": visit.id(), "messaging.message.body.size": 820, "messaging.system": "redis"})  # fmt: skip
    spans.pause(14)
    spans.add("view.response.render", "Response", 6)
    spans.pause(3)
    answer = (
        502 if visit.failed else 404 if place.route == "/api/products/{slug}/" and visit.rng.random() < 0.03 else 200
    )
    name = f"{place.method} {place.route}"
    status = {200: "ok", 404: "not_found", 502: "unavailable"}[answer]
    transaction = visit.transaction(
        SHOP, name, "http.server", spans, status=status, tags={"http.status_code": str(answer)},
        data={"http.request.method": place.method, "http.response.status_code": answer},
        contexts={"runtime": {"name": "CPython", "version": "3.12.7"}, "response": {"status_code": answer}},
        request={"url": f"https://shop.example.com{place.route.replace('{slug}', 'mug-1')}", "method": place.method},
        sdk={"name": "sentry.python.django", "version": "2.75.0"},
    )  # fmt: skip
    return transaction, spans, message


def _worker(visit: Visit, message: dict[str, Any]) -> dict[str, Any]:
    waited = visit.lasting(900)
    spans = Builder(visit, message["timestamp"] + waited, message["span_id"])
    data = {**message["data"], "messaging.message.receive.latency": waited * 1000, "messaging.message.retry.count": 0}
    spans.sql("SELECT id, email FROM customer WHERE id = 8123", 3)
    spans.add("http.client", "POST https://mail.example.net/send", 180, **{
        "http.request.method": "POST", "server.address": "mail.example.net", "http.response.status_code": 202})  # fmt: skip
    sdk = {"name": "sentry.python.celery", "version": "2.75.0"}
    return visit.transaction(WORKER, "orders.confirm", "queue.process", spans, data=data, sdk=sdk)


# What goes with the server's transaction

_FRAMES = [("shop/wsgi.py", "application", 12), ("shop/views.py", "dispatch", 40), ("shop/serializers.py", "to_representation", 88),
           ("shop/pricing.py", "net_price", 31), ("django/db/models/sql/compiler.py", "execute_sql", 1560)]  # fmt: skip
_STACKS = [[1, 0], [2, 1, 0], [3, 2, 1, 0], [4, 1, 0]]


def profile_of(transaction: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """Samples of the server's main thread while it worked: mostly in the driver and in the pricing."""
    trace = transaction["contexts"]["trace"]
    length = transaction["timestamp"] - transaction["start_timestamp"]
    samples = [
        {
            "elapsed_since_start_ns": str(int(tick * 1e7)),
            "thread_id": "1",
            "stack_id": rng.choices(range(4), (1, 2, 5, 6))[0],
        }
        for tick in range(max(3, int(length * 100)))
    ]
    profile_id = f"{rng.getrandbits(128):032x}"
    transaction["contexts"]["profile"] = {"profile_id": profile_id}
    return {
        "version": "1", "event_id": profile_id, "platform": "python", "release": transaction["release"],
        "environment": transaction["environment"], "timestamp": transaction["start_timestamp"],
        "os": {"name": "Linux", "version": "6.8"}, "device": {"architecture": "x86_64"},
        "runtime": {"name": "CPython", "version": "3.12.7"},
        "transaction": {"id": transaction["event_id"], "name": transaction["transaction"], "trace_id": trace["trace_id"],
                        "active_thread_id": "1", "relative_start_ns": "0", "relative_end_ns": str(int(length * 1e9))},
        "profile": {
            "frames": [{"filename": path, "abs_path": f"/srv/{path}", "function": function, "lineno": line, "module": path[:-3].replace("/", "."),
                        "in_app": path.startswith("shop")} for path, function, line in _FRAMES],
            "stacks": _STACKS, "samples": samples, "thread_metadata": {"1": {"name": "MainThread"}},
        },
    }  # fmt: skip


def _moments(rng: random.Random, count: int) -> list[float]:
    """Two weeks with more visits by day, more of them lately; oldest first, the last a minute ago."""
    now = time.time()
    found: list[float] = []
    while len(found) < count - 1:
        moment = now - DAY * 13.8 * rng.random() ** 1.4 - 120
        if rng.random() < (0.9 if 8 <= moment % DAY / 3600 < 22 else 0.25):
            found.append(moment)
    return [*sorted(found), now - 60]


def send_visits(dsns: dict[str, str], visits: int = 150, *, failure: Failure, seed: int = 1) -> Sent:
    """Send so many visits to the projects of ``SERVICES`` (name → DSN); a failed order also as ``failure`` tells it."""
    rng = random.Random(seed)
    sent = Sent()
    weights = [place.share for place in PLACES]
    plan = [*rng.choices(PLACES, weights, k=max(0, visits - len(PLACES))), *PLACES][-visits:]
    for moment, place in zip(_moments(rng, len(plan)), plan, strict=True):
        _send_visit(dsns, Visit(rng, moment, place), failure, sent)
    return sent


def _send_visit(dsns: dict[str, str], visit: Visit, failure: Failure, sent: Sent) -> None:
    page, browser, call = _page(visit)
    server, worked, message = _server(visit, call)
    call["timestamp"] = worked.now + 0.012  # the page waits for the server
    browser.now = max(browser.now, call["timestamp"])
    page["timestamp"] = browser.now
    items: list[Item] = [("transaction", server)]
    if visit.rng.random() < 0.2:
        items.append(("profile", profile_of(server, visit.rng)))
        sent.profiles += 1
        sent.traces["profile"] = visit.trace_id
    _report(dsns, visit, STOREFRONT, [("transaction", page)], sent)
    _report(dsns, visit, SHOP, items, sent)
    if message is not None:
        _report(dsns, visit, WORKER, [("transaction", _worker(visit, message))], sent)
    if visit.failed:
        event = failure(worked.now, visit.rng)
        trace = {"trace_id": visit.trace_id, "span_id": _paying(worked)["span_id"], "op": "http.client"}
        event["contexts"] = {**event.get("contexts", {}), "trace": trace}
        send(dsns[SHOP], {"event_id": event["event_id"]}, [("event", event)])
        sent.errors += 1
        sent.traces["error"] = visit.trace_id
    sent.traces[visit.place.page] = visit.trace_id


def _paying(spans: Builder) -> dict[str, Any]:
    return next(span for span in spans.found if "pay.example.com" in span["description"])


def _report(dsns: dict[str, str], visit: Visit, service: str, items: list[Item], sent: Sent) -> None:
    """One envelope, with the context of the trace that was sampled in full."""
    context = {
        "trace_id": visit.trace_id, "public_key": urlsplit(dsns[STOREFRONT]).username, "sampled": "true",
        "sample_rate": "1.0", "environment": visit.environment,
    }  # fmt: skip
    transaction = items[0][1]
    send(dsns[service], {"event_id": transaction["event_id"], "trace": context}, items)
    sent.transactions[service] += 1
    sent.spans[service] += 1 + len(transaction["spans"])
