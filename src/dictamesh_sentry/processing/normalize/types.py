"""What goes into normalization and what comes out of it."""

from __future__ import annotations

from typing import Any

import msgspec


class RequestInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about the delivery of an event apart from its payload. Times are epoch seconds, UTC."""

    received: float
    client_ip: str = ""
    user_agent: str = ""
    client_hints: dict[str, str] = {}
    """Lower-case ``sec-ch-ua*`` request headers."""
    sent_at: float | None = None
    """The client's clock when it sent the envelope; None when it did not say."""
    sentry_client: str = ""
    """``name/version`` of the SDK from the authentication, used when the event names no ``sdk``."""
    key_id: int = 0
    event_id: str = ""
    """Event id of the envelope header; it wins over the payload's."""
    trace: dict[str, Any] = {}
    """Dynamic sampling context of the envelope header."""


class NormalizedEvent(msgspec.Struct):
    """A valid event: every known attribute has its documented type, unknown ones are gone.

    ``data`` holds the event including ``_meta`` (when anything was changed) and ``errors`` (when anything was
    wrong); ``errors`` is that same list.
    """

    data: dict[str, Any]
    errors: list[dict[str, Any]]

    @property
    def event_id(self) -> str:
        """32 lower-case hexadecimal characters."""
        return self.data["event_id"]
