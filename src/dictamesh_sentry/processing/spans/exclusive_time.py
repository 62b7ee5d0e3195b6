"""How long a span ran by itself: its duration without what its direct children cover."""

from __future__ import annotations

from collections.abc import Sequence

from dictamesh_sentry.processing.spans.span import Span


def set_exclusive_times(segment: Span, children: Sequence[Span]) -> None:
    """Set ``exclusive_time`` (ms) of the segment and its children (ingest protocol reference, section 13).

    Children that overlap count once, and only as far as they lie within their parent. Spans whose parent is not here
    take nothing from anybody.
    """
    spans = [segment, *children]
    intervals: dict[str, list[tuple[float, float]]] = {}
    for span in spans:
        if span.parent_span_id and span.parent_span_id != span.span_id:
            intervals.setdefault(span.parent_span_id, []).append((span.start, span.end))
    for span in spans:
        covered = _covered(intervals.get(span.span_id, ()), span.start, span.end) if span.span_id else 0.0
        span.exclusive_time = max(0.0, (span.end - span.start - covered) * 1000)


def _covered(intervals: Sequence[tuple[float, float]], low: float, high: float) -> float:
    """Seconds of [low, high] that the intervals cover."""
    total, reached = 0.0, low
    for start, end in sorted(intervals):
        start, end = max(start, reached), min(end, high)
        if end > start:
            total += end - start
            reached = end
    return total
