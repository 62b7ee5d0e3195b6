"""What names one thing among many, in names and in paths."""

from __future__ import annotations

import re

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
#: A path's segment that holds one of these is an identifier (ingest protocol reference, section 13): a UUID, SHA-1 or
#: MD5, hexadecimal with 0x, two digits in a row. Dates have two digits in a row.
_IN_SEGMENT = re.compile(
    rf"(?i)[0-9][0-9]|{_UUID}|(?<![0-9a-z])[0-9a-f]{{32}}(?:[0-9a-f]{{8}})?(?![0-9a-z])|0x[0-9a-f]"
)
# Runs begin where no letter or digit stands before, so each is read once.
_IN_NAME = re.compile(
    rf"(?i)(?<![0-9a-z])(?:{_UUID}|0x[0-9a-f]++|(?=[a-f]*+[0-9])[0-9a-f]{{8,}}+|[0-9]{{5,}}+)(?![0-9a-z])"
)
_BEFORE_PATH = re.compile(r"(?:[A-Z]{2,16}\s+)?(?:[A-Za-z][A-Za-z0-9+.-]{0,30}://[^/?#\s]*)?")
_DIGIT = re.compile(r"[0-9]")


def is_identifier(segment: str) -> bool:
    """Whether a segment of a path names one thing among many."""
    return _IN_SEGMENT.search(segment) is not None


def without_identifiers(name: str) -> str:
    """A name with UUIDs, runs of hexadecimal digits and long numbers as ``*``."""
    return _IN_NAME.sub("*", name) if _DIGIT.search(name) else name


def generic_path(url: str) -> str:
    """A path, or a URL with its method and host, whose identifiers are ``*`` and whose query is gone."""
    head = _BEFORE_PATH.match(url)
    start = head.end() if head else 0
    path, mark, rest = url[start:].partition("?")
    if mark:
        path += "".join(rest.partition("#")[1:])
    if _DIGIT.search(path) or "0x" in path:
        path = "/".join(["*" if is_identifier(segment) else segment for segment in path.split("/")])
    return url[:start] + path
