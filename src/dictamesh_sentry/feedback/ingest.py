"""User reports that arrive in envelopes or from the crash-report dialog, in any order with their events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dictamesh_sentry.feedback.models import UserReport

MAX_COMMENTS = 4096


@dataclass(frozen=True, slots=True)
class IncomingReport:
    """One report as it arrived. ``issue_id`` is None while the event is not known yet."""

    project_id: int
    event_id: str
    comments: str
    name: str
    email: str
    received: datetime
    source: str = "user_report"
    environment: str = ""
    issue_id: int | None = None


def store_reports(reports: Sequence[IncomingReport]) -> None:
    """Insert reports; one that is there already (same event, same words) stays as it is. Call in a transaction."""
    UserReport.objects.bulk_create(
        [
            UserReport(
                project_id=report.project_id,
                event_id=report.event_id,
                issue_id=report.issue_id,
                name=report.name[:128],
                email=report.email[:254],
                comments=report.comments[:MAX_COMMENTS],
                environment=report.environment[:64],
                source=report.source[:32],
                date_created=report.received,
            )
            for report in reports
        ],
        ignore_conflicts=True,
    )


def link_reports(issues: Mapping[tuple[int, str], int]) -> None:
    """Give waiting reports their issue: (project id, event id) → issue id of events just stored. One read."""
    if not issues:
        return
    waiting = UserReport.objects.filter(
        issue__isnull=True,
        project_id__in={project for project, _ in issues},
        event_id__in={event for _, event in issues},
    )
    linked = []
    for report in waiting:
        issue_id = issues.get((report.project_id, report.event_id))
        if issue_id is not None:
            report.issue_id = issue_id
            linked.append(report)
    if linked:
        UserReport.objects.bulk_update(linked, ["issue"])
