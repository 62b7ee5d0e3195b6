"""What people do with issues: the change, its entry in the history, who follows afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.actions import ActionError
from dictamesh_sentry.issues.models import Activity, Issue, IssueBookmark, IssueHash, IssueSeen, IssueSubscription
from dictamesh_sentry.organizations.access import ForbiddenError
from dictamesh_sentry.organizations.models import AuditLogEntry
from tests.issues.conftest import Enqueued, World
from tests.support.factories import make_issue, make_member, make_organization, make_project, make_release, make_team

pytestmark = pytest.mark.django_db
History = Callable[[Issue], list[str]]
Act = Callable[[World, list[Issue]], object]


def _in_release(world: World, issues: list[Issue]) -> object:
    return actions.resolve(world.ann, issues, in_release=make_release(world.project, "shop@1.0.0"))


def _in_next_release(world: World, issues: list[Issue]) -> object:
    make_release(world.project, "shop@1.0.0")
    return actions.resolve(world.ann, issues, in_next_release=True)


def _unresolve(world: World, issues: list[Issue]) -> object:
    Issue.objects.filter(pk__in=[issue.pk for issue in issues]).update(status="resolved", substatus="")
    return actions.unresolve(world.ann, issues)


CASES: list[tuple[str, Act, dict[str, Any], str, dict[str, Any]]] = [
    (
        "resolve",
        lambda world, issues: actions.resolve(world.ann, issues),
        {"status": "resolved", "substatus": "", "resolved_in_next_release": False},
        "set_resolved",
        {},
    ),
    ("resolve in release", _in_release, {"status": "resolved"}, "set_resolved_in_release", {"version": "shop@1.0.0"}),
    (
        "resolve in next release",
        _in_next_release,
        {"status": "resolved", "resolved_in_next_release": True},
        "set_resolved_in_release",
        {"version": "", "in_next_release": True, "current_release_version": "shop@1.0.0"},
    ),
    (
        "resolve in commit",
        lambda world, issues: actions.resolve(world.ann, issues, in_commit="abc123"),
        {"status": "resolved", "resolved_in_commit": "abc123"},
        "set_resolved_in_commit",
        {"commit": "abc123"},
    ),
    ("unresolve", _unresolve, {"status": "unresolved", "substatus": "ongoing"}, "set_unresolved", {}),
    (
        "archive forever",
        lambda world, issues: actions.archive(world.ann, issues),
        {"status": "ignored", "substatus": "archived_forever", "snooze": {}},
        "set_ignored",
        {},
    ),
    (
        "archive until it escalates",
        lambda world, issues: actions.archive(world.ann, issues, until_escalating=True),
        {"status": "ignored", "substatus": "archived_until_escalating"},
        "set_ignored",
        {"until_escalating": True},
    ),
    (
        "archive until more events",
        lambda world, issues: actions.archive(world.ann, issues, count=10, window=60),
        {"status": "ignored", "substatus": "archived_until_condition_met"},
        "set_ignored",
        {"count": 10, "window": 60},
    ),
    (
        "assign to a person",
        lambda world, issues: actions.assign(world.ann, issues, user=world.bob),
        {"assigned_team_id": None},
        "assigned",
        {"assigneeType": "user"},
    ),
    (
        "assign to a team",
        lambda world, issues: actions.assign(world.ann, issues, team=world.team),
        {"assigned_user_id": None},
        "assigned",
        {"assigneeType": "team", "assigneeName": "#backend"},
    ),
    (
        "priority",
        lambda world, issues: actions.set_priority(world.ann, issues, "high"),
        {"priority": "high"},
        "set_priority",
        {"priority": "high", "reason": "manual"},
    ),
    ("share", lambda world, issues: [actions.share(world.ann, issue) for issue in issues], {}, "set_public", {}),
    (
        "review",
        lambda world, issues: actions.mark_reviewed(world.ann, issues),
        {"status": "unresolved", "substatus": "ongoing"},
        "mark_reviewed",
        {},
    ),
    (
        "escalate",
        lambda world, issues: actions.set_substatus(world.ann, issues, "escalating"),
        {"status": "unresolved", "substatus": "escalating"},
        "set_escalating",
        {},
    ),
]


@pytest.mark.parametrize(("act", "fields", "kind", "data"), [case[1:] for case in CASES], ids=[c[0] for c in CASES])
def test_an_action_changes_the_issue_and_writes_history_once(
    world: World, history: History, act: Act, fields: dict[str, Any], kind: str, data: dict[str, Any]
):
    issues = [world.issue(), world.issue()]
    act(world, issues)
    for issue in issues:
        stored = Issue.objects.get(pk=issue.pk)
        for name, value in fields.items():
            assert getattr(stored, name) == value, name
            assert getattr(issue, name) == value, f"{name} of the caller's object"
        assert history(issue) == [kind]
        entry = Activity.objects.get(issue=issue)
        assert entry.user == world.ann
        assert data.items() <= entry.data.items()


REPEATABLE: list[Act] = [
    lambda world, issues: actions.resolve(world.ann, issues),
    lambda world, issues: actions.resolve(world.ann, issues, in_commit="abc"),
    lambda world, issues: actions.unresolve(world.ann, issues),
    lambda world, issues: actions.archive(world.ann, issues),
    lambda world, issues: actions.assign(world.ann, issues, user=world.bob),
    lambda world, issues: actions.set_priority(world.ann, issues, "high"),
    lambda world, issues: actions.share(world.ann, issues[0]),
    lambda world, issues: actions.mark_reviewed(world.ann, issues),
]


@pytest.mark.parametrize("act", REPEATABLE)
def test_doing_it_twice_writes_nothing_the_second_time(world: World, history: History, act: Act):
    issue = world.issue()
    act(world, [issue])
    before = history(issue)
    act(world, [issue])
    act(world, [Issue.objects.get(pk=issue.pk)])
    assert history(issue) == before


@pytest.mark.parametrize("act", REPEATABLE[:-2])
def test_issues_that_are_being_deleted_are_left_alone(world: World, history: History, act: Act):
    issue = world.issue(is_pending_deletion=True)
    act(world, [issue])
    assert history(issue) == []


def test_resolving_remembers_when_and_forgets_the_archive(world: World):
    issue = world.issue()
    actions.archive(world.ann, [issue], count=5)
    assert issue.snooze["base_times_seen"] == issue.times_seen
    actions.resolve(world.ann, [issue])
    stored = Issue.objects.get(pk=issue.pk)
    assert stored.snooze == {}
    assert stored.resolved_at is not None
    actions.unresolve(world.ann, [issue])
    stored.refresh_from_db()
    assert (stored.resolved_at, stored.resolved_in_release_id, stored.resolved_in_commit) == (None, None, "")


def test_next_release_uses_the_current_release_of_each_project(world: World):
    other = make_project(world.organization)
    make_release(world.project, "shop@1.0.0")
    newest = make_release(world.project, "shop@1.1.0")
    other_release = make_release(other, "other@9.0.0")
    first, second = world.issue(), make_issue(other)
    actions.resolve(world.ann, [first, second], in_next_release=True)
    assert (first.resolved_in_release_id, second.resolved_in_release_id) == (newest.pk, other_release.pk)


def test_a_resolution_that_makes_no_sense_is_refused_whole(world: World, history: History):
    issue = world.issue()
    with pytest.raises(ActionError, match="no release yet"):
        actions.resolve(world.ann, [issue], in_next_release=True)
    foreign = make_release(make_project(make_organization()), "1.0")
    with pytest.raises(ActionError, match="another organization"):
        actions.resolve(world.ann, [issue], in_release=foreign)
    with pytest.raises(ActionError, match="choose one"):
        actions.resolve(world.ann, [issue], in_commit="a", in_next_release=True)
    assert Issue.objects.get(pk=issue.pk).status == "unresolved"
    assert history(issue) == []


@pytest.mark.parametrize(
    "conditions",
    [
        {"count": 0},
        {"count": -1},
        {"window": 5},
        {"user_window": 5},
        {"count": 1, "until_escalating": True},
        {"until": timezone.now() - timedelta(hours=1)},
        {"until": timezone.now() + timedelta(days=5000)},
    ],
)
def test_archive_conditions_that_can_never_be_met_are_refused(world: World, conditions: dict[str, Any]):
    with pytest.raises(ActionError):
        actions.archive(world.ann, [world.issue()], **conditions)


def test_archive_until_a_time_is_kept_in_utc(world: World):
    until = timezone.now() + timedelta(hours=2)
    issue = world.issue()
    actions.archive(world.ann, [issue], until=until)
    assert issue.snooze["until"] == until.isoformat()
    assert issue.substatus == "archived_until_condition_met"


def test_an_assignee_belongs_to_the_organization(world: World):
    issue = world.issue()
    stranger = make_member(make_organization())
    with pytest.raises(ActionError):
        actions.assign(world.ann, [issue], user=stranger)
    with pytest.raises(ActionError):
        actions.assign(world.ann, [issue], team=make_team(make_organization()))
    with pytest.raises(ActionError):
        actions.assign(world.ann, [issue], user=world.ann, team=world.team)
    actions.assign(world.ann, [issue], user=world.bob)
    actions.assign(world.ann, [issue])
    assert Issue.objects.get(pk=issue.pk).assigned_user_id is None


def test_actors_and_assignees_follow_the_issue_unless_they_refused(world: World):
    issue = world.issue()
    actions.set_subscription(world.bob, [issue], False)
    actions.assign(world.ann, [issue], user=world.bob)
    rows = {row.user_id: (row.is_active, row.reason) for row in IssueSubscription.objects.filter(issue=issue)}
    assert rows == {world.ann.pk: (True, "status_change"), world.bob.pk: (False, "manual")}
    actions.set_subscription(world.bob, [issue], True)
    assert IssueSubscription.objects.get(issue=issue, user=world.bob).is_active


def test_bookmarks_and_seen_are_personal_and_leave_no_history(world: World, history: History):
    issue = world.issue()
    for _ in range(2):
        actions.set_bookmark(world.ann, [issue], True)
        actions.mark_seen(world.ann, [issue])
    assert IssueBookmark.objects.filter(issue=issue).count() == 1
    assert IssueSeen.objects.filter(issue=issue, user=world.ann).count() == 1
    actions.set_bookmark(world.ann, [issue], False)
    actions.mark_seen(world.ann, [issue], False)
    assert not IssueBookmark.objects.filter(issue=issue).exists()
    assert not IssueSeen.objects.filter(issue=issue).exists()
    assert history(issue) == []


def test_share_links_are_unguessable_and_change_when_shared_again(world: World):
    issue = world.issue()
    first = actions.share(world.ann, issue)
    assert len(first) == 32
    actions.unshare(world.ann, issue)
    assert Issue.objects.get(pk=issue.pk).share_id is None
    assert actions.share(world.ann, issue) != first
    world.organization.options = {"allow_shared_issues": False}
    world.organization.save()
    with pytest.raises(ActionError):
        actions.share(world.ann, world.issue())


def test_comments_count_and_subscribe_the_mentioned(world: World):
    issue = world.issue()
    carl = make_member(world.organization, user=None)
    carl.name = "Carl Jung"
    carl.save()
    stranger = make_member(make_organization())
    text = f"see @{world.bob.email}, @carljung and @{stranger.email}"
    entry = actions.add_comment(world.ann, issue, f"  {text}  ")
    assert entry.data["text"] == text
    assert entry.data["mentions"] == [f"user:{world.bob.pk}", f"user:{carl.pk}"]
    assert Issue.objects.get(pk=issue.pk).num_comments == 1
    following = set(IssueSubscription.objects.filter(issue=issue).values_list("user_id", flat=True))
    assert following == {world.ann.pk, world.bob.pk, carl.pk}


def test_mentioning_a_team_subscribes_its_members(world: World):
    issue = world.issue()
    entry = actions.add_comment(world.owner, issue, "for #backend please")
    assert entry.data["mentions"] == [f"team:{world.team.pk}"]
    following = set(IssueSubscription.objects.filter(issue=issue).values_list("user_id", flat=True))
    assert following == {world.owner.pk, world.ann.pk, world.bob.pk}


def test_a_name_that_fits_two_members_mentions_nobody(world: World):
    for domain in ("a.test", "b.test"):
        user = make_member(world.organization)
        user.email = f"sam@{domain}"
        user.save()
    assert actions.add_comment(world.ann, world.issue(), "hi @sam").data["mentions"] == []
    assert len(actions.add_comment(world.ann, world.issue(), "hi @sam@a.test.").data["mentions"]) == 1


def test_blank_and_endless_comments_are_refused(world: World):
    issue = world.issue()
    for text in ("", " \n\t", "\x00", "x" * 20_000):
        with pytest.raises(ActionError):
            actions.add_comment(world.ann, issue, text)
    assert Issue.objects.get(pk=issue.pk).num_comments == 0


def test_only_the_author_or_an_owner_edits_a_comment(world: World):
    entry = actions.add_comment(world.ann, world.issue(), "first")
    actions.edit_comment(world.ann, entry, "second")
    entry.refresh_from_db()
    assert entry.data["text"] == "second"
    assert entry.data["edited_by"] == world.ann.pk
    with pytest.raises(ForbiddenError):
        actions.edit_comment(world.bob, entry, "third")
    actions.edit_comment(world.owner, entry, "fourth")
    assert Activity.objects.get(pk=entry.pk).data["text"] == "fourth"


def test_only_the_author_or_who_may_delete_issues_deletes_a_comment(world: World):
    issue = world.issue()
    world.organization.options = {"events_member_admin": False}
    world.organization.save()
    entry = actions.add_comment(world.ann, issue, "first")
    other = actions.add_comment(world.ann, issue, "second")
    with pytest.raises(ForbiddenError):
        actions.delete_comment(world.bob, Activity.objects.get(pk=entry.pk))
    actions.delete_comment(world.ann, entry)
    actions.delete_comment(world.owner, Activity.objects.get(pk=other.pk))
    assert Issue.objects.get(pk=issue.pk).num_comments == 0


def test_deleting_hides_at_once_frees_the_fingerprint_and_works_in_the_background(
    world: World, enqueued: Enqueued, django_capture_on_commit_callbacks: Any
):
    issue = world.issue()
    actions.share(world.ann, issue)
    with django_capture_on_commit_callbacks(execute=True):
        actions.delete(world.ann, [issue])
    stored = Issue.objects.get(pk=issue.pk)
    assert stored.is_pending_deletion
    assert stored.share_id is None
    assert not stored.hashes.exists()
    assert enqueued.of("delete_issues") == [([issue.pk],)]
    audited = AuditLogEntry.objects.get(organization=world.organization)
    assert (audited.event, audited.actor) == ("issue.delete", world.ann)


def test_discarding_keeps_the_fingerprint_until_it_is_restored(world: World, enqueued: Enqueued):
    issue = world.issue(hashes=("a" * 32, "b" * 32))
    actions.delete(world.ann, [issue], discard=True)
    Issue.objects.filter(pk=issue.pk).delete()
    kept = IssueHash.objects.filter(project=world.project, is_discarded=True)
    assert {row.hash for row in kept} == {"a" * 32, "b" * 32}
    assert all(row.issue_id is None for row in kept)
    assert actions.restore_discarded(world.ann, world.project, issue.pk) == 2
    assert not kept.all().exists()


def test_history_and_change_are_one_transaction(world: World, monkeypatch: pytest.MonkeyPatch):
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("disk full")

    monkeypatch.setattr("dictamesh_sentry.issues.actions.status.activity.record", broken)
    issue = world.issue()
    with pytest.raises(RuntimeError):
        actions.resolve(world.ann, [issue])
    assert Issue.objects.get(pk=issue.pk).status == "unresolved"


def test_bulk_actions_need_a_fixed_number_of_queries(world: World, django_assert_max_num_queries: Any):
    issues = [world.issue() for _ in range(30)]
    with django_assert_max_num_queries(10):
        actions.resolve(world.ann, issues)
    with django_assert_max_num_queries(10):
        actions.assign(world.ann, issues, user=world.bob)
    with django_assert_max_num_queries(10):
        actions.mark_seen(world.ann, issues)
