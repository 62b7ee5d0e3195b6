"""A parsed query. Positions are left out of comparisons: two queries are equal when they mean the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

KeyKind = Literal["field", "tag", "flag", "aggregate"]
Operator = Literal["=", "!=", ">", ">=", "<", "<="]

INVERSE: dict[Operator, Operator] = {"=": "!=", "!=": "=", ">": "<=", "<=": ">", "<": ">=", ">=": "<"}


@dataclass(frozen=True)
class Span:
    """Where something stands in the text of the query."""

    position: int = 0
    length: int = 0


_NOWHERE = Span()


@dataclass(frozen=True)
class Key:
    """What a filter looks at. ``arguments`` belongs to aggregates, ``value_type`` to ``tags[name,number]``."""

    name: str
    kind: KeyKind = "field"
    value_type: str = ""
    arguments: tuple[str, ...] = ()
    quoted: bool = False
    span: Span = field(default=_NOWHERE, compare=False)

    @property
    def text(self) -> str:
        """The key as messages show it."""
        if self.kind == "tag":
            return f"tags[{self.name}]"
        if self.kind == "flag":
            return f"flags[{self.name}]"
        if self.kind == "aggregate":
            return f"{self.name}({', '.join(self.arguments)})"
        return self.name


@dataclass(frozen=True)
class Value:
    """A value as literal pieces; between two pieces stood an unescaped ``*``.

    ``regex`` is the pattern of ``//pattern//``, which only searches of spans and logs read as one.
    """

    pieces: tuple[str, ...] = ("",)
    span: Span = field(default=_NOWHERE, compare=False)
    regex: str = ""

    @property
    def text(self) -> str:
        """The value read literally."""
        return "*".join(self.pieces)

    @property
    def is_pattern(self) -> bool:
        return len(self.pieces) > 1


@dataclass(frozen=True)
class Filter:
    """``key:value``. ``negated`` is the leading ``!``; it is not folded into the operator."""

    key: Key
    operator: Operator = "="
    values: tuple[Value, ...] = (Value(),)
    is_list: bool = False
    negated: bool = False
    span: Span = field(default=_NOWHERE, compare=False)

    @property
    def value(self) -> Value:
        return self.values[0]

    @property
    def effective_operator(self) -> Operator:
        """The operator with the negation applied."""
        return INVERSE[self.operator] if self.negated else self.operator


@dataclass(frozen=True)
class Has:
    """``has:key``: the value is present."""

    key: Key
    negated: bool = False
    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True)
class FreeText:
    """Words that are no filter. A quoted phrase is never joined with the words beside it."""

    value: Value
    quoted: bool = False
    span: Span = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True)
class And:
    """All of them; at least two."""

    children: tuple[Node, ...]


@dataclass(frozen=True)
class Or:
    """Any of them; at least two."""

    children: tuple[Node, ...]


Term = Filter | Has | FreeText
Node = Term | And | Or


def terms(node: Node | None) -> list[Term]:
    """Every term of the query, left to right."""
    if node is None:
        return []
    if isinstance(node, And | Or):
        return [term for child in node.children for term in terms(child)]
    return [node]
