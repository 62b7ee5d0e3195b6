"""Commands of caches and document stores, files, and names of functions."""

from __future__ import annotations

import re
from typing import Any

import orjson

from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described

_IDENTIFIERS = re.compile(
    r"(?i)\b(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|0x[0-9a-f]+|(?=[0-9a-f]*\d)[0-9a-f]{8,})\b"
)
_KEY_PART = re.compile(r"[^\w]")
_MAX_DEPTH = 8


def describe_command(text: str) -> Described:
    """A Redis or cache command: its verb, and a star for everything after it."""
    parts = text.strip().strip("'\"").split(None, 1)
    if not parts:
        return NOTHING
    command = parts[0].strip("'\"").upper()[:64]
    if not command.replace("_", "").replace(".", "").isalpha():
        return Described("*", "", "")
    return Described(f"{command} *" if len(parts) > 1 else command, command, "")


def cache_prefix(key: str) -> str:
    """What a key begins with, as far as it is the same for many: ``user:42`` → ``user``."""
    first = _KEY_PART.split(key.strip("'\"[]() "), 1)[0]
    return "" if not first or any(char.isdigit() for char in first) else first[:64]


def describe_document(text: str, operation: str, collection: str) -> Described:
    """A MongoDB command with its values replaced; the command's name and collection when they are told."""
    try:
        command = orjson.loads(text)
    except orjson.JSONDecodeError:
        command = None
    if type(command) is not dict:
        return Described(_IDENTIFIERS.sub("*", text)[:400], operation.upper()[:64], collection[:200])
    verb = operation or next(iter(command), "")
    target = collection or (command.get(verb) if type(command.get(verb)) is str else "") or ""
    shape = {key: value if key == verb and value == target else _shape(value, 1) for key, value in command.items()}
    return Described(orjson.dumps(shape).decode()[:1000], str(verb).upper()[:64], str(target)[:200])


def _shape(value: Any, depth: int) -> Any:
    if depth >= _MAX_DEPTH:
        return "%s"
    if type(value) is dict:
        return {key: _shape(child, depth + 1) for key, child in value.items()}
    return [_shape(value[0], depth + 1)] if type(value) is list and value and type(value[0]) is dict else "%s"


def describe_file(text: str) -> Described:
    """Only the kind of file."""
    name = text.rpartition("/")[2].rpartition("\\")[2]
    _, dot, extension = name.rpartition(".")
    return Described(f"*.{extension}" if dot and extension.isalnum() and len(extension) <= 10 else "*")


def describe_name(text: str) -> Described:
    """A name as it is, without ids."""
    return Described(_IDENTIFIERS.sub("*", text)[:400])
