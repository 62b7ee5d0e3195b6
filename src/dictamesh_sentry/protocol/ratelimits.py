"""``X-Sentry-Rate-Limits``: which categories an SDK should stop sending, and for how long."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from dictamesh_sentry.protocol.categories import DataCategory

SCOPE_ORGANIZATION = "organization"
SCOPE_PROJECT = "project"
SCOPE_KEY = "key"


class RateLimit(NamedTuple):
    """A limit that is active now. No categories means every category. ``retry_after`` is in seconds."""

    retry_after: float
    categories: frozenset[DataCategory] = frozenset()
    scope: str = SCOPE_PROJECT
    reason: str = ""

    def covers(self, category: DataCategory) -> bool:
        return not self.categories or category in self.categories


def _safe_code(text: str) -> str:
    """Reason codes are the administrator's text: keep what cannot break the header's grammar."""
    return "".join(char for char in text if char.isascii() and (char.isalnum() or char in "_-."))[:64]


def format_rate_limits(limits: Iterable[RateLimit]) -> str:
    """The header's value, e.g. ``60:error;transaction:key:quota_exceeded, 2700:attachment:organization``."""
    parts = []
    for limit in limits:
        names = ";".join(category.api_name for category in sorted(limit.categories))
        text = f"{max(1, math.ceil(limit.retry_after))}:{names}:{limit.scope}"
        code = _safe_code(limit.reason)
        parts.append(f"{text}:{code}" if code else text)
    return ", ".join(parts)


def retry_after(limits: Iterable[RateLimit]) -> int:
    """The longest limit in whole seconds, for ``Retry-After``."""
    return max((max(1, math.ceil(limit.retry_after)) for limit in limits), default=60)


def parse_rate_limits(value: str) -> list[RateLimit]:
    """Parse the header as an SDK does: malformed limits and unknown categories are ignored."""
    limits = []
    for part in value.split(","):
        fields = part.strip().split(":")
        try:
            seconds = float(fields[0])
        except ValueError:
            continue
        if not 0 <= seconds < float("inf"):
            continue
        names = [name for name in fields[1].split(";") if name] if len(fields) > 1 else []
        categories = frozenset(found for name in names if (found := DataCategory.from_name(name)) is not None)
        if names and not categories:
            continue
        scope = fields[2] if len(fields) > 2 else ""
        reason = fields[3] if len(fields) > 3 else ""
        limits.append(RateLimit(seconds, categories, scope, reason))
    return limits
