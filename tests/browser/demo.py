"""A believable installation for browser tests and screenshots: a shop's events, sent through the real ingest.

Deterministic but for the clock: events are spread over the last two weeks.
"""

from __future__ import annotations

import json
import random
import struct
import time
import urllib.request
import uuid
import zlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from tests.support import traces

DAY = 86_400
USERS = [("ana.souza@example.com", "Ana Souza"), ("li.wei@example.cn", "Li Wei"), ("marta@example.pt", "Marta"),
         ("jonas.berg@example.se", "Jonas Berg"), ("", ""), ("priya@example.in", "Priya")]  # fmt: skip
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
)


def _png(width: int, height: int) -> bytes:
    """A picture of two colours running into each other."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + b"".join(bytes((40 + 160 * x // width, 120, 200 - 120 * y // height)) for x in range(width))
        for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PNG = _png(320, 200)


def frame(path: str, function: str, line: int, source: str, *, in_app: bool = True, before: Sequence[str] = (),
          after: Sequence[str] = (), **more: Any) -> dict[str, Any]:  # fmt: skip
    """A frame with source around it."""
    return {
        "filename": path, "abs_path": more.pop("abs_path", f"/srv/shop/{path}"), "function": function, "lineno": line, "in_app": in_app,
        "context_line": source, "pre_context": list(before), "post_context": list(after),
        "module": path.rsplit(".", 1)[0].replace("/", "."), **more,
    }  # fmt: skip


def _django(path: str, function: str, line: int, source: str) -> dict[str, Any]:
    return frame(
        f"django/{path}",
        function,
        line,
        source,
        in_app=False,
        abs_path=f"/usr/lib/python3.12/site-packages/django/{path}",
    )


def checkout_error() -> dict[str, Any]:
    """A chained Python exception with locals, breadcrumbs, request, user and secrets."""
    charge = frame(
        "payments/gateway.py", "charge", 88, "        response.raise_for_status()",
        before=["    def charge(self, order: Order, card: Card) -> Receipt:", "        \"\"\"Charge the card; idempotent by order number.\"\"\"",
                "        body = {\"amount\": str(order.total), \"currency\": order.currency, \"card\": card.token}",
                "        headers = {\"Authorization\": f\"Bearer {self.key}\", \"Idempotency-Key\": order.number}",
                "        response = self.session.post(f\"{self.base}/charges\", json=body, headers=headers, timeout=8)"],
        after=["        data = response.json()", "        return Receipt(id=data[\"id\"], paid_at=parse(data[\"paid_at\"]))", "",
               "    def refund(self, receipt: Receipt) -> None:", "        # A refund of a refund is refused by the gateway."],
        vars={"order": "<Order R-20418: 3 items, 149.90 EUR>", "card": "<Card ····4242>", "self": "<Gateway base='https://pay.example.com/v2'>",
              "headers": {"Authorization": "Bearer sk_live_51H8x", "Idempotency-Key": "R-20418"},
              "body": {"amount": "149.90", "currency": "EUR", "card": "tok_1N3"}, "response": "<Response [502]>", "attempt": 3},
    )  # fmt: skip
    place = frame(
        "orders/services.py", "place_order", 142, "        raise CheckoutError(f\"order {order.number} could not be paid\") from error",
        before=["    with transaction.atomic():", "        order.lock()", "    try:", "        receipt = gateway.charge(order, card)", "    except HTTPError as error:"],
        after=["    order.mark_paid(receipt)", "    notify.order_paid.delay(order.pk)", "    return order"],
        vars={"order": "<Order R-20418>", "gateway": "<Gateway>", "user_id": 8123, "password": "hunter2", "error": "HTTPError('502 Server Error: Bad Gateway')"},
    )  # fmt: skip
    view = frame(
        "orders/views.py", "CheckoutView.post", 57, "        order = place_order(request.user, cart, form.cleaned_data[\"card\"])",
        before=["        form = CheckoutForm(request.POST)", "        if not form.is_valid():", "            return self.render(form, status=422)",
                "        cart = Cart.from_session(request.session)"],
        after=["        request.session.pop(\"cart\")", "        return redirect(order)"],
        vars={"cart": ["<Line mug ×2>", "<Line poster ×1>", "<Line sticker ×12>"], "form": "<CheckoutForm bound=True, valid=True>"},
    )  # fmt: skip
    framework = [
        _django("core/handlers/exception.py", "inner", 55, "            response = get_response(request)"),
        _django(
            "core/handlers/base.py",
            "_get_response",
            197,
            "            response = wrapped_callback(request, *callback_args, **callback_kwargs)",
        ),
        _django("views/generic/base.py", "view", 104, "        return self.dispatch(request, *args, **kwargs)"),
        _django("views/generic/base.py", "dispatch", 143, "        return handler(request, *args, **kwargs)"),
    ]
    library = frame("requests/models.py", "raise_for_status", 1021, "            raise HTTPError(http_error_msg, response=self)", in_app=False,
                    abs_path="/usr/lib/python3.12/site-packages/requests/models.py")  # fmt: skip
    return {
        "platform": "python", "transaction": "/checkout/", "environment": "production", "release": "shop@3.14.2", "server_name": "web-2",
        "exception": {"values": [
            {"type": "HTTPError", "module": "requests.exceptions", "value": "502 Server Error: Bad Gateway for url: https://pay.example.com/v2/charges",
             "mechanism": {"type": "chained", "handled": True, "exception_id": 1, "parent_id": 0, "source": "__cause__"},
             "stacktrace": {"frames": [place | {"lineno": 141, "context_line": "        receipt = gateway.charge(order, card)"}, charge, library]}},
            {"type": "CheckoutError", "module": "shop.orders", "value": "order R-20418 could not be paid",
             "mechanism": {"type": "django", "handled": False, "exception_id": 0}, "stacktrace": {"frames": [*framework, view, place]}},
        ]},
        "request": {"method": "POST", "url": "https://shop.example.com/checkout/", "query_string": [["step", "pay"], ["lang", "de"]],
                    "headers": {"Content-Type": "application/json", "User-Agent": AGENTS[0], "Authorization": "Bearer abc.def", "Referer": "https://shop.example.com/cart/"},
                    "cookies": {"theme": "dark", "sessionid": "s3cr3t"}, "data": {"card": "tok_1N3", "items": [{"sku": "MUG-1", "qty": 2}, {"sku": "POSTER", "qty": 1}], "cvc": "123", "password": "hunter2"},
                    "env": {"REMOTE_ADDR": "203.0.113.7", "SERVER_NAME": "web-2"}},
        "breadcrumbs": {"values": [
            {"offset": -41.2, "category": "navigation", "type": "navigation", "data": {"from": "/mugs/", "to": "/cart/"}},
            {"offset": -18.4, "category": "query", "type": "query", "message": "SELECT * FROM cart_line WHERE cart_id = %s", "data": {"duration_ms": 2.1, "rows": 3}},
            {"offset": -9.1, "category": "ui.click", "type": "ui", "message": "button#pay"},
            {"offset": -8.9, "category": "shop.orders", "level": "info", "message": "placing order R-20418 for user 8123"},
            {"offset": -5.8, "type": "http", "category": "httplib", "level": "warning", "data": {"method": "POST", "url": "https://pay.example.com/v2/charges", "status_code": 502, "reason": "Bad Gateway"}},
            {"offset": -2.9, "type": "http", "category": "httplib", "level": "warning", "data": {"method": "POST", "url": "https://pay.example.com/v2/charges", "status_code": 502}},
            {"offset": -0.2, "category": "shop.payments", "level": "error", "message": "gateway gave up after 3 attempts"},
        ]},
        "contexts": {"runtime": {"name": "CPython", "version": "3.12.7"}, "os": {"name": "Linux", "version": "6.8"},
                     "flags": {"values": [{"flag": "new-checkout", "result": True}, {"flag": "paypal", "result": False}]},
                     "trace": {"trace_id": uuid.UUID(int=7).hex, "span_id": "a1b2c3d4e5f60718", "op": "http.server"}},
        "tags": {"gateway": "acme-pay", "country": "DE", "customer.plan": "business"},
        "extra": {"cart": {"total": "149.90", "currency": "EUR", "lines": [{"sku": "MUG-1", "qty": 2, "price": "12.50"}, {"sku": "POSTER", "qty": 1, "price": "24.90"}]}, "retries": 3, "api_key": "sk_live_51H8x"},
        "modules": {"django": "5.2.8", "requests": "2.32.3", "psycopg": "3.2.3", "celery": "5.5.0", "sentry-sdk": "2.75.0"},
        "sdk": {"name": "sentry.python.django", "version": "2.75.0", "integrations": ["django", "logging", "stdlib", "threading"], "packages": [{"name": "pypi:sentry-sdk", "version": "2.75.0"}]},
    }  # fmt: skip


def browser_error() -> dict[str, Any]:
    """A minified JavaScript error."""
    return {
        "platform": "javascript", "environment": "production", "release": "storefront@2.9.0", "transaction": "/product/[slug]",
        "exception": {"values": [{"type": "TypeError", "value": "Cannot read properties of undefined (reading 'price')",
            "mechanism": {"type": "onerror", "handled": False}, "stacktrace": {"frames": [
                {"filename": "https://cdn.example.com/vendor.min.js", "function": "HTMLButtonElement.dispatch", "lineno": 2, "colno": 43003, "in_app": False},
                {"filename": "https://cdn.example.com/app.min.js", "function": "onClick", "lineno": 1, "colno": 18234, "in_app": True},
                {"filename": "https://cdn.example.com/app.min.js", "function": "t.total", "lineno": 1, "colno": 20111, "in_app": True}]}}]},
        "request": {"url": "https://shop.example.com/product/mug", "headers": {"User-Agent": AGENTS[1]}},
        "breadcrumbs": [{"offset": -3, "category": "ui.click", "type": "ui", "message": "button.add-to-cart"}, {"offset": -1, "category": "fetch", "type": "http", "data": {"method": "GET", "url": "/api/prices", "status_code": 200}}],
        "sdk": {"name": "sentry.javascript.browser", "version": "10.2.0"},
    }  # fmt: skip


def group_error() -> dict[str, Any]:
    """A Python exception group."""

    def member(kind: str, text: str, number: int) -> dict[str, Any]:
        return {"type": kind, "value": text, "mechanism": {"type": "chained", "exception_id": number, "parent_id": 0, "source": f"exceptions[{number - 1}]"},
                "stacktrace": {"frames": [frame("stock/sync.py", f"sync_{number}", 20 + number, f"    raise {kind}({text!r})")]}}  # fmt: skip

    return {
        "platform": "python", "environment": "staging", "release": "shop@3.15.0-rc1", "transaction": "stock.sync_all", "logger": "stock",
        "exception": {"values": [member("TimeoutError", "supplier B did not answer", 2), member("ValueError", "negative stock for SKU-9", 1),
            {"type": "ExceptionGroup", "value": "stock sync failed (2 sub-exceptions)", "mechanism": {"type": "celery", "handled": False, "exception_id": 0, "is_exception_group": True},
             "stacktrace": {"frames": [frame("stock/sync.py", "sync_all", 12, "    async with asyncio.TaskGroup() as group:", before=["async def sync_all(suppliers):"], after=["        for supplier in suppliers:", "            group.create_task(sync(supplier))"])]}}]},
    }  # fmt: skip


def go_panic() -> dict[str, Any]:
    """A Go panic with goroutines."""
    frames = [frame("runtime/panic.go", "gopanic", 785, "", in_app=False), frame("cmd/worker/main.go", "main.main", 31, "\tif err := run(ctx); err != nil {"),
              frame("internal/mail/queue.go", "(*Queue).Pop", 64, "\t\tmsg := q.items[0]", before=["\tq.mu.Lock()", "\tdefer q.mu.Unlock()", "\tfor {"], after=["\t\tq.items = q.items[1:]", "\t\treturn msg, nil"])]  # fmt: skip
    return {
        "platform": "go", "level": "fatal", "environment": "production", "release": "mailer@1.8.0", "transaction": "worker",
        "exception": [{"type": "runtime.boundsError", "value": "index out of range [0] with length 0", "stacktrace": {"frames": frames}, "thread_id": 1, "mechanism": {"type": "panic", "handled": False}}],
        "threads": {"values": [{"id": 1, "name": "goroutine 1", "crashed": True, "current": True}, {"id": 18, "name": "goroutine 18", "state": "IO wait", "stacktrace": {"frames": [frame("net/http/server.go", "(*conn).serve", 2092, "", in_app=False)]}}]},
    }  # fmt: skip


def log_message(text: str = "Disk usage at %s %% on %s") -> dict[str, Any]:
    """A message without an exception."""
    return {"platform": "python", "level": "warning", "environment": "production", "release": "shop@3.14.1", "logger": "ops.disk",
            "logentry": {"message": text, "params": [91, "web-2"], "formatted": "Disk usage at 91 % on web-2"}, "transaction": "ops.check"}  # fmt: skip


def simple(kind: str, text: str, path: str, function: str, line: int, source: str, **more: Any) -> dict[str, Any]:
    """A one-exception Python event."""
    handled = more.pop("handled", True)
    return {"platform": "python", "environment": "production", "release": "shop@3.14.2", "transaction": f"/{function}/", **more,
            "exception": {"values": [{"type": kind, "value": text, "mechanism": {"type": "generic", "handled": handled}, "stacktrace": {"frames": [frame(path, function, line, source)]}}]}}  # fmt: skip


#: (event maker, how many, days back the first and the last one)
PLAN: tuple[tuple[Any, int, float, float], ...] = (
    (checkout_error, 64, 9, 0.0005),
    (browser_error, 140, 12, 0.01),
    (group_error, 6, 2, 0.2),
    (go_panic, 9, 0.4, 0.02),
    (log_message, 31, 13, 0.5),
    (lambda: simple("IntegrityError", "duplicate key value violates unique constraint \"cart_line_sku\"", "carts/models.py", "add_line", 77, "        line.save()", environment="staging"), 18, 11, 1.2),
    (lambda: simple("KeyError", "'shipping_country'", "orders/tax.py", "vat_rate", 23, "    return RATES[address[\"shipping_country\"]]", handled=False), 42, 6, 0.05),
    (lambda: simple("PermissionDenied", "user 8123 may not see order R-19877", "orders/views.py", "order_detail", 19, "        raise PermissionDenied(message)", level="info"), 12, 10, 3),
    (lambda: simple("ConnectionError", "Error 111 connecting to redis:6379. Connection refused.", "shop/cache.py", "get_many", 41, "    return client.mget(keys)", level="error"), 210, 1.4, 1.1),
)  # fmt: skip


def send(dsn: str, event: dict[str, Any], attachments: Sequence[tuple[str, str, bytes]] = ()) -> str:
    """One envelope through the real ingest; the event's id."""
    parts = urlsplit(dsn)
    lines = [json.dumps({"event_id": event["event_id"], "dsn": dsn}).encode()]
    payload = json.dumps(event).encode()
    lines += [json.dumps({"type": "event", "length": len(payload)}).encode(), payload]
    for name, kind, body in attachments:
        header = {"type": "attachment", "filename": name, "content_type": kind, "length": len(body)}
        lines += [json.dumps(header).encode(), body]
    request = urllib.request.Request(
        f"{parts.scheme}://{parts.hostname}:{parts.port}/api{parts.path}/envelope/", data=zlib.compress(b"\n".join(lines)),
        headers={"Content-Type": "application/x-sentry-envelope", "Content-Encoding": "deflate"},
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=30) as answer:
        answer.read()
    return event["event_id"]


def send_feedback(dsn: str, event_id: str, name: str, email: str, comments: str) -> None:
    """A user report about an event."""
    parts = urlsplit(dsn)
    report = json.dumps({"event_id": event_id, "name": name, "email": email, "comments": comments}).encode()
    body = b"\n".join(
        [
            json.dumps({"event_id": event_id}).encode(),
            json.dumps({"type": "user_report", "length": len(report)}).encode(),
            report,
        ]
    )
    request = urllib.request.Request(f"{parts.scheme}://{parts.hostname}:{parts.port}/api{parts.path}/envelope/?sentry_key={parts.username}", data=body)  # fmt: skip
    urllib.request.urlopen(request, timeout=30).close()


def prepared(event: dict[str, Any], moment: float, rng: random.Random) -> dict[str, Any]:
    """The event at a moment, for one of the users."""
    email, name = rng.choice(USERS)
    event = {**event, "event_id": uuid.UUID(int=rng.getrandbits(128)).hex, "timestamp": moment}
    if email:
        event["user"] = {
            "id": str(1000 + len(email) * 37),
            "email": email,
            "username": name,
            "ip_address": "203.0.113.7",
        }
    crumbs = event.get("breadcrumbs")
    for crumb in crumbs["values"] if isinstance(crumbs, dict) else crumbs or []:
        crumb["timestamp"] = moment + crumb.pop("offset")
    return event


def fill(dsn: str, *, share: float = 1.0, seed: int = 1) -> dict[str, str]:
    """Send the plan; event ids of the newest event by the name of its type."""
    rng = random.Random(seed)
    now = time.time()
    newest: dict[str, str] = {}
    for make, count, first, last in PLAN:
        for number in range(max(1, round(count * share))):
            position = 1 - number / max(1, round(count * share) - 1) if count > 1 else 0
            moment = now - DAY * (last + (first - last) * position * rng.uniform(0.7, 1))
            event = prepared(make(), moment, rng)
            is_last = number == max(1, round(count * share)) - 1
            files = [
                ("screenshot.png", "image/png", PNG),
                ("app.log", "text/plain", b"12:00:01 placing order\n12:00:09 gave up\n"),
            ]
            send(dsn, event, files if is_last and make is checkout_error else ())
            if is_last:
                kind = event.get("exception", {})
                values = kind["values"] if isinstance(kind, dict) and kind else kind or []
                newest[values[-1]["type"] if values else "message"] = event["event_id"]
    send_feedback(
        dsn,
        newest["CheckoutError"],
        "Ana Souza",
        "ana.souza@example.com",
        "I pressed Pay three times and got an error page. Was my card charged?",
    )
    return newest


def fill_traces(dsns: dict[str, str], *, share: float = 1.0, seed: int = 1) -> traces.Sent:
    """Two weeks of the shop's visits as traces; ``dsns`` of the services of ``traces.SERVICES``. Failed orders are the checkout error of the plan."""
    return traces.send_visits(
        dsns,
        max(len(traces.PLACES), round(150 * share)),
        failure=lambda moment, rng: prepared(checkout_error(), moment, rng),
        seed=seed,
    )
