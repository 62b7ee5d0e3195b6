"""Parts of URLs, read by hand: what arrives is often only nearly a URL, and nothing here may fail."""

from __future__ import annotations

import re
from typing import NamedTuple

from dictamesh_sentry.processing.spans.identifiers import without_identifiers

_URL = re.compile(r"(?:([A-Za-z][A-Za-z0-9+.-]{0,30}):)?//([^/?#\s\\]*)([^?#\s]*)")
_ADDRESS = re.compile(r"\[[0-9A-Fa-f:.%]*\]|[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_ANY_ADDRESS = "*.*.*.*"
_PORT = re.compile(r":([0-9]{1,5})\Z")
_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}
#: Registries under which a name has three labels, where the last is a country.
_REGISTRIES = frozenset(("ac", "co", "com", "edu", "go", "gob", "gov", "gv", "ne", "net", "or", "org"))
#: Networks of one's own, where every label says something.
_INTERNAL = frozenset(("cluster", "consul", "docker", "internal", "intra", "lan", "local", "localdomain", "localhost"))
_NUMBERED_LABEL = re.compile(r"[0-9]{3}|[0-9]+-[0-9]+-[0-9]+")
_MAX_HOST = 255


class Url(NamedTuple):
    """``host`` is lower case, with a port that is not the scheme's own; ``path`` has neither query nor fragment."""

    scheme: str
    host: str
    path: str


def split_url(text: str) -> Url | None:
    """The parts of a URL with a host; None for anything else."""
    match = _URL.match(text)
    if match is None or not match[2]:
        return None
    scheme = (match[1] or "").lower()
    host = match[2].rpartition("@")[2].lower()[:_MAX_HOST]
    port = _PORT.search(host)
    if port and port[1] == _DEFAULT_PORTS.get(scheme):
        host = host[: port.start()]
    return Url(scheme, host, match[3])


def domain_of(host: str) -> str:
    """A host as a partner to talk to: whole, but for addresses and labels that number machines or tenants."""
    name, port = _split_port(host)
    if _ADDRESS.fullmatch(name):
        return _ANY_ADDRESS
    return ".".join([_generic_label(label) for label in name.split(".")]) + port


def _generic_label(label: str) -> str:
    """A label as far as no number or hash of a machine begins: ``orders-7d9f8b6c5d-x2x4z`` → ``orders-*``."""
    if _NUMBERED_LABEL.search(label):
        return "*"
    kept, star, _ = without_identifiers(label).partition("*")
    return kept + star


def generic_host(host: str) -> str:
    """``*.domain.tld``. Addresses are ``*.*.*.*``; localhost and names within one's own network stay."""
    name, port = _split_port(host)
    if _ADDRESS.fullmatch(name):
        return _ANY_ADDRESS
    labels = name.split(".")
    if labels[-1] in _INTERNAL or len(labels) == 1:
        return domain_of(host)
    kept = 3 if labels[-2] in _REGISTRIES and len(labels[-1]) == 2 else 2
    return name + port if len(labels) <= kept else f"*.{'.'.join(labels[-kept:])}{port}"


def _split_port(host: str) -> tuple[str, str]:
    port = _PORT.search(host)
    return (host[: port.start()], port.group()) if port else (host, "")


def media_type(text: str) -> str:
    """``data:image/png`` of a data URL, empty for anything else."""
    if text[:5].lower() != "data:":
        return ""
    kind = re.split(r"[;,\s]", text[5:120], maxsplit=1)[0].lower()
    return f"data:{kind or 'text/plain'}"[:100]
