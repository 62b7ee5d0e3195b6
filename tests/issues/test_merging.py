"""Merging and unmerging: nothing is lost, counters stay exact, old links lead to the right issue."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues import actions, tasks
from dictamesh_sentry.issues.actions import ActionError
from dictamesh_sentry.issues.models import (
    Activity,
    EventAttachment,
    Issue,
    IssueEnvironment,
    IssueHash,
    IssueRedirect,
    IssueSubscription,
)
from dictamesh_sentry.projects.models import Environment
from tests.issues.conftest import Enqueued, World
from tests.support.factories import SEEN, make_issue, make_project, make_release

pytestmark = pytest.mark.django_db
_repoint = tasks.repoint_events.run
A, B, C = "a" * 32, "b" * 32, "c" * 32


def _attach(issue: Issue, event_id: str) -> None:
    EventAttachment.objects.create(
        project=issue.project, issue=issue, event_id=event_id, name="log.txt", size=1, sha1="0" * 40, blob_key="k"
    )
    UserReport.objects.create(project=issue.project, issue=issue, event_id=event_id, comments="it broke")


def _seen_in(issue: Issue, name: str, days: int) -> None:
    environment, _ = Environment.objects.get_or_create(organization=issue.project.organization, name=name)
    moment = SEEN + timedelta(days=days)
    IssueEnvironment.objects.create(issue=issue, environment=environment, first_seen=moment, last_seen=moment)


def _environments(issue: Issue) -> dict[str, tuple[int, int]]:
    return {
        row.environment.name: ((row.first_seen - SEEN).days, (row.last_seen - SEEN).days)
        for row in IssueEnvironment.objects.filter(issue=issue).select_related("environment")
    }


@pytest.fixture
def store_without_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event store in which nothing is left, as after the retention."""

    class Empty:
        def rows(self, *_: Any, **__: Any) -> list[Any]:
            return []

    monkeypatch.setattr("dictamesh_sentry.issues.actions.unmerging.get_store", Empty)


def test_merging_moves_everything_into_the_busiest_issue(
    world: World, enqueued: Enqueued, django_capture_on_commit_callbacks: Any
):
    early = make_release(world.project, "1.0")
    small = world.issue(
        hashes=(A,), times_seen=3, first_seen=SEEN - timedelta(days=5), first_release=early, title="small"
    )
    big = world.issue(hashes=(B,), times_seen=10, last_seen=SEEN + timedelta(days=1), title="big")
    _attach(small, "1" * 32)
    _seen_in(small, "production", -5)
    _seen_in(small, "staging", -4)
    _seen_in(big, "production", 1)
    actions.add_comment(world.bob, small, "mine")
    actions.set_bookmark(world.ann, [small, big], True)
    with django_capture_on_commit_callbacks(execute=True):
        result = actions.merge(world.ann, [small, big])
    assert result == big
    stored = Issue.objects.get(pk=big.pk)
    assert (stored.times_seen, stored.num_comments) == (13, 1)
    assert (stored.first_seen, stored.last_seen) == (SEEN - timedelta(days=5), SEEN + timedelta(days=1))
    assert stored.first_release == early
    assert {row.hash for row in stored.hashes.all()} == {A, B}
    assert _environments(stored) == {"production": (-5, 1), "staging": (-4, -4)}
    assert EventAttachment.objects.get().issue == stored
    assert UserReport.objects.get().issue == stored
    assert stored.bookmarks.count() == 1
    assert {row.user for row in IssueSubscription.objects.filter(issue=stored)} == {world.ann, world.bob}
    assert not Issue.objects.filter(pk=small.pk).exists()
    redirect = IssueRedirect.objects.get(previous_id=small.pk)
    assert (redirect.issue, redirect.previous_short_number) == (stored, small.short_number)
    merged = Activity.objects.get(issue=stored, type="merge")
    assert [item["title"] for item in merged.data["issues"]] == ["small"]
    [(project_id, hashes, issue_id)] = enqueued.of("repoint_events")
    assert (project_id, set(hashes), issue_id) == (world.project.pk, {A, B}, big.pk)


def test_old_ids_lead_to_the_final_issue_through_several_merges(world: World, enqueued: Enqueued):
    first, second, third = (world.issue(hashes=(value,), times_seen=n * n) for n, value in enumerate((A, B, C), 1))
    actions.merge(world.ann, [first, second])
    actions.merge(world.ann, [second, third])
    assert set(IssueRedirect.objects.values_list("previous_id", "issue_id")) == {
        (first.pk, third.pk),
        (second.pk, third.pk),
    }


def test_issues_that_cannot_be_one_are_refused(world: World):
    other = make_issue(make_project(world.organization))
    feedback = world.issue(category="feedback")
    for group in ([world.issue()], [world.issue(), other], [world.issue(), feedback], []):
        with pytest.raises(ActionError):
            actions.merge(world.ann, group)
    assert not IssueRedirect.objects.exists()


@pytest.mark.usefixtures("store_without_events")
def test_unmerging_restores_the_merged_issue(world: World, enqueued: Enqueued, django_capture_on_commit_callbacks: Any):
    small = world.issue(hashes=(A,), times_seen=3, first_seen=SEEN - timedelta(days=5), title="small", level="fatal")
    big = world.issue(hashes=(B,), times_seen=10, title="big")
    _seen_in(small, "staging", -4)
    comment = actions.add_comment(world.bob, small, "mine")
    own = actions.add_comment(world.bob, big, "theirs")
    before = {"id": small.pk, "number": small.short_number}
    actions.merge(world.ann, [small, big])
    IssueHash.objects.filter(hash=A).update(times_seen=5, last_seen=SEEN + timedelta(days=2))
    Issue.objects.filter(pk=big.pk).update(times_seen=15)
    with django_capture_on_commit_callbacks(execute=True):
        restored = actions.unmerge(world.ann, big, [A])
    assert (restored.pk, restored.short_number, restored.title, restored.level) == (
        before["id"],
        before["number"],
        "small",
        "fatal",
    )
    assert (restored.times_seen, restored.status) == (5, "unresolved")
    assert restored.first_seen == SEEN - timedelta(days=5)
    assert restored.last_seen == SEEN + timedelta(days=2)
    stored = Issue.objects.get(pk=big.pk)
    assert (stored.times_seen, stored.first_seen, stored.num_comments) == (10, SEEN, 1)
    assert big.times_seen == 10
    assert Activity.objects.get(pk=comment.pk).issue == restored
    assert Activity.objects.get(pk=own.pk).issue == stored
    assert _environments(restored) == {"staging": (-4, -4)}
    assert not IssueRedirect.objects.exists()
    assert IssueHash.objects.get(hash=A).merged_from is None
    assert Activity.objects.get(type="unmerge_source").issue == stored
    assert Activity.objects.get(type="unmerge_destination").issue == restored
    assert enqueued.of("repoint_events")[-1] == (world.project.pk, [A], restored.pk)


@pytest.mark.usefixtures("store_without_events")
def test_splitting_own_fingerprints_opens_a_new_issue_with_the_next_number(world: World, enqueued: Enqueued):
    issue = world.issue(hashes=(A, B), times_seen=7)
    result = actions.unmerge(world.ann, issue, [B])
    assert result.short_number > issue.short_number
    assert result.title == issue.title
    assert {row.hash for row in result.hashes.all()} == {B}
    assert Issue.objects.get(pk=issue.pk).times_seen + result.times_seen == 7
    assert result.num_comments == 0


@pytest.mark.usefixtures("store_without_events")
@pytest.mark.parametrize("hashes", [[A, B], [C], [], ["nothing"], ["Z" * 32], [A, C]])
def test_a_split_that_makes_no_sense_is_refused(world: World, hashes: list[str]):
    issue = world.issue(hashes=(A, B), times_seen=7)
    with pytest.raises(ActionError):
        actions.unmerge(world.ann, issue, hashes)
    assert Issue.objects.count() == 1


@pytest.mark.usefixtures("store_without_events")
def test_references_that_vanished_meanwhile_do_not_prevent_unmerging(world: World, enqueued: Enqueued):
    release = make_release(world.project, "1.0")
    small = world.issue(hashes=(A,), first_release=release, assigned_user=world.bob)
    big = world.issue(hashes=(B,), times_seen=9)
    actions.merge(world.ann, [small, big])
    release.delete()
    world.bob.delete()
    restored = actions.unmerge(world.ann, big, [A])
    assert (restored.first_release_id, restored.assigned_user_id) == (None, None)


def test_events_files_and_environments_follow_their_fingerprint(
    world: World, enqueued: Enqueued, event_store: EventStore, django_capture_on_commit_callbacks: Any
):
    small = world.issue(hashes=(A,), times_seen=1)
    big = world.issue(hashes=(B,), times_seen=2)
    columns = ["project_id", "event_id", "timestamp", "received", "retention_days", "issue_id", "primary_hash"]
    columns.append("environment")
    events = [("1" * 32, small, A), ("2" * 32, big, B), ("3" * 32, big, B)]
    rows = [(world.project.pk, UUID(i), SEEN, SEEN, 9999, issue.pk, UUID(h), "qa") for i, issue, h in events]
    event_store.insert("events", columns, rows)
    Environment.objects.create(organization=world.organization, name="qa")
    _attach(small, "1" * 32)
    _attach(big, "2" * 32)

    def issue_of(event_id: str) -> int:
        sql = "SELECT issue_id FROM events WHERE event_id = {id:UUID}"
        return event_store.rows(sql, {"id": UUID(event_id)})[0][0]

    def repoint() -> None:
        _repoint(*enqueued.of("repoint_events")[-1], again=False)

    with django_capture_on_commit_callbacks(execute=True):
        actions.merge(world.ann, [small, big])
    repoint()
    assert issue_of("1" * 32) == big.pk
    with django_capture_on_commit_callbacks(execute=True):
        restored = actions.unmerge(world.ann, big, [A])
    repoint()
    assert issue_of("1" * 32) == restored.pk
    assert issue_of("2" * 32) == big.pk
    assert EventAttachment.objects.get(event_id="1" * 32).issue == restored
    assert EventAttachment.objects.get(event_id="2" * 32).issue == big
    assert UserReport.objects.get(event_id="1" * 32).issue == restored
    assert _environments(restored) == {"qa": (0, 0)}
