"""The product's own metrics, shared by every role.

Each process writes its values to memory-mapped files in ``run/prometheus`` of the data folder; ``/metrics`` of the
web role sums them. Labels take values from small fixed sets only: never a project, a key or a path.
"""

from __future__ import annotations

import os
import socket

from dictamesh_sentry.config.load import get_settings


def _multiprocess_folder() -> str:
    """Where the processes of this host keep their values; a deployment may say so itself.

    The host's name is part of it, so that containers that share a volume do not mix their process ids.
    """
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        host = "".join(char for char in socket.gethostname() if char.isalnum() or char in "-_") or "localhost"
        folder = str((get_settings().data_dir / "run" / "prometheus" / host).resolve())
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
    os.makedirs(folder, exist_ok=True)
    return folder


# The client library decides between memory and files when it is imported, so the folder must be named first.
MULTIPROCESS_FOLDER = _multiprocess_folder()

from prometheus_client import (  # noqa: E402
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead  # noqa: E402

# Whoever imported the library without this module first would count in memory, where nobody reads.
__all__ = [
    "CONTENT_TYPE_LATEST",
    "CollectorRegistry",
    "Gauge",
    "MultiProcessCollector",
    "generate_latest",
    "mark_process_dead",
]

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

INGEST_REQUESTS = Counter("sentry_ingest_requests", "Requests to the ingest endpoints.", ("endpoint", "status"))
INGEST_SECONDS = Histogram(
    "sentry_ingest_request_seconds", "Time from request to answer, body included.", ("endpoint",), buckets=_LATENCY
)
INGEST_BYTES = Counter("sentry_ingest_bytes", "Bytes of request bodies as received.")
EDGE_OUTCOMES = Counter(
    "sentry_edge_outcomes", "Items dropped before the stream, by fate and category.", ("outcome", "category")
)

PROCESSED_MESSAGES = Counter("sentry_processed_messages", "Messages a consumer finished.", ("topic", "result"))
PROCESSED_ITEMS = Counter("sentry_processed_items", "Items processing finished.", ("outcome", "category"))
PROCESSING_BATCH_SECONDS = Histogram(
    "sentry_processing_batch_seconds", "Time a consumer needs for a batch.", ("topic",), buckets=_BATCH
)
PROCESSING_BATCH_SIZE = Histogram(
    "sentry_processing_batch_messages",
    "Messages in a batch.",
    ("topic",),
    buckets=(1, 5, 10, 50, 100, 250, 500, 1000),
)
PROCESSING_STAGE_SECONDS = Histogram(
    "sentry_processing_stage_seconds", "Time a batch of events spends in a stage.", ("stage",), buckets=_BATCH
)
IGNORED_ITEMS = Counter("sentry_ignored_items", "Items the protocol says to swallow: unknown or of the past.")
EVENT_DELAY_SECONDS = Histogram(
    "sentry_event_delay_seconds", "Age of an event when it becomes queryable.", buckets=(*_BATCH, 60, 300)
)
TASKS = Counter("sentry_tasks", "Background tasks by result.", ("result",))
HEARTBEAT = Gauge(
    "sentry_role_heartbeat_timestamp", "When a role last said it is alive.", ("role",), multiprocess_mode="max"
)
