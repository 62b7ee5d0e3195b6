"""A Flask service that reports to Sentry. Run: SENTRY_DSN=… flask --app app run --port 5000"""

from __future__ import annotations

import os

import sentry_sdk
from flask import Flask, Response, request
from sentry_sdk.attachments import Attachment
from sentry_sdk.integrations.flask import FlaskIntegration

BURST = 300

sentry_sdk.init(
    dsn=os.environ["SENTRY_DSN"],
    environment="example",
    release="example-flask@1.0.0",
    integrations=[FlaskIntegration()],
    send_default_pii=True,
    traces_sample_rate=0.0,
)
app = Flask(__name__)


class PaymentDeclinedError(Exception):
    """The card was refused."""


@app.before_request
def describe_request() -> None:
    """What every report of this request carries."""
    sentry_sdk.set_user({"id": "42", "email": "ada@example.com"})
    sentry_sdk.set_tag("component", "billing")


@app.get("/error")
def error() -> str:
    """Not caught: the integration reports it with the request and answers 500."""
    sentry_sdk.set_context("order", {"id": 1001})
    sentry_sdk.add_breadcrumb(category="checkout", message="opening order 1001")
    raise PaymentDeclinedError(f"payment of order {request.args.get('order', '1001')} declined")


@app.get("/message")
def message() -> str:
    """A plain message."""
    sentry_sdk.capture_message("Inventory is low", level="warning")
    return "sent"


@app.get("/fingerprint")
def fingerprint() -> str:
    """Two errors, one issue."""
    for problem in (KeyError("first cause"), LookupError("second cause")):
        with sentry_sdk.new_scope() as scope:
            scope.fingerprint = ["catalogue-unavailable"]
            sentry_sdk.capture_exception(problem)
    return "sent"


@app.get("/attachment")
def attachment() -> str:
    """A file with the event."""
    with sentry_sdk.new_scope() as scope:
        scope._attachments.append(Attachment(bytes=b"hello attachment", filename="report.txt"))
        sentry_sdk.capture_message("Export finished with warnings")
    return "sent"


@app.get("/feedback")
def feedback() -> dict[str, str | None]:
    """The event a crash-report dialog would refer to."""
    return {"event_id": sentry_sdk.capture_message("Checkout froze")}


@app.get("/burst")
def burst() -> Response:
    """Many errors at once."""
    for number in range(BURST):
        try:
            raise RuntimeError(f"burst error {number}")
        except RuntimeError:
            sentry_sdk.capture_exception()
        if number % 50 == 49:
            sentry_sdk.flush(timeout=10)
    return Response("sent")
