"""Why a profile is not kept."""

from __future__ import annotations


class InvalidProfileError(Exception):
    """The profile cannot be used. ``reason`` is the reason of its outcome; ``detail`` is for people."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type[InvalidProfileError], tuple[str, str]]:
        return InvalidProfileError, (self.reason, self.detail)
