"""Cutting text and containers to their limits, each cut recorded in ``_meta``."""

from __future__ import annotations

from typing import Any

import orjson

from dictamesh_sentry.processing.normalize.meta import LIMIT_RULE, Meta, Path

_ELLIPSIS = "..."
_MIN_TEXT = 16


def allowance(limit: int) -> int:
    """How far over ``limit`` a text may be before it is cut at all."""
    if limit >= 4096:
        return 200
    if limit >= 256:
        return 40
    return 10 if limit >= 128 else 0


def trim_text(text: str, limit: int, path: Path, meta: Meta) -> str:
    """``text``, or its first characters and ``...`` when it is longer than ``limit`` and its allowance."""
    length = len(text)
    if length <= limit + allowance(limit):
        return text
    return _cut(text, limit, path, meta)


def _cut(text: str, limit: int, path: Path, meta: Meta) -> str:
    end = max(limit - len(_ELLIPSIS), 0)
    meta.remark(path, [LIMIT_RULE, "s", end, end + len(_ELLIPSIS)], len(text))
    return text[:end] + _ELLIPSIS


def trim_container(value: Any, max_bytes: int, max_depth: int, path: Path, meta: Meta) -> Any:
    """``value`` cut to about ``max_bytes`` of JSON and ``max_depth`` levels of containers.

    What is over loses its tail: text is cut, the last elements go, containers that are too deep become null.
    ``value`` is changed in place where it can be.
    """
    if len(orjson.dumps(value)) <= max_bytes:
        kind = type(value)
        if (kind is not dict and kind is not list) or not _deeper_than(value, max_depth):
            return value
    return _Trimmer(max_bytes, meta).trim(value, max_depth, path)


def _deeper_than(value: Any, depth: int) -> bool:
    if depth == 0:
        return True
    for child in value.values() if type(value) is dict else value:
        kind = type(child)
        if (kind is dict or kind is list) and child and _deeper_than(child, depth - 1):
            return True
    return False


def _size(value: Any) -> int:
    return len(value) + 2 if type(value) is str else len(orjson.dumps(value))


class _Trimmer:
    """One budget of bytes shared by a container and everything in it. Recursion is bounded by the depth limit."""

    def __init__(self, budget: int, meta: Meta) -> None:
        self.budget = budget
        self.meta = meta

    def trim(self, value: Any, depth: int, path: Path) -> Any:
        if type(value) is str:
            return self._text(value, path)
        if type(value) is dict:
            return self._object(value, depth, path) if depth else self._too_deep(value, path)
        if type(value) is list:
            return self._list(value, depth, path) if depth else self._too_deep(value, path)
        self.budget -= _size(value)
        return value

    def _too_deep(self, value: Any, path: Path) -> None:
        self.meta.remark(path, [LIMIT_RULE, "x"], len(value))
        self.budget -= 4

    def _text(self, text: str, path: Path) -> str:
        size = len(text.encode()) + 2
        if size > self.budget:
            room = max(self.budget - 2, _MIN_TEXT)
            if len(text) > room:
                text = _cut(text, room, path, self.meta)
        self.budget -= min(size, len(text.encode()) + 2)
        return text

    def _object(self, value: dict[str, Any], depth: int, path: Path) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for key, child in value.items():
            self.budget -= len(key) + 4
            if self.budget <= 0:
                self.meta.remark(path, [LIMIT_RULE, "x"], len(value))
                break
            kept[key] = self.trim(child, depth - 1, (*path, key))
        return kept

    def _list(self, value: list[Any], depth: int, path: Path) -> list[Any]:
        kept: list[Any] = []
        for index, child in enumerate(value):
            self.budget -= 1
            if self.budget <= 0:
                self.meta.remark(path, [LIMIT_RULE, "x"], len(value))
                break
            kept.append(self.trim(child, depth - 1, (*path, index)))
        return kept
