"""What is left of URLs: where they lead, without what they ask for."""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described

_METHOD = re.compile(r"([A-Za-z]{3,10})\s+(\S.*)\Z", re.DOTALL)
_MULTI_LABEL_SUFFIXES = frozenset(("co", "com", "net", "org", "gov", "edu", "ac"))
_HASH = re.compile(r"(?i)(?:[0-9a-f]{6,}|[0-9]{2,}|(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{16,})")


def split_method(text: str, method: str) -> tuple[str, str]:
    """(method in upper case, URL) of ``GET https://…``."""
    found = _METHOD.match(text)
    if found:
        return found[1].upper(), found[2]
    return method.upper(), text


def host_of(url: str) -> str:
    """Host and port of a URL, lower case; empty when there is none."""
    if "://" not in url:
        url = "" if url.startswith("/") else f"//{url}"
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()[:200]
    except ValueError:
        return ""


def generic_host(host: str) -> str:
    """``*.domain.tld``; addresses become ``*.*.*.*``; localhost stays."""
    name, colon, port = host.rpartition(":") if host.rpartition(":")[2].isdigit() else (host, "", "")
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        pass
    else:
        return f"*.*.*.*{colon}{port}"
    labels = name.split(".")
    keep = 3 if len(labels) > 2 and labels[-2] in _MULTI_LABEL_SUFFIXES and len(labels[-1]) == 2 else 2
    if len(labels) > keep:
        name = f"*.{'.'.join(labels[-keep:])}"
    return f"{name}{colon}{port}"


def describe_http(description: str, url: str, method: str) -> Described:
    """``GET https://*.example.com``, with the full host as domain."""
    verb, rest = split_method(description, method)
    address = rest if "://" in rest or rest.startswith(("data:", "/")) or not url else url
    if address.startswith("data:"):
        media = address[5:].partition(",")[0].partition(";")[0]
        return Described(f"{verb or 'GET'} data:{media or 'text/plain'}", verb, "")
    host = host_of(address if "://" in address else url if "://" in url else "")
    if not host:
        return Described("", verb, "")
    scheme = (address if "://" in address else url).partition("://")[0].lower()
    return Described(f"{verb or 'GET'} {scheme}://{generic_host(host)}", verb, host)


def describe_resource(description: str, url: str) -> Described:
    """A file of a page: its host as for HTTP, hashes and ids in its path as ``*``, its extension kept."""
    address = description if "://" in description or description.startswith(("/", "data:")) else url or description
    if address.startswith("data:"):
        return Described(f"data:{address[5:].partition(',')[0].partition(';')[0]}", "", "")
    if not address:
        return NOTHING
    path, _, _ = address.partition("?")
    path, _, _ = path.partition("#")
    scheme, separator, rest = path.partition("://")
    host = ""
    if separator:
        host, slash, rest = rest.partition("/")
        rest = slash + rest
    stem, dot, extension = rest.rpartition(".") if "." in rest.rpartition("/")[2] else (rest, "", "")
    folder, slash, name = stem.rpartition("/")
    folder = "/".join("*" if _HASH.fullmatch(part) else part for part in folder.split("/"))
    name = "*" if _HASH.fullmatch(name) else ".".join("*" if _HASH.fullmatch(p) else p for p in name.split("."))
    name = re.sub(r"(?<=[-_.])(?:[0-9a-fA-F]{8,}|(?=\w*\d)\w{10,})\b", "*", name)
    prefix = f"{scheme}://{generic_host(host.lower())}" if host else ""
    return Described(f"{prefix}{folder}{slash}{name}{dot}{extension}"[:400], "", host.lower()[:200])
