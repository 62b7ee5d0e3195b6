"""Settings of a project: what they change, what they refuse, and who may not."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from dictamesh_sentry.organizations.models import AuditLogEntry
from dictamesh_sentry.projects.models import Environment, Project, ProjectEnvironment
from dictamesh_sentry.projects.options import ProjectOptions, load_options
from tests.support.factories import make_member, make_organization, make_project, make_team

pytestmark = [pytest.mark.django_db, pytest.mark.urls("dictamesh_sentry.web.urls")]
BASE = "/settings/acme/projects/shop/"
GENERAL = {
    "name": "Shop",
    "slug": "shop",
    "platform": "python",
    "resolve_age_hours": "0",
    "subject_template": "$shortID - $title",
    "allowed_origins": "*",
}


@pytest.fixture
def project(db: None) -> Project:
    organization = make_organization(slug="acme")
    return make_project(organization, slug="shop", name="Shop")


@pytest.fixture
def manager(project: Project) -> Client:
    client = Client()
    client.force_login(make_member(project.organization, "manager"))
    return client


def options(project: Project) -> ProjectOptions:
    project.refresh_from_db()
    return load_options(project.options)


def test_general_settings(manager: Client, project: Project) -> None:
    data = {**GENERAL, "resolve_age_hours": "168", "allowed_origins": "https://a.test\n*.b.test"}
    version = project.config_version
    assert manager.post(BASE, {**data, "platform": "go-gin", "default_environment": "production"}).status_code == 302
    saved = options(project)
    assert (saved.resolve_age_hours, saved.allowed_origins) == (168, ["https://a.test", "*.b.test"])
    assert (project.platform, saved.default_environment) == ("go-gin", "production")
    assert project.config_version > version
    assert set(AuditLogEntry.objects.values_list("event", flat=True)) == {"project.edit"}


def test_renamed_slug_redirects_pages_and_forms(manager: Client, project: Project) -> None:
    assert manager.post(BASE, {**GENERAL, "slug": "store"})["Location"] == "/settings/acme/projects/store/"
    moved = manager.get(f"{BASE}keys/?x=1")
    assert (moved.status_code, moved["Location"]) == (302, "/settings/acme/projects/store/keys/?x=1")
    assert manager.post(f"{BASE}keys/", {"label": "late"}).status_code == 307
    assert b"shop" in manager.get("/settings/acme/projects/store/").content


def test_taken_slug_is_refused(manager: Client, project: Project) -> None:
    make_project(project.organization, slug="other")
    page = manager.post(BASE, {**GENERAL, "slug": "other"}).content.decode()
    assert "in use" in page
    assert 'id="id_slug-error"' in page
    project.refresh_from_db()
    assert project.slug == "shop"


def test_delete_needs_the_slug(manager: Client, project: Project) -> None:
    assert "This is not “shop”" in manager.post(f"{BASE}delete/", {"confirm": "Shop"}).content.decode()
    assert not Project.objects.get().is_pending_deletion
    assert manager.post(f"{BASE}delete/", {"confirm": "shop"})["Location"] == "/organizations/acme/projects/"
    assert manager.get(BASE).status_code == 404


def test_keys_live_through_creation_limit_rotation_and_end(manager: Client, project: Project) -> None:
    created = manager.post(f"{BASE}keys/", {"label": "Mobile"})["Location"]
    key = project.keys.get()
    assert created == f"{BASE}keys/{key.public_key}/"
    page = manager.get(created).content.decode()
    for address in (
        f"http://{key.public_key}@localhost:9000/{project.pk}",
        f"/api/{project.pk}/security/?sentry_key={key.public_key}",
        f"/api/{project.pk}/minidump/?sentry_key={key.public_key}",
        f"/api/{project.pk}/integration/otlp/v1/traces",
        f"/js-sdk-loader/{key.public_key}.min.js",
        "___MONITOR_SLUG___",
    ):
        assert address in page
    change = {"label": "Mobile", "is_active": "on", "rate_limit_count": "100", "rate_limit_window": "60"}
    manager.post(created, {**change, "loader_options": ["hasReplay"]})
    key.refresh_from_db()
    assert (key.rate_limit_count, key.rate_limit_window, key.loader_options) == (100, 60, {"hasReplay": True})
    half = manager.post(created, {**change, "rate_limit_window": ""}).content.decode()
    assert "give both or neither" in half
    manager.post(f"{created}rotate/")
    assert project.keys.count() == 2
    fresh = project.keys.latest("pk")
    assert (fresh.rate_limit_count, fresh.is_active) == (100, True)
    key.refresh_from_db()
    assert key.is_active, "the old key works until somebody disables it"
    manager.post(created, {"label": "Mobile", "rate_limit_count": "", "rate_limit_window": ""})
    key.refresh_from_db()
    assert (key.is_active, key.rate_limit_count) == (False, None)
    assert key.loader_options == {"hasReplay": False}
    manager.post(f"{created}delete/")
    assert list(project.keys.all()) == [fresh]


def test_keys_of_other_projects_are_not_found(manager: Client, project: Project) -> None:
    foreign = make_project(make_organization()).keys.create()
    for path in ("", "rotate/", "delete/"):
        assert manager.post(f"{BASE}keys/{foreign.public_key}/{path}", {"label": "x"}).status_code == 404
    foreign.refresh_from_db()


def test_filters(manager: Client, project: Project) -> None:
    data = {
        "web_crawlers": "on",
        "legacy_browsers": ["ie", "safari"],
        "error_messages": "*Timeout*\r\nTypeError: x",
        "ip_addresses": "203.0.113.7\n10.0.0.0/8\n2001:db8::/32",
    }
    manager.post(f"{BASE}filters/", data)
    saved = options(project).filters
    assert (saved.web_crawlers, saved.localhost, saved.health_check_transactions) == (True, False, False)
    assert saved.legacy_browsers == ["ie", "safari"]
    assert saved.error_messages == ["*Timeout*", "TypeError: x"]
    assert saved.ip_addresses == ["203.0.113.7", "10.0.0.0/8", "2001:db8::/32"]


def test_wrong_address_names_its_line(manager: Client, project: Project) -> None:
    page = manager.post(f"{BASE}filters/", {"ip_addresses": "10.0.0.1\n10.0.0.300\nhome"}).content.decode()
    assert "Line 2: “10.0.0.300” is neither" in page
    assert "Line 3: “home” is neither" in page
    assert options(project).filters.ip_addresses == []


RULES = {
    "rules": {"cust": {"type": "pattern", "pattern": "CUST-\\d+", "redaction": {"method": "replace", "text": "[c]"}}},
    "applications": {"extra.**": ["cust"]},
}


def test_scrubbing(manager: Client, project: Project) -> None:
    data = {"enabled": "on", "ip_addresses": "on", "sensitive_fields": "ssn", "pii_config": json.dumps(RULES)}
    manager.post(f"{BASE}security-and-privacy/", data)
    saved = options(project).scrub
    assert (saved.enabled, saved.defaults, saved.ip_addresses) == (True, False, True)
    assert (saved.sensitive_fields, saved.pii_config) == (["ssn"], RULES)


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ('{"rules": {},}', "Line 1, column 1"),
        ("[1]", "Expected a JSON object"),
        ('{"rules": {"x": {"type": "nonsense"}}, "applications": {"$string": ["x"]}}', "rules.x"),
        ('{"rules": {"x": {"type": "pattern", "pattern": "("}}, "applications": {"$string": ["x"]}}', "rules.x"),
        ("[" * 5000, "Line 1"),
    ],
)
def test_wrong_rules_say_where(manager: Client, project: Project, rules: str, message: str) -> None:
    page = manager.post(f"{BASE}security-and-privacy/", {"pii_config": rules})
    if message == "Line 1":
        assert page.status_code == 200
    else:
        assert message in page.content.decode()
    assert options(project).scrub.pii_config == {}


def test_sample_shows_what_would_be_stored_and_stores_nothing(manager: Client, project: Project) -> None:
    sample = {"extra": {"password": "hunter2", "note": "CUST-42 called"}, "user": {"id": "1", "ip_address": "1.2.3.4"}}
    data = {
        "enabled": "on",
        "defaults": "on",
        "ip_addresses": "on",
        "pii_config": json.dumps(RULES),
        "sample": json.dumps(sample),
    }
    shown = manager.post(f"{BASE}security-and-privacy/try/", data).content.decode()
    assert "[Filtered]" in shown
    assert "[c] called" in shown
    assert "hunter2" not in shown
    assert "1.2.3.4" not in shown
    assert options(project).scrub.pii_config == {}
    wrong = manager.post(f"{BASE}security-and-privacy/try/", {**data, "sample": "{"}).content.decode()
    assert "Sample event: Line 1, column 2" in wrong


@pytest.mark.parametrize(
    "sample", ['{"exception": 7, "user": [1]}', '{"extra": {"a": [[[[1]]]]}}', '{"message": "\\u0000"}']
)
def test_odd_samples_do_not_break_the_trial(manager: Client, project: Project, sample: str) -> None:
    answer = manager.post(f"{BASE}security-and-privacy/try/", {"enabled": "on", "defaults": "on", "sample": sample})
    assert answer.status_code == 200


def test_grouping_rules(manager: Client, project: Project) -> None:
    data = {"fingerprint_rules": "error.type:Timeout -> slow\r\n", "stacktrace_rules": "stack.module:acme.* +app"}
    manager.post(f"{BASE}issue-grouping/", data)
    saved = options(project)
    assert saved.fingerprint_rules == "error.type:Timeout -> slow"
    assert saved.stacktrace_rules == "stack.module:acme.* +app"
    page = manager.post(
        f"{BASE}issue-grouping/", {"fingerprint_rules": "# fine\nnonsense", "stacktrace_rules": "stack.module:x"}
    ).content.decode()
    assert "Line 2, column" in page
    assert "Line 1, column" in page
    assert options(project).fingerprint_rules == saved.fingerprint_rules


def test_environments_hide_and_show(manager: Client, project: Project) -> None:
    environment = Environment.objects.create(organization=project.organization, name="staging")
    row = ProjectEnvironment.objects.create(project=project, environment=environment)
    manager.post(f"{BASE}environments/", {"environment": row.pk, "hidden": "1"})
    row.refresh_from_db()
    assert row.is_hidden
    foreign = ProjectEnvironment.objects.create(project=make_project(make_organization()), environment=environment)
    assert manager.post(f"{BASE}environments/", {"environment": foreign.pk, "hidden": "1"}).status_code == 404


def test_teams(manager: Client, project: Project) -> None:
    team = make_team(project.organization)
    manager.post(f"{BASE}teams/", {"team": team.pk, "do": "add"})
    assert list(project.teams.all()) == [team]
    foreign = make_team(make_organization())
    assert manager.post(f"{BASE}teams/", {"team": foreign.pk, "do": "add"}).status_code == 404
    manager.post(f"{BASE}teams/", {"team": team.pk, "do": "remove"})
    assert not project.teams.exists()


WRITES = [
    ("", GENERAL),
    ("delete/", {"confirm": "shop"}),
    ("environments/", {"environment": "1"}),
    ("teams/", {"team": "1"}),
    ("keys/", {"label": "x"}),
    ("keys/{key}/", {"label": "x"}),
    ("keys/{key}/rotate/", {}),
    ("keys/{key}/delete/", {}),
    ("filters/", {"localhost": "on"}),
    ("security-and-privacy/", {"enabled": "on"}),
    ("issue-grouping/", {"fingerprint_rules": ""}),
]


@pytest.mark.parametrize(("path", "data"), WRITES)
def test_members_look_but_do_not_touch(project: Project, path: str, data: dict[str, str]) -> None:
    key = project.keys.create()
    client = Client()
    client.force_login(make_member(project.organization, "member"))
    address = BASE + path.format(key=key.public_key)
    assert client.post(address, data).status_code == 403
    assert not AuditLogEntry.objects.exists()
    looked = client.get(address)
    assert looked.status_code in (200, 403, 405)
    if looked.status_code == 200:
        assert b"button primary" not in looked.content


def test_team_admins_change_their_projects(project: Project) -> None:
    team = make_team(project.organization)
    project.teams.add(team)
    user = make_member(project.organization, "member", teams=(team,))
    team.teammembership_set.update(role="admin")
    client = Client()
    client.force_login(user)
    assert client.post(f"{BASE}keys/", {"label": "mine"}).status_code == 302
    other = make_project(project.organization, slug="other")
    assert client.post("/settings/acme/projects/other/keys/", {"label": "not mine"}).status_code == 403
    assert not other.keys.exists()
