"""Errors that pass by themselves: what was tried is kept and tried again."""

from __future__ import annotations

from django.db import InterfaceError, OperationalError

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.issues.ingest import IssuesMovedError
from dictamesh_sentry.streams.interface import StreamUnavailableError
from dictamesh_sentry.tasks.queue import QUEUE_ERRORS

UNAVAILABLE = (
    StoreUnavailableError,
    QueryTimeoutError,
    StreamUnavailableError,
    OperationalError,
    InterfaceError,
    IssuesMovedError,
    OSError,
    *QUEUE_ERRORS,
)
