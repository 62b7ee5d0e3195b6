"""One issue becomes two again, fingerprint by fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import ActionError, after_commit, issue_reference, locked, subscribe, write
from dictamesh_sentry.issues.models import (
    Activity,
    EventAttachment,
    Issue,
    IssueEnvironment,
    IssueHash,
    IssueRedirect,
)
from dictamesh_sentry.issues.snapshots import parse_time, restored_fields
from dictamesh_sentry.projects.models import Environment, Project

_BATCH = 500
_HEX = frozenset("0123456789abcdef")


def unmerge(actor: User | None, issue: Issue, hashes: Iterable[str]) -> Issue:
    """Split fingerprints off ``issue`` and return the issue that has them now.

    Fingerprints that came from a merged issue bring that issue back with its id, short id and history; others
    become a new issue. Counters are exact (each fingerprint has its own); attachments and feedback go with their
    events, which follow in the background. Raises ActionError when a fingerprint is not one of the issue's, or
    when none would be left. Needs the event store.
    """
    wanted = sorted(set(hashes))
    if not all(len(value) == 32 and _HEX.issuperset(value) for value in wanted):
        raise ActionError("These fingerprints are not part of the issue.")
    environments = _environments_of(issue.project_id, wanted)
    event_ids = _events_with_files(issue, wanted)
    with locked([issue], with_hashes=True) as rows:
        if not rows:
            raise ActionError("This issue is being deleted.")
        source = rows[0]
        moved = list(IssueHash.objects.select_for_update().filter(issue=source, hash__in=wanted))
        if not moved or len(moved) != len(wanted):
            raise ActionError("These fingerprints are not part of the issue.")
        if not IssueHash.objects.filter(issue=source).exclude(pk__in=[row.pk for row in moved]).exists():
            raise ActionError("At least one fingerprint must stay with the issue.")
        result = _create(source, moved)
        IssueHash.objects.filter(pk__in=[row.pk for row in moved]).update(issue=result, merged_from=None)
        _restore_environments(result, moved, environments)
        _restore_history(source, result, moved, [issue])
        EventAttachment.objects.filter(issue=source, event_id__in=event_ids).update(issue=result)
        source.user_reports.filter(event_id__in=event_ids).update(issue=result)
        _write_remaining(source, moved, [issue])
        fingerprints = [row.hash for row in moved]
        activity.record(
            [source],
            actor,
            activity.UNMERGE_SOURCE,
            {"fingerprints": fingerprints, "destination": issue_reference(result)},
        )
        activity.record(
            [result],
            actor,
            activity.UNMERGE_DESTINATION,
            {"fingerprints": fingerprints, "source": issue_reference(source)},
        )
        subscribe([source, result], actor, "status_change")
        after_commit(lambda: _repoint(result, fingerprints))
    return result


def _repoint(target: Issue, hashes: list[str]) -> None:
    from dictamesh_sentry.issues.tasks import repoint_events

    repoint_events(target.project_id, hashes, target.pk)


def allocate_short_number(project_id: int) -> int:
    """The project's next short number; safe under concurrency inside a transaction."""
    with transaction.atomic():
        Project.objects.filter(pk=project_id).update(next_short_id=F("next_short_id") + 1)
        return Project.objects.values_list("next_short_id", flat=True).get(pk=project_id) - 1


def _create(source: Issue, moved: Sequence[IssueHash]) -> Issue:
    """The issue for the moved fingerprints: a former one where it can come back, otherwise a new one."""
    snapshot = _best_snapshot(moved)
    fields = restored_fields(snapshot) if snapshot else _copied_fields(source)
    fields |= {
        "project": source.project,
        "status": "unresolved",
        "substatus": "ongoing",
        "times_seen": sum(row.times_seen for row in moved),
        "first_seen": min((row.first_seen for row in moved if row.first_seen), default=source.first_seen),
        "last_seen": max((row.last_seen for row in moved if row.last_seen), default=source.last_seen),
        "num_comments": 0,
    }
    if snapshot:
        _drop_dangling(fields)
        IssueRedirect.objects.filter(previous_id=snapshot["id"]).delete()
        created = Issue.objects.create(pk=snapshot["id"], short_number=snapshot["short_number"], **fields)
        others = {row.merged_from["id"] for row in moved if row.merged_from} - {created.pk}
        IssueRedirect.objects.filter(previous_id__in=others, issue=source).update(issue=created)
        return created
    return Issue.objects.create(short_number=allocate_short_number(source.project_id), **fields)


def _best_snapshot(moved: Sequence[IssueHash]) -> dict[str, Any] | None:
    """The remembered issue of the busiest fingerprint whose id is free."""
    for row in sorted(moved, key=lambda row: -row.times_seen):
        snapshot = row.merged_from
        if (
            isinstance(snapshot, dict)
            and not Issue.objects.filter(pk=snapshot["id"]).exists()
            and not Issue.objects.filter(project_id=row.project_id, short_number=snapshot["short_number"]).exists()
        ):
            return snapshot
    return None


def _copied_fields(source: Issue) -> dict[str, Any]:
    names = ("title", "culprit", "level", "category", "type", "platform", "logger", "metadata", "is_unhandled")
    return {name: getattr(source, name) for name in names} | {"priority": source.priority}


def _drop_dangling(fields: dict[str, Any]) -> None:
    """Forget references to rows that were deleted since the snapshot."""
    for name in ("first_release_id", "last_release_id", "assigned_user_id", "assigned_team_id"):
        value = fields.get(name)
        model = Issue._meta.get_field(name.removesuffix("_id")).related_model
        if value is not None and not model._default_manager.filter(pk=value).exists():  # pyright: ignore[reportOptionalMemberAccess]
            fields[name] = None


def _restore_environments(
    result: Issue, moved: Sequence[IssueHash], seen: dict[str, tuple[datetime, datetime]]
) -> None:
    """Environments as remembered, widened by what the event store still knows of the fingerprints."""
    spans: dict[int, tuple[datetime, datetime]] = {}
    for row in moved:
        snapshot = row.merged_from if isinstance(row.merged_from, dict) else {}
        for environment_id, first, last, _ in snapshot.get("environments", []):
            spans[environment_id] = _widen(spans.get(environment_id), parse_time(first), parse_time(last))
    organization = result.project.organization_id
    for environment in Environment.objects.filter(organization_id=organization, name__in=list(seen)):
        spans[environment.pk] = _widen(spans.get(environment.pk), *seen[environment.name])
    known = set(Environment.objects.filter(pk__in=list(spans)).values_list("pk", flat=True))
    IssueEnvironment.objects.bulk_create(
        IssueEnvironment(issue=result, environment_id=pk, first_seen=first, last_seen=last)
        for pk, (first, last) in spans.items()
        if pk in known
    )


def _widen(span: tuple[datetime, datetime] | None, first: datetime, last: datetime) -> tuple[datetime, datetime]:
    return (min(span[0], first), max(span[1], last)) if span else (first, last)


def _restore_history(source: Issue, result: Issue, moved: Sequence[IssueHash], given: Sequence[Issue]) -> None:
    """Give the remembered issue its own entries and comments back."""
    ids: set[int] = set()
    for row in moved:
        if isinstance(row.merged_from, dict):
            ids.update(row.merged_from.get("activities", []))
    for start in range(0, len(ids), _BATCH):
        Activity.objects.filter(issue=source, pk__in=sorted(ids)[start : start + _BATCH]).update(issue=result)
    for row, shown in ((source, given), (result, [])):
        write([row], shown, num_comments=Activity.objects.filter(issue=row, type=activity.NOTE).count())


def _write_remaining(source: Issue, moved: Sequence[IssueHash], given: Sequence[Issue]) -> None:
    rest = list(IssueHash.objects.filter(issue=source))
    write(
        [source],
        given,
        times_seen=max(0, source.times_seen - sum(row.times_seen for row in moved)),
        first_seen=min((row.first_seen for row in rest if row.first_seen), default=source.first_seen),
        last_seen=max((row.last_seen for row in rest if row.last_seen), default=source.last_seen),
    )


def _environments_of(project_id: int, hashes: Sequence[str]) -> dict[str, tuple[datetime, datetime]]:
    rows = get_store().rows(
        "SELECT environment, min(timestamp), max(timestamp) FROM events "
        "WHERE project_id = {project:UInt64} AND primary_hash IN {hashes:Array(UUID)} GROUP BY environment",
        {"project": project_id, "hashes": _uuids(hashes)},
    )
    return {name: (_aware(first), _aware(last)) for name, first, last in rows}


def _uuids(values: Iterable[str]) -> list[UUID]:
    return [UUID(value) for value in values]


def _aware(value: datetime) -> datetime:
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def _events_with_files(issue: Issue, hashes: Sequence[str]) -> list[str]:
    """Events of these fingerprints among those of the issue that have attachments or feedback."""
    ids = set(EventAttachment.objects.filter(issue=issue).values_list("event_id", flat=True))
    ids.update(issue.user_reports.values_list("event_id", flat=True))
    found: list[str] = []
    ordered = sorted(ids)
    for start in range(0, len(ordered), _BATCH):
        rows = get_store().rows(
            "SELECT DISTINCT event_id FROM events WHERE project_id = {project:UInt64} "
            "AND primary_hash IN {hashes:Array(UUID)} AND event_id IN {ids:Array(UUID)}",
            {"project": issue.project_id, "hashes": _uuids(hashes), "ids": _uuids(ordered[start : start + _BATCH])},
        )
        found += [str(row[0]).replace("-", "") for row in rows]
    return found
