"""Slugs: the names of organizations, teams and projects in URLs.

A slug is lower-case letters, digits, ``-`` and ``_``, and never all digits, because the API takes an id or a slug in
the same place.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Callable

from django.core.exceptions import ValidationError

MAX_LENGTH = 50
_VALID = re.compile(r"[a-z0-9_][a-z0-9_-]*", re.ASCII)
_SEPARATORS = re.compile(r"[^a-z0-9_]+", re.ASCII)
#: Words that stand where a slug could stand in the URLs of the pages and the API.
RESERVED = frozenset(
    {
        "_health", "_static", "accept", "account", "admin", "api", "api-tokens", "auth", "docs", "health", "internal",
        "issues", "manage", "me", "members", "metrics", "new", "organizations", "projects", "settings", "share",
        "stats", "static", "teams", "users",
    }
)  # fmt: skip


def validate_slug(slug: str) -> str:
    """The slug itself. Raises ValidationError under ``slug`` when it breaks a rule."""
    if not slug:
        message = "This field may not be blank."
    elif len(slug) > MAX_LENGTH:
        message = f"Ensure this field has no more than {MAX_LENGTH} characters."
    elif not _VALID.fullmatch(slug):
        message = (
            "Use lower-case letters, digits, hyphens and underscores only; begin with a letter, digit or underscore."
        )
    elif slug.isdigit():
        message = "A slug may not consist of digits only."
    elif slug in RESERVED:
        message = f'The slug "{slug}" is reserved.'
    else:
        return slug
    raise ValidationError({"slug": [message]})


def slug_from(name: str, kind: str, is_taken: Callable[[str], bool]) -> str:
    """A free, valid slug for a name: ``Ünïque App`` → ``unique-app``, then ``unique-app-2`` and so on.

    ``kind`` (``project``, ``team`` …) stands in where the name leaves nothing usable.
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = _SEPARATORS.sub("-", plain).strip("-")[: MAX_LENGTH - 8].strip("-")
    if not base or base.isdigit() or base in RESERVED:
        base = f"{kind}-{base}" if base else f"{kind}-{secrets.token_hex(3)}"
    if not is_taken(base):
        return base
    for number in range(2, 100):
        if not is_taken(f"{base}-{number}"):
            return f"{base}-{number}"
    return f"{base}-{secrets.token_hex(3)}"


def clean_name(name: str, longest: int = 64) -> str:
    """The trimmed name. Raises ValidationError under ``name`` when empty, too long or with control characters."""
    trimmed = name.strip()
    if not trimmed:
        raise ValidationError({"name": ["This field may not be blank."]})
    if len(trimmed) > longest:
        raise ValidationError({"name": [f"Ensure this field has no more than {longest} characters."]})
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in trimmed):
        raise ValidationError({"name": ["Control characters are not allowed."]})
    return trimmed
