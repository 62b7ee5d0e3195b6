"""Publishes records. Run: SENTRY_DSN=… KAFKA_HOSTS=localhost:19092 python producer.py '{"id": "1"}' …"""

from __future__ import annotations

import sys
from os import environ

import sentry_sdk
from confluent_kafka import Producer


# guide:python-kafka-produce
def publish(producer: Producer, topic: str, value: bytes) -> None:
    """Send a record, and with it the trace it belongs to."""
    with sentry_sdk.start_span(op="queue.publish", name=f"publish {topic}"):
        headers = {"sentry-trace": sentry_sdk.get_traceparent(), "baggage": sentry_sdk.get_baggage()}
        producer.produce(topic, value, headers={key: text.encode() for key, text in headers.items() if text})


# guide:end


def main() -> None:
    """One transaction for all records; its trace id is printed."""
    sentry_sdk.init(
        dsn=environ.get("SENTRY_DSN"),
        environment=environ.get("SENTRY_ENVIRONMENT") or "development",
        release=environ.get("SENTRY_RELEASE") or "dictamesh-catalog@1.4.0",
        traces_sample_rate=1.0,
    )
    producer = Producer({"bootstrap.servers": environ["KAFKA_HOSTS"]})
    with sentry_sdk.start_transaction(op="task", name="publish entities") as transaction:
        for value in sys.argv[1:]:
            publish(producer, environ.get("KAFKA_TOPIC", "dictamesh.entities"), value.encode())
        print(transaction.trace_id)
    producer.flush(10)


if __name__ == "__main__":
    main()
