"""Rate limits and quotas at the edge."""

from __future__ import annotations

import pytest

from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.ratelimits import parse_rate_limits
from dictamesh_sentry.quotas.limiter import Rule
from tests.edge.conftest import EVENT, EVENT_ID, KEY, PROJECT, Edge, envelope

ERRORS = frozenset({DataCategory.ERROR})
ATTACHMENTS = frozenset({DataCategory.ATTACHMENT})
ATTACHMENT = ({"type": "attachment", "filename": "a"}, b"12345")
SESSION = ({"type": "session"}, b"{}")
WEEK = 7 * 86400


def rule(limit: int, categories: frozenset[DataCategory] = frozenset(), scope: str = "project") -> Rule:
    return Rule(f"{scope}-{limit}-{sorted(categories)}", limit, WEEK, scope, "quota_exceeded", categories)


def test_a_key_limit_is_answered_before_the_body_is_read(edge: Edge) -> None:
    edge.configure(rules=[Rule("k7", 2, WEEK, "key", "key_limit")])
    assert [edge.send_envelope(envelope(EVENT)).status for _ in range(2)] == [200, 200]
    answer = edge.send_envelope(envelope(EVENT))
    assert (answer.status, answer.read_chunks) == (429, 0)
    [limit] = parse_rate_limits(answer.headers["x-sentry-rate-limits"])
    assert (limit.categories, limit.scope, limit.reason) == (frozenset(), "key", "key_limit")
    assert int(answer.headers["retry-after"]) == int(limit.retry_after) > 0
    assert len(edge.messages()) == 2
    assert edge.reasons() == {(DataCategory.DEFAULT, Outcome.RATE_LIMITED, "key_limit", 1)}


def test_the_answer_that_uses_the_limit_up_says_so(edge: Edge) -> None:
    edge.configure(rules=[rule(1, ERRORS)])
    answer = edge.send_envelope(envelope(EVENT))
    assert answer.status == 200
    [limit] = parse_rate_limits(answer.headers["x-sentry-rate-limits"])
    assert limit.categories == ERRORS
    assert "retry-after" not in answer.headers


def test_an_active_limit_is_told_on_answers_it_does_not_concern(edge: Edge) -> None:
    edge.configure(rules=[rule(0, ERRORS)])
    answer = edge.send_envelope(envelope(SESSION))
    assert answer.status == 200
    assert "error" in answer.headers["x-sentry-rate-limits"]


def test_a_limited_event_takes_its_dependents_along_but_nothing_else(edge: Edge) -> None:
    edge.configure(rules=[rule(0, ERRORS)])
    report = ({"type": "user_report"}, b"{}")
    answer = edge.send_envelope(envelope(ATTACHMENT, EVENT, report, SESSION))
    assert answer.status == 429
    assert answer.headers["access-control-allow-origin"] == "*"
    [stored] = edge.envelopes()
    assert [item.type for item in stored.items] == ["session"]
    assert edge.reasons() == {
        (DataCategory.ERROR, Outcome.RATE_LIMITED, "quota_exceeded", 1),
        (DataCategory.ATTACHMENT, Outcome.RATE_LIMITED, "quota_exceeded", 5),
        (DataCategory.ATTACHMENT_ITEM, Outcome.RATE_LIMITED, "quota_exceeded", 1),
        (DataCategory.FEEDBACK, Outcome.RATE_LIMITED, "quota_exceeded", 1),
    }


def test_an_attachment_limit_drops_attachments_alone(edge: Edge) -> None:
    edge.configure(rules=[rule(0, ATTACHMENTS)])
    dump = ({"type": "attachment", "attachment_type": "event.minidump", "filename": "d"}, b"MDMP")
    assert edge.send_envelope(envelope(EVENT, ATTACHMENT, dump)).status == 429
    [stored] = edge.envelopes()
    assert [item.payload for item in stored.items] == [EVENT[1], b"MDMP"]
    assert stored.event_id == EVENT_ID


def test_attachments_are_counted_in_bytes(edge: Edge) -> None:
    edge.configure(rules=[rule(9, ATTACHMENTS)])
    assert [edge.send_envelope(envelope(EVENT, ATTACHMENT)).status for _ in range(3)] == [200, 200, 429]


def test_limited_sessions_are_not_counted(edge: Edge) -> None:
    edge.configure(rules=[rule(0, frozenset({DataCategory.SESSION}))])
    assert edge.send_envelope(envelope(SESSION)).status == 429
    assert edge.outcomes() == []


def test_client_reports_are_never_limited(edge: Edge) -> None:
    edge.configure(rules=[rule(1)])
    edge.send_envelope(envelope(({"type": "client_report"}, b"{}")))
    assert edge.send_envelope(envelope(EVENT)).status == 200  # the report did not use the limit up


def test_limits_of_every_scope_are_named(edge: Edge) -> None:
    edge.configure(rules=[rule(0, ERRORS, "key"), rule(0, ERRORS, "organization")])
    limits = parse_rate_limits(edge.send_envelope(envelope(EVENT)).headers["x-sentry-rate-limits"])
    assert {limit.scope for limit in limits} == {"key", "organization"}


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", f"/api/{PROJECT}/cron/x/{KEY}/?status=ok", b"", {}, 202),
        ("POST", f"/api/{PROJECT}/nel/?sentry_key={KEY}", b"[]", {"Content-Type": "application/json"}, 200),
        ("POST", f"/api/{PROJECT}/minidump/?sentry_key={KEY}", b"MDMP", {}, 200),
        ("POST", f"/api/{PROJECT}/unreal/{KEY}/", b"x", {}, 200),
    ],
)
def test_some_endpoints_are_limited_silently(
    edge: Edge, method: str, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    edge.configure(rules=[rule(0)])
    assert edge.request(method, path, body, headers).status == status
    assert edge.messages() == []
    assert {entry.outcome for entry in edge.outcomes()} == {Outcome.RATE_LIMITED}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/api/{PROJECT}/store/", {}),
        (f"/api/{PROJECT}/security/", {"Content-Type": "application/json"}),
        (f"/api/{PROJECT}/events/{EVENT_ID}/attachments/", {}),
        (f"/api/{PROJECT}/integration/otlp/v1/logs", {"Content-Type": "application/json"}),
        (f"/api/{PROJECT}/integration/vercel/logs", {"Content-Type": "application/json"}),
        (f"/api/{PROJECT}/upload/", {}),
    ],
)
def test_the_others_answer_429(edge: Edge, path: str, headers: dict[str, str]) -> None:
    edge.configure(rules=[rule(0)])
    answer = edge.post(path, b"{}", headers)
    assert (answer.status, answer.read_chunks) == (429, 0)
    assert {"x-sentry-rate-limits", "retry-after"} <= set(answer.headers)


def test_outcomes_wait_while_the_stream_is_unavailable(edge: Edge) -> None:
    edge.configure(rules=[rule(0, ERRORS)])
    edge.producer._min_free_bytes = 1 << 60
    edge.producer._disk_checked = -10.0
    edge.send_envelope(envelope(EVENT))
    edge.ingest.outcomes.flush()
    edge.send_envelope(envelope(EVENT))
    edge.producer._min_free_bytes = 0
    assert edge.reasons() == {(DataCategory.ERROR, Outcome.RATE_LIMITED, "quota_exceeded", 2)}
