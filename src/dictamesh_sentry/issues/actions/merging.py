"""Several issues become one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import ActionError, after_commit, issue_reference, locked, subscribe, write
from dictamesh_sentry.issues.models import (
    Activity,
    EventAttachment,
    Issue,
    IssueBookmark,
    IssueEnvironment,
    IssueHash,
    IssueRedirect,
    IssueSeen,
    IssueSubscription,
)
from dictamesh_sentry.issues.snapshots import take_snapshot

MAX_MERGED = 100


def merge(actor: User | None, issues: Iterable[Issue]) -> Issue:
    """Merge issues of one project into the one with the most events (the oldest of equals) and return it.

    Fingerprints, counters, environments, history, comments, attachments, feedback, bookmarks and followers move;
    the other issues disappear, their ids and short ids lead to the remaining one; events follow in the background.
    Raises ActionError for fewer than two issues, more than ``MAX_MERGED``, or issues that cannot be one.
    """
    given = list(issues)
    if len(given) > MAX_MERGED:
        raise ActionError(f"At most {MAX_MERGED} issues can be merged at once.")
    with locked(given, with_hashes=True) as rows:
        if len(rows) < 2:
            raise ActionError("Merging needs at least two issues.")
        if len({row.project_id for row in rows}) > 1:
            raise ActionError("Only issues of the same project can be merged.")
        if len({row.category for row in rows}) > 1 or rows[0].category != "error":
            raise ActionError("Only error issues can be merged.")
        rows.sort(key=lambda row: (-row.times_seen, row.pk))
        target, sources = rows[0], rows[1:]
        references = [issue_reference(source) for source in sources]
        for source in sources:
            _absorb(target, source)
        _write_totals(target, sources, given)
        hashes = list(IssueHash.objects.filter(issue=target).values_list("hash", flat=True))
        Issue.objects.filter(pk__in=[source.pk for source in sources]).delete()
        activity.record([target], actor, activity.MERGE, {"issues": references})
        subscribe([target], actor, "status_change")
        after_commit(lambda: _repoint(target, hashes))
    return target


def _repoint(target: Issue, hashes: list[str]) -> None:
    from dictamesh_sentry.issues.tasks import repoint_events

    repoint_events(target.project_id, hashes, target.pk)


def _absorb(target: Issue, source: Issue) -> None:
    """Move everything that hangs on ``source``. What is left on it disappears with it."""
    own = IssueHash.objects.filter(issue=source)
    own.filter(merged_from__isnull=True).update(merged_from=take_snapshot(source))
    own.update(issue=target)
    IssueRedirect.objects.filter(issue=source).update(issue=target)
    IssueRedirect.objects.create(
        previous_id=source.pk,
        project_id=source.project_id,
        previous_short_number=source.short_number,
        issue=target,
    )
    Activity.objects.filter(issue=source).exclude(type=activity.FIRST_SEEN).update(issue=target)
    EventAttachment.objects.filter(issue=source).update(issue=target)
    source.user_reports.update(issue=target)
    _merge_environments(target, source)
    for model in (IssueBookmark, IssueSubscription, IssueSeen):
        taken = model.objects.filter(issue=target).values("user")
        model.objects.filter(issue=source).exclude(user__in=taken).update(issue=target)


def _merge_environments(target: Issue, source: Issue) -> None:
    existing = {row.environment_id: row for row in IssueEnvironment.objects.filter(issue=target)}
    for row in IssueEnvironment.objects.filter(issue=source):
        known = existing.get(row.environment_id)
        if known is None:
            row.issue = target
            row.save(update_fields=["issue"])
            existing[row.environment_id] = row
            continue
        if row.first_seen < known.first_seen:
            known.first_seen, known.first_release = row.first_seen, row.first_release
        known.last_seen = max(known.last_seen, row.last_seen)
        known.save(update_fields=["first_seen", "last_seen", "first_release"])


def _write_totals(target: Issue, sources: Sequence[Issue], given: Iterable[Issue]) -> None:
    rows = [target, *sources]
    first = min(rows, key=lambda row: row.first_seen)
    last = max(rows, key=lambda row: row.last_seen)
    write(
        [target],
        given,
        times_seen=sum(row.times_seen for row in rows),
        num_comments=sum(row.num_comments for row in rows),
        first_seen=first.first_seen,
        last_seen=last.last_seen,
        first_release_id=first.first_release_id,
        last_release_id=last.last_release_id,
    )
