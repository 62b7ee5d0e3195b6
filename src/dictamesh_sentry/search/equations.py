"""``equation|count() / count_unique(user) * 100`` → SQL over the columns it names.

A small parser of its own: numbers, fields, functions, ``+ - * /`` and parentheses; nothing is ever evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from dictamesh_sentry.search.columns import NUMERIC, Column, number
from dictamesh_sentry.search.errors import FieldError

PREFIX = "equation|"
MAX_OPERATORS = 10
MAX_LENGTH = 1000
_TOKEN = re.compile(
    r"\s*(?:(?P<number>\d{1,15}(?:\.\d{1,15})?(?![\w.(\[]))"
    r"|(?P<operand>[A-Za-z_][\w.:]*(?:\[[^\[\]]*\]|\((?:\"[^\"]*\"|\[[^\[\]]*\]|[^()\"\[\]])*\))?)"
    r"|(?P<operator>[-+*/])|(?P<open>\()|(?P<close>\)))"
)
_PRECEDENCE = {"+": 1, "-": 1, "*": 2, "/": 2}


@dataclass(frozen=True)
class _Part:
    sql: str
    aggregate: bool | None = None
    """None for a constant."""
    zero: bool = True


class _Parser:
    """Precedence climbing over the tokens of one equation."""

    def __init__(self, text: str, read: Callable[[str], Column]) -> None:
        self.text = text
        self.read = read
        self.tokens = _tokens(text)
        self.at = 0

    def parse(self) -> _Part:
        part = self.expression(1)
        if self.at < len(self.tokens):
            raise FieldError(f"Equation: {self.tokens[self.at][1][:40]!r} is not expected here in {self.text[:100]!r}")
        return part

    def expression(self, least: int) -> _Part:
        left = self.operand()
        while self.at < len(self.tokens):
            kind, operator = self.tokens[self.at]
            if kind != "operator" or _PRECEDENCE[operator] < least:
                break
            self.at += 1
            left = self._joined(left, operator, self.expression(_PRECEDENCE[operator] + 1))
        return left

    def operand(self) -> _Part:
        if self.at >= len(self.tokens):
            raise FieldError(f"Equation: something is missing at the end of {self.text[:100]!r}")
        kind, token = self.tokens[self.at]
        self.at += 1
        if kind == "number":
            return _Part(f"toFloat64({float(token)!r})")
        if kind == "operand":
            return self._column(token)
        if kind == "open":
            inner = self.expression(1)
            if self.at >= len(self.tokens) or self.tokens[self.at][0] != "close":
                raise FieldError(f"Equation: a parenthesis is not closed in {self.text[:100]!r}")
            self.at += 1
            return inner
        if kind == "operator" and token in {"-"}:
            inner = self.operand()
            return _Part(f"(-{inner.sql})", inner.aggregate, inner.zero)
        raise FieldError(f"Equation: {token!r} is not expected here in {self.text[:100]!r}")

    def _column(self, name: str) -> _Part:
        column = self.read(name)
        if column.type not in NUMERIC:
            raise FieldError(f"Equation: {name[:100]} is not a number")
        return _Part(f"toFloat64({column.sql})", column.is_aggregate, column.zero)

    def _joined(self, left: _Part, operator: str, right: _Part) -> _Part:
        kinds = {part.aggregate for part in (left, right)} - {None}
        if len(kinds) > 1:
            raise FieldError("Equation: fields and functions cannot be mixed")
        divisor = f"nullIf({right.sql}, 0)" if operator == "/" else right.sql
        zero = left.zero and right.zero and operator != "/"
        return _Part(f"({left.sql} {operator} {divisor})", next(iter(kinds), None), zero)


def _tokens(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        matched = _TOKEN.match(text, at)
        if matched is None or matched.lastgroup is None:
            raise FieldError(f"Equation: {text[at : at + 20].strip()!r} is not readable")
        found.append((matched.lastgroup, matched[matched.lastgroup]))
        at = matched.end()
    if sum(kind == "operator" for kind, _ in found) > MAX_OPERATORS:
        raise FieldError(f"Equation: at most {MAX_OPERATORS} operators are allowed")
    if sum(kind == "open" for kind, _ in found) > 2 * MAX_OPERATORS:
        raise FieldError("Equation: too many parentheses")
    return found


def read_equation(name: str, read: Callable[[str], Column]) -> Column:
    """The column of an equation. ``read`` reads its fields and functions. Raises FieldError."""
    text = name.removeprefix(PREFIX)
    if len(text) > MAX_LENGTH:
        raise FieldError(f"Equation: at most {MAX_LENGTH} characters are allowed")
    part = _Parser(text, read).parse()
    if part.aggregate is None:
        raise FieldError("Equation: it must name at least one field or function")
    return Column(name, part.sql, "number", part.aggregate, convert=number, zero=part.zero)
