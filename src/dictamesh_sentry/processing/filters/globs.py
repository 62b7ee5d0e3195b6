"""Glob patterns of project settings, compiled once for all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import re2

MAX_PATTERNS = 1000
_MAX_PATTERN_LENGTH = 1024
# A user's pattern list may be large; more memory than this makes re2 refuse it instead of growing.
_OPTIONS = re2.Options()
_OPTIONS.max_mem = 16 << 20
_OPTIONS.log_errors = False
_CHUNK = 100


def glob_to_regex(glob: str) -> str:
    """``*`` is anything, ``?`` one character, ``[…]`` a character class; the rest is literal."""
    result: list[str] = []
    position = 0
    while position < len(glob):
        character = glob[position]
        position += 1
        if character == "*":
            if not result or result[-1] != ".*":
                result.append(".*")
        elif character == "?":
            result.append(".")
        elif character == "[" and (end := glob.find("]", position + 1)) > 0:
            inner = glob[position:end].replace("\\", "\\\\").replace("[", "\\[")
            result.append("[" + ("^" + inner[1:] if inner[:1] == "!" else inner.replace("^", "\\^")) + "]")
            position = end + 1
        elif character == "{" and (end := glob.find("}", position)) > 0:
            result.append("(?:" + "|".join(re2.escape(part) for part in glob[position:end].split(",")) + ")")
            position = end + 1
        else:
            result.append(re2.escape(character))
    return "".join(result)


class Globs:
    """Whether a text matches any of some globs, without regard to case. Linear in the text's length."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._everything = "*" in patterns
        sources = [glob_to_regex(p) for p in patterns[:MAX_PATTERNS] if p.strip() and len(p) <= _MAX_PATTERN_LENGTH]
        chunks = [sources[start : start + _CHUNK] for start in range(0, len(sources), _CHUNK)]
        self._regexes = [regex for chunk in chunks for regex in _compile(chunk)]

    def __bool__(self) -> bool:
        return self._everything or bool(self._regexes)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches."""
        return self._everything or any(regex.fullmatch(text) is not None for regex in self._regexes)


def _compile(sources: list[str]) -> list[Any]:
    """One pattern for all sources; where that is no pattern, one for each that is."""
    try:
        return [re2.compile("(?is)(?:" + "|".join(f"(?:{source})" for source in sources) + ")", _OPTIONS)]
    except re2.error:
        return [regex for source in sources for regex in _compile([source])] if len(sources) > 1 else []


@lru_cache(maxsize=2048)
def compiled(patterns: tuple[str, ...]) -> Globs:
    """The globs of one list of patterns."""
    return Globs(tuple(pattern.strip() for pattern in patterns))
