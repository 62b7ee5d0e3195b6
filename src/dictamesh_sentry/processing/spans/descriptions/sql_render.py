"""Tokens of a statement → text with canonical spaces, aliases replaced by their tables."""

from __future__ import annotations

from dictamesh_sentry.processing.spans.descriptions.sql_tokens import (
    CAST,
    COMMA,
    NAME,
    OPEN,
    OPEN_ARRAY,
    OPERATOR,
    SEMICOLON,
    Token,
)  # fmt: skip

_COMPARISONS = frozenset(("=", "<>", "!=", "<", ">", "<=", ">=", "<=>", "||", ":=", "=>", "@>", "<@", "&&"))
_TIGHT = frozenset((COMMA, SEMICOLON, ")", "]"))
_CLOSER = {OPEN: ")", OPEN_ARRAY: "]"}
_NOT_WORDS = frozenset((OPERATOR, CAST, COMMA, SEMICOLON, OPEN, OPEN_ARRAY, ")", "]", "g", "V"))


def render(elements: list[Token], aliases: dict[str, str]) -> str:
    """The text of a statement."""
    pieces: list[str] = []
    _render(elements, aliases, pieces)
    return "".join(pieces)


def _render(elements: list[Token], aliases: dict[str, str], pieces: list[str]) -> None:
    before: Token | None = None
    for element in elements:
        if before is not None and _is_apart(before, element):
            pieces.append(" ")
        text = element.text
        if element.inner is not None:
            pieces.append(text)
            _render(element.inner, aliases, pieces)
            if element.closed:
                pieces.append(_CLOSER[text])
        elif aliases and element.kind == NAME and "." in text:
            owner, _, rest = text.partition(".")
            pieces.append(f"{aliases[owner]}.{rest}" if owner in aliases else text)
        else:
            pieces.append(text)
        before = element


def _is_apart(before: Token, element: Token) -> bool:
    """Whether a space stands between two elements."""
    kind, kind_before = element.kind, before.kind
    if kind in _TIGHT or kind == CAST or kind_before in (OPEN, OPEN_ARRAY):
        return False
    if kind_before in (COMMA, SEMICOLON):
        return True
    if kind == OPERATOR and kind_before == OPERATOR:
        return element.spaced
    if element.text in _COMPARISONS or before.text in _COMPARISONS:
        return True
    is_group = element.inner is not None
    if kind_before == NAME and is_group:
        return element.spaced
    if len(kind_before) > 1 or len(kind) > 1:  # A keyword.
        return True
    if (kind not in _NOT_WORDS or is_group) and (kind_before not in _NOT_WORDS or before.inner is not None):
        return element.text != OPEN_ARRAY
    return element.spaced
