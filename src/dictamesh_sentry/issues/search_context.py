"""What searching needs to know, answered from the metadata store and only when a query asks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cached_property

from django.db.models import Q

from dictamesh_sentry.issues.models import Issue, IssueRedirect
from dictamesh_sentry.issues.short_id import parse_short_id
from dictamesh_sentry.organizations.access import NotVisibleError, access_for
from dictamesh_sentry.organizations.models import Organization, OrganizationMember, Team
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.releases.queries import latest_release_ids, releases_of
from dictamesh_sentry.search.context import KnownRelease

MOST_RELEASES = 5000


class OrganizationSearchContext:
    """A SearchContext over some projects of one organization. ``user`` may be None: then nobody is ``me``."""

    def __init__(
        self, project_ids: Sequence[int], organization: Organization | None = None, user: object = None
    ) -> None:
        self._project_ids = list(project_ids)
        self._given_organization = organization
        self._user = user
        self.now = datetime.now(UTC)

    @cached_property
    def _organization_id(self) -> int | None:
        if self._given_organization is not None:
            return self._given_organization.pk
        found = Project.objects.filter(pk__in=self._project_ids[:1]).values_list("organization_id", flat=True)
        return found.first()

    @property
    def user_id(self) -> int | None:
        """See SearchContext."""
        return getattr(self._user, "pk", None)

    @property
    def team_ids(self) -> Collection[int]:
        """See SearchContext."""
        return self._team_ids

    @cached_property
    def _team_ids(self) -> Collection[int]:
        if self._given_organization is None:
            return ()
        try:
            return access_for(self._user, self._given_organization).team_ids
        except NotVisibleError:
            return ()

    @cached_property
    def _slugs(self) -> dict[str, int]:
        return dict(Project.objects.filter(pk__in=self._project_ids).values_list("slug", "pk"))

    def project_id(self, slug: str) -> int | None:
        """See SearchContext."""
        return self._slugs.get(slug.lower())

    def issue_id(self, short_id: str) -> int | None:
        """See SearchContext. The short id of a merged issue finds what it was merged into."""
        parsed = parse_short_id(short_id)
        project = self.project_id(parsed[0]) if parsed else None
        if parsed is None or project is None:
            return None
        found = Issue.objects.filter(project=project, short_number=parsed[1]).values_list("pk", flat=True).first()
        if found is not None:
            return found
        redirects = IssueRedirect.objects.filter(project=project, previous_short_number=parsed[1])
        return redirects.values_list("issue_id", flat=True).first()

    @cached_property
    def _releases(self) -> list[KnownRelease]:
        rows = releases_of(self._project_ids).values_list("pk", "version", "sort_date")[:MOST_RELEASES]
        return [KnownRelease(pk, version) for pk, version, _ in rows]

    def releases(self) -> Sequence[KnownRelease]:
        """See SearchContext."""
        return self._releases

    @cached_property
    def _latest(self) -> list[KnownRelease]:
        found = set(latest_release_ids(self._project_ids).values())
        return [
            KnownRelease(pk, version)
            for pk, version in Release.objects.filter(pk__in=found).values_list("pk", "version")
        ]

    def latest_releases(self) -> Sequence[KnownRelease]:
        """See SearchContext."""
        return self._latest

    def member_ids(self, name: str) -> Sequence[int]:
        """See SearchContext."""
        members = OrganizationMember.objects.filter(
            Q(user__email__iexact=name) | Q(user__name__iexact=name),
            organization_id=self._organization_id,
            user__isnull=False,
        )
        return list(members.values_list("user_id", flat=True)) if name else []

    def team_id(self, slug: str) -> int | None:
        """See SearchContext."""
        teams = Team.objects.filter(organization_id=self._organization_id, slug=slug.lower())
        return teams.values_list("pk", flat=True).first()

    def team_project_ids(self, slug: str) -> Sequence[int] | None:
        """See SearchContext."""
        team = self.team_id(slug)
        if team is None:
            return None
        return list(Project.objects.filter(teams=team, pk__in=self._project_ids).values_list("pk", flat=True))
