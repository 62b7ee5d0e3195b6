"""SQL statements: values, aliases, lists and noise taken out; what is done, and to which table.

A scanner of its own and no parser: statements arrive cut off, in every dialect, and there are thousands in a second.
"""

from __future__ import annotations

from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described
from dictamesh_sentry.processing.spans.descriptions.sql_render import render
from dictamesh_sentry.processing.spans.descriptions.sql_structure import Statement
from dictamesh_sentry.processing.spans.descriptions.sql_tokens import PLACEHOLDER, Token, tokenize
from dictamesh_sentry.processing.spans.descriptions.sql_words import MAIN_VERBS, VERBS

MAX_SQL = 10_000
_OPENERS = 4


def describe_sql(text: str, system: str = "") -> Described:
    """The normalized statement, its verb and its main table; NOTHING when this is no statement.

    ``system`` decides what quotes and backslashes mean; empty when unknown.
    """
    tokens = tokenize(text[:MAX_SQL], system)
    verb = _verb(tokens)
    if not verb:
        return NOTHING
    statement = Statement(tokens, verb)
    statement.read()
    normalized = render(statement.top.out, statement.aliases)
    if verb == "WITH":
        verb = next((found for found in statement.verbs if found in MAIN_VERBS), verb)
    return Described(normalized, verb, _table(statement))


def _verb(tokens: list[Token]) -> str:
    """The first word, behind a few parentheses or braces, when it begins a statement."""
    for token in tokens[:_OPENERS]:
        if token.text[0].isalpha():
            word = token.text.upper()
            return word if word in VERBS else ""
    return ""


def _table(statement: Statement) -> str:
    """The table that matters most: the first of the outermost query that no WITH defines."""
    found = [(rank, place) for place, (rank, name) in enumerate(statement.tables) if name not in statement.defined]
    if not found:
        return ""
    name = statement.tables[min(found)[1]][1]
    last = name.rpartition(".")[2] if name[-1:] not in '"`]' else name
    return last.strip('"`[]').replace(PLACEHOLDER, "*")[:200]
