"""The product's own metrics, shared by every role.

Each process writes its values to memory-mapped files in ``run/prometheus`` of the data folder; ``/metrics`` of the
web role sums them. Labels take values from small fixed sets only: never a project, a key or a path.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from dictamesh_sentry.config.load import get_settings


def metrics_folder() -> Path:
    """Where the processes of this machine keep their values. Containers that share a volume do not mix."""
    host = "".join(char for char in socket.gethostname() if char.isalnum() or char in "-_.") or "localhost"
    return get_settings().data_dir.resolve() / "run" / "prometheus" / host


# The client library decides between memory and files when it is imported, so the folder must be named first.
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    _folder = metrics_folder()
    try:
        _folder.mkdir(parents=True, exist_ok=True)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_folder)
    except OSError:  # a read-only data folder: this process keeps its metrics to itself
        pass

from prometheus_client import Counter, Histogram  # noqa: E402

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

INGEST_REQUESTS = Counter("dictamesh_ingest_requests", "Requests to the ingest endpoints.", ("endpoint", "status"))
INGEST_SECONDS = Histogram(
    "dictamesh_ingest_request_seconds", "Time from request to answer, body included.", ("endpoint",), buckets=_LATENCY
)
INGEST_BYTES = Counter("dictamesh_ingest_bytes", "Bytes of request bodies as received.")
EDGE_OUTCOMES = Counter(
    "dictamesh_edge_outcomes", "Items dropped before the stream, by fate and category.", ("outcome", "category")
)

PROCESSED_MESSAGES = Counter("dictamesh_processed_messages", "Messages a consumer finished.", ("topic", "result"))
PROCESSED_ITEMS = Counter("dictamesh_processed_items", "Items processing finished.", ("outcome", "category"))
PROCESSING_BATCH_SECONDS = Histogram(
    "dictamesh_processing_batch_seconds", "Time a consumer needs for a batch.", ("topic",), buckets=_BATCH
)
PROCESSING_BATCH_SIZE = Histogram(
    "dictamesh_processing_batch_messages",
    "Messages in a batch.",
    ("topic",),
    buckets=(1, 5, 10, 50, 100, 250, 500, 1000),
)
EVENT_DELAY_SECONDS = Histogram(
    "dictamesh_event_delay_seconds", "Age of an event when it becomes queryable.", buckets=(*_BATCH, 60, 300)
)
TASKS = Counter("dictamesh_tasks", "Background tasks by result.", ("result",))
