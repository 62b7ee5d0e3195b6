"""One message on its way through the pure steps."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from dictamesh_sentry.processing.normalize import RequestInfo
from dictamesh_sentry.processing.results import MessageResult
from dictamesh_sentry.projects.options import ProjectConfig
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.envelope import Envelope
from dictamesh_sentry.protocol.messages import IngestMessage, OutcomeEntry

NAMESPACE = uuid.UUID("6f1f4f0e-2c0e-5f7b-9d51-2f6a8c1f6d11")


@dataclass(slots=True)
class Work:
    """One message under way."""

    message: IngestMessage
    config: ProjectConfig
    result: MessageResult
    envelope: Envelope = field(default_factory=lambda: Envelope({}, []))
    stage: str = "split"

    def outcome(self, category: DataCategory, outcome: Outcome, reason: str, quantity: int = 1) -> None:
        if quantity > 0:
            message = self.message
            self.result.outcomes.append(
                OutcomeEntry(message.project_id, message.key_id, category, outcome, reason, quantity, message.received)
            )

    def accept(self, category: DataCategory, quantity: int = 1) -> None:
        self.outcome(category, Outcome.ACCEPTED, "", quantity)

    @property
    def event_id(self) -> str:
        """The id the SDK was told. Without one: the same made-up id whenever this message is processed."""
        known = self.envelope.event_id or self.message.event_id
        if known:
            return known
        return uuid.uuid5(NAMESPACE, f"{self.result.partition}/{self.result.offset}/{self.message.received}").hex

    @property
    def origin(self) -> tuple[int, int]:
        """Partition and offset of the message."""
        return self.result.partition, self.result.offset

    def request(self, event_id: str = "") -> RequestInfo:
        """What is known about the delivery."""
        message = self.message
        trace = self.envelope.headers.get("trace")
        return RequestInfo(
            received=message.received,
            client_ip=message.client_ip,
            user_agent=message.user_agent,
            client_hints=message.client_hints,
            sent_at=iso_seconds(self.envelope.headers.get("sent_at")),
            sentry_client=message.sentry_client,
            key_id=message.key_id,
            event_id=event_id,
            trace=trace if type(trace) is dict else {},
        )


def iso_seconds(value: object) -> float | None:
    """RFC 3339 with a zone as epoch seconds; None for anything else."""
    if type(value) is not str:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


def text_of(value: object, limit: int) -> str:
    """A string without NUL characters, cut; empty for anything else."""
    return value.replace("\x00", "")[:limit] if type(value) is str else ""
