"""What has lived long enough goes: events, and everything that hangs on them. What it frees is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues.models import EventAttachment, Issue
from dictamesh_sentry.issues.tasks import delete_issues
from dictamesh_sentry.ops.backup.events import Table, describe
from dictamesh_sentry.processing.models import DeadLetter
from dictamesh_sentry.profiling.records import BLOBS as PROFILES
from dictamesh_sentry.quotas.models import OutcomeHour

log = structlog.get_logger(__name__)
_BATCH = 500
_OUTCOME_DAYS = 400
_DEAD_LETTER_DAYS = 30
# Longer than any stream or dead letter that names the body is kept.
_BODY_DAYS = 31
_BODIES = "ingest/"
_SECONDS = 600


@dataclass
class Kind:
    """Rows removed, and the bytes that became free by it; None where that cannot be told."""

    rows: int = 0
    bytes: int | None = None


@dataclass
class Freed:
    """What a clean-up removed, or would remove."""

    dry_run: bool
    days: int
    kinds: dict[str, Kind] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        """All that was freed."""
        return sum(kind.bytes or 0 for kind in self.kinds.values())

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {**asdict(self), "bytes": self.bytes}


def cleanup(
    *,
    days: int | None = None,
    dry_run: bool = False,
    progress: Callable[[str, int, int], None] = lambda _stage, _done, _total: None,
) -> Freed:
    """Remove what is older than the retention (or ``days``), outcomes past 400 days, dead letters past 30.

    An issue goes with its last event. Running it again, or in several processes at once, is harmless.
    """
    now = timezone.now()
    days = days or get_settings().event_retention_days
    freed = Freed(dry_run, days)
    horizon = now - timedelta(days=days)
    before = _free_bytes_of_metadata()
    steps: list[tuple[str, Callable[[], Kind]]] = [
        *((table.name, lambda table=table: _expire_table(table, horizon, dry_run)) for table in _expiring_tables()),
        ("attachments", lambda: _attachments(horizon, dry_run)),
        ("issues", lambda: _issues(horizon, dry_run)),
        ("user_reports", lambda: _rows(UserReport.objects.filter(date_created__lt=horizon), dry_run)),
        ("outcomes", lambda: _rows(OutcomeHour.objects.filter(hour__lt=now - timedelta(days=_OUTCOME_DAYS)), dry_run)),
        ("dead_letters", lambda: _rows(_old_letters(now), dry_run)),
        ("sessions", lambda: _rows(Session.objects.filter(expire_date__lt=now), dry_run)),
        ("request_bodies", lambda: _bodies(now, dry_run)),
        ("profile_samples", lambda: _profile_samples(now, days, dry_run)),
    ]
    for number, (name, step) in enumerate(steps):
        progress("cleanup", number, len(steps))
        freed.kinds[name] = step()
    progress("cleanup", len(steps), len(steps))
    _note(freed, before)
    log.info("retention applied", dry_run=dry_run, bytes=freed.bytes, **{k: v.rows for k, v in freed.kinds.items()})
    return freed


def _note(freed: Freed, before: int | None) -> None:
    if freed.dry_run:
        freed.notes.append("Nothing was removed. Bytes of events are estimated by their share of their partition.")
        return
    after = _free_bytes_of_metadata()
    if before is None or after is None:
        freed.notes.append("The room of removed metadata rows is used again once PostgreSQL has vacuumed the tables.")
    else:
        freed.kinds["metadata"] = Kind(0, max(0, after - before))
        freed.notes.append("The room of removed metadata rows is used again; the database file does not shrink.")


def _free_bytes_of_metadata() -> int | None:
    """Bytes of the SQLite file that rows no longer use."""
    if connection.vendor != "sqlite":
        return None
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA freelist_count")
        [pages] = cursor.fetchone() or (0,)
        cursor.execute("PRAGMA page_size")
        [size] = cursor.fetchone() or (0,)
    return pages * size


# Events


def _expiring_tables() -> list[Table]:
    return [table for table in describe() if {"timestamp", "retention_days"} <= set(table.columns)]


def _expire_table(table: Table, horizon: datetime, dry_run: bool) -> Kind:
    """Rows past their own retention or before the horizon. Whole old weeks are dropped; other parts are rewritten."""
    store = get_store()
    parameters = {"horizon": horizon.astimezone(UTC)}
    old = "(timestamp < {horizon:DateTime64(3)} OR timestamp + toIntervalDay(retention_days) < now())"
    found = store.rows(
        f"SELECT _partition_id, count(), countIf({old}), toMonday(min(timestamp)) FROM {table.name}"  # noqa: S608
        " GROUP BY _partition_id ORDER BY _partition_id",
        parameters,
        timeout=_SECONDS,
    )
    expired = {partition: (rows, gone, week) for partition, rows, gone, week in found if gone}
    before = _bytes_on_disk(table, list(expired))
    rows_gone = sum(gone for _, gone, _ in expired.values())
    if dry_run or not expired:
        share = sum(before.get(name, 0) * gone // rows for name, (rows, gone, _) in expired.items())
        return Kind(rows_gone, share)
    rewritten = []
    for name, (_, _, week) in expired.items():
        # Whatever is inserted into this week meanwhile is before the horizon, too.
        if table.keys[0] == "toMonday(timestamp)" and week + timedelta(days=7) <= horizon.date():
            store.command(f"ALTER TABLE {table.name} DROP PARTITION ID '{name}'")
        else:
            rewritten.append(name)
    if rewritten:
        store.command(
            f"ALTER TABLE {table.name} DELETE WHERE {old} SETTINGS mutations_sync = 2",
            parameters,
        )
    after = _bytes_on_disk(table, list(expired))
    left = store.rows(
        f"SELECT count() FROM {table.name} WHERE {old} AND _partition_id IN {{names:Array(String)}}",  # noqa: S608
        {**parameters, "names": list(expired)},
        timeout=_SECONDS,
    )[0][0]
    return Kind(rows_gone - int(left), max(0, sum(before.values()) - sum(after.values())))


def _bytes_on_disk(table: Table, partitions: list[str]) -> dict[str, int]:
    rows = get_store().rows(
        "SELECT partition_id, sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase()"
        " AND table = {table:String} AND partition_id IN {partitions:Array(String)} GROUP BY partition_id",
        {"table": table.name, "partitions": partitions},
    )
    return {name: int(size) for name, size in rows}


# Metadata and blobs


def _old_letters(now: datetime) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.filter(date_created__lt=now - timedelta(days=_DEAD_LETTER_DAYS))


def _rows(old: QuerySet[Any], dry_run: bool) -> Kind:
    """Rows nothing else hangs on."""
    if dry_run:
        return Kind(old.count())
    removed, _ = old.delete()
    return Kind(removed)


def _issues(horizon: datetime, dry_run: bool) -> Kind:
    """Issues without an event since the horizon, with what people wrote on them."""
    stale = Issue.objects.filter(last_seen__lt=horizon, is_pending_deletion=False)
    if dry_run:
        return Kind(stale.count())
    kind = Kind()
    while ids := list(stale.values_list("pk", flat=True)[:_BATCH]):
        # An event may have come since.
        stale.filter(pk__in=ids).update(is_pending_deletion=True)
        before = Issue.objects.filter(pk__in=ids).count()
        delete_issues.run(ids)
        kind.rows += before - Issue.objects.filter(pk__in=ids).count()
    return kind


def _attachments(horizon: datetime, dry_run: bool) -> Kind:
    kind = Kind(0, 0)
    for batch in _batches(EventAttachment.objects.filter(date_created__lt=horizon)):
        kind.rows += len(batch)
        keys = {attachment.blob_key: attachment.size for attachment in batch}
        going = EventAttachment.objects.filter(pk__in=[attachment.pk for attachment in batch])
        if not dry_run:
            going.delete()
        others = EventAttachment.objects.filter(blob_key__in=keys)
        kept = set((others.filter(date_created__gte=horizon) if dry_run else others).values_list("blob_key", flat=True))
        for key, size in keys.items():
            if key not in kept:
                if not dry_run:
                    get_blob_store().delete(key)
                kind.bytes = (kind.bytes or 0) + size
    return kind


def _batches(queryset: QuerySet[EventAttachment]) -> Iterator[list[EventAttachment]]:
    """Rows by rising primary key, so that deleting a batch does not disturb the next."""
    last = 0
    while True:
        rows = list(queryset.filter(pk__gt=last).order_by("pk")[:_BATCH])
        if not rows:
            return
        last = rows[-1].pk
        yield rows


def _profile_samples(now: datetime, days: int, dry_run: bool) -> Kind:
    """Samples of profiles whose rows are gone. Their keys have the day the profile began and how long it is kept.

    Rows go by themselves at their hour, samples when the whole day has passed: no row is ever left without them.
    """
    kind = Kind(0, 0)
    blobs = get_blob_store()
    for key, size in list(blobs.keys(PROFILES)):
        parts = key.split("/")
        began, _, kept = parts[2].partition("-") if len(parts) == 4 else ("", "", "")
        if not (len(began) == 8 and began.isdigit() and kept.isdigit()):
            continue
        day = datetime.strptime(began, "%Y%m%d").replace(tzinfo=UTC)
        if day + timedelta(days=1 + min(int(kept), days)) <= now:
            if not dry_run:
                blobs.delete(key)
            kind.rows += 1
            kind.bytes = (kind.bytes or 0) + size
    return kind


def _bodies(now: datetime, dry_run: bool) -> Kind:
    """Bodies of requests whose message is long gone: a worker died between its last write and tidying up.

    Their keys have the hour they were received in: ``ingest/<project>/<YYYYMMDDHH>/<id>``.
    """
    limit = (now - timedelta(days=_BODY_DAYS)).strftime("%Y%m%d%H")
    kind = Kind(0, 0)
    blobs = get_blob_store()
    for key, size in list(blobs.keys(_BODIES)):
        parts = key.split("/")
        if len(parts) == 4 and parts[2].isdigit() and parts[2] < limit:
            if not dry_run:
                blobs.delete(key)
            kind.rows += 1
            kind.bytes = (kind.bytes or 0) + size
    return kind
