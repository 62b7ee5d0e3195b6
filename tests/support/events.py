"""Rows of the events table for tests: made with defaults, inserted as processing would."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from dictamesh_sentry.eventstore.interface import EventStore

_numbers = itertools.count(1)


@dataclass
class EventRow:
    """One row; the fields are the table's columns."""

    project_id: int = 1
    event_id: uuid.UUID = field(default_factory=uuid.uuid4)
    timestamp: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    received: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    retention_days: int = 90
    origin_partition: int = 0
    origin_offset: int = field(default_factory=lambda: next(_numbers))
    issue_id: int = 1
    primary_hash: uuid.UUID | None = None
    type: str = "error"
    level: str = "error"
    platform: str = "python"
    environment: str = ""
    release: str = ""
    dist: str = ""
    logger: str = ""
    transaction: str = ""
    title: str = "ValueError: bad"
    message: str = ""
    culprit: str = ""
    location: str = ""
    user: str = ""
    user_id: str = ""
    user_email: str = ""
    user_username: str = ""
    user_ip: str = ""
    geo_country_code: str = ""
    http_method: str = ""
    http_url: str = ""
    http_referer: str = ""
    sdk_name: str = ""
    sdk_version: str = ""
    trace_id: str = ""
    span_id: str = ""
    replay_id: str = ""
    exception_types: Sequence[str] = ()
    exception_values: Sequence[str] = ()
    exception_mechanisms: Sequence[str] = ()
    handled: str = "unknown"
    main_thread: str = "unknown"
    stack_filenames: Sequence[str] = ()
    stack_abs_paths: Sequence[str] = ()
    stack_functions: Sequence[str] = ()
    stack_modules: Sequence[str] = ()
    stack_packages: Sequence[str] = ()
    tags: dict[str, str] = field(default_factory=dict)
    contexts: dict[str, str] = field(default_factory=dict)
    flags: dict[str, str] = field(default_factory=dict)
    size: int = 2
    payload: str = "{}"

    def __post_init__(self) -> None:
        self.primary_hash = uuid.UUID(int=self.issue_id)


COLUMNS = [column.name for column in fields(EventRow)]


def insert_events(store: EventStore, events: Iterable[EventRow]) -> None:
    """Insert all of them as one block."""
    rows: list[list[Any]] = [[getattr(event, name) for name in COLUMNS] for event in events]
    store.insert("events", COLUMNS, rows)
