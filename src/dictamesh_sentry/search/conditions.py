"""SQL conditions whose every value is a bound parameter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.search.ast import Value


@dataclass(frozen=True)
class Condition:
    """A boolean SQL expression over the events table and the parameters it needs."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)


class Binder:
    """Hands out parameter names. Text of a query reaches the event store only through here."""

    def __init__(self, prefix: str = "q") -> None:
        self._prefix = prefix
        self.parameters: dict[str, Any] = {}

    def bind(self, value: Any, kind: str) -> str:
        """A placeholder for the value as a ClickHouse type."""
        name = f"{self._prefix}{len(self.parameters)}"
        self.parameters[name] = value
        return f"{{{name}:{kind}}}"

    def text(self, value: str) -> str:
        return self.bind(without_surrogates(value), "String")

    def texts(self, values: Iterable[str]) -> str:
        return self.bind([without_surrogates(value) for value in values], "Array(String)")


def without_surrogates(text: str) -> str:
    """Text that UTF-8 can carry; a lone surrogate is written out."""
    return text.encode("utf-8", "backslashreplace").decode()


def like_pattern(value: Value) -> str:
    """A LIKE pattern that matches the whole value: only our ``*`` is a wildcard."""
    return "%".join(piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") for piece in value.pieces)
