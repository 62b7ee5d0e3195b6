"""Splitting an issue search into what is asked of issues and what of their events. Results: tests/issues."""

from __future__ import annotations

import pytest
from django.db.models import Q

from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.issues import compile_issues
from tests.search.conftest import FakeContext


def test_what_is_asked_of_issues_and_of_events_is_split(context: FakeContext) -> None:
    search = compile_issues("is:unresolved level:error assigned:me boom", context)
    assert search.has_metadata
    assert "unresolved" in str(search.metadata)
    assert "assigned_user__in', [7]" in str(search.metadata)
    assert "error" not in str(search.metadata)
    assert search.event_condition is not None
    assert set(search.event_condition.parameters.values()) == {"error", "boom"}
    assert "boom" not in search.event_condition.sql
    assert compile_issues("is:unresolved", context).event_condition is None
    nothing = compile_issues("", context)
    assert (nothing.metadata, nothing.event_condition, nothing.has_metadata) == (Q(), None, False)


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("is:broken", "broken"),
        ("is:>new", "is:>new"),
        ("level:error is:[new, nope]", "nope"),
        ("issue.priority:urgent", "urgent"),
        ("team:ghosts", "ghosts"),
        ("assigned:#ghosts", "#ghosts"),
        ("timesSeen:many", "many"),
        ("firstSeen:today", "today"),
        ("lastSeen:[-1h]", "lastSeen:[-1h]"),
        ("project:nope", "nope"),
        ("issue.id:SHOP-1", "SHOP-1"),
        ("count():>5", "count():>5"),
        ("level:error AND x:y", "AND"),
        ("issue.seer_actionability:high", "issue.seer_actionability"),
        ("detector:1", "detector"),
        ("release.stage:adopted", "release.stage"),
    ],
)
def test_errors_point_at_what_is_wrong(context: FakeContext, query: str, wrong: str) -> None:
    with pytest.raises(SearchError) as caught:
        compile_issues(query, context)
    error = caught.value
    assert query[error.position : error.position + error.length] == wrong
