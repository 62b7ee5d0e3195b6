"""Replaces what varies in a message (numbers, ids, dates, addresses …) by placeholders.

Messages come from strangers, so the patterns run on RE2: time is linear in the length of the text whatever it holds.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import re2

MAX_LENGTH = 2048

# Order matters: an earlier alternative wins at the same position.
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("email", r"[A-Za-z0-9.!#$%&*+/=?^_{|}~-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"),
    ("url", r"\b(?:[a-z][a-z0-9+.-]{1,20})://[^\s\"'<>()\[\]{},]*"),
    ("uuid", r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b"),
    (
        "date",
        r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:\s?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?)?\b"
        r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,? (?:\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]{2} \d{1,2})"
        r"(?:,? \d{4})?(?: \d{2}:\d{2}:\d{2})?(?: \d{4})?(?: ?(?:GMT|UTC)?(?:[+-]\d{4})?)?"
        r"|\b\d{1,2}[/.]\d{1,2}[/.]\d{4}\b|\b\d{4}/\d{2}/\d{2}\b"
        r"|\b\d{1,2}:\d{2}:\d{2}(?:[.,]\d+)?(?: ?[AaPp][Mm])?\b",
    ),
    (
        "ip",
        r"\b(?:\d{1,3}\.){3}\d{1,3}\b"
        r"|\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\b"
        r"|\b(?:[0-9a-fA-F]{1,4}:){1,6}(?::[0-9a-fA-F]{1,4}){1,6}\b|\B::1\b",
    ),
    ("quoted", r"'[^'\n]{1,200}'\B|\"[^\"\n]{1,200}\"|`[^`\n]{1,200}`"),
    (
        "path",
        r"\b[A-Za-z]:\\[^\s\"'<>|:;,()]+|\\\\[^\s\"'<>|:;,()]+"
        r"|~?(?:/[A-Za-z0-9._@%+~-]+){2,}/?",
    ),
    ("hex", r"\b0[xX][0-9a-fA-F]+\b|\b(?:[0-9a-f]{7,128}|[0-9A-F]{7,128})\b"),
    ("version", r"\d+(?:\.\d+){2,}"),
    ("float", r"\d+\.\d+(?:[eE][+-]?\d+)?|\b\d+[eE][+-]?\d+\b"),
    ("int", r"\b\d+(?:,\d{3})+\b|\b\d+|\d{2,}"),
)

_COMBINED = re2.compile("|".join(f"({pattern})" for _, pattern in _PATTERNS))
_NAMES = ("", *(f"<{name}>" for name, _ in _PATTERNS))
# Nothing that varies without one of these; a character class cannot backtrack.
_CANDIDATE = re.compile(r"[0-9@/\\'\"`]|::")


def _placeholder(match: Any) -> str:
    """The placeholder of a match. A run of hexadecimal digits without a digit is a word, without a letter a number."""
    name = _NAMES[match.lastindex]
    if name == "<hex>":
        text: str = match.group()
        if text.isalpha():
            return text
        if text.isdigit():
            return "<int>"
    return name


@lru_cache(maxsize=1024)
def _parameterize(text: str) -> str:
    return _COMBINED.sub(_placeholder, text)


def parameterize(text: str) -> str:
    """``text`` with placeholders, cut to 2048 characters."""
    text = text[:MAX_LENGTH]
    if _CANDIDATE.search(text) is None:
        return text
    return _parameterize(text)
