"""Reads of issues: which ones a user may see, one by id or short id, lists and numbers."""

from __future__ import annotations

from django.db.models import QuerySet

from dictamesh_sentry.issues.list_queries import IssueListPage, IssueRow, SortError, search_issues
from dictamesh_sentry.issues.models import Issue, IssueRedirect
from dictamesh_sentry.issues.short_id import parse_short_id, short_id
from dictamesh_sentry.issues.statistics_queries import IssueTotals, issue_series, issue_totals, user_counts
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.queries import visible_to

__all__ = [
    "IssueListPage",
    "IssueRow",
    "IssueTotals",
    "SortError",
    "get_issue",
    "issue_series",
    "issue_totals",
    "search_issues",
    "short_id",
    "user_counts",
    "visible_issues",
]

_ABSENT = "The requested resource does not exist"
_LARGEST_ID = 2**63 - 1


def visible_issues(user: object, organization: Organization) -> QuerySet[Issue]:
    """Issues of the projects the user may see; those being deleted are gone already."""
    return Issue.objects.filter(project__in=visible_to(user, organization), is_pending_deletion=False)


def get_issue(user: object, organization: Organization, id_or_short_id: str | int) -> Issue:
    """A visible issue, its project loaded. An issue that was merged is found under its old id, too.

    Raises NotVisibleError.
    """
    text = str(id_or_short_id).strip()
    visible = visible_issues(user, organization).select_related(
        "project__organization", "assigned_user", "assigned_team", "first_release", "last_release"
    )
    if text.isascii() and text.isdigit():
        if int(text) > _LARGEST_ID:
            raise NotVisibleError(_ABSENT)
        found = visible.filter(pk=int(text)).first() or _merged(visible, {"previous_id": int(text)})
    else:
        parsed = parse_short_id(text)
        if parsed is None or parsed[1] > _LARGEST_ID:
            raise NotVisibleError(_ABSENT)
        slug, number = parsed
        found = visible.filter(project__slug=slug, short_number=number).first() or _merged(
            visible, {"project__slug": slug, "previous_short_number": number}
        )
    if found is None:
        raise NotVisibleError(_ABSENT)
    return found


def _merged(visible: QuerySet[Issue], former: dict[str, object]) -> Issue | None:
    redirects = IssueRedirect.objects.filter(**former)  # type: ignore[arg-type]
    return visible.filter(pk__in=redirects.values("issue_id")).first()
