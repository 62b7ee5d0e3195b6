"""What belongs to one issue: fingerprints, tags, comments, history, feedback."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from pydantic import Field
from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Body, Call, Page, Reply, operation
from dictamesh_sentry.api.errors import bad_request, field_error
from dictamesh_sentry.api.issues_common import (
    cursor_text,
    issue_operation,
    optional_period,
    page_of,
    refused_cursors,
)
from dictamesh_sentry.api.pagination import limit_of
from dictamesh_sentry.api.serializers_events import EventSummaryBody, serialize_event_summary
from dictamesh_sentry.api.serializers_issues import (
    ActivityBody,
    TagBody,
    TagValueBody,
    UserReportBody,
    serialize_activities,
    serialize_tag,
    serialize_tag_value,
    serialize_user_report,
)
from dictamesh_sentry.feedback.queries import reports_of_issue
from dictamesh_sentry.issues import actions, activity
from dictamesh_sentry.issues.event_queries import Conditions, list_events, tag_keys, tag_values
from dictamesh_sentry.issues.models import Activity, Issue, IssueHash
from dictamesh_sentry.organizations.access import NotVisibleError

READ, WRITE, ADMIN = ("event:read",), ("event:write",), ("event:admin",)


class HashBody(TypedDict):
    id: str
    latestEvent: EventSummaryBody | None
    mergedBySeer: bool


class HistoryBody(TypedDict):
    activity: list[ActivityBody]


# Fingerprints


@issue_operation("GET", "hashes/", scopes=READ, response=list[HashBody], paginated=True)
def list_hashes(call: Call, issue: Issue) -> Page:
    """List an issue's fingerprints, the most recently seen first, each with its latest event."""
    return call.paginate(IssueHash.objects.filter(issue=issue).order_by("-last_seen", "pk"), _serialize_hashes)


def _serialize_hashes(hashes: list[IssueHash]) -> list[HashBody]:
    """One query for the events of the whole page."""
    wanted = [UUID(row.latest_event_id) for row in hashes if len(row.latest_event_id) == 32]
    events = {}
    if wanted:
        condition = Conditions(["event_id IN {latest:Array(UUID)}"], {"latest": wanted})
        found = list_events([hashes[0].project_id], extra=condition, limit=len(wanted))  # pyright: ignore[reportAttributeAccessIssue]
        events = {event.id: serialize_event_summary(event) for event in found.events}
    return [{"id": row.hash, "latestEvent": events.get(row.latest_event_id), "mergedBySeer": False} for row in hashes]


@issue_operation("DELETE", "hashes/", scopes=WRITE, status=202)
def unmerge_hashes(call: Call, issue: Issue) -> Reply:
    """Split the fingerprints named by `id` (repeatable) off into an issue of their own."""
    hashes = call.request.GET.getlist("id")
    if not hashes:
        raise bad_request("Name at least one fingerprint by id.")
    result = actions.unmerge(call.user, issue, hashes)
    return Reply({"id": str(result.pk)}, 202)


@issue_operation("PUT", "hashes/", scopes=WRITE, status=202)
def unmerge_hashes_by_put(call: Call, issue: Issue) -> Reply:
    """Split the fingerprints named by `id` off. The same as DELETE, for clients that use PUT."""
    return unmerge_hashes(call, issue)


# Tags


@issue_operation("GET", "tags/", scopes=READ, response=list[TagBody])
def list_tags(call: Call, issue: Issue) -> list[TagBody]:
    """List the tags of an issue's events with their most frequent values. `key` (repeatable) names some only."""
    wanted = set(call.request.GET.getlist("key"))
    found = tag_keys(
        [issue.project_id], issue=issue, environments=call.environments_param(), period=optional_period(call)
    )
    return [serialize_tag(tag) for tag in found if not wanted or tag.key in wanted]


@issue_operation("GET", "tags/{key}/", scopes=READ, response=TagBody)
def get_tag(call: Call, issue: Issue, key: str) -> TagBody:
    """Retrieve one tag with its most frequent values."""
    found = tag_keys(
        [issue.project_id], issue=issue, environments=call.environments_param(), period=optional_period(call), key=key
    )
    if not found:
        raise NotVisibleError
    return serialize_tag(found[0])


@issue_operation("GET", "tags/{key}/values/", scopes=READ, response=list[TagValueBody], paginated=True)
def list_tag_values(call: Call, issue: Issue, key: str) -> Page:
    """List the values of a tag, the most frequent first. `query` must occur in the value."""
    with refused_cursors():
        values, following, previous = tag_values(
            [issue.project_id],
            key,
            issue=issue,
            environments=call.environments_param(),
            period=optional_period(call),
            query=call.request.GET.get("query", ""),
            cursor=cursor_text(call),
            limit=limit_of(call.request.GET),
        )
    return page_of([serialize_tag_value(key, value) for value in values], previous, following)


# Comments and history


class NoteText(Body):
    """A comment. People and teams are mentioned in the text, as `@ann@example.com`, `@ann` or `#team`."""

    text: str = Field(max_length=100_000)


def _notes(issue: Issue) -> Any:
    return Activity.objects.filter(issue=issue, type=activity.NOTE).select_related("user")


@issue_operation("GET", "notes/", scopes=READ, response=list[ActivityBody], paginated=True)
def list_notes(call: Call, issue: Issue) -> Page:
    """List an issue's comments, newest first."""
    return call.paginate_by_time(_notes(issue), "datetime", serialize_activities)


@issue_operation("GET", "comments/", scopes=READ, response=list[ActivityBody], paginated=True)
def list_comments(call: Call, issue: Issue) -> Page:
    """List an issue's comments, newest first."""
    return list_notes(call, issue)


@issue_operation("POST", "notes/", scopes=WRITE, status=201, response=ActivityBody)
def create_note(call: Call, issue: Issue, body: NoteText) -> ActivityBody:
    """Comment on an issue."""
    return _one(actions.add_comment(call.user, issue, _text(body)))


@issue_operation("POST", "comments/", scopes=WRITE, status=201, response=ActivityBody)
def create_comment(call: Call, issue: Issue, body: NoteText) -> ActivityBody:
    """Comment on an issue."""
    return create_note(call, issue, body)


@issue_operation("PUT", "notes/{note_id}/", scopes=WRITE, response=ActivityBody)
def update_note(call: Call, issue: Issue, note_id: str, body: NoteText) -> ActivityBody:
    """Edit a comment: its author, or an administrator of the organization."""
    entry = _note(issue, note_id)
    _require_own(call, entry, "org:admin")
    return _one(actions.edit_comment(call.user, entry, _text(body)))


@issue_operation("PUT", "comments/{note_id}/", scopes=WRITE, response=ActivityBody)
def update_comment(call: Call, issue: Issue, note_id: str, body: NoteText) -> ActivityBody:
    """Edit a comment: its author, or an administrator of the organization."""
    return update_note(call, issue, note_id, body)


@issue_operation("DELETE", "notes/{note_id}/", scopes=WRITE)
def delete_note(call: Call, issue: Issue, note_id: str) -> None:
    """Delete a comment: its author, or who may delete issues."""
    entry = _note(issue, note_id)
    _require_own(call, entry, "org:admin", "event:admin")
    actions.delete_comment(call.user, entry)


@issue_operation("DELETE", "comments/{note_id}/", scopes=WRITE)
def delete_comment(call: Call, issue: Issue, note_id: str) -> None:
    """Delete a comment: its author, or who may delete issues."""
    delete_note(call, issue, note_id)


def _require_own(call: Call, entry: Activity, *scopes: str) -> None:
    """The action checks the person; this checks that the token may act for them on another's comment."""
    if entry.user_id != call.user.pk:  # pyright: ignore[reportAttributeAccessIssue]
        call.access_to(entry.issue.project.organization).require(*scopes)


def _text(body: NoteText) -> str:
    if not body.text.strip():
        raise field_error("text", "This field may not be blank.")
    return body.text


def _note(issue: Issue, note_id: str) -> Activity:
    if not (note_id.isascii() and note_id.isdigit() and len(note_id) < 19):
        raise NotVisibleError
    found = _notes(issue).select_related("user", "issue__project__organization").filter(pk=int(note_id)).first()
    if found is None:
        raise NotVisibleError
    return found


def _one(entry: Activity) -> ActivityBody:
    return serialize_activities([entry])[0]


@issue_operation("GET", "activities/", scopes=READ, response=HistoryBody)
def list_history(call: Call, issue: Issue) -> HistoryBody:  # noqa: ARG001
    """List an issue's history, newest first; the latest 1000 entries."""
    rows: Iterable[Activity] = issue.activities.select_related("user").order_by("-datetime", "-pk")[:1000]
    return {"activity": serialize_activities(rows)}


# Feedback and links


@issue_operation("GET", "user-reports/", scopes=READ, response=list[UserReportBody], paginated=True)
def list_user_reports(call: Call, issue: Issue) -> Page:
    """List what people wrote about the issue's events, newest first."""
    return call.paginate_by_time(
        reports_of_issue(issue), "date_created", lambda rows: [serialize_user_report(row) for row in rows]
    )


@issue_operation("GET", "external-issues/", scopes=READ, response=list[dict[str, Any]])
def list_external_issues(call: Call, issue: Issue) -> list[dict[str, Any]]:  # noqa: ARG001
    """List the issue's links to issue trackers. Empty: no tracker is integrated."""
    return []


# Discarded issues of a project


class TombstoneBody(TypedDict):
    id: str
    title: str
    culprit: str
    level: str
    type: str
    metadata: dict[str, Any]


@operation(
    "GET",
    "/projects/{organization}/{project}/tombstones/",
    scopes=READ,
    response=list[TombstoneBody],
    tag="Issues",
    paginated=True,
)
def list_tombstones(call: Call) -> Page:
    """List the issues that were deleted and discarded: their events are filtered."""
    rows = IssueHash.objects.filter(project=call.project, is_discarded=True).order_by("-pk")
    snapshots = {row.merged_from["id"]: row.merged_from for row in rows if isinstance(row.merged_from, dict)}
    return call.paginate(list(snapshots.values()), lambda found: [_tombstone(item) for item in found])


def _tombstone(snapshot: dict[str, Any]) -> TombstoneBody:
    fields = snapshot.get("fields") or {}
    return {
        "id": str(snapshot["id"]),
        "title": str(fields.get("title", "")),
        "culprit": str(fields.get("culprit", "")),
        "level": str(fields.get("level", "")),
        "type": str(fields.get("type", "")),
        "metadata": fields.get("metadata") or {},
    }


@operation("DELETE", "/projects/{organization}/{project}/tombstones/{issue_id}/", scopes=WRITE, tag="Issues")
def restore_tombstone(call: Call, issue_id: str) -> None:
    """Let the events of a discarded issue in again."""
    known = issue_id.isascii() and issue_id.isdigit() and len(issue_id) < 19
    if not known or not actions.restore_discarded(call.user, call.project, int(issue_id)):
        raise NotVisibleError
