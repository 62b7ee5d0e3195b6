"""Issues under concurrency, and when a resolution is contradicted."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from dictamesh_sentry.issues.ingest import Candidate, Delta, Facts, find_or_create, raise_counters
from dictamesh_sentry.issues.models import Activity, Issue, IssueHash
from dictamesh_sentry.issues.regression import Occurrence
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.releases.ingest import Sighting
from dictamesh_sentry.releases.models import Release
from tests.support.factories import make_issue, make_organization, make_project, make_release

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def facts(moment: datetime = NOW, **more: Any) -> Facts:
    values: dict[str, Any] = {
        "event_id": "e" * 32, "timestamp": moment, "title": "E: v", "culprit": "c", "level": "error", "type": "error",
        "category": "error",
        "issue_type": "error", "platform": "python", "logger": "", "metadata": {"type": "E"}, "is_unhandled": False,
        "priority": "medium", "release_id": None,
    }  # fmt: skip
    return Facts(**{**values, **more})


def candidate(project: Project, value: str, moment: datetime = NOW) -> Candidate:
    return Candidate(project.pk, value, "test", facts(moment), lambda: {"variant": "test"})


def delta(count: int = 1, moment: datetime = NOW, release: Release | None = None, **more: Any) -> Delta:
    release_id = release.pk if release else None
    return Delta(count, moment, moment, facts(moment, release_id=release_id, **more), [Occurrence(moment, release_id)])


def in_threads(count: int, work: Callable[[int], None]) -> None:
    errors: list[BaseException] = []
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            barrier.wait()
            work(number)
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.mark.django_db(transaction=True)
def test_many_workers_open_each_issue_once():
    project = make_project(make_organization())
    hashes = [f"{number:032x}" for number in range(20)]
    results: list[dict] = []

    def work(number: int) -> None:
        rotated = hashes[number:] + hashes[:number]
        results.append(find_or_create({(project.pk, value): candidate(project, value) for value in rotated}))

    in_threads(6, work)
    assert Issue.objects.count() == IssueHash.objects.count() == 20
    assert len({tuple(sorted((key[1], found.issue_id) for key, found in result.items())) for result in results}) == 1
    assert Activity.objects.filter(type="first_seen").count() == 20
    assert sorted(Issue.objects.values_list("short_number", flat=True)) == list(range(1, 21))
    project.refresh_from_db()
    assert project.next_short_id == 21


@pytest.mark.django_db(transaction=True)
def test_many_workers_raise_counters_without_losing_one():
    from django.db import transaction

    project = make_project(make_organization())
    keys = [(project.pk, f"{number:032x}") for number in range(4)]
    find_or_create({key: candidate(project, key[1]) for key in keys})

    def work(number: int) -> None:
        for _ in range(5):
            with transaction.atomic():
                raise_counters({key: delta(2) for key in keys})

    in_threads(4, work)
    assert set(Issue.objects.values_list("times_seen", flat=True)) == {40}
    assert set(IssueHash.objects.values_list("times_seen", flat=True)) == {40}


@pytest.fixture
def project(db):
    return make_project(make_organization())


def seen(issue: Issue, *deltas: Delta) -> Issue:
    key = (issue.project_id, issue.hashes.get().hash)
    for one in deltas:
        raise_counters({key: one})
    issue.refresh_from_db()
    return issue


VERSIONS = {
    # resolved in → (release of the event, regresses)
    "plain": [(None, True), ("shop@1.0.0", True), ("shop@0.1.0", True)],
    "in shop@1.2.0": [
        (None, False),
        ("shop@1.1.9", False),
        ("shop@1.2.0", True),
        ("shop@1.2.0+7", False),
        ("shop@1.2.1", True),
        ("shop@1.10.0", True),
        ("shop@1.2.0-rc.1", False),
    ],
    "next after shop@1.2.0": [
        (None, False),
        ("shop@1.1.9", False),
        ("shop@1.2.0", False),
        ("shop@1.2.1", True),
        ("shop@2.0.0-beta", True),
    ],
}
CASES = [(how, version, result) for how, cases in VERSIONS.items() for version, result in cases]


@pytest.mark.parametrize(("how", "version", "regresses"), CASES)
def test_regression_matrix(project, how, version, regresses):
    # The fixed release is the youngest by date, so that only its version can decide.
    release = make_release(project, version, date_added=NOW - timedelta(days=30)) if version else None
    fixed = Release.objects.filter(version="shop@1.2.0").first() or make_release(
        project, "shop@1.2.0", date_added=NOW - timedelta(days=1)
    )
    issue = make_issue(project, status="resolved", resolved_at=NOW - timedelta(hours=1))
    if how != "plain":
        Issue.objects.filter(pk=issue.pk).update(
            resolved_in_release=fixed, resolved_in_next_release=how.startswith("next")
        )
    seen(issue, delta(release=release))
    assert (issue.status == "unresolved") is regresses
    assert issue.times_seen == 2
    entries = issue.activities.filter(type="set_regression")
    assert entries.count() == int(regresses)
    if regresses:
        assert issue.substatus == "regressed"
        assert issue.regressed_in_release == release
        assert issue.resolved_at is None
        assert entries.get().data == {"version": version or ""}


def test_an_event_from_before_the_resolution_is_no_regression(project):
    issue = make_issue(project, status="resolved", resolved_at=NOW)
    assert seen(issue, delta(moment=NOW - timedelta(minutes=5))).status == "resolved"
    assert seen(issue, delta(moment=NOW + timedelta(seconds=1))).status == "unresolved"


def test_releases_without_versions_compare_by_date(project):
    old = make_release(project, "abc", date_added=NOW - timedelta(days=9))
    fixed = make_release(project, "def", date_added=NOW - timedelta(days=5))
    new = make_release(project, "ghi", date_added=NOW - timedelta(days=1))
    issue = make_issue(project, status="resolved", resolved_at=NOW - timedelta(days=4), resolved_in_release=fixed)
    assert seen(issue, delta(release=old)).status == "resolved"
    assert seen(issue, delta(release=new)).status == "unresolved"


def test_resolved_in_a_commit_waits_for_a_release_heard_of_later(project):
    old = make_release(project, "shop@1.0", date_added=NOW - timedelta(days=9))
    new = make_release(project, "shop@1.1", date_added=NOW - timedelta(hours=1))
    issue = make_issue(project, status="resolved", resolved_at=NOW - timedelta(days=1), resolved_in_commit="abc123")
    assert seen(issue, delta(release=old)).status == "resolved"
    assert seen(issue, delta(release=new)).status == "unresolved"
    assert issue.resolved_in_commit == ""


def test_an_archived_issue_stays_archived_but_counts(project):
    issue = make_issue(project, status="ignored", substatus="archived_forever")
    seen(issue, delta(3))
    assert (issue.status, issue.times_seen) == ("ignored", 4)


def test_the_latest_event_shows(project):
    issue = make_issue(project, first_seen=NOW, last_seen=NOW)
    seen(issue, delta(moment=NOW - timedelta(hours=1), title="older"))
    assert issue.title != "older"
    assert issue.first_seen == NOW - timedelta(hours=1)
    seen(issue, delta(moment=NOW + timedelta(hours=1), title="newer", level="fatal", priority="high"))
    assert (issue.title, issue.level, issue.priority) == ("newer", "fatal", "high")
    Issue.objects.filter(pk=issue.pk).update(priority="low", priority_locked_at=timezone.now())
    seen(issue, delta(moment=NOW + timedelta(hours=2), priority="high"))
    assert issue.priority == "low"


def test_environments_only_widen(project):
    from dictamesh_sentry.projects.models import Environment

    environment = Environment.objects.create(organization=project.organization, name="prod")
    issue = make_issue(project)
    for hours in (2, 5, 3):
        moment = NOW - timedelta(hours=hours)
        one = delta(moment=moment)
        one.environments[environment.pk] = Sighting(moment, moment)
        seen(issue, one)
    row = issue.issue_environments.get()
    assert (row.first_seen, row.last_seen) == (NOW - timedelta(hours=5), NOW - timedelta(hours=2))
