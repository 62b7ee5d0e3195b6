"""Commands of key-value stores, and keys of caches."""

from __future__ import annotations

import re

from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described
from dictamesh_sentry.processing.spans.identifiers import is_identifier, without_identifiers

_COMMAND = re.compile(r"(['\"]?)([A-Za-z][A-Za-z_]{1,30})\1(?:\s+(?=(\S))|\s*\Z)")
_STRONG = re.compile(r"[:/|]+")
_WEAK = re.compile(r"[.\-_#@+]+")
_QUOTES = "'\"[]() \t\n\r"
#: Commands a cache's description may begin with, when it is not a mere key.
_KEY_COMMANDS = frozenset(
    (
        "ADD", "DEL", "DELETE", "DELETE_MANY", "EXISTS", "EXPIRE", "GET", "GETEX", "GETSET", "GET_MANY", "HGET", "HSET",
        "INCR", "DECR", "MGET", "MSET", "PUT", "REMOVE", "SET", "SETEX", "SETNX", "SET_MANY", "TTL", "UNLINK",
    )
)  # fmt: skip
_MAX_PREFIX = 64


def describe_command(description: str, operation: str = "") -> Described:
    """A Redis command: its name, and a star for its arguments. ``operation`` is the name as an attribute tells it."""
    text = description.strip()
    match = _COMMAND.match(text)
    if match is None:
        return Described(without_identifiers(text), operation.upper())
    name = match[2].upper()
    return Described(f"{name} *" if match[3] else name, name)


def describe_cache(op: str, description: str, key: str, operation: str) -> Described:
    """What was done in a cache, and what the key begins with, which is the domain: ``GET user:*``."""
    text = description.strip()
    match = _COMMAND.match(text)
    command = match[2].upper() if match and match[3] else ""
    if match is not None and command in _KEY_COMMANDS:
        text = text[match.end() :]
    else:
        command = ""
    action = operation.upper() or op.partition(".")[2].partition(".")[0].removesuffix("_item").upper() or command
    prefix, whole = key_prefix(key or text)
    if not action and not prefix:
        return NOTHING
    return Described(f"{action} {whole}".strip(), action, prefix)


def key_prefix(key: str) -> tuple[str, str]:
    """What a key has in common with others, and the key with a star for the rest: ``user``, ``user:*``.

    Of several keys the first counts. The last part of a key with parts tells things apart and is left out.
    """
    key = key.strip(_QUOTES).partition(",")[0].strip(_QUOTES)[:512]
    skipped = len(key) - len(key.lstrip(":/|0123456789"))
    key = key[skipped:]
    end = _end_of_common(key, _STRONG, drop_last=True)
    if end is None:
        end = _end_of_common(key, _WEAK, drop_last=False)
    if end is None:
        return ("", "*") if not key or is_identifier(key) else (key[:_MAX_PREFIX], key[:_MAX_PREFIX])
    prefix = key[: min(end, _MAX_PREFIX)]
    separator = key[end : end + 1] if prefix else ""
    return prefix, f"{prefix}{separator}*"


def _end_of_common(key: str, separators: re.Pattern[str], *, drop_last: bool) -> int | None:
    """Where the part of a key ends that others share; None when there are no parts, or no part tells things apart."""
    start, end = 0, 0
    parts = 0
    for separator in separators.finditer(key):
        part = key[start : separator.start()]
        if is_identifier(part) or (part.isdigit() and part):
            return _before_weak_identifier(key, start, end)
        end, start = separator.start(), separator.end()
        parts += 1
    if not parts:
        return None
    last = key[start:]
    return end if drop_last or is_identifier(last) or last.isdigit() else None


def _before_weak_identifier(key: str, start: int, end: int) -> int:
    """``end``, or where a number begins within the part at ``start``, when it is the first."""
    if start == 0:
        for separator in _WEAK.finditer(key):
            if is_identifier(key[: separator.start()]):
                break
            end = separator.start()
    return end
