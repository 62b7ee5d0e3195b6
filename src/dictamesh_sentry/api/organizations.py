"""Organizations, their environments and their audit log."""

from __future__ import annotations

from typing import Any, Literal

from django.db.models import Q
from ninja.params.functions import Query
from pydantic import Field
from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Body, Call, Page, Reply, operation
from dictamesh_sentry.api.errors import bad_request, field_error
from dictamesh_sentry.api.project_settings import parse_pii_config
from dictamesh_sentry.api.responses import required_iso
from dictamesh_sentry.api.serializers_organizations import (
    OrganizationBody,
    OrganizationDetailBody,
    serialize_organization,
    serialize_organization_detail,
)
from dictamesh_sentry.api.serializers_projects import serialize_projects, with_relations
from dictamesh_sentry.api.serializers_users import UserBody, serialize_user
from dictamesh_sentry.api.teams import serialize_teams
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.organizations import actions, queries
from dictamesh_sentry.organizations.access import ForbiddenError
from dictamesh_sentry.organizations.models import AuditLogEntry, Organization
from dictamesh_sentry.processing.scrub.validate import validate_scrub
from dictamesh_sentry.projects.options import OrganizationOptions, load_organization_options
from dictamesh_sentry.projects.queries import environments

_READ = ("org:read",)
_OPTION_FIELDS = {
    "require_2fa": "require_two_factor",
    "allow_shared_issues": "allow_shared_issues",
    "allow_member_invite": "allow_member_invite",
    "allow_member_project_creation": "allow_member_project_creation",
    "events_member_admin": "events_member_admin",
    "alerts_member_write": "alerts_member_write",
    "attachments_role": "attachments_role",
}
_SCRUB_FIELDS = {
    "data_scrubber": "enabled",
    "data_scrubber_defaults": "defaults",
    "scrub_ip_addresses": "ip_addresses",
    "sensitive_fields": "sensitive_fields",
    "safe_fields": "safe_fields",
}
_EXTRA_FIELDS = {
    "is_early_adopter": "isEarlyAdopter",
    "debug_files_role": "debugFilesRole",
    "store_crash_reports": "storeCrashReports",
    "scrape_javascript": "scrapeJavaScript",
}
RoleName = Literal["member", "admin", "manager", "owner"]


class OrganizationInput(Body):
    name: str | None = None
    slug: str | None = None
    default_role: RoleName | None = None
    open_membership: bool | None = None
    require_2fa: bool | None = Field(None, alias="require2FA")
    allow_shared_issues: bool | None = None
    allow_member_invite: bool | None = None
    allow_member_project_creation: bool | None = None
    events_member_admin: bool | None = None
    alerts_member_write: bool | None = None
    attachments_role: RoleName | None = None
    data_scrubber: bool | None = None
    data_scrubber_defaults: bool | None = None
    scrub_ip_addresses: bool | None = Field(None, alias="scrubIPAddresses")
    sensitive_fields: list[str] | None = None
    safe_fields: list[str] | None = None
    relay_pii_config: str | None = Field(None, max_length=65_536)
    is_early_adopter: bool | None = None
    debug_files_role: RoleName | None = None
    store_crash_reports: int | None = Field(None, ge=-1, le=100)
    scrape_javascript: bool | None = Field(None, alias="scrapeJavaScript")


class NewOrganizationInput(Body):
    name: str
    slug: str | None = None
    agree_terms: bool | None = None


@operation("GET", "/organizations/", scopes=_READ, response=list[OrganizationBody], paginated=True)
def list_organizations(call: Call, query: str = Query("", max_length=200)) -> Page:
    """Organizations the caller belongs to."""
    found = queries.organizations_for(call.user)
    if query:
        found = found.filter(Q(slug__icontains=query) | Q(name__icontains=query))
    return call.paginate(found, lambda rows: [serialize_organization(row) for row in rows])


@operation("POST", "/organizations/", scopes=("org:write",), response=OrganizationDetailBody, status=201)
def create_organization(call: Call, body: NewOrganizationInput) -> OrganizationDetailBody:
    """Create an organization; the caller owns it. On a single-organization installation only superusers may."""
    if get_settings().single_organization and not call.user.is_superuser:
        raise ForbiddenError("This installation has a single organization.")
    organization = actions.create_organization(call.user, body.name, slug=body.slug or None)
    return serialize_organization_detail(call.access_to(organization))


@operation("GET", "/organizations/{organization}/", scopes=_READ, response=OrganizationDetailBody)
def get_organization(call: Call, detailed: str = Query("1")) -> OrganizationDetailBody:
    """An organization with its settings, and with its teams and projects unless ``detailed=0``."""
    body = serialize_organization_detail(call.access)
    if detailed != "0":
        body["teams"] = serialize_teams(call, list(queries.teams(call.organization)), with_projects=False)
        body["projects"] = serialize_projects(list(with_relations(call.visible_projects())), call.access)
    return body


@operation("PUT", "/organizations/{organization}/", scopes=("org:write",), response=OrganizationDetailBody)
def update_organization(call: Call, body: OrganizationInput) -> OrganizationDetailBody:
    """Change an organization's settings. Keys that are left out stay as they are."""
    sent = {name: value for name, value in body.changes().items() if value is not None}
    columns = {name: sent[name] for name in ("name", "slug", "default_role", "open_membership") if name in sent}
    if "default_role" in columns and not call.access.may_grant(columns["default_role"]):
        raise ForbiddenError("You cannot set a default role above your own.")
    options = _options(call.organization, sent, body)
    organization = actions.update_organization(call.user, call.organization, options=options, **columns)
    return serialize_organization_detail(call.access_to(organization))


def _options(organization: Organization, sent: dict[str, Any], body: OrganizationInput) -> OrganizationOptions:
    options = load_organization_options(organization.options)
    for name, attribute in _OPTION_FIELDS.items():
        if name in sent:
            setattr(options, attribute, sent[name])
    for name, attribute in _SCRUB_FIELDS.items():
        if name in sent:
            setattr(options.scrub, attribute, sent[name])
    extra = {**options.extra, **{key: sent[name] for name, key in _EXTRA_FIELDS.items() if name in sent}}
    if "relay_pii_config" in body.model_fields_set:
        options.scrub.pii_config = parse_pii_config(body.relay_pii_config)
        extra["relayPiiConfig"] = body.relay_pii_config
    options.extra = extra
    spelled = {"pii_config": "relayPiiConfig", "sensitive_fields": "sensitiveFields", "safe_fields": "safeFields"}
    for name, message in validate_scrub(options.scrub).items():
        raise field_error(spelled.get(name, name), message)
    return options


@operation("DELETE", "/organizations/{organization}/", scopes=("org:admin",), status=204)
def delete_organization(call: Call) -> None:
    """Delete an organization that has no projects left (409 while it has)."""
    actions.delete_organization(call.user, call.organization)


class EnvironmentBody(TypedDict):
    id: str
    name: str


@operation("GET", "/organizations/{organization}/environments/", scopes=_READ, response=list[EnvironmentBody])
def list_environments(call: Call, visibility: str = Query("visible")) -> list[EnvironmentBody]:
    """Names of the environments seen in projects the caller may see."""
    if visibility not in {"visible", "hidden", "all"}:
        raise bad_request("visibility: write visible, hidden or all.")
    named = call.request.GET.getlist("project")
    projects = call.projects_param() if named else list(call.visible_projects())
    return [{"id": str(row.pk), "name": row.name} for row in environments(projects, visibility)]


class AuditRowBody(TypedDict):
    id: str
    actor: UserBody | dict[str, str]
    event: str
    ipAddress: str | None
    note: str
    targetObject: str
    targetUser: None
    data: dict[str, Any]
    dateCreated: str


class AuditLogBody(TypedDict):
    rows: list[AuditRowBody]
    options: list[str]


def _audit_row(entry: AuditLogEntry) -> AuditRowBody:
    return {
        "id": str(entry.pk),
        "actor": serialize_user(entry.actor) if entry.actor else {"name": entry.actor_label},
        "event": entry.event,
        "ipAddress": entry.ip_address,
        "note": f"{entry.event} {entry.target}".strip(),
        "targetObject": entry.target,
        "targetUser": None,
        "data": entry.data,
        "dateCreated": required_iso(entry.datetime),
    }


@operation(
    "GET", "/organizations/{organization}/audit-logs/", scopes=("org:write",), response=AuditLogBody, paginated=True
)
def list_audit_log(call: Call, event: str = Query(""), actor: int | None = Query(None)) -> Reply:
    """Who changed what, newest first. ``event`` and ``actor`` (a user id) narrow it."""
    entries = queries.audit_entries(call.organization, event=event or None, actor_id=actor)
    page = call.paginate_by_time(entries, "datetime", lambda rows: [_audit_row(row) for row in rows])
    body = {"rows": page.items, "options": queries.audit_events(call.organization)}
    return Reply(body, headers=page.response_headers(call.request))
