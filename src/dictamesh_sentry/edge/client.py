"""What a request tells about its client."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple

from dictamesh_sentry.edge.request import Request

_HINTS = (b"sec-ch-ua", b"sec-ch-ua-model", b"sec-ch-ua-platform", b"sec-ch-ua-platform-version")
_FORWARDED = (b"cf-connecting-ip", b"x-vercel-forwarded-for", b"x-sentry-forwarded-for")
_MAX_HEADER = 1024


class ClientInfo(NamedTuple):
    """Address ("" when unknown), user agent and client hints."""

    ip: str
    user_agent: str
    hints: dict[str, str]


def client_info(request: Request, trusted_proxies: int) -> ClientInfo:
    """What to store about the client of a request."""
    headers = request.headers
    hints = {name.decode(): request.header(name)[:_MAX_HEADER] for name in _HINTS if name in headers}
    return ClientInfo(client_ip(request, trusted_proxies), request.header(b"user-agent")[:_MAX_HEADER], hints)


def client_ip(request: Request, trusted_proxies: int) -> str:
    """The client's address. Forwarding headers count only behind a trusted proxy: anybody else can forge them."""
    if trusted_proxies > 0:
        for name in _FORWARDED:
            found = _address(request.header(name).partition(",")[0])
            if found:
                return found
        hops = [hop for hop in request.header(b"x-forwarded-for").split(",") if hop.strip()]
        if len(hops) >= trusted_proxies:
            found = _address(hops[-trusted_proxies])
            if found:
                return found
    return _address(request.peer)


@lru_cache(maxsize=4096)
def _address(text: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return ""
