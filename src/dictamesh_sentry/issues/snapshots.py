"""What is remembered of an issue that gives way to another, so that unmerging can bring it back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from dictamesh_sentry.issues.models import Issue

MAX_ACTIVITIES = 1000
_COPIED = (
    "title",
    "culprit",
    "level",
    "category",
    "type",
    "platform",
    "logger",
    "metadata",
    "is_unhandled",
    "priority",
    "num_comments",
    "first_release_id",
    "last_release_id",
    "assigned_user_id",
    "assigned_team_id",
)


def take_snapshot(issue: Issue) -> dict[str, Any]:
    """The issue as JSON, with its environments and the ids of its activities."""
    return {
        "id": issue.pk,
        "short_number": issue.short_number,
        "fields": {name: getattr(issue, name) for name in _COPIED},
        "first_seen": issue.first_seen.isoformat(),
        "environments": [
            [
                row.environment_id,  # pyright: ignore[reportAttributeAccessIssue]
                row.first_seen.isoformat(),
                row.last_seen.isoformat(),
                row.first_release_id,  # pyright: ignore[reportAttributeAccessIssue]
            ]
            for row in issue.issue_environments.all()
        ],
        "activities": list(issue.activities.order_by("-pk").values_list("pk", flat=True)[:MAX_ACTIVITIES]),
    }


def restored_fields(snapshot: dict[str, Any]) -> dict[str, Any]:
    """Column values of the remembered issue. Unknown names are ignored, so that older snapshots still work."""
    stored = snapshot.get("fields") or {}
    return {name: stored[name] for name in _COPIED if name in stored}


def parse_time(text: str) -> datetime:
    """A time of a snapshot."""
    return datetime.fromisoformat(text)
