"""One batch under way: its messages, what the pure steps made of them, and what is to be written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.issues.ingest import Candidate, Delta, Facts, HashKey
from dictamesh_sentry.issues.regression import Occurrence
from dictamesh_sentry.processing.grouping import group_event
from dictamesh_sentry.processing.normalize import parse_event
from dictamesh_sentry.processing.results import (
    Attachment,
    EventRecord,
    Failure,
    LogGroup,
    MessageResult,
    Report,
    SpanGroup,
)
from dictamesh_sentry.processing.rows import COLUMNS, to_datetime
from dictamesh_sentry.processing.sightings import Known
from dictamesh_sentry.profiling.records import ProfileRecord
from dictamesh_sentry.projects.options import ProjectConfig
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.messages import OutcomeEntry
from dictamesh_sentry.releases.ingest import Sighting
from dictamesh_sentry.streams.interface import Message

_PAYLOAD = COLUMNS.index("payload")


@dataclass
class Batch:
    """``ranges``: partition → (first offset, offset after the last). ``replayed``: events whose row exists already."""

    messages: dict[tuple[int, int], Message]
    ranges: dict[int, tuple[int, int]]
    results: list[MessageResult] = field(default_factory=list)
    events: list[EventRecord] = field(default_factory=list)
    accepted: list[EventRecord] = field(default_factory=list)
    spans: list[SpanGroup] = field(default_factory=list)
    accepted_spans: list[SpanGroup] = field(default_factory=list)
    logs: list[LogGroup] = field(default_factory=list)
    profiles: list[ProfileRecord] = field(default_factory=list)
    replayed: set[tuple[int, str]] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    read_blobs: dict[tuple[int, int], str] = field(default_factory=dict)
    pure_outcomes: list[tuple[int, OutcomeEntry]] = field(default_factory=list)
    outcomes: list[tuple[int, OutcomeEntry]] = field(default_factory=list)

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Batch:
        """A batch of messages in the order of their partitions."""
        ranges: dict[int, tuple[int, int]] = {}
        for message in messages:
            first, _ = ranges.get(message.partition, (message.offset, 0))
            ranges[message.partition] = (first, message.offset + 1)
        return cls({(message.partition, message.offset): message for message in messages}, ranges)

    def restart(self) -> None:
        """Forget what storing decided, so that storing may begin again."""
        self.accepted = []
        self.accepted_spans = []
        self.replayed = set()
        self.outcomes = list(self.pure_outcomes)

    def count(
        self,
        subject: EventRecord | Attachment | Report | SpanGroup | LogGroup | ProfileRecord,
        category: DataCategory,
        outcome: Outcome,
        reason: str,
        quantity: int = 1,
        *,
        partition: int,
    ) -> None:
        """Note one outcome."""
        entry = OutcomeEntry(subject.project_id, subject.key_id, category, outcome, reason, quantity, subject.received)
        self.outcomes.append((partition, entry))

    def settle(self, event: EventRecord, outcome: Outcome, reason: str = "") -> None:
        """Count an event and everything that came with it under one outcome."""
        partition = event.partition
        if event.data_category >= 0:
            self.count(event, DataCategory(event.data_category), outcome, reason, partition=partition)
        for attachment in event.attachments:
            self.count_attachment(attachment, outcome, reason, partition)
        for report in event.reports:
            if report.source == "user_report":
                self.count(report, DataCategory.FEEDBACK, outcome, reason, partition=partition)

    def settle_group(self, group: SpanGroup | LogGroup | ProfileRecord, outcome: Outcome, reason: str = "") -> None:
        """Count spans (and the transaction they are), logs or a profile under one outcome."""
        for category, quantity in group.quantities:
            self.count(group, DataCategory(category), outcome, reason, quantity, partition=group.partition)

    def count_attachment(self, attachment: Attachment, outcome: Outcome, reason: str, partition: int) -> None:
        """Attachments count twice: their bytes and themselves."""
        size = len(attachment.data)
        if size:
            self.count(attachment, DataCategory.ATTACHMENT, outcome, reason, size, partition=partition)
        self.count(attachment, DataCategory.ATTACHMENT_ITEM, outcome, reason, partition=partition)

    def attachments(self) -> Iterator[Attachment]:
        """Every file to be kept."""
        for event in self.accepted:
            yield from event.attachments
        for result in self.results:
            yield from result.attachments

    def reports(self) -> Iterator[Report]:
        """Everything people wrote."""
        for event in self.accepted:
            yield from event.reports
        for result in self.results:
            yield from result.reports

    def outcomes_by_partition(self) -> dict[int, list[OutcomeEntry]]:
        grouped: dict[int, list[OutcomeEntry]] = {}
        for partition, entry in self.outcomes:
            grouped.setdefault(partition, []).append(entry)
        return grouped

    def finished_blobs(self) -> Iterator[str]:
        """Bodies kept outside the stream that nobody needs any more; those of dead letters stay for their replay."""
        failed = {(failure.partition, failure.offset) for failure in self.failures}
        return (key for position, key in self.read_blobs.items() if position not in failed)


def facts_of(event: EventRecord, known: Known) -> Facts:
    """What the event's issue would show of it."""
    return Facts(
        event_id=event.event_id,
        timestamp=to_datetime(event.timestamp),
        title=event.title,
        culprit=event.culprit,
        level=event.level,
        type=event.type,
        category=event.category,
        issue_type=event.issue_type,
        platform=event.platform,
        logger=event.logger,
        metadata=event.metadata,
        is_unhandled=event.is_unhandled,
        priority=event.priority,
        release_id=known.release_id(event),
    )


def candidates(
    events: Iterable[EventRecord], known: Known, project_config: Callable[[int], ProjectConfig]
) -> dict[HashKey, Candidate]:
    """One candidate per fingerprint, from its earliest event."""
    found: dict[HashKey, EventRecord] = {}
    for event in events:
        first = found.get(event.hash_key)
        if first is None or event.timestamp < first.timestamp:
            found[event.hash_key] = event
    return {
        key: Candidate(
            event.project_id, event.hash, event.algorithm, facts_of(event, known), _explain(event, project_config)
        )
        for key, event in found.items()
    }


def _explain(event: EventRecord, project_config: Callable[[int], ProjectConfig]) -> Callable[[], dict[str, Any]]:
    """Group again, this time to say why: only new fingerprints pay for their explanation."""

    def explain() -> dict[str, Any]:
        grouping = group_event(parse_event(event.row[_PAYLOAD]), project_config(event.project_id))
        return _without_nul(grouping.explanation)

    return explain


def _without_nul(value: Any) -> Any:
    """PostgreSQL's JSON has no NUL character."""
    if type(value) is str:
        return value.replace("\x00", "")
    if type(value) is list:
        return [_without_nul(item) for item in value]
    if type(value) is dict:
        return {key: _without_nul(item) for key, item in value.items()}
    return value


def deltas(events: Iterable[EventRecord], known: Known) -> Mapping[HashKey, Delta]:
    """What the events add to each fingerprint."""
    found: dict[HashKey, Delta] = {}
    for event in events:
        moment = to_datetime(event.timestamp)
        delta = found.get(event.hash_key)
        if delta is None:
            delta = found[event.hash_key] = Delta(0, moment, moment, facts_of(event, known))
        elif moment >= delta.last_seen:
            delta.latest = facts_of(event, known)
        delta.count += 1
        delta.first_seen = min(delta.first_seen, moment)
        delta.last_seen = max(delta.last_seen, moment)
        delta.occurrences.append(Occurrence(moment, known.release_id(event)))
        environment_id = known.environment_id(event)
        seen = delta.environments.get(environment_id)
        if seen is None:
            delta.environments[environment_id] = Sighting(moment, moment)
        else:
            seen.widen(moment)
    return found
