"""Single events, their neighbours, lists and tag distributions, against values computed here from the same events."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from dictamesh_sentry.eventstore.client import log_queries
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.issues.event_queries import (
    Event,
    get_event,
    issue_event,
    list_events,
    neighbours,
    tag_keys,
    tag_values,
)
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.period import Period, parse_period
from tests.support.events import EventRow, insert_events
from tests.support.factories import make_issue, make_organization, make_project

pytestmark = pytest.mark.django_db


@dataclass
class Stored:
    """An issue with events among others' events."""

    issue: Issue
    project_id: int
    events: list[EventRow]
    now: datetime

    def inside(self, test: Callable[[EventRow], bool] = lambda event: True) -> list[EventRow]:
        """Events of the issue that pass, newest first."""
        found = [event for event in self.events if event.issue_id == self.issue.pk and test(event)]
        # The store orders equal times by its own order of UUIDs: the two halves swapped.
        return sorted(found, key=_order, reverse=True)


def _order(event: EventRow) -> tuple[datetime, int, int]:
    high, low = divmod(event.event_id.int, 2**64)
    return event.timestamp, low, high


def _ids(events: Iterable[EventRow | Event]) -> list[str]:
    return [event.event_id.hex if isinstance(event, EventRow) else event.id for event in events]


@pytest.fixture
def stored(event_store: EventStore) -> Stored:
    rng = random.Random(5)
    now = datetime.now(UTC).replace(microsecond=0)
    project = make_project(make_organization(), slug="shop")
    issue, other = make_issue(project), make_issue(project)
    events = [
        EventRow(
            project_id=project.pk,
            event_id=uuid.UUID(int=rng.getrandbits(128)),
            issue_id=rng.choice([issue.pk, issue.pk, other.pk]),
            # Whole hours, so that several events share a moment.
            timestamp=now - timedelta(hours=rng.randrange(1, 24 * 10)),
            level=rng.choice(["error", "warning"]),
            environment=rng.choice(["production", "staging", ""]),
            release=rng.choice(["", "1.0"]),
            user=rng.choice(["", "id:1", "id:2"]),
            user_id="1",
            exception_types=["ValueError", "KeyError"],
            tags={"browser": rng.choice(["Chrome", "Firefox", "Safari"]), "level": "never shown"},
            payload=json.dumps({"number": number, "text": "é✓"}),
            size=number,
        )
        for number in range(150)
    ]
    insert_events(event_store, events)
    return Stored(issue, project.pk, events, now)


def test_an_event_is_found_in_its_projects_only(stored: Stored) -> None:
    wanted = stored.events[17]
    for text in (wanted.event_id.hex, str(wanted.event_id), wanted.event_id.hex.upper()):
        event = get_event([stored.project_id], text)
        assert event is not None
        assert (event.id, event.issue_id, event.timestamp) == (wanted.event_id.hex, wanted.issue_id, wanted.timestamp)
        assert event.data == {"number": 17, "text": "é✓"}
        assert event.tags == wanted.tags
    assert get_event([stored.project_id + 1], wanted.event_id.hex) is None
    assert get_event([], wanted.event_id.hex) is None
    for text in ("", "x", "0" * 31, "z" * 32, uuid.uuid4().hex, "'; DROP TABLE events; --"):
        assert get_event([stored.project_id], text) is None


def test_latest_and_oldest_within_filters(stored: Stored) -> None:
    period = Period(stored.now - timedelta(days=7), stored.now - timedelta(days=2))
    for environments in ((), ("production",), ("", "staging")):
        for window in (None, period):
            inside = stored.inside(
                lambda e, environments=environments, window=window: (
                    (not environments or e.environment in environments)
                    and (window is None or window.start <= e.timestamp < window.end)
                )
            )
            latest = issue_event(stored.issue, "latest", environments, window)
            oldest = issue_event(stored.issue, "oldest", environments, window)
            assert latest is not None
            assert oldest is not None
            assert latest.id == inside[0].event_id.hex
            assert oldest.id == inside[-1].event_id.hex
    assert issue_event(stored.issue, "latest", ["nowhere"]) is None


def test_an_event_of_another_issue_is_not_this_issues(stored: Stored) -> None:
    own = stored.inside()[3]
    foreign = next(event for event in stored.events if event.issue_id != stored.issue.pk)
    found = issue_event(stored.issue, own.event_id.hex)
    assert found is not None
    assert found.id == own.event_id.hex
    assert issue_event(stored.issue, foreign.event_id.hex) is None


def test_recommended_tells_most_then_is_newest(stored: Stored, event_store: EventStore) -> None:
    def add(**fields: object) -> EventRow:
        event = EventRow(project_id=stored.project_id, issue_id=stored.issue.pk, **fields)  # type: ignore[arg-type]
        insert_events(event_store, [event])
        return event

    def recommended(*environments: str) -> str:
        event = issue_event(stored.issue, "recommended", environments)
        assert event is not None
        return event.id

    rich = [event for event in stored.inside() if event.release and event.user]
    assert recommended() == rich[0].event_id.hex
    traced = add(trace_id="a" * 32, timestamp=stored.now - timedelta(days=12))
    assert recommended() == traced.event_id.hex
    replayed = add(replay_id="b" * 32, timestamp=stored.now - timedelta(days=13))
    assert recommended() == replayed.event_id.hex
    newer = add(replay_id="c" * 32, timestamp=stored.now - timedelta(days=12), environment="production")
    assert recommended() == newer.event_id.hex
    assert recommended("staging") == next(e for e in rich if e.environment == "staging").event_id.hex


def test_neighbours_walk_every_event_once(stored: Stored) -> None:
    for environments in ((), ("production",)):
        inside = stored.inside(lambda e, environments=environments: not environments or e.environment in environments)
        order = _ids(inside)
        event = issue_event(stored.issue, "latest", environments)
        walked: list[str] = []
        while event is not None:
            walked.append(event.id)
            around = neighbours(stored.issue, event, environments)
            position = order.index(event.id)
            assert around.newer == (order[position - 1] if position else None)
            assert (around.oldest, around.latest) == (order[-1], order[0])
            event = issue_event(stored.issue, around.older) if around.older else None
        assert walked == order


def test_lists_page_in_both_directions(stored: Stored) -> None:
    order = _ids(stored.inside())
    forwards: list[str] = []
    cursor: str | None = None
    while True:
        page = list_events([stored.project_id], issue=stored.issue, cursor=cursor, limit=7)
        forwards += _ids(page.events)
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert forwards == order
    backwards = _ids(page.events)
    while page.previous_cursor is not None:
        page = list_events([stored.project_id], issue=stored.issue, cursor=page.previous_cursor, limit=7)
        backwards = _ids(page.events) + backwards
    assert backwards == order
    for text in ("x", "1:2", "1:x:0", f"{10**19}:1:0", f"1:{2**130}:0"):
        with pytest.raises(ValueError, match="cursor"):
            list_events([stored.project_id], cursor=text)


def test_lists_search_with_environment_and_period(stored: Stored) -> None:
    period = parse_period("5d")
    page = list_events(
        [stored.project_id],
        issue=stored.issue,
        query="(level:error OR browser:Safari) !user:id:9 release:1.0",
        environments=["production"],
        period=period,
        limit=100,
    )
    expected = stored.inside(
        lambda e: (
            (e.level == "error" or e.tags["browser"] == "Safari")
            and e.release == "1.0"
            and e.environment == "production"
            and e.timestamp >= period.start
        )
    )
    assert _ids(page.events) == _ids(expected) != []
    assert _ids(list_events([stored.project_id], query="project:shop issue.id:999999").events) == []
    with pytest.raises(SearchError):
        list_events([stored.project_id], query="project:nope")
    assert list_events([], query="").events == []


def test_payloads_are_read_only_when_asked_for(stored: Stored) -> None:
    with log_queries() as log:
        page = list_events([stored.project_id], issue=stored.issue, limit=5)
        assert "payload" not in " ".join(log.statements)
        assert page.events[0].data["text"] == "é✓"
        assert page.events[0].data["text"] == "é✓"
    assert len(log) == 2


def test_tag_distributions(stored: Stored) -> None:
    for environments in ((), ("production",)):
        inside = stored.inside(lambda e, environments=environments: not environments or e.environment in environments)
        found = {tag.key: tag for tag in tag_keys([stored.project_id], issue=stored.issue, environments=environments)}
        columns: dict[str, Callable[[EventRow], str]] = {
            "browser": lambda e: e.tags["browser"],
            "level": lambda e: e.level,
            "environment": lambda e: e.environment,
            "release": lambda e: e.release,
            "user": lambda e: e.user,
        }
        assert set(found) == set(columns)
        for key, value_of in columns.items():
            counts = Counter(value_of(event) for event in inside if value_of(event))
            tag = found[key]
            assert (tag.total, tag.unique) == (sum(counts.values()), len(counts))
            assert {top.value: top.count for top in tag.top_values} == dict(counts)
            assert [top.count for top in tag.top_values] == sorted(counts.values(), reverse=True)
            for top in tag.top_values:
                times = [event.timestamp for event in inside if value_of(event) == top.value]
                assert (top.first_seen, top.last_seen) == (min(times), max(times))
    (one,) = tag_keys([stored.project_id], issue=stored.issue, key="browser")
    assert one.key == "browser"
    assert tag_keys([stored.project_id], key="nothing") == []
    assert tag_keys([]) == []


def test_tag_values_search_and_page(stored: Stored) -> None:
    counts = Counter(event.tags["browser"] for event in stored.events)
    values, following, previous = tag_values([stored.project_id], "browser", limit=2)
    assert {value.value: value.count for value in values} == dict(counts.most_common(2))
    assert previous is None
    rest, following, previous = tag_values([stored.project_id], "browser", cursor=following, limit=2)
    assert [value.value for value in rest] == [counts.most_common()[-1][0]]
    assert following is None
    assert previous is not None
    found, _, _ = tag_values([stored.project_id], "browser", query="FIRE")
    assert [(value.value, value.count) for value in found] == [("Firefox", counts["Firefox"])]
    for key, expected in (
        ("level", {"error", "warning"}),
        ("user.id", {"1"}),
        ("error.type", {"ValueError", "KeyError"}),
    ):
        assert {value.value for value in tag_values([stored.project_id], key)[0]} == expected
    assert tag_values([stored.project_id], "'; --")[0] == []
    assert tag_values([], "browser")[0] == []
