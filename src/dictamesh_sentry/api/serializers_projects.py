"""Projects and client keys in the API's shapes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired

from django.db.models import OuterRef, Prefetch, QuerySet, Subquery
from typing_extensions import TypedDict

from dictamesh_sentry.api.project_settings import ProjectSettingsBody, read_settings
from dictamesh_sentry.api.responses import iso, required_iso
from dictamesh_sentry.api.serializers_organizations import (
    OrganizationBody,
    TeamReferenceBody,
    serialize_organization,
    team_reference,
)
from dictamesh_sentry.api.serializers_users import AvatarBody, letter_avatar
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.organizations.access import TEAM_ROLE_SCOPES, Access
from dictamesh_sentry.organizations.models import Team
from dictamesh_sentry.projects.actions import LOADER_OPTIONS
from dictamesh_sentry.projects.dsn import DsnLinks, dsn_links
from dictamesh_sentry.projects.models import Project, ProjectEnvironment, ProjectKey
from dictamesh_sentry.releases.models import Release

FEATURES = ["releases", "minidump", "similarity-view"]


class LatestReleaseBody(TypedDict):
    version: str


class ProjectBody(TypedDict):
    id: str
    slug: str
    name: str
    platform: str | None
    platforms: list[str]
    dateCreated: str
    isBookmarked: bool
    isMember: bool
    hasAccess: bool
    access: list[str]
    features: list[str]
    firstEvent: str | None
    firstTransactionEvent: bool
    hasAlertIntegration: bool
    hasReplays: bool
    hasProfiles: bool
    hasSessions: bool
    hasMonitors: bool
    hasFeedbacks: bool
    hasNewFeedbacks: bool
    hasLogs: bool
    hasTraceMetrics: bool
    hasFlags: bool
    hasMinifiedStackTrace: bool
    hasUserReports: bool
    hasInsightsHttp: bool
    hasInsightsDb: bool
    hasInsightsAssets: bool
    hasInsightsAppStart: bool
    hasInsightsScreenLoad: bool
    hasInsightsVitals: bool
    hasInsightsCaches: bool
    hasInsightsQueues: bool
    hasInsightsAgentMonitoring: bool
    hasInsightsMCP: bool
    team: TeamReferenceBody | None
    teams: list[TeamReferenceBody]
    environments: list[str]
    latestRelease: LatestReleaseBody | None
    status: str
    color: str
    isInternal: bool
    isPublic: bool
    avatar: AvatarBody
    organization: NotRequired[OrganizationBody]


class ProjectDetailBody(ProjectBody, ProjectSettingsBody):
    processingIssues: int
    isDynamicallySampled: bool
    plugins: list[Any]
    latestDeploys: None


def with_relations(projects: QuerySet[Project]) -> QuerySet[Project]:
    """Loads what ``serialize_projects`` needs, in a number of queries that does not depend on the number of rows."""
    newest = Release.objects.filter(release_projects__project=OuterRef("pk")).order_by("-date_added", "-pk")
    return projects.prefetch_related(Prefetch("teams", queryset=Team.objects.order_by("slug"))).annotate(
        newest_version=Subquery(newest.values("version")[:1])
    )


@dataclass(frozen=True)
class _Shared:
    """What rows of one page share."""

    environments: dict[int, list[str]]
    with_reports: frozenset[int]


def _load_shared(projects: Sequence[Project]) -> _Shared:
    ids = [project.pk for project in projects]
    names: dict[int, list[str]] = {}
    seen = ProjectEnvironment.objects.filter(project__in=ids, is_hidden=False)
    for project_id, name in seen.order_by("environment__name").values_list("project_id", "environment__name"):
        names.setdefault(project_id, []).append(name)
    reports = UserReport.objects.filter(project__in=ids).values_list("project_id", flat=True).distinct()
    return _Shared(names, frozenset(reports))


def serialize_projects(projects: Sequence[Project], access: Access) -> list[ProjectBody]:
    """Projects that came through ``with_relations``."""
    shared = _load_shared(projects)
    return [_serialize(project, access, shared) for project in projects]


def serialize_project(project: Project, access: Access) -> ProjectBody:
    """One project, however it was loaded."""
    loaded = with_relations(Project.objects.filter(pk=project.pk)).select_related("organization").get()
    return serialize_projects([loaded], access)[0]


def serialize_project_detail(project: Project, access: Access) -> ProjectDetailBody:
    """A project with its settings."""
    loaded = with_relations(Project.objects.filter(pk=project.pk)).select_related("organization").get()
    body = serialize_projects([loaded], access)[0]
    body["organization"] = serialize_organization(loaded.organization)
    return {
        **body,
        **read_settings(loaded),
        "processingIssues": 0,
        "isDynamicallySampled": False,
        "plugins": [],
        "latestDeploys": None,
    }


def _serialize(project: Project, access: Access, shared: _Shared) -> ProjectBody:
    teams = list(project.teams.all())
    references = [team_reference(team) for team in teams]
    is_member = any(team.pk in access.team_ids for team in teams)
    has_reports = project.pk in shared.with_reports
    version: str | None = getattr(project, "newest_version", None)
    return {
        "id": str(project.pk),
        "slug": project.slug,
        "name": project.name,
        "platform": project.platform or None,
        "platforms": [project.platform] if project.platform else [],
        "dateCreated": required_iso(project.date_created),
        "isBookmarked": False,
        "isMember": is_member,
        "hasAccess": True,
        "access": _scopes(access, teams),
        "features": FEATURES,
        "firstEvent": iso(project.first_event),
        "firstTransactionEvent": project.first_transaction is not None,
        "hasAlertIntegration": False,
        "hasReplays": False,
        "hasProfiles": False,
        "hasSessions": False,
        "hasMonitors": False,
        "hasFeedbacks": has_reports,
        "hasNewFeedbacks": has_reports,
        "hasLogs": False,
        "hasTraceMetrics": False,
        "hasFlags": False,
        "hasMinifiedStackTrace": False,
        "hasUserReports": has_reports,
        "hasInsightsHttp": False,
        "hasInsightsDb": False,
        "hasInsightsAssets": False,
        "hasInsightsAppStart": False,
        "hasInsightsScreenLoad": False,
        "hasInsightsVitals": False,
        "hasInsightsCaches": False,
        "hasInsightsQueues": False,
        "hasInsightsAgentMonitoring": False,
        "hasInsightsMCP": False,
        "team": references[0] if references else None,
        "teams": references,
        "environments": shared.environments.get(project.pk, []),
        "latestRelease": {"version": version} if version else None,
        "status": "active",
        "color": f"#{zlib.crc32(project.slug.encode()) & 0x7F7F7F | 0x202020:06x}",
        "isInternal": False,
        "isPublic": False,
        "avatar": letter_avatar(),
    }


def _scopes(access: Access, teams: Iterable[Team]) -> list[str]:
    granted = set(access.scopes)
    for team in teams:
        for scope in TEAM_ROLE_SCOPES.get(access.team_roles.get(team.pk, ""), ()):
            if access.limit is None or scope in access.limit:
                granted.add(scope)
    return sorted(granted)


class RateLimitBody(TypedDict):
    window: int
    count: int


class BrowserSdkBody(TypedDict):
    choices: list[list[str]]


class LoaderOptionsBody(TypedDict):
    hasReplay: bool
    hasPerformance: bool
    hasDebug: bool
    hasFeedback: bool
    hasLogsAndMetrics: bool


class KeyBody(TypedDict):
    id: str
    name: str
    label: str
    public: str
    secret: str
    projectId: int
    isActive: bool
    rateLimit: RateLimitBody | None
    dsn: DsnLinks
    browserSdkVersion: str
    browserSdk: BrowserSdkBody
    dateCreated: str
    dynamicSdkLoaderOptions: LoaderOptionsBody
    useCase: str


#: Versions of the browser SDK the loader script offers.
BROWSER_SDK_VERSIONS = ("latest", "10.x", "9.x", "8.x", "7.x")
_DEFAULT_LOADER = {"hasReplay": True, "hasPerformance": True, "hasDebug": False}


def serialize_key(key: ProjectKey) -> KeyBody:
    """A client key."""
    limited = key.rate_limit_count is not None and key.rate_limit_window is not None
    loader: Any = {
        name: bool(key.loader_options.get(name, _DEFAULT_LOADER.get(name, False))) for name in LOADER_OPTIONS
    }
    return {
        "id": key.public_key,
        "name": key.label,
        "label": key.label,
        "public": key.public_key,
        "secret": key.secret_key,
        "projectId": key.project_id,
        "isActive": key.is_active,
        "rateLimit": {"window": key.rate_limit_window or 0, "count": key.rate_limit_count or 0} if limited else None,
        "dsn": dsn_links(key),
        "browserSdkVersion": key.browser_sdk_version,
        "browserSdk": {"choices": [[version, version] for version in BROWSER_SDK_VERSIONS]},
        "dateCreated": required_iso(key.date_created),
        "dynamicSdkLoaderOptions": loader,
        "useCase": "user",
    }


def serialize_keys(keys: Sequence[ProjectKey]) -> list[KeyBody]:
    """Client keys with their projects loaded."""
    return [serialize_key(key) for key in keys]
