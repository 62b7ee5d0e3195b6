"""What people see of an event before they open it: type, title, culprit, location, level, priority."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.grouping.frames import text_of
from dictamesh_sentry.processing.grouping.functions import UNKNOWN
from dictamesh_sentry.processing.grouping.view import EventView
from dictamesh_sentry.processing.normalize.csp import blocked_host

MAX_TITLE = 255
MAX_CULPRIT = 255
LEVELS = ("fatal", "error", "warning", "info", "debug")
_REPORTS = ("csp", "expectct", "expectstaple", "hpkp")


def clip(text: str, limit: int) -> str:
    """One line without NUL characters, at most ``limit`` characters long."""
    text = text.replace("\x00", "").strip()
    line = text.split("\n", 1)[0].rstrip()
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def event_type(view: EventView) -> str:
    """``feedback``, a security report's kind, ``error``, ``default``, or what the sender says where that is known."""
    contexts = view.event.get("contexts")
    if view.text("type") == "feedback" or (type(contexts) is dict and type(contexts.get("feedback")) is dict):
        return "feedback"
    for kind in _REPORTS:
        if type(view.event.get(kind)) is dict:
            return kind
    if view.exceptions or (view.crashed_thread or {}).get("crashed") is True:
        return "error"
    declared = view.text("type")
    return declared if declared in ("nel", "generic", "error") else "default"


def level_of(view: EventView) -> str:
    level = view.text("level")
    return level if level in LEVELS else "error"


def is_unhandled(view: EventView) -> bool:
    """Whether some exception escaped the application's own handling."""
    for exception in view.exceptions:
        mechanism = exception.get("mechanism")
        if type(mechanism) is dict and mechanism.get("handled") is False:
            return True
    return False


def priority_of(level: str, unhandled: bool) -> str:
    """``high`` for crashes, ``low`` for what is only information, ``medium`` for the rest."""
    if level == "fatal" or (level == "error" and unhandled):
        return "high"
    return "low" if level in ("info", "debug") else "medium"


def location_of(view: EventView) -> str:
    """The file of the crashing frame, of the template or of the reported document."""
    frame = view.crash_frame or {}
    name = text_of(frame.get("filename")) or text_of(frame.get("abs_path"))
    if name:
        return clip(name, MAX_CULPRIT)
    for key, attribute in (("template", "filename"), ("csp", "document_uri")):
        value = view.event.get(key)
        if type(value) is dict and value.get(attribute):
            return clip(text_of(value.get(attribute)), MAX_CULPRIT)
    return ""


def culprit_of(view: EventView) -> str:
    """The transaction, else where it happened: ``function in module``."""
    for key in ("culprit", "transaction"):
        if view.text(key):
            return clip(view.text(key), MAX_CULPRIT)
    frame = view.crash_frame
    if frame is None:
        return ""
    function = text_of(frame.get("function"))
    place = text_of(frame.get("module")) or text_of(frame.get("filename")) or text_of(frame.get("package"))
    if view.family == "javascript":
        place = text_of(frame.get("filename")) or place
    function = "" if function in UNKNOWN else function
    if function and place:
        return clip(f"{function}({place})" if view.family == "javascript" else f"{place} in {function}", MAX_CULPRIT)
    return clip(function or place, MAX_CULPRIT)


def metadata_of(view: EventView, kind: str) -> dict[str, Any]:
    """The pieces the title is made of, for clients that build their own."""
    if kind == "feedback":
        metadata = _feedback(view)
    elif kind in _REPORTS:
        metadata = _report(view, kind)
    elif kind == "error":
        metadata = _error(view)
    else:
        metadata = {"title": clip(view.message, MAX_TITLE) or "<unlabeled event>"}
    return {key: value for key, value in metadata.items() if value not in ("", None)}


def _error(view: EventView) -> dict[str, Any]:
    exception = view.main_exception or {}
    frame = view.crash_frame or {}
    mechanism = exception.get("mechanism")
    function = text_of(frame.get("function"))
    synthetic = type(mechanism) is dict and mechanism.get("synthetic") is True
    metadata: dict[str, Any] = {
        "type": clip(text_of(exception.get("type")), 128),
        "value": clip_value(text_of(exception.get("value"))),
        "filename": clip(text_of(frame.get("filename")) or text_of(frame.get("abs_path")), 256),
        "function": "" if function in UNKNOWN else clip(function, 256),
    }
    if synthetic:
        metadata["synthetic"] = True
    return metadata


def clip_value(text: str) -> str:
    """An exception's value for lists: all its lines, at most 1024 characters, no NUL characters."""
    text = text.replace("\x00", "").strip()
    return text if len(text) <= 1024 else f"{text[:1023]}…"


def _report(view: EventView, kind: str) -> dict[str, Any]:
    report = view.event.get(kind)
    if kind == "csp" and type(report) is dict:
        directive = text_of(report.get("effective_directive")) or text_of(report.get("violated_directive"))
        uri = blocked_host(report) if type(report.get("blocked_uri")) is str else ""
        return {
            "directive": clip(directive, 128),
            "uri": clip(uri, 256),
            "message": clip(view.message, MAX_TITLE) or f"Blocked '{clip(directive, 128)}' from '{clip(uri, 256)}'",
        }
    origin = text_of(report.get("hostname")) if type(report) is dict else ""
    return {"origin": clip(origin, 256), "message": clip(view.message, MAX_TITLE) or f"{kind} failed for {origin}"}


def _feedback(view: EventView) -> dict[str, Any]:
    contexts = view.event.get("contexts")
    feedback = contexts.get("feedback") if type(contexts) is dict else None
    feedback = feedback if type(feedback) is dict else {}
    message = clip_value(text_of(feedback.get("message")))
    return {
        "title": "User Feedback",
        "message": message,
        "value": message,
        "name": clip(text_of(feedback.get("name")), 128),
        "contact_email": clip(text_of(feedback.get("contact_email")), 254),
        "source": clip(text_of(feedback.get("source")), 64),
        "associated_event_id": clip(text_of(feedback.get("associated_event_id")), 36),
    }


def title_of(metadata: dict[str, Any], kind: str) -> str:
    """One line for lists and subjects."""
    if kind == "feedback":
        message = clip(metadata.get("message", ""), MAX_TITLE - 20)
        return f"User Feedback: {message}" if message else "User Feedback"
    if kind in _REPORTS:
        return clip(metadata.get("message", kind), MAX_TITLE)
    if kind != "error":
        return metadata.get("title") or "<unlabeled event>"
    if metadata.get("synthetic"):
        # A made-up type (a signal's name, say) tells less than where it happened; without one it is a message.
        order = ("function", "value", "type") if metadata.get("type") else ("value", "function")
        return clip(next((metadata[key] for key in order if metadata.get(key)), ""), MAX_TITLE) or "<unknown>"
    name, value = metadata.get("type", ""), clip(metadata.get("value", ""), MAX_TITLE)
    if name and value:
        return clip(f"{name}: {value}", MAX_TITLE)
    return clip(name or value or metadata.get("function", ""), MAX_TITLE) or "<unknown>"
