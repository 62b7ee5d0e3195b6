"""Issues as processing sees them: found or created for a batch of events, then raised by it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.models import Activity, Issue, IssueEnvironment, IssueHash
from dictamesh_sentry.issues.regression import Occurrence, contradicts
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.ingest import Sighting
from dictamesh_sentry.releases.models import Release

HashKey = tuple[int, str]
_ATTEMPTS = 6
_CHUNK = 500
_PRIORITIES = {"low": 0, "medium": 1, "high": 2}


@dataclass(slots=True)
class Facts:
    """What an issue shows of its latest event."""

    event_id: str
    timestamp: datetime
    title: str
    culprit: str
    level: str
    type: str
    category: str
    issue_type: str
    platform: str
    logger: str
    metadata: dict[str, Any]
    is_unhandled: bool
    priority: str
    release_id: int | None


@dataclass(slots=True)
class Candidate:
    """A fingerprint of the batch and the issue it would open. ``explain`` is only called when it does."""

    project_id: int
    hash: str
    algorithm: str
    facts: Facts
    explain: Callable[[], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Found:
    """Where a fingerprint's events go. ``issue_id`` is None when they are discarded."""

    issue_id: int | None
    is_new: bool


@dataclass(slots=True)
class Delta:
    """What a batch adds to one fingerprint."""

    count: int
    first_seen: datetime
    last_seen: datetime
    latest: Facts
    occurrences: list[Occurrence] = field(default_factory=list)
    environments: dict[int, Sighting] = field(default_factory=dict)


@dataclass(slots=True)
class Raised:
    """What ``raise_counters`` found: fingerprint → issue now, and the issues that had no event before."""

    issues: dict[HashKey, int]
    new_issue_ids: set[int]


class IssuesMovedError(Exception):
    """A fingerprint changed its issue while a batch was being counted."""


# Finding and creating


def find_or_create(candidates: Mapping[HashKey, Candidate]) -> dict[HashKey, Found]:
    """The issue of every fingerprint, opened where there is none.

    Safe under concurrency: the unique fingerprint decides who opens an issue, everyone else finds it. An issue
    without events counts as new, so a batch replayed after a crash says so again.
    """
    found = _find(candidates)
    for _ in range(_ATTEMPTS):
        missing = [candidate for key, candidate in candidates.items() if key not in found]
        if not missing:
            return found
        try:
            with transaction.atomic():
                created = _create(missing)
        except IntegrityError:
            # Someone opened one of them meanwhile; nothing of ours was kept.
            found = _find(candidates)
            continue
        found.update(created)
    raise IntegrityError("issues could not be created; the project may just have been deleted")


def _by_project(keys: Iterable[HashKey]) -> dict[int, list[str]]:
    grouped: dict[int, list[str]] = {}
    for project_id, value in keys:
        grouped.setdefault(project_id, []).append(value)
    return grouped


def _find(keys: Iterable[HashKey]) -> dict[HashKey, Found]:
    found: dict[HashKey, Found] = {}
    for project_id, hashes in _by_project(keys).items():
        for start in range(0, len(hashes), _CHUNK):
            rows = IssueHash.objects.filter(project_id=project_id, hash__in=hashes[start : start + _CHUNK])
            for value, issue_id, discarded, seen, doomed in rows.values_list(
                "hash", "issue_id", "is_discarded", "issue__times_seen", "issue__is_pending_deletion"
            ):
                if discarded:
                    found[project_id, value] = Found(None, False)
                elif doomed or issue_id is None:
                    # The issue is on its way out; the fingerprint is free for a new one.
                    IssueHash.objects.filter(project_id=project_id, hash=value, issue_id=issue_id).delete()
                else:
                    found[project_id, value] = Found(issue_id, seen == 0)
    return found


def _create(candidates: Sequence[Candidate]) -> dict[HashKey, Found]:
    """Open issues in one transaction. Raises IntegrityError when one of the fingerprints is taken."""
    numbers = {
        project_id: _allocate_short_numbers(project_id, len(hashes))
        for project_id, hashes in sorted(_by_project((c.project_id, c.hash) for c in candidates).items())
    }
    issues = Issue.objects.bulk_create([_new_issue(c, next(numbers[c.project_id])) for c in candidates])
    IssueHash.objects.bulk_create(
        [
            IssueHash(
                project_id=candidate.project_id,
                hash=candidate.hash,
                issue=issue,
                algorithm=candidate.algorithm,
                explanation=candidate.explain(),
                first_seen=candidate.facts.timestamp,
                last_seen=candidate.facts.timestamp,
                latest_event_id=candidate.facts.event_id,
            )
            for candidate, issue in zip(candidates, issues, strict=True)
        ]
    )
    Activity.objects.bulk_create(
        [Activity(issue=issue, type=activity.FIRST_SEEN, datetime=issue.first_seen) for issue in issues]
    )
    return {
        (candidate.project_id, candidate.hash): Found(issue.pk, True)
        for candidate, issue in zip(candidates, issues, strict=True)
    }


def _allocate_short_numbers(project_id: int, count: int) -> Any:
    """The next numbers of a project. The update locks the project's row, so no number is given twice."""
    if not Project.objects.filter(pk=project_id).update(next_short_id=F("next_short_id") + count):
        raise IntegrityError(f"project {project_id} is gone")
    end = Project.objects.values_list("next_short_id", flat=True).get(pk=project_id)
    return iter(range(end - count, end))


def _new_issue(candidate: Candidate, short_number: int) -> Issue:
    facts = candidate.facts
    return Issue(
        project_id=candidate.project_id,
        short_number=short_number,
        title=facts.title[:255],
        culprit=facts.culprit[:255],
        level=facts.level,
        category=facts.category,
        type=facts.issue_type,
        platform=facts.platform,
        logger=facts.logger[:64],
        metadata=facts.metadata,
        is_unhandled=facts.is_unhandled,
        priority=facts.priority,
        first_seen=facts.timestamp,
        last_seen=facts.timestamp,
        times_seen=0,
        first_release_id=facts.release_id,
        last_release_id=facts.release_id,
        status="unresolved",
        substatus="new",
    )


# Raising


def raise_counters(deltas: Mapping[HashKey, Delta]) -> Raised:
    """Add a batch to the issues its fingerprints belong to *now*, in the caller's transaction.

    The fingerprints are looked up again: an issue merged since the batch looked them up gets its events.
    Fingerprints that were deleted meanwhile add to nothing. Resolved issues whose fix the batch contradicts regress.
    Raises IssuesMovedError when a merge got in between; the transaction has to be rolled back and tried again.
    """
    hashes = _hashes(deltas)
    current = {key: row.issue_id for key, row in hashes.items() if row.issue_id is not None}
    issues = _locked_issues(set(current.values()))
    if connection.features.has_select_for_update:
        # Merging locks issues before it moves fingerprints, as we do; so what they point to now, stays.
        hashes = _hashes(deltas)
        moved = {key: row.issue_id for key, row in hashes.items() if row.issue_id is not None}
        if moved != current:
            raise IssuesMovedError
    current = {key: issue_id for key, issue_id in current.items() if issue_id in issues}
    _write_hashes(hashes, deltas)
    by_issue: dict[int, list[Delta]] = {}
    for key, issue_id in current.items():
        by_issue.setdefault(issue_id, []).append(deltas[key])
    new = {pk for pk in by_issue if issues[pk].times_seen == 0}
    _regress(issues, by_issue)
    for pk, parts in by_issue.items():
        for delta in parts:
            _raise_issue(issues[pk], delta)
    _write_issues([issues[pk] for pk in sorted(by_issue)])
    _write_environments(by_issue)
    return Raised(current, new)


def _locked_issues(ids: Iterable[int]) -> dict[int, Issue]:
    rows = Issue.objects.select_for_update(of=("self",)).filter(pk__in=list(ids), is_pending_deletion=False)
    return {issue.pk: issue for issue in rows.order_by("pk")}


def _hashes(deltas: Mapping[HashKey, Delta]) -> dict[HashKey, IssueHash]:
    rows: dict[HashKey, IssueHash] = {}
    for project_id, values in sorted(_by_project(deltas).items()):
        ordered = sorted(values)
        for start in range(0, len(ordered), _CHUNK):
            found = (
                IssueHash.objects.filter(
                    project_id=project_id, hash__in=ordered[start : start + _CHUNK], is_discarded=False
                )
                .defer("explanation", "merged_from")
                .order_by("pk")
            )
            rows.update({(project_id, row.hash): row for row in found})
    return rows


def _write_hashes(rows: Mapping[HashKey, IssueHash], deltas: Mapping[HashKey, Delta]) -> None:
    values = []
    for key, row in rows.items():
        delta = deltas[key]
        newer = row.last_seen is None or row.times_seen == 0 or delta.last_seen >= row.last_seen
        values.append(
            (
                row.times_seen + delta.count,
                _time(_least(row.first_seen, delta.first_seen)),
                _time(_greatest(row.last_seen, delta.last_seen)),
                delta.latest.event_id if newer else row.latest_event_id,
                row.pk,
            )
        )
    _execute_many(
        "UPDATE issue_hash SET times_seen = %s, first_seen = %s, last_seen = %s, latest_event_id = %s WHERE id = %s",
        values,
    )


def _raise_issue(issue: Issue, delta: Delta) -> None:
    facts = delta.latest
    is_latest = issue.times_seen == 0 or delta.last_seen >= issue.last_seen
    issue.times_seen += delta.count
    issue.first_seen = min(issue.first_seen, delta.first_seen)
    issue.last_seen = max(issue.last_seen, delta.last_seen)
    if issue.first_release_id is None and facts.release_id is not None and issue.times_seen == delta.count:
        issue.first_release_id = facts.release_id
    if is_latest:
        issue.title = facts.title[:255]
        issue.culprit = facts.culprit[:255]
        issue.level = facts.level
        issue.platform = facts.platform
        issue.logger = facts.logger[:64]
        issue.metadata = facts.metadata
        issue.last_release_id = facts.release_id or issue.last_release_id
    issue.is_unhandled = issue.is_unhandled or facts.is_unhandled
    if issue.priority_locked_at is None and _PRIORITIES[facts.priority] > _PRIORITIES.get(issue.priority, 0):
        issue.priority = facts.priority


_ISSUE_COLUMNS = (
    "times_seen", "first_seen", "last_seen", "first_release_id", "title", "culprit", "level", "platform", "logger",
    "metadata", "last_release_id", "is_unhandled", "priority",
)  # fmt: skip


def _write_issues(issues: Sequence[Issue]) -> None:
    columns = ", ".join(f"{name} = %s" for name in _ISSUE_COLUMNS)
    values = []
    for issue in issues:
        row = [getattr(issue, name) for name in _ISSUE_COLUMNS]
        row[1], row[2] = _time(issue.first_seen), _time(issue.last_seen)
        row[9] = connection.ops.adapt_json_value(issue.metadata, DjangoJSONEncoder)  # type: ignore[attr-defined]
        values.append((*row, issue.pk))
    _execute_many(f"UPDATE issue SET {columns} WHERE id = %s", values)  # noqa: S608 - constant names


def _regress(issues: Mapping[int, Issue], by_issue: Mapping[int, Sequence[Delta]]) -> None:
    resolved = [issues[pk] for pk in by_issue if issues[pk].status == "resolved"]
    if not resolved:
        return
    occurrences = {issue.pk: [one for delta in by_issue[issue.pk] for one in delta.occurrences] for issue in resolved}
    wanted = {one.release_id for seen in occurrences.values() for one in seen}
    wanted |= {issue.resolved_in_release_id for issue in resolved}
    releases = Release.objects.in_bulk([pk for pk in wanted if pk is not None])
    for issue in resolved:
        culprits = [one for one in occurrences[issue.pk] if contradicts(issue, one, releases)]
        if culprits:
            _reopen(issue, max(culprits, key=lambda one: one.timestamp), releases)


def _reopen(issue: Issue, occurrence: Occurrence, releases: Mapping[int, Release]) -> None:
    release = releases.get(occurrence.release_id or 0)
    changes: dict[str, Any] = {
        "status": "unresolved",
        "substatus": "regressed",
        "status_changed_at": timezone.now(),
        "resolved_at": None,
        "resolved_in_release_id": None,
        "resolved_in_next_release": False,
        "resolved_in_commit": "",
        "regressed_in_release_id": release.pk if release else None,
        "snooze": {},
    }
    Issue.objects.filter(pk=issue.pk).update(**changes)
    for name, value in changes.items():
        setattr(issue, name, value)
    activity.record([issue], None, activity.SET_REGRESSION, {"version": release.version if release else ""})


def _write_environments(by_issue: Mapping[int, Sequence[Delta]]) -> None:
    """Widen ``IssueEnvironment`` rows; a new row remembers the release of the issue's latest event there."""
    values = []
    for issue_id, parts in by_issue.items():
        for delta in parts:
            for environment_id, seen in delta.environments.items():
                values.append((issue_id, environment_id, _time(seen.first), _time(seen.last), delta.latest.release_id))
    # Both databases know this statement; each row is one upsert that cannot lose a concurrent worker's.
    _execute_many(
        f"INSERT INTO {IssueEnvironment._meta.db_table} AS t"  # noqa: S608 - a constant name
        " (issue_id, environment_id, first_seen, last_seen, first_release_id) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (issue_id, environment_id) DO UPDATE SET"
        " first_seen = CASE WHEN excluded.first_seen < t.first_seen THEN excluded.first_seen ELSE t.first_seen END,"
        " last_seen = CASE WHEN excluded.last_seen > t.last_seen THEN excluded.last_seen ELSE t.last_seen END",
        sorted(values, key=lambda row: row[:2]),
    )


# Small helpers


def _execute_many(sql: str, values: Sequence[tuple[Any, ...]]) -> None:
    if values:
        with connection.cursor() as cursor:
            cursor.executemany(sql, values)


def _time(moment: datetime | None) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _least(known: datetime | None, moment: datetime) -> datetime:
    return moment if known is None else min(known, moment)


def _greatest(known: datetime | None, moment: datetime) -> datetime:
    return moment if known is None else max(known, moment)
