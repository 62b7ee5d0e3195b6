"""Short ids: ``PROJECT-1A``, the project's slug in capitals and the issue's number in Crockford's base 32."""

from __future__ import annotations

from dictamesh_sentry.issues.models import Issue

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ALIASES = str.maketrans("OIL", "011")


def encode_number(number: int) -> str:
    """A positive number in base 32 without the letters I, L, O and U."""
    text = ""
    while True:
        number, digit = divmod(number, 32)
        text = _DIGITS[digit] + text
        if not number:
            return text


def decode_number(text: str) -> int | None:
    """The number of a base-32 text, lower case and look-alike letters accepted; None when it is none."""
    number = 0
    for character in text.upper().translate(_ALIASES):
        position = _DIGITS.find(character)
        if position < 0 or number > 2**58:
            return None
        number = number * 32 + position
    return number if text else None


def short_id(issue: Issue) -> str:
    """The issue's short id. Needs ``issue.project`` loaded."""
    return f"{issue.project.slug.upper()}-{encode_number(issue.short_number)}"


def parse_short_id(text: str) -> tuple[str, int] | None:
    """(project slug, number) of a short id, or None."""
    slug, separator, code = text.strip().rpartition("-")
    number = decode_number(code) if separator and slug else None
    return (slug.lower(), number) if number is not None else None
