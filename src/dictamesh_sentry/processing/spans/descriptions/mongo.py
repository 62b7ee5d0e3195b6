"""Commands of document stores: their shape without their values.

Scanned and not parsed: they arrive as JSON, as Python's or JavaScript's notation, and cut off.
"""

from __future__ import annotations

import re

from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described
from dictamesh_sentry.processing.spans.identifiers import is_identifier, without_identifiers

MAX_DOCUMENT = 10_000
MAX_DEPTH = 64
_ANY = '"?"'
_TOKEN = re.compile(
    r"""\s*+(?:(?P<string>"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|'(?:[^'\\]++|\\.)*+(?:'|\\?\Z))"""
    r"|(?P<mark>[{}\[\]:,])|(?P<word>[^\s{}\[\]:,\"']++))",
    re.DOTALL,
)
#: Commands whose value is the collection.
_COMMANDS = frozenset(
    (
        "aggregate", "collstats", "count", "create", "createindexes", "delete", "distinct", "drop", "dropindexes",
        "find", "findandmodify", "insert", "listindexes", "mapreduce", "update",
    )
)  # fmt: skip
_CALL = re.compile(r"(?:([\w$-]{1,100})\.)?([A-Za-z]\w{1,40})(?=[\s({]|\Z)")


def describe_document(description: str, operation: str, collection: str) -> Described:
    """The command with ``"?"`` for every value. ``operation`` and ``collection`` are what attributes tell."""
    text = description[:MAX_DOCUMENT].strip()
    if not text:
        return NOTHING
    start = text.find("{")
    if start < 0:
        return _call(text, operation, collection)
    shape, command, target = _shape(text[start:])
    operation, collection = operation or command, collection or target
    if command:
        normalized = shape
    else:
        # The filter alone: who asks is part of the question.
        name = ".".join(part for part in (collection, operation) if part)
        name = without_identifiers(name or text[:start].strip(" ("))[:300]
        normalized = f"{name}({shape})" if name else shape
    return Described(normalized, operation.upper()[:64], _target(collection))


def _target(collection: str) -> str:
    return without_identifiers(collection)[:200]


def _call(text: str, operation: str, collection: str) -> Described:
    """``users.find`` or ``find users``."""
    match = _CALL.match(text)
    if match and match[1]:
        operation, collection = operation or match[2], collection or match[1]
    return Described(without_identifiers(text)[:1000], operation.upper()[:64], _target(collection))


class _Level:
    """An object or array that is being read."""

    __slots__ = ("closer", "is_object", "key", "parts")

    def __init__(self, *, is_object: bool) -> None:
        self.is_object = is_object
        self.closer = "}" if is_object else "]"
        self.key = ""
        self.parts: list[str] = []

    def add(self, value: str) -> None:
        """A value; in an array only when it differs from the one before."""
        if self.is_object:
            self.parts.append(f"{self.key}: {value}" if self.key else value)
            self.key = ""
        elif not self.parts or self.parts[-1] != value:
            self.parts.append(value)

    def text(self) -> str:
        return f"{'{' if self.is_object else '['}{', '.join(self.parts)}{self.closer}"


def _shape(text: str) -> tuple[str, str, str]:
    """(text without values, command, collection)."""
    stack = [_Level(is_object=False)]
    command = target = ""
    pending = ""
    overflow = 0
    for match in _TOKEN.finditer(text):
        mark = match["mark"]
        level = stack[-1]
        if mark is None:
            pending = pending or (match["string"] or match["word"])
        elif mark == ":":
            if level.is_object and pending and not level.key:
                level.key = _key(pending)
                pending = ""
        elif mark in "{[":
            pending = ""
            if len(stack) > MAX_DEPTH:
                overflow += 1
            else:
                stack.append(_Level(is_object=mark == "{"))
        else:
            if pending:
                value = _ANY
                if len(stack) == 2 and not level.parts and level.key.strip('"').lower() in _COMMANDS:
                    command, target = level.key.strip('"'), pending.strip("\"'")
                    value = f'"{_target(target)}"'
                level.add(value)
                pending = ""
            if mark != "," and overflow:
                overflow -= 1
            elif mark != "," and len(stack) > 1 and mark == level.closer:
                stack.pop()
                stack[-1].add(level.text())
    return _finish(stack, pending), command, target


def _finish(stack: list[_Level], pending: str) -> str:
    """What was read, closing what a cut left open."""
    if pending or stack[-1].key:
        stack[-1].add(_ANY)
    while len(stack) > 1:
        level = stack.pop()
        stack[-1].add(level.text())
    return ", ".join(stack[0].parts)


def _key(text: str) -> str:
    name = text.strip("\"'")[:200]
    parts = ["*" if part.isdigit() or is_identifier(part) else part for part in name.split(".")]
    return f'"{".".join(parts)}"'
