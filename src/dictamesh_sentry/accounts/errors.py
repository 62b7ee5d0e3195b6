"""Errors of actions that a caller turns into an answer."""

from __future__ import annotations

from django.core.exceptions import ValidationError


class ConflictError(ValidationError):
    """The wished state collides with what exists: a slug is taken, a member is already there (HTTP 409)."""


class LockedOutError(ValidationError):
    """Too many failed sign-ins; ``retry_after`` is in seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many failed attempts. Try again in {max(1, round(retry_after / 60))} minutes.")
        self.retry_after = retry_after
