"""From a problem to the event that is stored for it: complete even when the trace is gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dictamesh_sentry.processing.detectors.problem import MOST_EVIDENCE, Problem
from dictamesh_sentry.processing.spans.span import Span

#: Numbers of the issue types, as clients of the web API know them.
TYPE_NUMBERS = {
    "performance_slow_db_query": 1001, "performance_render_blocking_asset_span": 1004,
    "performance_n_plus_one_db_queries": 1006, "performance_consecutive_db_queries": 1007,
    "performance_file_io_main_thread": 1008, "performance_consecutive_http": 1009,
    "performance_n_plus_one_api_calls": 1010, "performance_uncompressed_assets": 1012,
    "performance_db_main_thread": 1013, "performance_large_http_payload": 1015, "performance_http_overhead": 1016,
    "performance_p95_endpoint_regression": 1018, "performance_query_regression": 1019,
}  # fmt: skip
_KEPT = (
    "platform", "environment", "release", "dist", "user", "request", "tags", "contexts", "sdk", "transaction",
    "timestamp", "start_timestamp", "received", "project", "version", "key_id",
)  # fmt: skip


def problem_event(problem: Problem, transaction: dict[str, Any], segment: Span, event_id: str) -> dict[str, Any]:
    """The occurrence's event: of the transaction what says who and where, and the spans that are the evidence."""
    event = {key: transaction[key] for key in _KEPT if key in transaction}
    return {
        **event,
        "event_id": event_id,
        "type": "transaction",
        "level": "info",
        "logger": "",
        "culprit": segment.description,
        "occurrence": {
            "id": event_id,
            "type": TYPE_NUMBERS.get(problem.issue_type, 0),
            "issueType": problem.issue_type,
            "issueTitle": problem.title,
            "subtitle": problem.subtitle[:1024],
            "fingerprint": problem.fingerprint,
            "detectionTime": transaction.get("received"),
            "level": "info",
            "evidenceDisplay": [
                {"name": name, "value": value[:2000], "important": important}
                for name, value, important in problem.facts
            ],
            "evidenceData": {
                "transactionName": segment.description,
                "transactionEventId": transaction.get("event_id"),
                "traceId": segment.trace_id,
                "op": segment.op,
                "parentSpanIds": [span.span_id for span in problem.parents] or _parents(problem.offenders),
                "causeSpanIds": [span.span_id for span in problem.causes],
                "offenderSpanIds": [span.span_id for span in problem.offenders[:MOST_EVIDENCE]],
                "offenderCount": len(problem.offenders),
                "segment": _span(segment),
                "causes": [_span(span) for span in problem.causes[:MOST_EVIDENCE]],
                "offenders": [_span(span) for span in problem.offenders[:MOST_EVIDENCE]],
            },
        },
    }


def _parents(spans: Sequence[Span]) -> list[str]:
    return list(dict.fromkeys(span.parent_span_id for span in spans if span.parent_span_id))[:MOST_EVIDENCE]


def _span(span: Span) -> dict[str, Any]:
    return {
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "op": span.op,
        "description": span.description[:1000],
        "start_timestamp": span.start,
        "timestamp": span.end,
        "exclusive_time": span.exclusive_time,
        "status": span.status,
    }
