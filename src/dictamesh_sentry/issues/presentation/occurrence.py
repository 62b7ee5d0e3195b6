"""The evidence of an issue the product found itself: what was seen, and the spans that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH = 1000.0
_MOST_ROWS = 55


@dataclass(frozen=True)
class EvidenceSpan:
    """A span of the evidence, placed on a line of ``WIDTH``. ``role``: transaction, preceding or repeating."""

    id: str
    role: str
    op: str
    description: str
    duration: float
    x: float
    width: float


@dataclass(frozen=True)
class Evidence:
    """What a detector found, as people read it."""

    title: str
    subtitle: str
    issue_type: str
    facts: Sequence[tuple[str, str]]
    spans: Sequence[EvidenceSpan]
    hidden: int
    """Offending spans that are not among ``spans``."""
    trace_id: str
    transaction: str
    points: Sequence[tuple[int, float | None]]
    """A chart that proves a regression: (epoch seconds, p95 in ms)."""
    changed_at: int


def present_occurrence(data: Mapping[str, Any]) -> Evidence | None:
    """The evidence of an event; None when it is none of a detector's."""
    occurrence = data.get("occurrence")
    if not isinstance(occurrence, dict):
        return None
    found = _dict(occurrence.get("evidenceData"))
    segment = _dict(found.get("segment"))
    offenders = _spans(found.get("offenders"))
    placed = [("transaction", segment)] if segment else []
    placed += [("preceding", span) for span in _spans(found.get("causes"))]
    placed += [("repeating", span) for span in offenders]
    count = found.get("offenderCount")
    shown = placed[:_MOST_ROWS]
    return Evidence(
        title=_text(occurrence.get("issueTitle")),
        subtitle=_text(occurrence.get("subtitle")),
        issue_type=_text(occurrence.get("issueType")),
        facts=[
            (_text(one.get("name")), _text(one.get("value")))
            for one in _list(occurrence.get("evidenceDisplay"))
            if isinstance(one, dict)
        ],
        spans=_place(shown),
        hidden=max(0, (count if isinstance(count, int) else len(offenders)) - sum(r == "repeating" for r, _ in shown)),
        trace_id=_text(found.get("traceId")),
        transaction=_text(found.get("transactionName")),
        points=[
            (int(one[0]), float(one[1]) if isinstance(one[1], int | float) else None)
            for one in _list(found.get("points"))
            if isinstance(one, list) and len(one) == 2 and isinstance(one[0], int | float)
        ],
        changed_at=int(found["changedAt"]) if isinstance(found.get("changedAt"), int | float) else 0,
    )


def _place(spans: Sequence[tuple[str, Mapping[str, Any]]]) -> list[EvidenceSpan]:
    begins = [_number(span.get("start_timestamp")) for _, span in spans]
    ends = [_number(span.get("timestamp")) for _, span in spans]
    if not begins:
        return []
    first, length = min(begins), max(max(ends) - min(begins), 1e-6)
    return [
        EvidenceSpan(
            id=_text(span.get("span_id")),
            role=role,
            op=_text(span.get("op")),
            description=_text(span.get("description")),
            duration=(end - begin) * 1000,
            x=WIDTH * (begin - first) / length,
            width=max(3.0, WIDTH * (end - begin) / length),
        )
        for (role, span), begin, end in zip(spans, begins, ends, strict=True)
    ]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _spans(value: object) -> list[dict[str, Any]]:
    return [span for span in _list(value) if isinstance(span, dict)]
