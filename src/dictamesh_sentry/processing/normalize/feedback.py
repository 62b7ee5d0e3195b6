"""User feedback: an event whose ``contexts.feedback`` is what somebody wrote."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.normalize.fields import UUID, Field, anything, clean_object, text
from dictamesh_sentry.processing.normalize.meta import MISSING_ATTRIBUTE, Meta, Path

MAX_MESSAGE = 4096
_FEEDBACK: dict[str, Field] = {
    "type": text(64),
    "message": text(MAX_MESSAGE, lenient=True),
    "contact_email": text(254),
    "name": text(200),
    "url": text(2048),
    "associated_event_id": UUID,
    "replay_id": UUID,
    "source": text(128),
    "formId": anything(),
}


def normalize_feedback(event: dict[str, Any], meta: Meta) -> None:
    """Hold ``contexts.feedback`` to its documented attributes. Without a message there is no feedback context left."""
    contexts: dict[str, Any] = event.get("contexts") or {}
    path: Path = ("contexts", "feedback")
    feedback = contexts.get("feedback")
    if type(feedback) is not dict:
        meta.error(path, MISSING_ATTRIBUTE, attribute="feedback")
        return
    for key in ("associated_event_id", "replay_id"):
        if feedback.get(key) == "":
            del feedback[key]
    clean_object(feedback, _FEEDBACK, path, meta)
    if len(feedback.get("message") or "") > MAX_MESSAGE:
        feedback["message"] = feedback["message"][:MAX_MESSAGE]
    if not (feedback.get("message") or "").strip():
        meta.error((*path, "message"), MISSING_ATTRIBUTE)
        del contexts["feedback"]


def is_valid_feedback(event: dict[str, Any]) -> bool:
    """Whether a normalized event carries feedback somebody wrote."""
    return bool((event.get("contexts") or {}).get("feedback"))
