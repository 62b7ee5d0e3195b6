"""Names of the past, moved to the attributes they mean today."""

from __future__ import annotations

from typing import Any

_INTERFACES = {
    "sentry.interfaces.Message": "logentry",
    "sentry.interfaces.Exception": "exception",
    "sentry.interfaces.Stacktrace": "stacktrace",
    "sentry.interfaces.Template": "template",
    "sentry.interfaces.User": "user",
    "sentry.interfaces.Http": "request",
    "sentry.interfaces.Contexts": "contexts",
    "sentry.interfaces.Breadcrumbs": "breadcrumbs",
    "sentry.interfaces.Csp": "csp",
    "sentry.interfaces.DebugMeta": "debug_meta",
    "sentry.interfaces.threads": "threads",
    "sentry.interfaces.Threads": "threads",
    "time_stamp": "timestamp",
}


def convert_legacy(event: dict[str, Any]) -> None:
    """Rename legacy attributes in place; the current name wins where both are there."""
    for old in [key for key in event if key in _INTERFACES]:
        value = event.pop(old)
        if event.get(_INTERFACES[old]) is None:
            event[_INTERFACES[old]] = value
