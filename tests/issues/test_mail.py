"""Followers hear of what others do: once, and only while they may see the issue."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail as outbox

from dictamesh_sentry.issues import actions, mail
from dictamesh_sentry.issues.models import Activity
from tests.issues.conftest import Enqueued, World

pytestmark = pytest.mark.django_db
_send = mail.send_notices.run  # what the worker runs, whatever enqueueing is replaced by


def test_a_comment_is_mailed_to_followers_once_and_never_to_its_author(world: World, enqueued: Enqueued):
    issue = world.issue(title="Broken\r\nBcc: x@example.com")
    entry = actions.add_comment(world.ann, issue, f"look @{world.bob.email}")
    for _ in range(2):
        _send([entry.pk])
    assert [message.to for message in outbox.outbox] == [[world.bob.email]]
    message = outbox.outbox[0]
    assert "\n" not in message.subject
    assert f"> look @{world.bob.email}" in message.body
    assert f"/organizations/{world.organization.slug}/issues/{issue.pk}/" in message.body


def test_the_assigned_team_hears_of_it_but_not_who_refused_or_left(world: World, enqueued: Enqueued):
    issue = world.issue()
    actions.set_subscription(world.bob, [issue], False)
    actions.assign(world.owner, [issue], team=world.team)
    entry = Activity.objects.get(issue=issue)
    assert mail.recipients(entry) == [world.ann]
    world.ann.memberships.all().delete()
    assert mail.recipients(entry) == []


def test_a_mail_that_could_not_go_is_tried_again(world: World, enqueued: Enqueued, monkeypatch: pytest.MonkeyPatch):
    entry = actions.add_comment(world.ann, world.issue(), f"@{world.bob.email}")

    def refuse(*_: Any, **__: Any) -> None:
        raise ConnectionRefusedError

    with monkeypatch.context() as patch:
        patch.setattr("django.core.mail.EmailMessage.send", refuse)
        with pytest.raises(OSError, match="1 mails"):
            _send([entry.pk])
    _send([entry.pk])
    assert len(outbox.outbox) == 1


def test_what_concerns_only_oneself_is_not_mailed(
    world: World, enqueued: Enqueued, django_capture_on_commit_callbacks: Any
):
    issue = world.issue()
    with django_capture_on_commit_callbacks(execute=True):
        actions.mark_seen(world.ann, [issue])
        actions.set_priority(world.ann, [issue], "low")
    assert enqueued.of("send_notices") == []
    with django_capture_on_commit_callbacks(execute=True):
        actions.resolve(world.ann, [issue])
    assert enqueued.of("send_notices") == [([Activity.objects.get(type="set_resolved").pk],)]
