"""dictamesh-catalog on Flask. Run: SENTRY_DSN=… PORT=5000 python app.py"""

from __future__ import annotations

import signal
import sys
from os import environ
from typing import Any

import sentry_sdk
from flask import Flask, jsonify
from privacy import scrub
from scenarios import scenarios
from sentry_sdk.integrations.flask import FlaskIntegration

# guide:python-sampling
TRACES_SAMPLE_RATES = {"development": 1.0, "staging": 0.5, "production": 0.1}
ENVIRONMENT = environ.get("SENTRY_ENVIRONMENT") or "development"


def traces_sampler(context: dict[str, Any]) -> float:
    """Nothing of health checks, else what the caller decided, else a share that depends on the environment."""
    if context.get("wsgi_environ", {}).get("PATH_INFO") == "/health":
        return 0.0
    if context["parent_sampled"] is not None:
        return float(context["parent_sampled"])
    rate = environ.get("SENTRY_TRACES_SAMPLE_RATE")
    return float(rate) if rate else TRACES_SAMPLE_RATES.get(ENVIRONMENT, 0.1)


# guide:end

# guide:python-flask-init
# Before the application is created. Without SENTRY_DSN nothing is sent.
sentry_sdk.init(
    dsn=environ.get("SENTRY_DSN"),
    environment=ENVIRONMENT,
    release=environ.get("SENTRY_RELEASE") or "dictamesh-catalog@1.4.0",
    integrations=[FlaskIntegration(transaction_style="url")],
    send_default_pii=False,
    before_send=scrub,
    traces_sampler=traces_sampler,
    profile_session_sample_rate=float(environ.get("SENTRY_PROFILES_SAMPLE_RATE") or "1.0"),
    profile_lifecycle="trace",
    debug=environ.get("SENTRY_DEBUG") == "1",
)
app = Flask(__name__)
# guide:end

app.register_blueprint(scenarios)


RECORD = "529.982.247-25"


class SourceError(Exception):
    """A source of the catalogue did not do what it should."""


@app.get("/health")
def health() -> str:
    """Not traced, see traces_sampler."""
    return "ok"


# guide:python-flask-span
@app.get("/entities/<entity_id>")
def entity(entity_id: str) -> Any:
    """The request is a transaction; the span shows as a part of it."""
    with sentry_sdk.start_span(op="db.query", name="SELECT entity") as span:
        span.set_data("entity.id", entity_id)
        found = {"id": entity_id}
    return jsonify(found)


# guide:end


@app.get("/entities/<entity_id>/owner")
def owner(entity_id: str) -> Any:
    """Not caught: the integration reports it with the request and Flask answers 500."""
    found: dict[str, Any] = {"id": entity_id, "owner": None}
    return jsonify(found["owner"]["team"])


# guide:python-flask-capture
@app.post("/sync")
def synchronize() -> tuple[str, int]:
    """A caught error, reported with what a developer needs to find out why."""
    sentry_sdk.set_user({"id": "tenant-7"})
    sentry_sdk.set_tags({"component": "catalog", "adapter.source": "orders"})
    sentry_sdk.set_context("batch", {"size": 500, "cursor": "2025-01-08T00:00:00Z"})
    sentry_sdk.add_breadcrumb(category="adapter", message="requesting changes of orders", level="info")
    try:
        pull("orders")
    except SourceError as error:
        sentry_sdk.capture_exception(error)
        return "the source did not answer", 502
    return "", 204


# guide:end


def pull(source: str) -> None:
    """Fails with a chained exception."""
    try:
        raise TimeoutError("no answer within 5 s")
    except TimeoutError as error:
        raise SourceError(f"source {source}: record of {RECORD} was not answered") from error


# guide:python-flask-shutdown
def stop(*_: object) -> None:
    """SIGTERM: deliver what is waiting. A WSGI server that stops its workers with sys.exit needs only the SDK's own
    exit handler, which does the same within `shutdown_timeout` (2 s)."""
    sentry_sdk.flush(timeout=5)
    sys.exit(0)


# guide:end

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    app.run("127.0.0.1", int(environ.get("PORT", "5000")))
