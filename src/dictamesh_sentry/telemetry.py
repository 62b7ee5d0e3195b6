"""The product's own metrics, declared in one place so that their names and labels stay few.

Labels never carry users' data. Every role writes to files under ``run/prometheus`` in the data folder
(prometheus-client's multiprocess mode); ``/metrics`` adds them up: see ops/metrics.py.
"""

from __future__ import annotations

import os

from dictamesh_sentry.config.load import get_settings


def _multiprocess_folder() -> str:
    """Must be known before prometheus_client is first imported; a deployment may set it itself."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        folder = str((get_settings().data_dir / "run" / "prometheus").resolve())
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    os.makedirs(folder, exist_ok=True)
    return folder


MULTIPROCESS_FOLDER = _multiprocess_folder()

from prometheus_client import Counter, Gauge, Histogram  # noqa: E402 - the folder comes first

EDGE_REQUESTS = Counter("sentry_edge_requests", "Ingest requests by endpoint and status", ["endpoint", "status"])
EDGE_BYTES = Counter("sentry_edge_received_bytes", "Bytes received in bodies, as sent")
EDGE_SECONDS = Histogram(
    "sentry_edge_request_seconds",
    "Time from the request's first byte to its answer",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
PROCESSED = Counter("sentry_processing_messages", "Messages taken from a stream and finished", ["topic"])
DEAD_LETTERS = Counter("sentry_processing_dead_letters", "Messages that failed and were set aside", ["stage"])
UNKNOWN_ITEMS = Counter("sentry_processing_unknown_items", "Envelope items of a type nobody knows")
BATCH_SECONDS = Histogram(
    "sentry_processing_batch_seconds",
    "Time to finish a batch, by stage",
    ["stage"],
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
EVENT_AGE_SECONDS = Histogram(
    "sentry_processing_event_age_seconds",
    "Time from acceptance at the edge to being stored",
    buckets=(0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800),
)
HEARTBEAT = Gauge(
    "sentry_role_heartbeat_timestamp", "When a role last said it is alive", ["role"], multiprocess_mode="max"
)
