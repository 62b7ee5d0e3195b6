"""Filters by where an event came from: address lists, localhost, and sources of CSP reports."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from dictamesh_sentry.processing.normalize.request import header

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=512)
def _networks(entries: tuple[str, ...]) -> tuple[_Network, ...]:
    networks: list[_Network] = []
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry.strip(), strict=False))
        except ValueError:
            continue
    return tuple(networks)


@lru_cache(maxsize=4096)
def _in_networks(address: str, entries: tuple[str, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return any(
        candidate in network
        for network in _networks(entries)
        for candidate in (parsed, mapped)
        if candidate is not None and candidate.version == network.version
    )


def is_blocked_address(addresses: tuple[str, ...], entries: tuple[str, ...]) -> bool:
    """Whether any address is in a list of addresses and CIDR ranges."""
    return any(address and _in_networks(address, entries) for address in addresses)


def _is_local_host(host: str) -> bool:
    name = host.strip().lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    elif name.count(":") == 1:
        name = name.partition(":")[0]
    return name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost")


@lru_cache(maxsize=4096)
def _is_local_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme == "file" or _is_local_host(parts.hostname or "")
    except ValueError:
        return False


def is_localhost(event: dict[str, Any]) -> bool:
    """Whether the event comes from a developer's own machine."""
    user = event.get("user")
    if user and user.get("ip_address") in ("127.0.0.1", "::1"):
        return True
    request = event.get("request")
    if not request:
        return False
    url = request.get("url")
    if url and _is_local_url(url):
        return True
    return any(
        _is_local_host(host) for name in ("Host", "X-Forwarded-Host") for host in header(event, name).split(",") if host
    )


# Schemes and hosts of violations that extensions and injected toolbars cause, never the page.
DEFAULT_DISALLOWED_SOURCES = (
    "about",
    "ms-browser-extension",
    "chrome://*",
    "chrome-extension://*",
    "chromeinvokeimmediate://*",
    "chromenull://*",
    "data:text/html,chromewebdata",
    "safari-extension://*",
    "safari-web-extension://*",
    "moz-extension://*",
    "webviewprogressproxy://*",
    "mxaddon-pkg://*",
    "mx://*",
    "mbinit://*",
    "resource://*",
    "symres://*",
    "se-extension://*",
    "tmtbff://*",
)


@lru_cache(maxsize=2048)
def _source_parts(source: str) -> tuple[str, str, str] | None:
    """(scheme, host, port) of a source expression; "" where it does not say, None when it cannot match."""
    scheme, separator, rest = source.partition("://")
    if not separator:
        scheme, rest = "", source
    authority = rest.partition("/")[0]
    host, colon, port = authority.rpartition(":") if not authority.endswith("]") else (authority, "", "")
    if not colon:
        host, port = authority, ""
    if colon and not (port.isdigit() or port == "*"):
        return None
    return scheme.lower(), host.lower(), "" if port == "*" else port


@lru_cache(maxsize=8192)
def _matches_source(uri: str, source: str) -> bool:
    if source == "*" or uri.lower() == source.lower():
        return True
    wanted, actual = _source_parts(source), _source_parts(uri)
    if wanted is None or actual is None:
        return False
    scheme, host, port = wanted
    if scheme and scheme != actual[0]:
        return False
    if port and port != (actual[2] or {"https": "443", "http": "80"}.get(actual[0], "")):
        return False
    if host in ("*", ""):
        return bool(scheme) or host == "*"
    if host.startswith("*."):
        return actual[1].endswith(host[1:])
    return host == actual[1]


def is_disallowed_csp(csp: dict[str, Any], sources: tuple[str, ...]) -> bool:
    """Whether a report is about a source the project does not want to hear of."""
    uris = [uri for key in ("blocked_uri", "source_file", "document_uri") if (uri := csp.get(key))]
    return any(_matches_source(uri[:2048], source) for uri in uris for source in sources if source)
