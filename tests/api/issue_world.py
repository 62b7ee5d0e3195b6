"""Issues with stored events, for the tests of issue and event operations."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.issues import mail, tasks
from dictamesh_sentry.issues.models import Issue, IssueHash
from tests.api.conftest import Api, World
from tests.issues.payloads import python_event
from tests.support import factories
from tests.support.events import EventRow, insert_events

NOW = datetime.now(UTC).replace(microsecond=0)


@dataclass
class IssueWorld:
    """``first`` happened three times to two users, ``second`` once and later."""

    world: World
    api: Api
    first: Issue
    second: Issue
    events: list[EventRow] = field(default_factory=list)

    @property
    def organization(self) -> str:
        return f"/organizations/{self.world.organization.slug}"

    @property
    def project(self) -> str:
        return f"/projects/{self.world.organization.slug}/{self.world.project.slug}"

    def of(self, issue: Issue, part: str = "") -> str:
        return f"{self.organization}/issues/{issue.pk}/{part}"

    def event_id(self, position: int) -> str:
        return self.events[position].event_id.hex


def store_event(issue: Issue, *, hours: float, **fields: Any) -> EventRow:
    """An event of the issue so many hours ago."""
    when = NOW - timedelta(hours=hours)
    row = EventRow(project_id=issue.project_id, issue_id=issue.pk, timestamp=when, received=when, **fields)
    value = IssueHash.objects.filter(issue=issue).values_list("hash", flat=True).first()
    row.primary_hash = uuid.UUID(value) if value else uuid.UUID(int=0)
    return row


@pytest.fixture(name="issues")
def issues_fixture(world: World, event_store: EventStore) -> IssueWorld:
    old, new = NOW - timedelta(hours=30), NOW - timedelta(hours=1)
    first = factories.make_issue(
        world.project, times_seen=3, first_seen=old, last_seen=NOW - timedelta(hours=2), title="ValueError: bad"
    )
    second = factories.make_issue(world.project, times_seen=1, first_seen=new, last_seen=new, title="KeyError: id")
    payload = orjson.dumps(python_event().data).decode()
    common: dict[str, Any] = {"environment": "production", "release": "shop@1.0.0", "payload": payload, "size": 99}
    ann = {"user": "id:1", "user_id": "1", "user_email": "ann@example.com"}
    events = [
        store_event(first, hours=30, title=first.title, tags={"browser": "Firefox"}, **common, **ann),
        store_event(first, hours=3, title=first.title, tags={"browser": "Firefox"}, **common, **ann),
        store_event(
            first,
            hours=2,
            title=first.title,
            tags={"browser": "Chrome"},
            exception_types=["ValueError"],
            **{**common, "environment": "staging"},
            user="id:2",
            user_id="2",
        ),
        store_event(second, hours=1, title=second.title, level="fatal", **common),
    ]
    insert_events(event_store, events)
    IssueHash.objects.filter(issue=first).update(latest_event_id=events[2].event_id.hex)
    return IssueWorld(world, world.api, first, second, events)


@pytest.fixture(name="enqueued", autouse=True)
def enqueued_fixture(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """Background work that was asked for."""
    calls: list[tuple[str, Any]] = []
    for module, name in ((tasks, "repoint_events"), (tasks, "delete_issues"), (mail, "send_notices")):
        monkeypatch.setattr(module, name, lambda *arguments, name=name: calls.append((name, arguments)))
    return calls
