"""What happens after an event was stored: archived issues that return, mail about new ones, automatic resolution."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from dictamesh_sentry.issues.actions import archive
from dictamesh_sentry.issues.models import Activity, ActivityNotice, Issue, IssueSubscription
from dictamesh_sentry.processing import hooks, notifications, post_process
from dictamesh_sentry.processing.archived import review
from dictamesh_sentry.processing.models import DeadLetter, StreamOffset
from dictamesh_sentry.processing.post_process import Forwarder
from dictamesh_sentry.processing.tasks import resolve_old_issues, resolve_unseen, review_archived_issues
from dictamesh_sentry.projects.queries import forget_configs
from dictamesh_sentry.protocol.messages import TOPIC_EVENTS, StoredEventMessage, ingest_encoder
from dictamesh_sentry.streams.local import LocalConsumer, LocalProducer
from tests.processing.support import error_event, event_envelope, ingest, messages, processor
from tests.support.factories import make_issue, make_member, make_organization, make_project, make_team, make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def project():
    forget_configs()
    organization = make_organization()
    return make_project(organization, teams=(make_team(organization),))


class Sender:
    """Feeds a project's events through processing."""

    def __init__(self, project, event_store):
        self.project = project
        self.worker = processor(event_store)
        self.offset = 1

    def send(self, *ages: float, user: str = "") -> Issue:
        """One event per age in hours; the issue they belong to."""
        now = time.time()
        events = [error_event(timestamp=now - age * 3600, **({"user": {"id": user}} if user else {})) for age in ages]
        batch = messages(*(ingest(self.project.pk, event_envelope(event)) for event in events), first=self.offset)
        self.offset += len(batch)
        self.worker.process(batch)
        return Issue.objects.get(project=self.project)


@pytest.fixture
def sender(project, event_store):
    return Sender(project, event_store)


def returned(issue: Issue, event_store: Any, later: timedelta = timedelta()) -> bool:
    issue.refresh_from_db()
    review([issue], event_store, timezone.now() + later)
    issue.refresh_from_db()
    return issue.status == "unresolved"


class TestArchived:
    def test_until_a_time(self, sender, event_store):
        issue = sender.send(1)
        archive(None, [issue], until=timezone.now() + timedelta(hours=2))
        assert not returned(issue, event_store)
        assert returned(issue, event_store, timedelta(hours=3))
        assert (issue.substatus, issue.snooze) == ("ongoing", {})
        assert issue.activities.filter(type="set_unresolved").count() == 1

    def test_until_more_events(self, sender, event_store):
        issue = sender.send(1, 2)
        archive(None, [issue], count=3)
        sender.send(0, 0)
        assert not returned(issue, event_store)
        sender.send(0)
        assert returned(issue, event_store)

    def test_until_more_events_within_a_window(self, sender, event_store):
        issue = sender.send(1)
        archive(None, [issue], count=2, window=60)
        issue.snooze["base_time"] = (timezone.now() - timedelta(hours=9)).isoformat()
        issue.save()
        sender.send(3, 4, 5)
        assert not returned(issue, event_store)
        sender.send(0, 0)
        assert returned(issue, event_store)

    def test_events_before_archiving_do_not_count(self, sender, event_store):
        issue = sender.send(0.1, 0.2, 0.3)
        archive(None, [issue], count=2, window=60)
        assert not returned(issue, event_store)

    def test_until_more_users(self, sender, event_store):
        issue = sender.send(0.1, user="1")
        sender.send(0.1, user="2")
        archive(None, [issue], user_count=2)
        sender.send(0, user="1")
        sender.send(0, user="3")
        assert not returned(issue, event_store)
        sender.send(0, user="4")
        assert returned(issue, event_store)

    def test_until_it_escalates(self, sender, event_store):
        # All within one hour of the clock, which is what baselines are made of.
        into_the_hour = timezone.now().minute / 60
        quiet = [24 + into_the_hour - step / 10 for step in range(1, 6)]
        issue = sender.send(*quiet)
        archive(None, [issue], until_escalating=True)
        sender.send(*[0.0] * 12)
        assert not returned(issue, event_store), "15 would be clearly more than 5 an hour"
        sender.send(*[0.0] * 4)
        assert returned(issue, event_store)
        assert issue.substatus == "escalating"
        assert issue.activities.filter(type="set_escalating").count() == 1

    def test_a_few_events_after_silence_are_no_escalation(self, sender, event_store):
        issue = sender.send(200)
        archive(None, [issue], until_escalating=True)
        sender.send(*[0.0] * 9)
        assert not returned(issue, event_store)

    def test_forever(self, sender, event_store):
        issue = sender.send(1)
        archive(None, [issue])
        sender.send(*[0.0] * 30)
        assert not returned(issue, event_store)

    def test_what_somebody_changed_meanwhile_is_left_alone(self, sender, event_store):
        issue = sender.send(1)
        archive(None, [issue], until=timezone.now() + timedelta(hours=1))
        stale = Issue.objects.get(pk=issue.pk)
        Issue.objects.filter(pk=issue.pk).update(status="resolved", snooze={})
        assert review([stale], event_store, timezone.now() + timedelta(hours=2)) == []
        issue.refresh_from_db()
        assert issue.status == "resolved"

    def test_the_periodic_task_finds_them(self, sender):
        issue = sender.send(1)
        archive(None, [issue], until=timezone.now() + timedelta(hours=1))
        issue.snooze["until"] = (timezone.now() - timedelta(seconds=1)).isoformat()
        issue.save()
        review_archived_issues.run()
        issue.refresh_from_db()
        assert issue.status == "unresolved"


class TestResolutionByAge:
    def test_only_unseen_issues_of_projects_that_ask_for_it(self, project):
        now = timezone.now()
        old = make_issue(project, first_seen=now - timedelta(days=9), last_seen=now - timedelta(days=8))
        fresh = make_issue(project, last_seen=now - timedelta(hours=1))
        other = make_issue(make_project(project.organization), last_seen=now - timedelta(days=8))
        project.options = {"resolve_age_hours": 24}
        project.save()
        resolve_old_issues.run()
        for issue in (old, fresh, other):
            issue.refresh_from_db()
        assert [old.status, fresh.status, other.status] == ["resolved", "unresolved", "unresolved"]
        assert old.activities.get().data == {"age": 24}
        assert resolve_unseen(project.pk, 24) == 0


class TestMail:
    def test_teams_hear_of_a_new_issue_once(self, project):
        team = project.teams.get()
        member = make_member(project.organization, teams=(team,))
        make_member(project.organization)
        silent = make_member(project.organization, teams=(team,))
        make_user()
        issue = make_issue(project, title="<b>Boom</b>\nInjected: x")
        IssueSubscription.objects.create(issue=issue, user=silent, is_active=False)
        Activity.objects.create(issue=issue, type="first_seen")
        assert notifications.notify_new_issues([issue.pk]) == 1
        assert notifications.notify_new_issues([issue.pk]) == 0
        [message] = mail.outbox
        assert message.to == [member.email]
        assert "\n" not in message.subject
        assert "Boom" in message.subject
        assert f"/issues/{issue.pk}/" in message.body
        html = str(message.alternatives[0][0])
        assert "<b>Boom" not in html
        assert "&lt;b&gt;Boom" in html

    def test_a_storm_of_new_issues_is_cut(self, project, monkeypatch):
        monkeypatch.setattr(notifications, "MAX_PER_HOUR", 3)
        make_member(project.organization, teams=(project.teams.get(),))
        issues = [make_issue(project) for _ in range(6)]
        for issue in issues:
            Activity.objects.create(issue=issue, type="first_seen")
        assert notifications.notify_new_issues([issue.pk for issue in issues]) == 3

    def test_a_mail_that_fails_is_tried_again(self, project, monkeypatch):
        make_member(project.organization, teams=(project.teams.get(),))
        issue = make_issue(project)
        Activity.objects.create(issue=issue, type="first_seen")

        def fail(self):
            raise OSError("no route")

        with monkeypatch.context() as patch:
            patch.setattr(notifications.EmailMultiAlternatives, "send", fail)
            with pytest.raises(OSError, match="1 mails"):
                notifications.notify_new_issues([issue.pk])
        assert not ActivityNotice.objects.exists()
        assert notifications.notify_new_issues([issue.pk]) == 1


@pytest.fixture
def stream(tmp_path):
    producer = LocalProducer(tmp_path, min_free_bytes=0)
    yield producer
    producer.close()


class TestForwarder:
    def announce(self, stream, *issue_ids: int) -> None:
        values = [
            ingest_encoder.encode(StoredEventMessage(1, f"{number:032x}", issue_id, 0.0, 0.0, False))
            for number, issue_id in enumerate(issue_ids)
        ]
        stream.append(TOPIC_EVENTS, [(b"", value) for value in values])

    @pytest.fixture
    def forwarder(self, tmp_path, event_store):
        return Forwarder(LocalConsumer(tmp_path, TOPIC_EVENTS, post_process.GROUP), event_store, 100)

    def test_archived_issues_return_and_hooks_are_called(self, project, stream, forwarder, monkeypatch):
        issue = make_issue(
            project, status="ignored", substatus="archived_until_condition_met", times_seen=9,
            snooze={"count": 3, "base_times_seen": 1},
        )  # fmt: skip
        heard: list[int] = []
        monkeypatch.setattr(hooks, "_hooks", [lambda events: heard.extend(event.issue_id for event in events)])
        self.announce(stream, issue.pk, 77)
        assert forwarder.step() == 2
        issue.refresh_from_db()
        assert issue.status == "unresolved"
        assert heard == [issue.pk, 77]
        assert StreamOffset.objects.get(topic=TOPIC_EVENTS).next_offset == 3
        assert forwarder.step() == 0

    def test_a_failing_hook_is_repeated_then_cornered(self, stream, forwarder, monkeypatch):
        heard: list[int] = []

        def hook(events):
            if any(event.issue_id == 13 for event in events):
                raise ZeroDivisionError("a defect")
            heard.extend(event.issue_id for event in events)

        monkeypatch.setattr(hooks, "_hooks", [hook])
        self.announce(stream, 1, 13, 2)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                forwarder.step()
            forwarder.rewind()
            forwarder._consumer.seek({0: 1})
        assert forwarder.step() == 3
        assert heard == [1, 2]
        letter = DeadLetter.objects.get()
        assert (letter.topic, letter.stage, letter.offset) == (TOPIC_EVENTS, "post-process", 2)

    def test_garbage_is_set_aside(self, stream, forwarder, monkeypatch):
        monkeypatch.setattr(hooks, "_hooks", [])
        stream.append(TOPIC_EVENTS, [(b"", b"\xc1")])
        assert forwarder.step() == 1
        assert DeadLetter.objects.get().stage == "decode"

    def test_new_issues_lead_to_a_mail_task(self, monkeypatch, settings):
        enqueued: list[list[int]] = []
        monkeypatch.setattr("dictamesh_sentry.processing.tasks.mail_new_issues", enqueued.append)
        new = StoredEventMessage(1, "a" * 32, 5, 0.0, 0.0, True)
        old = StoredEventMessage(1, "b" * 32, 6, 0.0, 0.0, False)
        notifications.enqueue_new_issue_mails([new, old, new])
        assert enqueued == [[5]]
        settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
        notifications.enqueue_new_issue_mails([new])
        assert enqueued == [[5]]
        assert notifications.enqueue_new_issue_mails in hooks.stored_event_hooks()
