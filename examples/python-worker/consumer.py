"""dictamesh-enricher: consumes a Kafka topic. Run: SENTRY_DSN=… KAFKA_HOSTS=localhost:19092 python consumer.py"""

from __future__ import annotations

import json
import signal
from os import environ
from typing import Any

import sentry_sdk
from confluent_kafka import Consumer, Message

TOPIC = environ.get("KAFKA_TOPIC", "dictamesh.entities")
GROUP = "dictamesh-enricher"

sentry_sdk.init(
    dsn=environ.get("SENTRY_DSN"),
    environment=environ.get("SENTRY_ENVIRONMENT") or "development",
    release=environ.get("SENTRY_RELEASE") or "dictamesh-enricher@1.4.0",
    send_default_pii=False,
    traces_sample_rate=float(environ.get("SENTRY_TRACES_SAMPLE_RATE") or "1.0"),
)


def handle(record: dict[str, Any]) -> None:
    """The work itself."""
    with sentry_sdk.start_span(op="db.query", name="UPSERT entity"):
        if "id" not in record:
            raise ValueError("a record without an id")


# guide:python-kafka
def headers_of(message: Message) -> dict[str, str]:
    """The producer's trace, which it put into the record's headers."""
    return {key: value.decode() for key, value in message.headers() or [] if key in ("sentry-trace", "baggage")}


def process(message: Message) -> None:
    """One record: a scope of its own, a transaction that continues the producer's trace, and no end of the loop when
    it fails. Where the record is, is what a developer needs to read it again."""
    with sentry_sdk.isolation_scope() as scope:
        scope.set_tags({"component": "enricher", "kafka.topic": message.topic(), "kafka.group": GROUP})
        scope.set_context("record", {"partition": message.partition(), "offset": message.offset()})
        transaction = sentry_sdk.continue_trace(
            headers_of(message), op="queue.process", name=f"consume {message.topic()}", source="task"
        )
        with sentry_sdk.start_transaction(transaction):
            try:
                handle(json.loads(message.value()))
            except Exception:
                transaction.set_status("internal_error")
                sentry_sdk.capture_exception()


# guide:end


def main() -> None:
    """Until SIGTERM. A record's offset is committed after it was handled or reported."""
    running = True

    def stop(*_: object) -> None:
        nonlocal running
        running = False

    signal.signal(signal.SIGTERM, stop)
    consumer = Consumer(
        {
            "bootstrap.servers": environ["KAFKA_HOSTS"],
            "group.id": GROUP,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([TOPIC])
    while running:
        message = consumer.poll(0.2)
        if message is None or message.error():
            continue
        process(message)
        consumer.commit(message, asynchronous=False)
    consumer.close()
    sentry_sdk.flush(timeout=5)


if __name__ == "__main__":
    main()
