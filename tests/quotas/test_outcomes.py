"""Recording outcomes and reading them back as statistics; quotas as rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError

from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import AuditLogEntry, Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.messages import OutcomeEntry
from dictamesh_sentry.quotas import actions, queries
from dictamesh_sentry.quotas.actions import record_outcomes
from dictamesh_sentry.quotas.models import OutcomeHour, Quota

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ERROR, ATTACHMENT = DataCategory.ERROR, DataCategory.ATTACHMENT


@dataclass
class Window:
    start: datetime
    end: datetime


@pytest.fixture
def organization() -> Organization:
    return Organization.objects.create(slug="acme", name="Acme")


@pytest.fixture
def project(organization: Organization) -> Project:
    return Project.objects.create(organization=organization, slug="app", name="App")


def entry(project: Project | int, quantity: int = 1, minutes: int = 0, **changes: object) -> OutcomeEntry:
    fields = {"key_id": 1, "category": int(ERROR), "outcome": int(Outcome.ACCEPTED), "reason": "", **changes}
    project_id = project if isinstance(project, int) else project.pk
    return OutcomeEntry(
        project_id=project_id, quantity=quantity, timestamp=(NOON + timedelta(minutes=minutes)).timestamp(), **fields
    )  # type: ignore[arg-type]


def test_quantities_add_up_within_the_hour_and_across_calls(project: Project) -> None:
    record_outcomes([entry(project, 2), entry(project, 3, 59), entry(project, 5, 60)], shard=0)
    record_outcomes([entry(project, 10)], shard=0)
    rows = {(row.hour, row.quantity) for row in OutcomeHour.objects.all()}
    assert rows == {(NOON, 15), (NOON + timedelta(hours=1), 5)}


def test_shards_keys_and_reasons_are_separate_rows(project: Project) -> None:
    entries = [entry(project), entry(project, key_id=2), entry(project, reason="x", outcome=1)]
    record_outcomes(entries, shard=0)
    record_outcomes(entries, shard=1)
    assert OutcomeHour.objects.count() == 6


def test_deleted_projects_empty_quantities_and_strange_reasons(project: Project) -> None:
    record_outcomes([entry(999_999), entry(project, 0), entry(project, reason="a\x00" + "b" * 500)], shard=0)
    [row] = OutcomeHour.objects.all()
    assert row.reason == "a" + "b" * 126
    record_outcomes([], shard=0)


def test_many_rows_need_few_statements(project: Project, django_assert_num_queries) -> None:
    entries = [entry(project, 1, 60 * hour, reason=f"r{number}") for hour in range(10) for number in range(50)]
    with django_assert_num_queries(4):  # the projects, and 500 rows in three statements
        record_outcomes(entries, shard=0)
    assert OutcomeHour.objects.count() == 500


def test_totals(organization: Organization, project: Project) -> None:
    other = Project.objects.create(organization=organization, slug="other", name="Other")
    foreign = Project.objects.create(organization=Organization.objects.create(slug="x", name="X"), slug="f", name="F")
    record_outcomes(
        [
            entry(project, 10),
            entry(project, 4, outcome=int(Outcome.FILTERED), reason="localhost"),
            entry(other, 3, 90),
            entry(project, 500, category=int(ATTACHMENT)),
            entry(foreign, 1000),
            entry(project, 7, 60 * 48),
        ],
        shard=0,
    )
    window = Window(NOON, NOON + timedelta(hours=2))
    totals = queries.outcome_totals(organization, None, window, ["outcome", "reason"], categories=[ERROR])
    assert [(group.by, group.quantity) for group in totals] == [
        ({"outcome": Outcome.ACCEPTED, "reason": ""}, 13),
        ({"outcome": Outcome.FILTERED, "reason": "localhost"}, 4),
    ]
    by_project = queries.outcome_totals(organization, [project], window, ["project", "category"])
    assert [(group.by, group.quantity) for group in by_project] == [
        ({"project": project.pk, "category": ATTACHMENT}, 500),
        ({"project": project.pk, "category": ERROR}, 14),
    ]
    assert queries.outcome_totals(organization, [], window) == []
    [dropped] = queries.outcome_totals(organization, None, window, ["outcome"], outcomes=[Outcome.FILTERED])
    assert dropped.quantity == 4
    [one] = queries.outcome_totals(organization, None, window, ["outcome"], reasons=["localhost"])
    assert one.quantity == 4
    with pytest.raises(ValueError, match="unknown dimension"):
        queries.outcome_totals(organization, None, window, ["user"])


def test_series(organization: Organization, project: Project) -> None:
    record_outcomes([entry(project, 1), entry(project, 2, 65), entry(project, 4, 200), entry(project, 9, -1)], shard=0)
    window = Window(NOON + timedelta(minutes=30), NOON + timedelta(hours=4))
    page = queries.outcome_series(organization, None, window, ["outcome"])
    assert page.intervals == [NOON + timedelta(hours=hour) for hour in range(4)]
    [group] = page.groups
    assert (group.values, group.quantity) == ([1, 2, 0, 4], 7)
    wide = queries.outcome_series(organization, None, window, ["outcome"], interval=2 * 3600)
    assert [len(wide.intervals), wide.groups[0].values] == [2, [3, 4]]
    assert queries.outcome_series(organization, [], window).groups == []


def test_quotas_are_created_audited_and_lifted(organization: Organization, project: Project) -> None:
    quota = actions.create_quota(None, organization, project=project, categories=["error"], limit=5, window=60)
    assert list(queries.quotas_of(organization)) == [quota]
    assert queries.get_quota(organization, quota.pk) == quota
    with pytest.raises(NotVisibleError):
        queries.get_quota(Organization.objects.create(slug="x", name="X"), quota.pk)
    [rule] = queries.quota_rules([organization.pk], [project.pk])[organization.pk, project.pk]
    assert (rule.limit, rule.window, rule.scope, rule.categories) == (5, 60, "project", {ERROR})
    actions.delete_quota(None, quota)
    assert not Quota.objects.exists()
    assert list(AuditLogEntry.objects.order_by("pk").values_list("event", flat=True)) == [
        "quota.create",
        "quota.remove",
    ]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"categories": ["warp"]}, "categories"),
        ({"limit": -1}, "limit"),
        ({"limit": 10**16}, "limit"),
        ({"window": 0}, "window"),
        ({"reason_code": "a:b"}, "reasonCode"),
        ({"project": "foreign"}, "project"),
    ],
)
def test_invalid_quotas(organization: Organization, changes: dict[str, object], field: str) -> None:
    if changes.get("project"):
        other = Organization.objects.create(slug="x", name="X")
        changes = {"project": Project.objects.create(organization=other, slug="f", name="F")}
    with pytest.raises(ValidationError) as caught:
        actions.create_quota(None, organization, **{"limit": 1, "window": 60, **changes})  # type: ignore[arg-type]
    assert list(caught.value.message_dict) == [field]
    assert not Quota.objects.exists()
