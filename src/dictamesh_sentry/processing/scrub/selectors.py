"""Selectors of advanced rules: ``$user.email``, ``extra.**``, ``$string && !$http.headers.x``.

Grammar: ``||`` binds weaker than ``&&``, that weaker than ``!``; parentheses group. A path is parts joined by dots; a
part is a name, a quoted name, a list index, ``*`` (one part), ``**`` (any number of parts, at the end at least one)
or ``$type``. A name alone matches at any depth.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

MAX_LENGTH = 2000
_MAX_TOKENS = 400
TYPES = frozenset(
    {
        *("string", "number", "boolean", "datetime", "array", "object", "event", "exception", "error", "stacktrace"),
        *("frame", "request", "http", "user", "logentry", "message", "thread", "breadcrumb", "span", "sdk", "binary"),
        *("attachments", "minidump", "heap_memory", "stack_memory", "replay", "log", "trace_metric", "context"),
    }
)
_ALIASES = {"error": "exception", "http": "request", "message": "logentry"}
_TOKEN = re.compile(
    r"\s*(?:(?P<op>\|\||&&|!|\(|\)|\.)|(?P<deep>\*\*)|(?P<any>\*)|\$(?P<type>[a-z_]+)|'(?P<quoted>(?:[^']|'')*)'"
    r"|(?P<name>[^\s.()|&!$*']+))"
)


class SelectorError(ValueError):
    """A selector that cannot be read; ``position`` is where."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"{message} at position {position + 1}")
        self.position = position


class Element(NamedTuple):
    """One step from the event down to a value: its key and the names of its type."""

    key: str
    types: frozenset[str]


Location = Sequence[Element]


class Part(NamedTuple):
    kind: str
    """``name``, ``any``, ``deep`` or ``type``."""
    text: str = ""


class Selector(NamedTuple):
    """A compiled selector."""

    matches: Callable[[Location], bool]
    is_specific: bool
    """Whether it names a place; only such selectors reach what is not meant for personal data."""


@lru_cache(maxsize=2048)
def parse_selector(source: str) -> Selector:
    """Compile a selector. Raises SelectorError naming the position of what is wrong."""
    if len(source) > MAX_LENGTH:
        raise SelectorError(f"A selector may have at most {MAX_LENGTH} characters", MAX_LENGTH)
    parser = _Parser(_tokens(source), len(source))
    selector = parser.alternatives(0)
    if parser.peek() is not None:
        raise SelectorError("Unexpected text", parser.position())
    return selector


_Token = tuple[str, str, int]


def _tokens(source: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while source[position:].strip():
        match = _TOKEN.match(source, position)
        if match is None:
            raise SelectorError("Unexpected character", position)
        kind = match.lastgroup or ""
        text = match[kind]
        if kind == "quoted":
            kind, text = "name", text.replace("''", "'")
        if kind == "type" and text not in TYPES:
            raise SelectorError(f"Unknown type ${text}", match.start("type") - 1)
        tokens.append((kind, text, match.start(match.lastgroup or 0)))
        position = match.end()
        if len(tokens) > _MAX_TOKENS:
            raise SelectorError("The selector is too long", position)
    return tokens


class _Parser:
    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens = tokens
        self._next = 0
        self._end = end

    def peek(self) -> str | None:
        """The operator or kind of the next token."""
        if self._next >= len(self._tokens):
            return None
        kind, text, _ = self._tokens[self._next]
        return text if kind == "op" else kind

    def position(self) -> int:
        return self._tokens[self._next][2] if self._next < len(self._tokens) else self._end

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += 1
        return token

    def alternatives(self, depth: int) -> Selector:
        choices = [self._all_of(depth)]
        while self.peek() == "||":
            self._take()
            choices.append(self._all_of(depth))
        if len(choices) == 1:
            return choices[0]
        return Selector(
            lambda location: any(choice.matches(location) for choice in choices),
            all(choice.is_specific for choice in choices),
        )

    def _all_of(self, depth: int) -> Selector:
        terms = [self._term(depth)]
        while self.peek() == "&&":
            self._take()
            terms.append(self._term(depth))
        if len(terms) == 1:
            return terms[0]
        return Selector(
            lambda location: all(term.matches(location) for term in terms), any(term.is_specific for term in terms)
        )

    def _term(self, depth: int) -> Selector:
        if depth > 30:
            raise SelectorError("Too many levels", self.position())
        token = self.peek()
        if token == "!":  # noqa: S105
            self._take()
            inner = self._term(depth + 1)
            return Selector(lambda location: not inner.matches(location), False)
        if token == "(":  # noqa: S105
            self._take()
            group = self.alternatives(depth + 1)
            if self.peek() != ")":
                raise SelectorError("Expected )", self.position())
            self._take()
            return group
        return self._path()

    def _path(self) -> Selector:
        parts = [self._part()]
        while self.peek() == ".":
            self._take()
            parts.append(self._part())
        return _path_selector(tuple(parts))

    def _part(self) -> Part:
        if self.peek() not in ("name", "any", "deep", "type"):
            raise SelectorError("Expected a field name, *, ** or $type", self.position())
        kind, text, _ = self._take()
        if kind == "type":
            return Part(kind, _ALIASES.get(text, text))
        return Part(kind, text.lower() if kind == "name" else "")


def _path_selector(parts: tuple[Part, ...]) -> Selector:
    specific = any(part.kind == "name" for part in parts) and all(part.kind != "deep" for part in parts)
    if len(parts) == 1 and parts[0].kind == "name":
        name = parts[0].text
        return Selector(lambda location: location[-1].key == name, True)
    if parts[0].kind == "type":
        return Selector(
            lambda location: any(_matches(parts, location, 0, start) for start in range(len(location))), specific
        )
    return Selector(lambda location: _matches(parts, location, 0, 1), specific)


def _matches(parts: tuple[Part, ...], location: Location, part: int, at: int) -> bool:
    """Whether ``parts[part:]`` describes exactly ``location[at:]``."""
    while part < len(parts):
        kind, text = parts[part]
        if kind == "deep":
            rest = part + 1
            while rest < len(parts) and parts[rest].kind == "deep":
                rest += 1
            if rest == len(parts):
                return at < len(location)
            return any(_matches(parts, location, rest, start) for start in range(at, len(location)))
        if at >= len(location):
            return False
        element = location[at]
        if (kind == "name" and element.key != text) or (kind == "type" and text not in element.types):
            return False
        part += 1
        at += 1
    return at == len(location)
