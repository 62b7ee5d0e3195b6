"""``/api/embed/error-page/``: the crash-report dialog of ``showReportDialog``, and its form."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode

import orjson

from dictamesh_sentry.edge.ingest import Ingest, Sender
from dictamesh_sentry.edge.loader import embed, script
from dictamesh_sentry.edge.request import Request
from dictamesh_sentry.edge.responses import JAVASCRIPT, JSON, EdgeError, Response
from dictamesh_sentry.edge.routing import Route
from dictamesh_sentry.protocol.auth import Auth
from dictamesh_sentry.protocol.dsn import Dsn, DsnError, parse_dsn
from dictamesh_sentry.protocol.envelope import Envelope, Item, parse_event_id

TEXTS = {
    "title": "It looks like we're having issues.",
    "subtitle": "Our team has been notified.",
    "subtitle2": "If you'd like to help, tell us what happened below.",
    "labelName": "Name",
    "labelEmail": "Email",
    "labelComments": "What happened?",
    "labelClose": "Close",
    "labelSubmit": "Send report",
    "errorGeneric": "Your report could not be sent. Please try again.",
    "errorFormEntry": "Some fields need your attention.",
    "successMessage": "Your report was sent. Thank you!",
}
_MAX_TEXT = 500
_MAX_FORM = 64 * 1024
_LIMITS = {"name": 128, "email": 75, "comments": 4096}
_EMAIL = re.compile(r"[^@\s,;<>()]{1,64}@[^@\s,;<>()]{1,255}")
_LANG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}")


async def error_page(ingest: Ingest, request: Request, _route: Route) -> Response:
    """GET: the dialog's script. POST: its form, which becomes a user report."""
    query = request.query()
    try:
        event_id = parse_event_id(query.get("eventId"))
    except ValueError:
        return _refuse(request, 400, {"eventId": "Missing or invalid event id."})
    try:
        dsn = parse_dsn(query.get("dsn", ""))
        sender = await ingest.authenticate(request, Auth(dsn.public_key), str(dsn.project_id))
    except DsnError:
        return _refuse(request, 404, {"dsn": "Missing or invalid DSN."})
    except EdgeError as error:
        if error.status == 403 and "origin not allowed" not in error.causes:
            return _refuse(request, 404, {"dsn": "Unknown DSN."})
        if error.status == 403:
            return _refuse(request, 403, {"origin": "This origin may not report to the project."})
        raise
    if request.method == "POST":
        return await _submit(ingest, request, sender, event_id)
    return _dialog(ingest, query, dsn, event_id)


def _refuse(request: Request, status: int, problem: dict[str, str]) -> Response:
    """JSON; for a script element, whose body is not readable, the JSON is in a header instead."""
    body = orjson.dumps(problem)
    if "text/javascript" in request.header(b"accept"):
        return Response(status, b"", JAVASCRIPT, ((b"x-sentry-context", body),))
    return Response(status, body, JSON, ((b"x-sentry-context", body),))


def _dialog(ingest: Ingest, query: dict[str, str], dsn: Dsn, event_id: str) -> Response:
    target = urlencode({"dsn": str(dsn), "eventId": event_id})
    lang = query.get("lang", "")
    settings = {
        "endpoint": f"{ingest.settings.public_url}/api/embed/error-page/?{target}",
        "name": query.get("name", "")[: _LIMITS["name"]],
        "email": query.get("email", "")[: _LIMITS["email"]],
        "lang": lang if _LANG.fullmatch(lang) else "en",
        "text": {name: query.get(name, default)[:_MAX_TEXT] for name, default in TEXTS.items()},
    }
    body = script("error-page.js").replace('"%SETTINGS%"', embed(settings)).encode()
    return Response(200, body, JAVASCRIPT, ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")))


async def _submit(ingest: Ingest, request: Request, sender: Sender, event_id: str) -> Response:
    ingest.check_blanket_limits(sender)
    body = await request.inflate(await request.read(_MAX_FORM), request.encoding(), _MAX_FORM)
    try:
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise EdgeError(400, "too many fields") from None
    errors = form_errors(form)
    if errors:
        return Response(400, orjson.dumps({"errors": errors}), JSON)
    report = {"event_id": event_id, **{name: form[name].strip() for name in _LIMITS}}
    item = Item({"type": "user_report", "content_type": "application/json"}, orjson.dumps(report))
    accepted = await ingest.accept(request, sender, Envelope({"event_id": event_id}, [item]), None)
    if accepted.limited:
        return EdgeError(429, "rate limit exceeded", headers=accepted.headers).response()
    return Response(200, b"{}", JSON, accepted.headers)


def form_errors(form: dict[str, str]) -> dict[str, list[str]]:
    """What is wrong with the dialog's form, by field."""
    errors: dict[str, list[str]] = {}
    for name, limit in _LIMITS.items():
        value = form.get(name, "").strip()
        if not value:
            errors[name] = ["This field is required."]
        elif len(value) > limit:
            errors[name] = [f"At most {limit} characters, found {len(value)}."]
    if "email" not in errors and not _EMAIL.fullmatch(form["email"].strip()):
        errors["email"] = ["Enter a valid email address."]
    return errors
