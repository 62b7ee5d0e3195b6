"""What an issue is to one person: bookmarked, followed, seen."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues import activity
from dictamesh_sentry.issues.actions.base import locked, write
from dictamesh_sentry.issues.models import Issue, IssueBookmark, IssueSeen, IssueSubscription


def set_bookmark(actor: User, issues: Iterable[Issue], value: bool) -> None:
    """Add or remove the actor's bookmark. Bookmarking also follows the issue."""
    given = list(issues)
    with transaction.atomic():
        if not value:
            IssueBookmark.objects.filter(user=actor, issue__in=given).delete()
            return
        IssueBookmark.objects.bulk_create(
            [IssueBookmark(issue=issue, user=actor) for issue in given], ignore_conflicts=True
        )
        IssueSubscription.objects.bulk_create(
            [IssueSubscription(issue=issue, user=actor, reason="bookmark") for issue in given], ignore_conflicts=True
        )


def set_subscription(actor: User, issues: Iterable[Issue], value: bool) -> None:
    """Follow issues, or stop for good: an explicit "no" is kept and later activity does not undo it."""
    IssueSubscription.objects.bulk_create(
        [IssueSubscription(issue=issue, user=actor, is_active=value, reason="manual") for issue in issues],
        update_conflicts=True,
        unique_fields=["issue", "user"],
        update_fields=["is_active", "reason"],
    )


def mark_seen(user: User, issues: Iterable[Issue], value: bool = True) -> None:
    """Remember that ``user`` has seen issues now, or forget it."""
    given = list(issues)
    if not value:
        IssueSeen.objects.filter(user=user, issue__in=given).delete()
        return
    now = timezone.now()
    IssueSeen.objects.bulk_create(
        [IssueSeen(issue=issue, user=user, last_seen=now) for issue in given],
        update_conflicts=True,
        unique_fields=["issue", "user"],
        update_fields=["last_seen"],
    )


def mark_reviewed(actor: User | None, issues: Iterable[Issue]) -> list[Issue]:
    """Take issues out of the list "for review": new, regressed and escalating ones become ongoing."""
    given = list(issues)
    with locked(given) as rows:
        changed = [
            row for row in rows if row.status == "unresolved" and row.substatus in {"new", "regressed", "escalating"}
        ]
        write(changed, given, substatus="ongoing")
        activity.record(changed, actor, activity.MARK_REVIEWED)
    return changed
