"""From nothing to the first event, and the projects page."""

from __future__ import annotations

import html
import time
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone

from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.messages import OutcomeEntry
from dictamesh_sentry.quotas.actions import record_outcomes
from tests.support.factories import make_issue, make_member, make_organization, make_project, make_team

pytestmark = [pytest.mark.django_db, pytest.mark.urls("dictamesh_sentry.web.urls")]
NEW = "/organizations/acme/projects/new/"


@pytest.fixture
def organization(db: None) -> Organization:
    return make_organization(slug="acme", name="Acme")


def client_of(organization: Organization, role: str = "member") -> Client:
    client = Client()
    client.force_login(make_member(organization, role))
    return client


def test_create_a_project_and_see_its_own_dsn(organization: Organization) -> None:
    client = client_of(organization)
    team = make_team(organization)
    page = client.get(NEW).content.decode()
    assert "Create your first project" in page
    assert 'value="python-fastapi"' in page
    answer = client.post(NEW, {"name": "My shop", "platform": "python-flask", "team": team.pk})
    assert answer["Location"] == "/organizations/acme/projects/my-shop/getting-started/"
    project = Project.objects.get()
    key = project.keys.get()
    assert (project.platform, list(project.teams.all())) == ("python-flask", [team])
    guide = client.get(answer["Location"]).content.decode()
    dsn = f"http://{key.public_key}@localhost:9000/{project.pk}"
    assert f'data-copy="{dsn}"' in guide
    assert (
        "from flask import Flask" in html.unescape(guide.replace("</span>", "").replace('<span class="', ""))
        or "Flask" in guide
    )
    assert f"/api/{project.pk}/store/?sentry_key={key.public_key}" in html.unescape(guide)
    assert "Waiting for your first event" in guide


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"name": "", "platform": "python"}, "This field is required"),
        ({"name": "x", "platform": "no such platform!"}, "Invalid platform"),
        ({"name": "\x07bell"}, "Control characters"),
    ],
)
def test_mistakes_are_explained(organization: Organization, data: dict[str, str], message: str) -> None:
    assert message in client_of(organization).post(NEW, data).content.decode()
    assert not Project.objects.exists()


def test_teams_of_others_cannot_be_chosen(organization: Organization) -> None:
    foreign = make_team(make_organization())
    page = client_of(organization).post(NEW, {"name": "x", "team": foreign.pk})
    assert b"Select a valid choice" in page.content
    assert not Project.objects.exists()


def test_members_create_projects_only_where_allowed(organization: Organization) -> None:
    organization.options = {"allow_member_project_creation": False}
    organization.save()
    member = client_of(organization)
    assert member.post(NEW, {"name": "x"}).status_code == 403
    assert b"New project" not in member.get("/organizations/acme/projects/").content
    assert client_of(organization, "manager").post(NEW, {"name": "x"}).status_code == 302


def test_every_platform_has_a_page(organization: Organization) -> None:
    from dictamesh_sentry.web.onboarding.guides import platforms

    project = make_project(organization, slug="shop")
    key = project.keys.create()
    client = client_of(organization)
    for platform in platforms():
        page = client.get(f"/organizations/acme/projects/shop/getting-started/?platform={platform.id}")
        assert page.status_code == 200
        assert key.public_key in page.content.decode()


def test_waiting_turns_into_a_link_to_the_issue(organization: Organization) -> None:
    project = make_project(organization, slug="shop")
    client = client_of(organization)
    address = "/organizations/acme/projects/shop/getting-started/status/"
    waiting = client.get(address).content.decode()
    assert "Waiting for your first event" in waiting
    assert f'hx-get="{address}"' in waiting
    make_issue(make_project(organization), title="somebody else's")
    assert "Waiting" in client.get(address).content.decode()
    issue = make_issue(project, title="Boom <script>")
    arrived = client.get(address).content.decode()
    assert f'href="/organizations/acme/issues/{issue.pk}/"' in arrived
    assert "Boom &lt;script&gt;" in arrived
    assert "hx-get" not in arrived, "it stops asking"


def test_project_without_a_key_says_what_to_do(organization: Organization) -> None:
    make_project(organization, slug="shop").keys.create(is_active=False)
    page = client_of(organization, "owner").get("/organizations/acme/projects/shop/getting-started/").content.decode()
    assert "no enabled client key" in page
    assert "/settings/acme/projects/shop/keys/" in page


def test_projects_with_volume_and_open_issues(organization: Organization) -> None:
    project = make_project(organization, slug="shop", name="Shop", first_event=timezone.now())
    make_project(organization, slug="empty", name="Empty")
    foreign = make_project(make_organization())
    make_issue(project)
    make_issue(project, status="resolved")
    now = time.time()
    error = int(DataCategory.ERROR)
    record_outcomes(
        [
            OutcomeEntry(project.pk, 0, error, int(Outcome.ACCEPTED), "", 1234, now),
            OutcomeEntry(project.pk, 0, error, int(Outcome.FILTERED), "localhost", 56, now),
            OutcomeEntry(project.pk, 0, int(DataCategory.ATTACHMENT), int(Outcome.ACCEPTED), "", 10**9, now),
            OutcomeEntry(foreign.pk, 0, error, int(Outcome.ACCEPTED), "", 777_777, now),
        ],
        0,
    )
    page = client_of(organization).get("/organizations/acme/projects/").content.decode()
    assert "1,290 events in 14 days: 1,234 accepted 56 filtered" in page
    assert "<b>1</b><span>unresolved" in page
    assert "Send the first event" in page
    assert "777" not in page
    assert "1b" not in page


def test_projects_are_found_by_name(organization: Organization) -> None:
    for name in ("alpha", "beta"):
        make_project(organization, slug=name, name=name.title())
    client = client_of(organization)
    found = client.get("/organizations/acme/projects/?query=alp").content.decode()
    assert "Alpha" in found
    assert "Beta" not in found
    assert "No project matches" in client.get("/organizations/acme/projects/?query=%3Cb%3E").content.decode()


def test_project_page_is_its_issues(organization: Organization) -> None:
    project = make_project(organization, slug="shop")
    answer = client_of(organization).get("/organizations/acme/projects/shop/")
    assert answer["Location"] == f"/organizations/acme/issues/?project={project.pk}"


def test_project_list_needs_few_queries(organization: Organization, django_assert_max_num_queries: object) -> None:
    client = client_of(organization)
    for _ in range(30):
        make_issue(make_project(organization, (make_team(organization),), date_created=datetime.now(UTC)))
    with django_assert_max_num_queries(18):  # type: ignore[operator]
        client.get("/organizations/acme/projects/")
