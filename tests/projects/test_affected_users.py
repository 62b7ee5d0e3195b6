"""Who a project's events came from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from dictamesh_sentry.projects.affected_users import AffectedUsers

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROJECT: Any = SimpleNamespace(pk=1)


def insert(store: Any, project: int, age: timedelta, **user: str) -> None:
    columns = ["project_id", "event_id", "timestamp", "received", "retention_days", *user]
    values = ["{project:UInt64}", "generateUUIDv4()", "{at:DateTime64(3, 'UTC')}", "{at:DateTime64(3, 'UTC')}", "9000"]
    values += [f"{{{name}:String}}" for name in user]
    store.command(
        f"INSERT INTO events ({', '.join(columns)}) VALUES ({', '.join(values)})",
        {"project": project, "at": (NOW - age).strftime("%Y-%m-%d %H:%M:%S"), **user},
    )


@pytest.fixture
def seen(event_store: Any) -> None:
    insert(event_store, 1, timedelta(hours=3), user="id:1", user_id="1", user_email="old@example.com")
    insert(event_store, 1, timedelta(hours=1), user="id:1", user_id="1", user_email="new@example.com")
    insert(event_store, 1, timedelta(hours=2), user="email:b@x.org", user_email="b@x.org", user_ip="10.0.0.1")
    insert(event_store, 1, timedelta(days=100), user="id:9", user_id="9")
    insert(event_store, 1, timedelta(hours=1))
    insert(event_store, 2, timedelta(hours=1), user="id:2", user_id="2", user_email="new@example.com")


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", ["id:1", "email:b@x.org"]),
        ("id:1", ["id:1"]),
        ("email:b@x.org", ["email:b@x.org"]),
        ("email:b@x", []),
        ("EXAMPLE.com", ["id:1"]),
        ("10.0.0", ["email:b@x.org"]),
        ("') OR 1=1 --", []),
    ],
)
def test_newest_first_and_searched(seen: None, query: str, values: list[str]) -> None:
    found = AffectedUsers(PROJECT, query, NOW)[0:10]
    assert [user.value for user in found] == values


def test_slices_and_latest_words(seen: None) -> None:
    users = AffectedUsers(PROJECT, now=NOW)
    first = users[0:1][0]
    assert (first.email, first.last_seen) == ("new@example.com", NOW - timedelta(hours=1))
    assert [user.value for user in users[1:3]] == ["email:b@x.org"]
    assert users[5:6] == []
