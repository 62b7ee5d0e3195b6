"""What is wrong with a query, and where."""

from __future__ import annotations


class SearchError(ValueError):
    """The query cannot be answered. ``position`` and ``length`` (characters) point at the wrong part.

    ``fix`` says what to write instead; empty when there is no obvious correction.
    """

    def __init__(self, message: str, position: int = 0, length: int = 1, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.position = position
        self.length = max(1, length)
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip()


class FieldError(ValueError):
    """A field, function, sort or equation of a request cannot be answered; the text says why."""
