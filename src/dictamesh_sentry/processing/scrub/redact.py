"""Replacing the parts of a text that a pattern matches, with remarks about where."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from dictamesh_sentry.processing.normalize.meta import Meta, Path
from dictamesh_sentry.processing.scrub.patterns import Pattern

_MAX_REMARKS = 50
Replacement = Callable[[str], str]


def pseudonym(text: str) -> str:
    """The same name for the same text; does not tell the text."""
    return hashlib.sha1(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest().upper()


def redact(
    text: str,
    pattern: Pattern,
    replacement: Replacement,
    rule: str,
    kind: str,
    path: Path,
    meta: Meta,
    *,
    keep: str = "",
) -> str:
    """``text`` with what ``pattern`` matches replaced; one remark for every replacement, in positions of the result.

    A match that already is ``keep`` stays as it is, so that scrubbing twice changes nothing.
    """
    spans = _spans(text, pattern)
    if not spans:
        return text
    parts: list[str] = []
    position = length = 0
    remarks: list[list[Any]] = []
    for start, end in spans:
        found = text[start:end]
        if found == keep:
            continue
        before = text[position:start]
        new = replacement(found)
        parts += (before, new)
        length += len(before)
        if len(remarks) < _MAX_REMARKS:
            remarks.append([rule, kind, length, length + len(new)])
        length += len(new)
        position = end
    if not remarks:
        return text
    parts.append(text[position:])
    for remark in remarks:
        meta.remark(path, remark, len(text))
    return "".join(parts)


def _spans(text: str, pattern: Pattern) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    last = 0
    for match in pattern.regex.finditer(text):
        for group in pattern.groups:
            start, end = match.span(group)
            if start >= last and end > start:
                spans.append((start, end))
                last = end
    return spans
