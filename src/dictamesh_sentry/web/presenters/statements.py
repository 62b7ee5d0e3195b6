"""A database statement on several lines, as far as that can be done without understanding it."""

from __future__ import annotations

import re

WIDEST = 110
LONGEST = 6_000
# Texts, names and comments are kept as they are; a clause begins a line; everything else is copied.
_PIECE = re.compile(
    r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/"
    r"|\s+(?P<clause>(?:FROM|WHERE|(?:(?:LEFT|RIGHT|FULL|INNER|CROSS)\s+(?:OUTER\s+)?)?JOIN|GROUP\s+BY|ORDER\s+BY|HAVING"
    r"|LIMIT|OFFSET|UNION|RETURNING|VALUES|SET|ON\s+CONFLICT|AND|OR)\b)"
    r"|(?P<comma>,\s+)|\s+|[^\s,'\"`\-/]+|.",
    re.DOTALL,
)
_INDENTED = frozenset(("AND", "OR"))


def on_lines(statement: str) -> str:
    """Line breaks before clauses and in long lists. A statement with line breaks, or a very long one, is kept."""
    text = statement.strip()
    if "\n" in text or len(text) > LONGEST:
        return text
    parts: list[str] = []
    column = 0
    for found in _PIECE.finditer(text):
        piece = found[0]
        clause = found["clause"]
        if clause:
            piece = f"\n  {clause}" if clause in _INDENTED else f"\n{clause}"
        elif found["comma"] and column > WIDEST:
            piece = ",\n    "
        parts.append(piece)
        _, line_break, rest = piece.rpartition("\n")
        column = len(rest) if line_break else column + len(piece)
    return "".join(parts)
