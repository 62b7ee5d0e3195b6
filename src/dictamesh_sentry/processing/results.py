"""What the pure steps make of one message. Plain data, so that it can cross a process boundary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.profiling.records import ProfileRecord
from dictamesh_sentry.protocol.messages import OutcomeEntry


@dataclass(slots=True)
class Report:
    """Someone's words about an event (``user_report`` or ``feedback``)."""

    project_id: int
    key_id: int
    event_id: str
    name: str
    email: str
    comments: str
    environment: str
    source: str
    received: float


@dataclass(slots=True)
class Attachment:
    """A file of an event."""

    project_id: int
    key_id: int
    event_id: str
    name: str
    type: str
    mimetype: str
    data: bytes
    received: float


@dataclass(slots=True)
class EventRecord:
    """An event that passed every pure step. ``row`` follows ``rows.COLUMNS``; its issue is still open."""

    project_id: int
    organization_id: int
    key_id: int
    event_id: str
    hash: str
    data_category: int
    """-1 for what was derived here: nobody sent it, so no outcome counts it."""
    received: float
    timestamp: float
    partition: int
    offset: int
    row: list[Any]
    algorithm: str
    type: str
    category: str
    issue_type: str
    title: str
    culprit: str
    level: str
    platform: str
    logger: str
    metadata: dict[str, Any]
    is_unhandled: bool
    priority: str
    environment: str
    release: str
    user: str
    tags: dict[str, str]
    attachments: list[Attachment] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)

    @property
    def identity(self) -> tuple[int, str]:
        """What makes two messages the same event."""
        return (self.project_id, self.event_id)

    @property
    def hash_key(self) -> tuple[int, str]:
        return (self.project_id, self.hash)


@dataclass(slots=True)
class SpanGroup:
    """Spans that are stored together: a transaction with its children, or spans of one segment sent alone.

    ``rows`` follow ``spans.rows.COLUMNS``; ``event_id`` is empty for spans sent alone; ``quantities`` is what they
    are counted as; ``first`` and ``last`` bound their starts in epoch seconds.
    """

    project_id: int
    organization_id: int
    key_id: int
    event_id: str
    received: float
    timestamp: float
    first: float
    last: float
    partition: int
    offset: int
    environment: str
    release: str
    rows: list[list[Any]]
    quantities: list[tuple[int, int]]
    is_transaction: bool = False

    @property
    def identity(self) -> tuple[int, str]:
        """What makes two transactions the same one."""
        return (self.project_id, self.event_id)


@dataclass(slots=True)
class LogGroup:
    """Log records that came together. ``rows`` follow ``logs.COLUMNS``; times as in SpanGroup."""

    project_id: int
    organization_id: int
    key_id: int
    received: float
    timestamp: float
    first: float
    last: float
    partition: int
    offset: int
    environment: str
    release: str
    rows: list[list[Any]]
    quantities: list[tuple[int, int]]


@dataclass(slots=True)
class MessageResult:
    """Everything one message leads to. ``attachments`` and ``reports`` here belong to no event of the message."""

    partition: int
    offset: int
    events: list[EventRecord] = field(default_factory=list)
    spans: list[SpanGroup] = field(default_factory=list)
    logs: list[LogGroup] = field(default_factory=list)
    profiles: list[ProfileRecord] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    reports: list[Report] = field(default_factory=list)
    outcomes: list[OutcomeEntry] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Failure:
    """A message whose processing raised: a defect of ours. It goes to the dead letters."""

    partition: int
    offset: int
    stage: str
    reason: str
    project_id: int | None = None
