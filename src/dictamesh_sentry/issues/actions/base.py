"""What every action shares: locking, writing changes, following."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import transaction

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.issues.models import Issue, IssueHash, IssueSubscription
from dictamesh_sentry.issues.short_id import short_id


class ActionError(ValueError):
    """What was asked for makes no sense; the text is written for the person who asked."""


@contextmanager
def locked(issues: Iterable[Issue], *, with_hashes: bool = False) -> Iterator[list[Issue]]:
    """The current rows of ``issues``, locked until the transaction this opens ends, in id order.

    ``with_hashes`` locks their fingerprints first, in the order in which ingest locks them: no deadlock.
    """
    ids = [issue.pk for issue in issues]
    with transaction.atomic():
        if with_hashes:
            list(IssueHash.objects.select_for_update().filter(issue__in=ids).order_by("pk").values_list("pk"))
        yield list(
            Issue.objects.select_for_update(of=("self",))
            .select_related("project__organization")
            .filter(pk__in=ids, is_pending_deletion=False)
            .order_by("pk")
        )


def write(current: Sequence[Issue], given: Iterable[Issue], **changes: Any) -> None:
    """Store ``changes`` on the locked rows and show them on the caller's objects too."""
    ids = {issue.pk for issue in current}
    if not ids:
        return
    Issue.objects.filter(pk__in=ids).update(**changes)
    for issue in [*current, *(issue for issue in given if issue.pk in ids)]:
        for name, value in changes.items():
            setattr(issue, name, value)


def differing(current: Sequence[Issue], **wanted: Any) -> list[Issue]:
    """The issues that are not yet as wanted."""
    return [issue for issue in current if any(getattr(issue, name) != value for name, value in wanted.items())]


def subscribe(issues: Iterable[Issue], user: User | None, reason: str) -> None:
    """Let ``user`` follow the issues. Who unsubscribed on purpose stays unsubscribed."""
    if user is None:
        return
    IssueSubscription.objects.bulk_create(
        [IssueSubscription(issue=issue, user=user, reason=reason) for issue in issues], ignore_conflicts=True
    )


def after_commit(work: Callable[[], object]) -> None:
    """Run ``work`` once the surrounding transaction is durable, and never if it is rolled back."""
    transaction.on_commit(work)


def issue_reference(issue: Issue) -> dict[str, Any]:
    """How activities name another issue; enough to show it when it is gone."""
    return {"id": str(issue.pk), "shortId": short_id(issue), "title": issue.title}
