"""Text of a query → AST. The grammar finds terms, AND, OR and parentheses; ``terms`` reads a single term.

Tokens are found by one regular expression without nested repetition, and the parser is LALR: time is linear in the
text, whose length is bounded.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, VisitError

from dictamesh_sentry.search.ast import And, Filter, FreeText, Has, Node, Or, Span, Term, Value, terms
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.terms import FILTER, QUOTED, read_filter, read_text

MAX_LENGTH = 4096
MAX_TERMS = 100
MAX_DEPTH = 25

_GRAMMAR = r"""
start: [expression]
?expression: conjunction (_OR conjunction)*
?conjunction: factor (_AND? factor)*
?factor: FILTER -> filter
       | TEXT   -> text
       | PHRASE -> text
       | "(" expression ")" -> group

_OR.5: /OR(?=[\s()]|\Z)/i
_AND.5: /AND(?=[\s()]|\Z)/i
FILTER.4: /<filter>/s
PHRASE.3: /<phrase>/s
TEXT.1: /[^\s()]+/
%ignore /\s+/
""".replace("<filter>", FILTER.replace("/", r"\/")).replace("<phrase>", QUOTED)

_TOKENS = re.compile(rf"(?P<filter>{FILTER})|(?P<phrase>{QUOTED})|(?P<text>[^\s]+)", re.DOTALL)
_BOOLEAN = re.compile(r"(?:AND|OR)\Z", re.IGNORECASE)


class _Build(Transformer):
    """Parse tree → AST."""

    @v_args(inline=True)
    def start(self, expression: Node | None = None) -> Node | None:
        return expression

    @v_args(inline=True)
    def filter(self, token: Token) -> Filter | Has | FreeText:
        return read_filter(str(token), token.start_pos or 0)

    @v_args(inline=True)
    def text(self, token: Token) -> FreeText:
        return read_text(str(token), token.start_pos or 0)

    @v_args(inline=True)
    def group(self, inner: Node) -> Node:
        return inner

    def conjunction(self, children: list[Node]) -> Node:
        return And(tuple(children))

    def expression(self, children: list[Node]) -> Node:
        return Or(tuple(children))


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", maybe_placeholders=False)


def _check_length(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise SearchError(
            f"A query has at most {MAX_LENGTH} characters.", MAX_LENGTH, len(text) - MAX_LENGTH, "Shorten it."
        )


def _check_depth(text: str) -> None:
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth > MAX_DEPTH:
            raise SearchError("Too many nested parentheses.", position, 1, f"At most {MAX_DEPTH} are allowed.")


def _check_terms(found: list[Term]) -> None:
    if len(found) > MAX_TERMS:
        span = found[MAX_TERMS].span
        raise SearchError(
            f"A query has at most {MAX_TERMS} terms.", span.position, span.length, "Remove some, or use a list."
        )


def parse_query(text: str) -> Node | None:
    """The query with AND, OR and parentheses, as events are searched; None when it is empty. Raises SearchError."""
    _check_length(text)
    _check_depth(text)
    try:
        node: Any = _Build().transform(_parser().parse(text))
    except VisitError as error:
        raise error.orig_exc from None
    except UnexpectedEOF:
        raise SearchError("The query ends too early.", len(text)) from None
    except UnexpectedCharacters as error:
        raise SearchError("This character is not expected here.", error.pos_in_stream or 0) from None
    except UnexpectedToken as error:
        raise _unexpected(error, text) from None
    node = _joined(node)
    _check_terms(terms(node))
    return node


def parse_issue_query(text: str) -> list[Term]:
    """The terms of an issue search, all of which must hold. Parentheses are text there; AND and OR are an error."""
    _check_length(text)
    found: list[Term] = []
    for token in _TOKENS.finditer(text):
        word = token[0]
        if token.lastgroup == "filter":
            found.append(read_filter(word, token.start()))
        elif token.lastgroup == "text" and _BOOLEAN.match(word):
            raise SearchError(
                'Boolean statements containing "OR" or "AND" are not supported in this search.',
                token.start(),
                len(word),
                "Terms are combined with AND anyway; for OR on one key use a list such as level:[error, fatal].",
            )
        else:
            found.append(read_text(word, token.start()))
    found = _join_words(found)
    _check_terms(found)
    return found


def _unexpected(error: UnexpectedToken, text: str) -> SearchError:
    token = error.token
    position = min(getattr(token, "start_pos", None) or 0, len(text))
    if token.type == "$END":
        if text.count("(") > text.count(")"):
            return SearchError("A parenthesis is not closed.", text.rindex("("), 1, "Close it with ).")
        return SearchError("Something must follow AND or OR.", max(len(text.rstrip()) - 1, 0))
    if token.type == "RPAR":
        return SearchError(
            "This parenthesis closes nothing, or an empty group.",
            position,
            1,
            "Remove it, or quote the text around it.",
        )
    if token.type in ("_OR", "_AND"):
        word = str(token)
        return SearchError(
            f"Something must stand before {word.upper()}.",
            position,
            len(word),
            f'Write "{word}" to search for the word.',
        )
    return SearchError("This is not expected here.", position, len(str(token)))


def _joins(term: object) -> bool:
    return isinstance(term, FreeText) and not term.quoted and not term.value.is_pattern


def _join_words(children: list[Any]) -> list[Any]:
    """Adjacent unquoted words are one phrase; a quoted phrase stands alone."""
    joined: list[Any] = []
    for child in children:
        before = joined[-1] if joined else None
        if before is not None and _joins(child) and _joins(before):
            span = Span(before.span.position, child.span.position + child.span.length - before.span.position)
            joined[-1] = FreeText(Value((f"{before.value.text} {child.value.text}",), span), False, span)
        else:
            joined.append(child)
    return joined


def _joined(node: Node | None) -> Node | None:
    """The tree with adjacent words joined and conjunctions of one element unwrapped."""
    if isinstance(node, And):
        children = _join_words([_joined(child) for child in node.children])
        return children[0] if len(children) == 1 else And(tuple(children))
    if isinstance(node, Or):
        return Or(tuple(child for child in map(_joined, node.children) if child is not None))
    return node
