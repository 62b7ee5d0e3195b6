"""An event as data, and the files that came with it."""

from __future__ import annotations

import asyncio
import mimetypes
import re
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

import orjson
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpResponse
from django.views.decorators.http import require_safe

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.issues.event_queries import Event, issue_event
from dictamesh_sentry.issues.markdown import event_markdown
from dictamesh_sentry.issues.models import EventAttachment, Issue
from dictamesh_sentry.issues.queries import short_id
from dictamesh_sentry.organizations.access import ForbiddenError, NotVisibleError
from dictamesh_sentry.organizations.models import ROLES
from dictamesh_sentry.projects.options import load_organization_options
from dictamesh_sentry.web.pages import PageRequest, organization_page
from dictamesh_sentry.web.templatetags.issue_ui import PREVIEWED
from dictamesh_sentry.web.views.issues_scope import load_issue

# A file from a stranger never runs in our origin, whatever it claims to be.
_SANDBOX = "default-src 'none'; sandbox"
_DOWNLOAD = "application/octet-stream"
_CHUNK = 64 * 1024


async def _chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    """The file piece by piece, read beside the event loop."""
    try:
        while piece := await asyncio.to_thread(file.read, _CHUNK):
            yield piece
    finally:
        file.close()


@require_safe
@organization_page
def event_json(request: PageRequest, issue_id: str, event_id: str) -> HttpResponse:
    """The stored event."""
    _, event = _load(request, issue_id, event_id)
    body = orjson.dumps(event.data, option=orjson.OPT_INDENT_2)
    return HttpResponse(
        body, content_type="application/json", headers={"Content-Disposition": f'inline; filename="{event.id}.json"'}
    )


@require_safe
@organization_page
def event_as_markdown(request: PageRequest, issue_id: str, event_id: str) -> HttpResponse:
    """The event as Markdown text."""
    issue, event = _load(request, issue_id, event_id)
    url = f"{get_settings().public_url}/organizations/{request.organization.slug}/issues/{issue.pk}/events/{event.id}/"
    text = event_markdown(event, short_id=short_id(issue), project=issue.project.slug, url=url)
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@require_safe
@organization_page
def attachment(request: PageRequest, issue_id: str, attachment_id: int) -> Any:
    """A file: as a download, or ``?view=1`` inside the page when it is a harmless image."""
    issue = load_issue(request, issue_id)
    found = EventAttachment.objects.filter(pk=attachment_id, issue=issue, project=issue.project).first()
    if found is None:
        raise NotVisibleError("The requested resource does not exist")
    require_attachment_role(request)
    try:
        file = get_blob_store().open(found.blob_key)
    except (FileNotFoundError, KeyError) as error:
        raise NotVisibleError("The file is no longer stored") from error
    kind = content_type(found)
    inline = request.GET.get("view") == "1" and kind in PREVIEWED
    response = FileResponse(
        file, as_attachment=not inline, filename=safe_filename(found.name), content_type=kind if inline else _DOWNLOAD
    )
    if isinstance(request, ASGIRequest):
        # Django would read a synchronous iterator to its end before it sends the first byte.
        response.streaming_content = _chunks(file)
    response["Content-Security-Policy"] = _SANDBOX
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    return response


def require_attachment_role(request: PageRequest) -> None:
    """Raise ForbiddenError when the organization lets only higher roles open attachments."""
    names = [name for name, _ in ROLES]
    needed = load_organization_options(request.organization.options).attachments_role
    if names.index(request.access.role) < names.index(needed):
        raise ForbiddenError(f"Attachments of this organization are for the role {needed} and above.")


def content_type(attachment: EventAttachment) -> str:
    """The type the file says it has, else the one of its name."""
    declared = attachment.mimetype.split(";")[0].strip().lower()
    if declared and declared != "application/octet-stream":
        return declared
    return mimetypes.guess_type(attachment.name)[0] or "application/octet-stream"


def safe_filename(name: str) -> str:
    """The last part of a path, without characters that end a header or a file name."""
    cleaned = re.sub(r"[\x00-\x1f\x7f\"<>|:*?]", "_", name.replace("\\", "/").rsplit("/", 1)[-1]).strip(". ")
    return cleaned[:200] or "attachment"


def _load(request: PageRequest, issue_id: str, event_id: str) -> tuple[Issue, Event]:
    issue = load_issue(request, issue_id)
    event = issue_event(issue, event_id)
    if event is None:
        raise NotVisibleError("The requested resource does not exist")
    return issue, event
