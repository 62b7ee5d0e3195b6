"""A world to search in, without a database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from dictamesh_sentry.search.context import KnownRelease


@dataclass
class FakeContext:
    """A SearchContext over plain values; counts how often releases were asked for."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    user_id: int | None = 7
    team_ids: Collection[int] = (3, 4)
    projects: dict[str, int] = field(default_factory=lambda: {"shop": 1, "blog": 2})
    issues: dict[str, int] = field(default_factory=lambda: {"SHOP-1": 101, "SHOP-2": 102})
    known: list[KnownRelease] = field(default_factory=list)
    latest: list[KnownRelease] = field(default_factory=list)

    def project_id(self, slug: str) -> int | None:
        return self.projects.get(slug)

    def issue_id(self, short_id: str) -> int | None:
        return self.issues.get(short_id.upper())

    def releases(self) -> Sequence[KnownRelease]:
        return self.known

    def latest_releases(self) -> Sequence[KnownRelease]:
        return self.latest

    def member_ids(self, name: str) -> Sequence[int]:
        return {"jane@example.com": [8]}.get(name, [])

    def team_id(self, slug: str) -> int | None:
        return {"backend": 3}.get(slug)

    def team_project_ids(self, slug: str) -> Sequence[int] | None:
        return {"backend": [1]}.get(slug)


@pytest.fixture
def context() -> FakeContext:
    return FakeContext()
