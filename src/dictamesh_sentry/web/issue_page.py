"""What the header, the tabs and the side column of an issue's pages show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.dateparse import parse_datetime

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.issues.models import Issue, IssueBookmark, IssueSubscription
from dictamesh_sentry.issues.queries import short_id
from dictamesh_sentry.issues.statistics_queries import statistics
from dictamesh_sentry.releases.models import ReleaseProject
from dictamesh_sentry.web.pages import PageRequest
from dictamesh_sentry.web.views.issues_scope import Scope, filter_context, read_scope, rights

STORE_ERRORS = (StoreUnavailableError, QueryTimeoutError)
MOST_MARKS = 20


@dataclass(frozen=True)
class Tab:
    """A tab of the issue."""

    label: str
    url: str
    current: bool
    count: int | None = None


def frame(request: PageRequest, issue: Issue, tab: str) -> dict[str, Any]:
    """The context every tab of an issue shares. Reads no events."""
    scope = read_scope(request, projects=[issue.project])
    base = f"/organizations/{request.organization.slug}/issues/{issue.pk}/"
    context: dict[str, Any] = {
        **filter_context(request, scope),
        **rights(request),
        "issue": issue,
        "shown_id": short_id(issue),
        "base": base,
        "tabs": _tabs(issue, base, scope, tab),
        "status_text": status_text(issue),
        "is_bookmarked": IssueBookmark.objects.filter(issue=issue, user=request.user).exists(),
        "is_subscribed": IssueSubscription.objects.filter(issue=issue, user=request.user, is_active=True).exists(),
        "share_url": f"{get_settings().public_url}/share/issue/{issue.share_id}/" if issue.share_id else "",
        "store_down": False,
    }
    return context


def numbers(issue: Issue, scope: Scope) -> dict[str, Any]:
    """Events, users and the chart of the period in one query, with the releases that came out in it."""
    found = statistics([issue.project_id], [issue.pk], environments=scope.environments, period=scope.period).get(
        issue.pk
    )
    marks = release_marks(issue, scope) if found else []
    return {"totals": found, "series": found.series if found else [], "marks": marks, "rollup": scope.period.rollup}


def release_marks(issue: Issue, scope: Scope) -> Sequence[tuple[int, str]]:
    """(epoch seconds, "Release 1.2") of the project's releases first heard of in the period."""
    found = ReleaseProject.objects.filter(
        project=issue.project, release__date_added__gte=scope.period.start, release__date_added__lt=scope.period.end
    ).select_related("release")
    newest = found.order_by("-release__date_added")[:MOST_MARKS]
    return [(int(row.release.date_added.timestamp()), f"Release {row.release.version}") for row in newest]


def _tabs(issue: Issue, base: str, scope: Scope, current: str) -> list[Tab]:
    reports = issue.user_reports.count()
    files = issue.attachments.count()
    entries = (
        ("details", "Details", "", None),
        ("events", "All events", "events/", None),
        ("tags", "Tags", "tags/", None),
        ("activity", "Activity", "activity/", issue.num_comments or None),
        ("feedback", "Feedback", "feedback/", reports or None),
        ("attachments", "Attachments", "attachments/", files or None),
        ("grouping", "Grouping & merged", "grouping/", None),
    )
    return [Tab(label, f"{base}{part}{scope.suffix}", name == current, count) for name, label, part, count in entries]


def status_text(issue: Issue) -> str:
    """One sentence about the state, for the header."""
    if issue.status == "resolved":
        return _resolved_text(issue)
    if issue.status == "ignored":
        return _archived_text(issue.snooze or {}, issue.substatus)
    if issue.substatus == "regressed":
        release = issue.regressed_in_release
        return (
            f"Regressed in {release.version}: it was resolved and came back."
            if release
            else "Regressed: it was resolved and came back."
        )
    if issue.substatus == "escalating":
        return "Escalating: it happens much more often than before."
    return ""


def _resolved_text(issue: Issue) -> str:
    if issue.resolved_in_next_release and issue.resolved_in_release:
        return f"Resolved in the release after {issue.resolved_in_release.version}."
    if issue.resolved_in_release:
        return f"Resolved in {issue.resolved_in_release.version}."
    if issue.resolved_in_commit:
        return f"Resolved in commit {issue.resolved_in_commit[:12]}."
    return "Resolved. A new event will open it again."


def _archived_text(snooze: dict[str, Any], substatus: str) -> str:
    if substatus == "archived_until_escalating":
        return "Archived until it escalates."
    until = parse_datetime(str(snooze.get("until") or ""))
    if until is not None:
        return f"Archived until {until:%d %b %Y, %H:%M} UTC."
    for count, window, noun in (("count", "window", "events"), ("user_count", "user_window", "users")):
        if snooze.get(count):
            within = f" within {snooze[window]} minutes" if snooze.get(window) else ""
            return f"Archived until {snooze[count]} more {noun}{within}."
    return "Archived forever."
