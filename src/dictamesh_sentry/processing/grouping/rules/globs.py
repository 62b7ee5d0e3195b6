"""Glob patterns of rules, as RE2, so that no rule can be slow on any text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import re2

MAX_PATTERN = 500
MAX_TEXT = 4096


class GlobError(ValueError):
    """The pattern is not a glob."""


def _bracket(pattern: str, start: int) -> tuple[str, int]:
    end = pattern.find("]", start + 2)
    if end < 0:
        raise GlobError("this [ is never closed; write \\[ for a literal bracket")
    inner = pattern[start + 1 : end]
    negated = inner.startswith(("!", "^"))
    inner = inner[1:] if negated else inner
    inner = inner.replace("\\", "\\\\").replace("[", "\\[").replace("^", "\\^")
    return f"[{'^' if negated else ''}{inner}]", end + 1


def _star(pattern: str, position: int, is_path: bool) -> tuple[str, int]:
    if pattern.startswith("**", position):
        if is_path and pattern.startswith("**/", position):
            return "(?:.*/)?", position + 3
        return ".*", position + 2
    return ("[^/]*" if is_path else ".*"), position + 1


def translate(pattern: str, *, is_path: bool) -> str:
    """A glob as a regular expression. ``*``, ``**``, ``?``, ``[…]``, ``{a,b}``; a backslash takes the magic away."""
    out: list[str] = []
    position = depth = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\" and position + 1 < len(pattern):
            out.append(re2.escape(pattern[position + 1]))
            position += 2
        elif character == "*":
            part, position = _star(pattern, position, is_path)
            out.append(part)
        elif character == "[":
            part, position = _bracket(pattern, position)
            out.append(part)
        elif character in "{}" or (character == "," and depth):
            depth += {"{": 1, "}": -1, ",": 0}[character]
            if depth < 0:
                raise GlobError("this } was never opened; write \\} for a literal brace")
            out.append({"{": "(?:", "}": ")", ",": "|"}[character])
            position += 1
        else:
            out.append(("[^/]" if is_path else ".") if character == "?" else re2.escape(character))
            position += 1
    if depth:
        raise GlobError("this { is never closed; write \\{ for a literal brace")
    return "".join(out)


@lru_cache(maxsize=2048)
def _compile(pattern: str, ignore_case: bool, is_path: bool) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    options.dot_nl = True
    return re2.compile(translate(pattern, is_path=is_path), options)


@lru_cache(maxsize=16384)
def _matches(pattern: str, ignore_case: bool, is_path: bool, text: str) -> bool:
    return _compile(pattern, ignore_case, is_path).fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Glob:
    """A compiled pattern. The whole text must match; texts are looked at up to 4096 characters."""

    pattern: str
    ignore_case: bool = False
    is_path: bool = False

    def check(self) -> None:
        """Raises GlobError when the pattern cannot be compiled."""
        if len(self.pattern) > MAX_PATTERN:
            raise GlobError(f"the pattern is longer than {MAX_PATTERN} characters; shorten it with *")
        try:
            _compile(self.pattern, self.ignore_case, self.is_path)
        except re2.error as error:
            raise GlobError(f"not a valid pattern ({error}); escape [ ] {{ }} * with a backslash") from error

    def matches(self, text: str) -> bool:
        if self.pattern == "*":
            return True
        return _matches(self.pattern, self.ignore_case, self.is_path, text[:MAX_TEXT])
