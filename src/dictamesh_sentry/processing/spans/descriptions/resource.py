"""Resources of pages: scripts, styles, images."""

from __future__ import annotations

import re

from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described
from dictamesh_sentry.processing.spans.descriptions.hosts import domain_of, generic_host, media_type, split_url
from dictamesh_sentry.processing.spans.identifiers import is_identifier, without_identifiers

_EXTENSION = re.compile(r"\.([A-Za-z][A-Za-z0-9]{0,9})\Z")
_PIECES = re.compile(r"([.\-_~@]+)")
_HEX = re.compile(r"(?i)[0-9a-f]{6,}\Z")
_LETTERS_AND_DIGITS = re.compile(r"(?=[A-Za-z]*+[0-9])(?=[0-9]*+[A-Za-z])[0-9A-Za-z]{8,}\Z")
#: Eight letters behind a hyphen that are no words: what bundlers make of a hash.
_BUNDLED = re.compile(r"-(?=[a-z]*+[A-Z])(?=[A-Z]*+[a-z])(?!(?:[A-Z]?[a-z]{2,7})(?:[A-Z][a-z]{2,6})*\Z)[A-Za-z]{8}\Z")
_NUMBER = re.compile(r"[0-9]{2,}\Z")
_EXTENSIONS = re.compile(r"(?i)(chrome|moz|safari|safari-web|ms-browser)-extension\Z")
_REPEATED = re.compile(r"\*(?:[.\-_~@]+\*)+")


def describe_resource(description: str, url: str) -> Described:
    """Host as of a request; hashes and ids in the path as ``*``; the extension stays."""
    text = description.strip() or url
    kind = media_type(text)
    if kind:
        return Described(kind)
    found = split_url(text)
    if found is None and "/" not in text and url:
        found = split_url(url)
    if found is None:
        path = re.split(r"[?#\s]", text, maxsplit=1)[0]
        return Described(_generic(path)) if path else NOTHING
    if _EXTENSIONS.match(found.scheme):
        return Described(f"{found.scheme}://*")
    separator = "://" if found.scheme else "//"
    return Described(
        f"{found.scheme}{separator}{generic_host(found.host)}{_generic(found.path)}", "", domain_of(found.host)
    )


def _generic(path: str) -> str:
    if path.startswith("blob:"):
        return "blob:*"
    *folders, name = path.split("/")
    kept = ["*" if is_identifier(folder) or _is_hash(folder) else folder for folder in folders]
    extension = _EXTENSION.search(name)
    stem, ending = (name[: extension.start()], extension.group()) if extension else (name, "")
    stem = _BUNDLED.sub("-*", without_identifiers(stem))
    pieces = ["*" if _is_hash(piece) else piece for piece in _PIECES.split(stem)]
    return "/".join([*kept, _REPEATED.sub("*", "".join(pieces)) + ending])


def _is_hash(piece: str) -> bool:
    """Whether a part of a name was made by a machine."""
    if _HEX.match(piece):
        return not piece.isalpha()
    return any(pattern.match(piece) for pattern in (_NUMBER, _LETTERS_AND_DIGITS))
