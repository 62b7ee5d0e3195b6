"""The shop's order service on Flask with SQLite. Run: SENTRY_DSN=… PORT=5000 python orders.py"""

from __future__ import annotations

import signal
import sqlite3
import sys
import time
from os import environ
from typing import Any

import sentry_sdk
from flask import Flask, jsonify
from sentry_sdk.integrations.flask import FlaskIntegration

LINES = 12
PRODUCTS = 250_000

sentry_sdk.init(
    dsn=environ.get("SENTRY_DSN"),
    environment=environ.get("SENTRY_ENVIRONMENT") or "development",
    release=environ.get("SENTRY_RELEASE") or "shop-orders@1.0.0",
    integrations=[FlaskIntegration(transaction_style="url")],
    traces_sample_rate=1.0,
    profiles_sample_rate=1.0,
    debug=environ.get("SENTRY_DEBUG") == "1",
)
app = Flask(__name__)


class PriceMissingError(Exception):
    """A product that cannot be sold."""


def shop() -> sqlite3.Connection:
    """Products without an index on what they are looked up by, and one order."""
    database = sqlite3.connect(":memory:", check_same_thread=False)
    database.execute("CREATE TABLE product (sku TEXT, cents INTEGER)")
    database.execute("CREATE TABLE order_line (order_id INTEGER, sku TEXT, quantity INTEGER)")
    products = ((f"SKU-{number}", number % 900 + 100) for number in range(PRODUCTS))
    database.executemany("INSERT INTO product VALUES (?, ?)", products)
    lines = ((17, f"SKU-{PRODUCTS - 1 - number}", 1 + number % 3) for number in range(LINES))
    database.executemany("INSERT INTO order_line VALUES (?, ?, ?)", lines)
    return database


DATABASE = shop()


def query(sql: str, *values: Any) -> list[Any]:
    """A query with its span. For Django, SQLAlchemy, asyncpg and others the SDK does this by itself."""
    with sentry_sdk.start_span(op="db", name=sql) as span:
        span.set_data("db.system", "sqlite")
        span.set_data("db.name", "shop")
        return DATABASE.execute(sql, values).fetchall()


def with_tax(cents: int) -> int:
    """Slow on purpose, so that the profile has something to show."""
    end = time.perf_counter() + 0.008
    taxed = cents
    while time.perf_counter() < end:
        taxed = cents + sum(cents * share // 1000 for share in (190, 20, 5))
    return taxed


@app.get("/health")
def health() -> str:
    """Whether it runs."""
    return "ok"


@app.get("/orders/<int:order_id>")
def order(order_id: int) -> Any:
    """The lines of an order with a query for each product: the N+1 the server finds."""
    total = 0
    lines = query("SELECT sku, quantity FROM order_line WHERE order_id = ?", order_id)
    for sku, quantity in lines:
        [(cents,)] = query("SELECT cents FROM product WHERE sku = ?", sku)
        total += cents * quantity
    with sentry_sdk.start_span(op="function", name="add tax"):
        total = sum(with_tax(total // LINES) for _ in range(LINES))
    try:
        raise PriceMissingError(f"order {order_id} has a line without a discount")
    except PriceMissingError:
        sentry_sdk.capture_exception()  # belongs to the trace: it carries the ids of trace and span
    return jsonify(id=str(order_id), lines=len(lines), total=f"{total / 100:.2f}")


def stop(*_: object) -> None:
    """Deliver what is waiting."""
    sentry_sdk.flush(timeout=5)
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    app.run("127.0.0.1", int(environ.get("PORT", "5000")))
