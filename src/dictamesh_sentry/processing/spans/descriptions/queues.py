"""Messages: what is done, and with which destination."""

from __future__ import annotations

from dictamesh_sentry.processing.spans.descriptions.described import Described
from dictamesh_sentry.processing.spans.identifiers import without_identifiers

_ACTIONS = {
    "send": "PUBLISH", "submit": "PUBLISH", "create": "PUBLISH", "enqueue": "PUBLISH", "task": "PROCESS",
    "deliver": "PROCESS", "consume": "PROCESS",
}  # fmt: skip


def describe_message(op: str, description: str, destination: str, operation: str) -> Described:
    """The description without ids. The domain is the destination; where none is told, the description."""
    done = (operation or op.partition(".")[2].partition(".")[0]).lower()
    text = without_identifiers(description.strip())
    domain = (without_identifiers(destination) or text)[:200]
    return Described(text or domain, _ACTIONS.get(done, done.upper())[:64], domain)
