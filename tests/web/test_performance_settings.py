"""The performance settings of a project."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from dictamesh_sentry.organizations.models import AuditLogEntry
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.options import DetectorOptions, SamplingRule, load_options
from dictamesh_sentry.web.forms.performance import PerformanceForm, parse_rule, write_rule
from tests.support.factories import make_member, make_organization, make_project, make_team, make_user

pytestmark = pytest.mark.django_db
PAGE = "/settings/acme/projects/shop/performance/"


@pytest.fixture
def shop() -> tuple[Client, Project]:
    organization = make_organization(slug="acme")
    team = make_team(organization)
    client = Client()
    client.force_login(make_member(organization, "owner", make_user(), (team,)))
    return client, make_project(organization, (team,), slug="shop")


def answers(project: Project, **changes: Any) -> dict[str, Any]:
    """The form as a browser sends it, with some fields changed."""
    initial = PerformanceForm.initial_of(load_options(project.options).performance)
    data = {**initial, "sampling_rules": "\n".join(initial["sampling_rules"]), **changes}
    return {name: "on" if value is True else value for name, value in data.items() if value is not False}


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("25%", SamplingRule(rate=0.25)),
        ("0.5 environment:dev*", SamplingRule(rate=0.5, environment="dev*")),
        ("0% transaction:/health* release:1.*", SamplingRule(rate=0.0, transaction="/health*", release="1.*")),
    ],
)
def test_rules_are_lines(line: str, rule: SamplingRule) -> None:
    assert parse_rule(line) == rule == parse_rule(write_rule(rule))


@pytest.mark.parametrize("line", ["all", "150%", "-1", "10% user:me", "10% transaction:"])
def test_what_is_no_rule(line: str) -> None:
    with pytest.raises(ValidationError):
        parse_rule(line)


def test_everything_is_saved_and_only_what_differs(shop: tuple[Client, Project]) -> None:
    client, project = shop
    assert client.get(PAGE).status_code == 200
    changed = answers(
        project,
        apdex_threshold=500,
        sampling_rules="10% transaction:/health*\n50%",
        n_plus_one_db__count="8",
        slow_db_query=False,
    )
    assert client.post(PAGE, changed).status_code == 302
    project.refresh_from_db()
    found = load_options(project.options).performance
    assert found.apdex_threshold == 500
    assert found.sampling_rules == [SamplingRule(rate=0.1, transaction="/health*"), SamplingRule(rate=0.5)]
    assert found.detectors == {
        "n_plus_one_db": DetectorOptions(thresholds={"count": 8.0}),
        "slow_db_query": DetectorOptions(enabled=False),
    }
    assert AuditLogEntry.objects.filter(organization=project.organization).exists()


def test_what_cannot_be_is_said_at_its_field(shop: tuple[Client, Project]) -> None:
    client, project = shop
    answer = client.post(PAGE, answers(project, sampling_rules="often", n_plus_one_db__count="0"))
    assert answer.status_code == 200
    html = answer.content.decode()
    assert "begin with the share" in html
    assert "greater than or equal to 2" in html
    project.refresh_from_db()
    assert load_options(project.options).performance.sampling_rules == []


def test_members_read_but_do_not_write(shop: tuple[Client, Project]) -> None:
    _, project = shop
    client = Client()
    client.force_login(make_member(project.organization, "member", make_user(), tuple(project.teams.all())))
    assert b"Save performance settings" not in client.get(PAGE).content
    assert client.post(PAGE, answers(project)).status_code == 403
