"""Further routes, one per kind of report, which the test-suite calls. They are no part of the service."""

from __future__ import annotations

import sentry_sdk
from flask import Blueprint, Response, request

BURST = 300
scenarios = Blueprint("scenarios", __name__)


class PaymentDeclinedError(Exception):
    """The card was refused."""


@scenarios.before_request
def describe_request() -> None:
    """What every report of this request carries."""
    sentry_sdk.set_user({"id": "42", "email": "ada@example.com"})
    sentry_sdk.set_tag("component", "billing")


@scenarios.get("/error")
def error() -> str:
    """Not caught: the integration reports it with the request and answers 500."""
    sentry_sdk.set_context("order", {"id": 1001})
    sentry_sdk.add_breadcrumb(category="checkout", message="opening order 1001")
    raise PaymentDeclinedError(f"payment of order {request.args.get('order', '1001')} declined")


@scenarios.get("/message")
def message() -> str:
    """A plain message."""
    sentry_sdk.capture_message("Inventory is low", level="warning")
    return "sent"


@scenarios.get("/fingerprint")
def fingerprint() -> str:
    """Two errors, one issue."""
    for problem in (KeyError("first cause"), LookupError("second cause")):
        with sentry_sdk.new_scope() as scope:
            scope.fingerprint = ["catalogue-unavailable"]
            sentry_sdk.capture_exception(problem)
    return "sent"


@scenarios.get("/attachment")
def attachment() -> str:
    """A file with the event."""
    with sentry_sdk.new_scope() as scope:
        scope.add_attachment(bytes=b"hello attachment", filename="report.txt")
        sentry_sdk.capture_message("Export finished with warnings")
    return "sent"


@scenarios.get("/feedback")
def feedback() -> dict[str, str | None]:
    """The event a crash-report dialog would refer to."""
    return {"event_id": sentry_sdk.capture_message("Checkout froze")}


@scenarios.get("/burst")
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
