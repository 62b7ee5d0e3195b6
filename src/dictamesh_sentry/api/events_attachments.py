"""Files that came with events."""

from __future__ import annotations

import re
from urllib.parse import quote

from django.http import FileResponse
from django.http.response import HttpResponseBase

from dictamesh_sentry.api.core import Call, Page, operation
from dictamesh_sentry.api.serializers_events import AttachmentBody, serialize_attachment
from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.event_queries import parse_event_id
from dictamesh_sentry.issues.models import EventAttachment
from dictamesh_sentry.organizations.access import ROLE_ORDER, ForbiddenError, NotVisibleError
from dictamesh_sentry.projects.options import load_organization_options

READ, ADMIN = ("project:read", "event:read"), ("event:admin",)
PREFIX = "/projects/{organization}/{project}/events/{event_id}/attachments/"
_UNSAFE = re.compile(r'[^A-Za-z0-9._ -]|["\\]')
#: Types a browser may be told: none of them can carry a script.
_SHOWN_TYPES = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "text/plain", "application/json", "application/pdf"}
)


@operation("GET", PREFIX, scopes=READ, response=list[AttachmentBody], paginated=True)
def list_attachments(call: Call, event_id: str) -> Page:
    """List an event's attachments."""
    _require_role(call)
    return call.paginate(_of_event(call, event_id), lambda rows: [serialize_attachment(row) for row in rows])


@operation("GET", PREFIX + "{attachment_id}/", scopes=READ, response=AttachmentBody)
def get_attachment(call: Call, event_id: str, attachment_id: str) -> AttachmentBody | HttpResponseBase:
    """Retrieve an attachment; with `download` in the query, its bytes."""
    _require_role(call)
    attachment = _attachment(call, event_id, attachment_id)
    return _download(attachment) if "download" in call.request.GET else serialize_attachment(attachment)


@operation("DELETE", PREFIX + "{attachment_id}/", scopes=ADMIN)
def remove_attachment(call: Call, event_id: str, attachment_id: str) -> None:
    """Delete an attachment."""
    actions.delete_attachment(call.user, _attachment(call, event_id, attachment_id))


def _of_event(call: Call, event_id: str):
    parsed = parse_event_id(event_id)
    if parsed is None:
        raise NotVisibleError
    return EventAttachment.objects.filter(project=call.project, event_id=parsed.hex).order_by("pk")


def _attachment(call: Call, event_id: str, attachment_id: str) -> EventAttachment:
    if not (attachment_id.isascii() and attachment_id.isdigit() and len(attachment_id) < 19):
        raise NotVisibleError
    found = _of_event(call, event_id).select_related("issue").filter(pk=int(attachment_id)).first()
    if found is None:
        raise NotVisibleError
    return found


def _require_role(call: Call) -> None:
    """Attachments may hold memory dumps: the organization says from which role on they are readable."""
    wanted = load_organization_options(call.organization.options).attachments_role
    if ROLE_ORDER.index(call.access.role) < ROLE_ORDER.index(wanted):
        raise ForbiddenError("Your role may not read attachments.")


def _download(attachment: EventAttachment) -> HttpResponseBase:
    """The bytes, never rendered as a page of this site."""
    try:
        stream = get_blob_store().open(attachment.blob_key)
    except (KeyError, OSError) as error:
        raise NotVisibleError from error
    kind = attachment.mimetype.partition(";")[0].strip().lower()
    response = FileResponse(stream, content_type=kind if kind in _SHOWN_TYPES else "application/octet-stream")
    plain = _UNSAFE.sub("_", attachment.name) or "attachment"
    encoded = quote(attachment.name.replace("\x00", ""), safe="")
    response["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}"
    response["Content-Length"] = str(attachment.size)
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "private, no-store"
    return response
