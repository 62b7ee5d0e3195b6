"""Periodic work of the installation itself."""

from __future__ import annotations

from dictamesh_sentry.ops.retention import cleanup
from dictamesh_sentry.tasks.queue import periodic_task


@periodic_task(minutes=360)
def apply_retention() -> None:
    """Remove what has lived long enough."""
    cleanup()
