"""Which web pages may report to a project."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit


def request_origin(origin: str, referer: str) -> str:
    """The page a request comes from: ``Origin``, else ``Referer``; "" unless its scheme is http or https."""
    for value in (origin, referer):
        if value and value != "null":
            return value if value[:8].lower().startswith(("http://", "https://")) else ""
    return ""


def origin_allowed(origin: str, allowed: Sequence[str]) -> bool:
    """Whether a project's allowed domains admit an origin; requests without one always pass.

    Entries: ``*``; ``example.com`` (any scheme and port); ``*.example.com`` (it and its subdomains);
    ``example.com:8000``; ``https://example.com``, with an optional port.
    """
    if not origin or "*" in allowed:
        return True
    try:
        url = urlsplit(origin)
        scheme, host, port = url.scheme.lower(), (url.hostname or "").rstrip("."), url.port
    except ValueError:
        return False
    return bool(host) and any(_matches(entry.strip().lower(), scheme, host, port) for entry in allowed)


def _matches(entry: str, scheme: str, host: str, port: int | None) -> bool:
    wanted_scheme, separator, rest = entry.partition("://")
    if separator and wanted_scheme not in (scheme, "*"):
        return False
    rest = (rest if separator else entry).partition("/")[0]
    try:
        parts = urlsplit(f"//{rest}")
        wanted_host, wanted_port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return False
    if wanted_port is not None and wanted_port != (port or {"http": 80, "https": 443}.get(scheme)):
        return False
    if wanted_host.startswith("*."):
        return host == wanted_host[2:] or host.endswith(wanted_host[1:])
    return bool(wanted_host) and host == wanted_host
