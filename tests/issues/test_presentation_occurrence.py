"""The evidence of issues the product found itself."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.issues.presentation import present_occurrence

OCCURRENCE: dict[str, Any] = {
    "issueTitle": "N+1 Query", "subtitle": "SELECT", "issueType": "performance_n_plus_one_db_queries",
    "evidenceDisplay": [{"name": "Repeating query", "value": "×9 SELECT", "important": True}],
    "evidenceData": {
        "traceId": "a" * 32, "transactionName": "/cart", "offenderCount": 70,
        "segment": {"span_id": "1" * 16, "op": "http.server", "start_timestamp": 100.0, "timestamp": 101.0},
        "causes": [{"span_id": "2" * 16, "op": "db", "start_timestamp": 100.1, "timestamp": 100.2}],
        "offenders": [
            {"span_id": f"{n:016x}", "op": "db", "start_timestamp": 100.2 + n / 100, "timestamp": 100.2 + (n + 1) / 100}
            for n in range(60)
        ],
    },
}  # fmt: skip


def test_spans_are_placed_on_one_line_of_time() -> None:
    evidence = present_occurrence({"occurrence": OCCURRENCE})
    assert evidence is not None
    transaction, preceding, first = evidence.spans[:3]
    assert (transaction.role, transaction.x, transaction.width) == ("transaction", 0, 1000)
    assert (preceding.role, round(preceding.x), round(preceding.width)) == ("preceding", 100, 100)
    assert (first.role, round(first.duration)) == ("repeating", 10)
    assert len(evidence.spans) + evidence.hidden == 2 + 70
    assert evidence.facts == [("Repeating query", "×9 SELECT")]


def test_other_events_have_none() -> None:
    assert present_occurrence({"exception": {}}) is None


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(["evidenceData", "evidenceDisplay", "issueTitle"])
inner = st.sampled_from(["segment", "causes", "offenders", "offenderCount", "points", "changedAt"])


@given(st.dictionaries(keys, json | st.dictionaries(inner, json), max_size=3))
def test_any_payload_is_survived(occurrence: dict[str, Any]) -> None:
    present_occurrence({"occurrence": occurrence})
