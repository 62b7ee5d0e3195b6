"""dictamesh-importer: traces of OpenTelemetry, sent over OTLP/HTTP. Run: SENTRY_DSN=… python importer.py"""

from __future__ import annotations

import sqlite3
import time
from os import environ
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

RECORDS = 3


class RecordError(Exception):
    """A record that cannot be imported."""


def exporter(dsn: str) -> OTLPSpanExporter:
    """Where a project takes OTLP, and the key it wants in a header; both are in its DSN."""
    parts = urlsplit(dsn)
    host = parts.netloc.rpartition("@")[2]
    return OTLPSpanExporter(
        endpoint=f"{parts.scheme}://{host}/api{parts.path}/integration/otlp/v1/traces",
        headers={"x-sentry-auth": f"sentry sentry_key={parts.username}"},
    )


def start() -> TracerProvider:
    """Release and environment are resource attributes of the semantic conventions."""
    resource = Resource.create(
        {
            "service.name": "dictamesh-importer",
            "service.version": environ.get("SENTRY_RELEASE") or "dictamesh-importer@1.4.0",
            "deployment.environment.name": environ.get("SENTRY_ENVIRONMENT") or "development",
        }
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter(environ["SENTRY_DSN"])))
    trace.set_tracer_provider(provider)
    return provider


tracer = trace.get_tracer("dictamesh.importer", "1.4.0")


def store(database: sqlite3.Connection, number: int) -> None:
    """A query, described with the attributes of the semantic conventions for databases."""
    sql = "INSERT INTO record (number, name) VALUES (?, ?)"
    attributes = {
        "db.system.name": "sqlite",
        "db.query.text": sql,
        "db.operation.name": "INSERT",
        "db.collection.name": "record",
    }
    with tracer.start_as_current_span("INSERT record", kind=SpanKind.CLIENT, attributes=attributes):
        time.sleep(0.002)
        database.execute(sql, (number, f"record {number}"))


def take(database: sqlite3.Connection, number: int) -> None:
    """One record; the second is broken. An exception that leaves the block makes the span's status an error."""
    with tracer.start_as_current_span("import record", attributes={"record.number": number}):
        if number == 1:
            raise RecordError(f"record {number} has no name")
        store(database, number)


def run() -> Span:
    """The whole run is one trace."""
    database = sqlite3.connect(":memory:")
    database.execute("CREATE TABLE record (number INTEGER, name TEXT)")
    attributes = {"import.source": "orders", "import.records": RECORDS}
    with tracer.start_as_current_span("import orders", kind=SpanKind.CONSUMER, attributes=attributes) as span:
        failed = 0
        for number in range(RECORDS):
            try:
                take(database, number)
            except RecordError:
                failed += 1
        span.set_attribute("import.failed", failed)
        if failed:
            span.set_status(Status(StatusCode.ERROR, f"{failed} of {RECORDS} records failed"))
        return span


if __name__ == "__main__":
    provider = start()
    print(f"{run().get_span_context().trace_id:032x}")
    provider.shutdown()  # delivers what is waiting
