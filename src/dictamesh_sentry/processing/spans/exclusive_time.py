"""How long a span ran by itself: its duration without what its direct children cover."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from dictamesh_sentry.processing.spans.span import Span


class _Union:
    """Intervals merged where they touch, with the time covered before each."""

    __slots__ = ("before", "ends", "starts")

    def __init__(self, intervals: list[tuple[float, float]]) -> None:
        self.starts: list[float] = []
        self.ends: list[float] = []
        for start, end in sorted(intervals):
            if self.ends and start <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            else:
                self.starts.append(start)
                self.ends.append(end)
        lengths = [end - start for start, end in zip(self.starts, self.ends, strict=True)]
        self.before = [0.0, *accumulate(lengths)]

    def covered(self, low: float, high: float) -> float:
        """Seconds of [low, high] that are covered."""
        return self._covered_until(high) - self._covered_until(low)

    def _covered_until(self, time: float) -> float:
        last = bisect_right(self.starts, time) - 1
        if last < 0:
            return 0.0
        return self.before[last] + min(time, self.ends[last]) - self.starts[last]


def set_exclusive_times(segment: Span, children: Sequence[Span]) -> None:
    """Set ``exclusive_time`` (ms) of the segment and its children (ingest protocol reference, section 13).

    Children that overlap count once, and only as far as they lie within their parent. Spans whose parent is not here
    take nothing from anybody. Children are merged once for each parent id, however many spans share it.
    """
    spans = [segment, *children]
    intervals: dict[str, list[tuple[float, float]]] = {}
    for span in spans:
        if span.parent_span_id and span.parent_span_id != span.span_id and span.end > span.start:
            intervals.setdefault(span.parent_span_id, []).append((span.start, span.end))
    unions = {parent: _Union(found) for parent, found in intervals.items()}
    for span in spans:
        union = unions.get(span.span_id)
        covered = union.covered(span.start, span.end) if union is not None and span.end > span.start else 0.0
        span.exclusive_time = max(0.0, (span.end - span.start - covered) * 1000)
