"""What compiling a query needs to know of the world: implemented over the metadata store, or by a test."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol


class KnownRelease(NamedTuple):
    """A release of the projects that are searched."""

    id: int
    version: str


class SearchContext(Protocol):
    """Answers about what the searching user may see. Nothing is looked up before a query asks for it."""

    @property
    def now(self) -> datetime: ...

    @property
    def user_id(self) -> int | None:
        """Whom ``me`` means."""
        ...

    @property
    def team_ids(self) -> Collection[int]:
        """Which teams ``my_teams`` means."""
        ...

    def project_id(self, slug: str) -> int | None:
        """A project among those searched."""
        ...

    def issue_id(self, short_id: str) -> int | None:
        """An issue of the projects searched by its short id."""
        ...

    def releases(self) -> Sequence[KnownRelease]:
        """Releases of the projects searched, newest first; a bounded number."""
        ...

    def latest_releases(self) -> Sequence[KnownRelease]:
        """The newest release of each project searched."""
        ...

    def member_ids(self, name: str) -> Sequence[int]:
        """Users of the organization with this e-mail, user name or full name."""
        ...

    def team_id(self, slug: str) -> int | None:
        """A team of the organization."""
        ...

    def team_project_ids(self, slug: str) -> Sequence[int] | None:
        """Projects of a team of the organization; None when there is no such team."""
        ...
