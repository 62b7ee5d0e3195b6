"""What an application tells Sentry, one function per kind of report. Run: SENTRY_DSN=… python scenarios.py error"""

from __future__ import annotations

import os
import sys

import sentry_sdk
from sentry_sdk.envelope import Envelope, Item, PayloadRef

BURST = 300


class PaymentDeclinedError(Exception):
    """The card was refused."""


def init() -> None:
    """Read SENTRY_DSN from the environment."""
    sentry_sdk.init(
        dsn=os.environ["SENTRY_DSN"],
        environment="example",
        release="example-python@1.0.0",
        include_local_variables=True,
        traces_sample_rate=0.0,
    )
    sentry_sdk.set_tag("example", "python")


def charge(order: dict[str, object]) -> None:
    """Fails with a chained exception."""
    try:
        raise ConnectionError("bank did not answer")
    except ConnectionError as error:
        raise PaymentDeclinedError(f"payment of order {order['id']} declined") from error


def error() -> None:
    """An error with a user, tags, a context and breadcrumbs."""
    sentry_sdk.set_user({"id": "42", "email": "ada@example.com", "username": "ada"})
    sentry_sdk.set_tag("component", "billing")
    sentry_sdk.set_context("order", {"id": 1001, "lines": 3})
    sentry_sdk.add_breadcrumb(category="checkout", message="opening order 1001", level="info")
    try:
        charge({"id": 1001})
    except PaymentDeclinedError:
        sentry_sdk.capture_exception()


def message() -> None:
    """A plain message with a level."""
    sentry_sdk.capture_message("Inventory is low", level="warning")


def fingerprint() -> None:
    """Two different errors that belong to one issue, because we say so."""
    for problem in (KeyError("first cause"), LookupError("second cause")):
        with sentry_sdk.new_scope() as scope:
            scope.fingerprint = ["catalogue-unavailable"]
            sentry_sdk.capture_exception(problem)


def attachment() -> None:
    """A file that travels with the event."""
    with sentry_sdk.new_scope() as scope:
        scope.add_attachment(bytes=b"hello attachment", filename="report.txt")
        sentry_sdk.capture_message("Export finished with warnings")


def feedback() -> None:
    """What a user wrote about an event."""
    event_id = sentry_sdk.capture_message("Checkout froze")
    report = {
        "contexts": {
            "feedback": {
                "message": "The page froze when I paid",
                "contact_email": "ada@example.com",
                "name": "Ada",
                "associated_event_id": event_id,
            }
        },
        "platform": "python",
        "level": "info",
    }
    envelope = Envelope(items=[Item(PayloadRef(json=report), type="feedback")])
    transport = sentry_sdk.get_client().transport
    if transport is not None:
        transport.capture_envelope(envelope)


def burst() -> None:
    """Many errors at once; flushing now and then keeps the SDK's own queue from dropping any."""
    for number in range(BURST):
        try:
            raise RuntimeError(f"burst error {number}")
        except RuntimeError:
            sentry_sdk.capture_exception()
        if number % 50 == 49:
            sentry_sdk.flush(timeout=10)


SCENARIOS = {f.__name__: f for f in (error, message, fingerprint, attachment, feedback, burst)}

if __name__ == "__main__":
    init()
    for name in sys.argv[1:] or list(SCENARIOS):
        with sentry_sdk.isolation_scope():
            SCENARIOS[name]()
    sentry_sdk.flush(timeout=20)
