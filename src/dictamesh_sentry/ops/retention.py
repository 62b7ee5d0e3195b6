"""What has lived long enough goes: events by their table's TTL, and everything that hangs on them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.db.models import QuerySet
from django.utils import timezone

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.models import EventAttachment, Issue
from dictamesh_sentry.processing.models import DeadLetter
from dictamesh_sentry.quotas.models import OutcomeHour

log = structlog.get_logger(__name__)
_BATCH = 500
_OUTCOME_DAYS = 400
_DEAD_LETTER_DAYS = 30


@dataclass
class Freed:
    """What a clean-up removed, or would remove."""

    events: int = 0
    issues: int = 0
    attachments: int = 0
    outcomes: int = 0
    dead_letters: int = 0
    bytes: int = 0
    notes: list[str] = field(default_factory=list)


def cleanup(*, dry_run: bool = False) -> Freed:
    """Remove events, attachments and issues past the retention, outcomes past 400 days, dead letters past 30.

    An issue goes with its last event. Counts are what was there before; running it again is harmless.
    """
    now = timezone.now()
    horizon = now - timedelta(days=get_settings().event_retention_days)
    freed = Freed()
    _events(freed, dry_run)
    _attachments(freed, EventAttachment.objects.filter(date_created__lt=horizon), dry_run)
    stale = Issue.objects.filter(last_seen__lt=horizon, is_pending_deletion=False)
    freed.issues = stale.count()
    outcomes = OutcomeHour.objects.filter(hour__lt=now - timedelta(days=_OUTCOME_DAYS))
    freed.outcomes = outcomes.count()
    letters = DeadLetter.objects.filter(date_created__lt=now - timedelta(days=_DEAD_LETTER_DAYS))
    freed.dead_letters = letters.count()
    if not dry_run:
        stale.update(is_pending_deletion=True)
        outcomes.delete()
        letters.delete()
    log.info("retention applied", dry_run=dry_run, events=freed.events, issues=freed.issues, bytes=freed.bytes)
    return freed


def _events(freed: Freed, dry_run: bool) -> None:
    store = get_store()
    expired = "timestamp + toIntervalDay(retention_days) < now()"
    row = store.rows(f"SELECT count(), sum(size) FROM events WHERE {expired}")[0]  # noqa: S608 - a constant
    freed.events = int(row[0])
    freed.bytes += int(row[1] or 0)
    if freed.events and not dry_run:
        store.command(f"ALTER TABLE events DELETE WHERE {expired} SETTINGS mutations_sync = 2")


def _attachments(freed: Freed, expired: QuerySet[EventAttachment], dry_run: bool) -> None:
    for batch in _batches(expired):
        freed.attachments += len(batch)
        keys = {attachment.blob_key: attachment.size for attachment in batch}
        if dry_run:
            freed.bytes += sum(keys.values())
            continue
        EventAttachment.objects.filter(pk__in=[attachment.pk for attachment in batch]).delete()
        kept = set(EventAttachment.objects.filter(blob_key__in=keys).values_list("blob_key", flat=True))
        for key, size in keys.items():
            if key not in kept:
                get_blob_store().delete(key)
                freed.bytes += size


def _batches(queryset: QuerySet[EventAttachment]) -> Iterator[list[EventAttachment]]:
    """Rows by rising primary key, so that deleting a batch does not disturb the next."""
    last = 0
    while True:
        rows = list(queryset.filter(pk__gt=last).order_by("pk")[:_BATCH])
        if not rows:
            return
        last = rows[-1].pk
        yield rows
