"""Requests: sent ones by where they go, received ones by their route."""

from __future__ import annotations

import re

from dictamesh_sentry.processing.spans.descriptions.described import Described
from dictamesh_sentry.processing.spans.descriptions.hosts import domain_of, generic_host, media_type, split_url
from dictamesh_sentry.processing.spans.identifiers import generic_path, without_identifiers

_METHOD = re.compile(r"([A-Za-z]{3,16})(?:\s+|\Z)")
_METHODS = frozenset(
    (
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PROPFIND", "PURGE", "PUT", "QUERY", "REPORT",
        "TRACE",
    )
)  # fmt: skip


def _split_method(description: str, method: str) -> tuple[str, str]:
    """The method, as told or as the description's first word, and the rest of the description."""
    match = _METHOD.match(description)
    if match is None or match[1].upper() not in _METHODS:
        return method.upper(), description
    return method.upper() or match[1].upper(), description[match.end() :]


def describe_request(description: str, url: str, method: str, address: str) -> Described:
    """A request that was sent: ``GET https://*.example.com``; its partner's whole host is the domain.

    ``url``, ``method`` and ``address`` (a bare host) are what attributes say; any may be empty.
    """
    verb, rest = _split_method(description.strip(), method)
    lead = f"{verb} " if verb else ""
    for text in (rest, url):
        kind = media_type(text)
        if kind:
            return Described(f"{lead}{kind}", verb)
        found = split_url(text)
        if found is not None:
            separator = "://" if found.scheme else "//"
            return Described(f"{lead}{found.scheme}{separator}{generic_host(found.host)}", verb, domain_of(found.host))
    host = address.lower()
    if host:
        return Described(f"{lead}{generic_host(host)}", verb, domain_of(host))
    path = rest or url
    return Described(f"{lead}{generic_path(path) if '/' in path else without_identifiers(path)}".strip(), verb)


def describe_route(description: str, method: str) -> Described:
    """A request that was received, or a page: its route, with what identifies in it as ``*``. It has no partner."""
    text = description.strip()
    verb, rest = _split_method(text, method)
    lead = text[: len(text) - len(rest)].upper()
    return Described((lead + (generic_path(rest) if "/" in rest else without_identifiers(rest))).strip(), verb)
