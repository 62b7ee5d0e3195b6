"""Rate limits and quotas, counted in fixed windows inside one process; ``shared.py`` adds processes up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.protocol.ratelimits import RateLimit

_MAX_WINDOWS = 100_000


class Rule(NamedTuple):
    """At most ``limit`` of ``categories`` per ``window`` seconds; no categories: every category, counted as items.

    ``id`` names the counter. Rules of one counter have one window.
    """

    id: str
    limit: int
    window: int
    scope: str
    reason: str
    categories: frozenset[DataCategory] = frozenset()

    def quantity(self, quantities: Sequence[tuple[DataCategory, int]]) -> int:
        """How much of this rule an item uses."""
        if not self.categories:
            return 1 if quantities else 0
        return sum(quantity for category, quantity in quantities if category in self.categories)


class Limiter:
    """Counts per rule. Not safe to share between threads; the edge uses one per event loop."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Nothing to share; ends at once."""

    def _used(self, rule: Rule, now: float) -> int:
        entry = self._windows.get(rule.id)
        return entry[1] if entry is not None and entry[0] == int(now // rule.window) else 0

    def exhausted(self, rule: Rule, now: float) -> bool:
        """Whether nothing more is admitted in the current window."""
        return self._used(rule, now) >= rule.limit

    def admit(self, rules: Iterable[Rule], quantities: Sequence[tuple[DataCategory, int]], now: float) -> Rule | None:
        """Count an item against every rule it falls under, or return the first exhausted one and count nothing.

        The item that crosses a limit is still admitted; a limit in bytes would otherwise never admit a big one.
        """
        uses = [(rule, used) for rule in rules if (used := rule.quantity(quantities))]
        for rule, _ in uses:
            if self.exhausted(rule, now):
                return rule
        for rule, used in uses:
            self._count(rule, used, now)
        if len(self._windows) > _MAX_WINDOWS:
            self._windows.clear()
        return None

    def _count(self, rule: Rule, used: int, now: float) -> None:
        self._windows[rule.id] = (int(now // rule.window), self._used(rule, now) + used)

    def active(self, rules: Iterable[Rule], now: float) -> list[RateLimit]:
        """The limits that are exhausted now, with the seconds until each admits again."""
        return [as_rate_limit(rule, now) for rule in rules if self.exhausted(rule, now)]


def as_rate_limit(rule: Rule, now: float) -> RateLimit:
    """What to tell a client about an exhausted rule. A limit of zero never opens; clients ask again after a minute."""
    seconds = 60.0 if rule.limit == 0 else rule.window - now % rule.window
    return RateLimit(seconds, rule.categories, rule.scope, rule.reason)
