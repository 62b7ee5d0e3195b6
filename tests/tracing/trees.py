"""Trees of traces for tests: spans with small numbers."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import strategies as st

from dictamesh_sentry.tracing.trace_clocks import correct_clocks
from dictamesh_sentry.tracing.trace_tree import Spans, Tree, build_tree


class One(NamedTuple):
    """A span; ``marks`` without the project."""

    span_id: int
    parent_id: int = 0
    start: int = 0
    duration: int = 10
    project: int = 1
    marks: int = 0
    likeness: int = 0


def tree_of(*spans: One, corrected: bool = False, segment_of: dict[int, int] | None = None) -> Tree:
    """Their tree; each span is like no other unless it has a likeness."""
    tree = build_tree(
        Spans(
            [one.span_id for one in spans],
            [one.parent_id for one in spans],
            [one.start for one in spans],
            [one.duration for one in spans],
            [one.project * 8 + one.marks for one in spans],
            [one.likeness or 1_000_000 + number for number, one in enumerate(spans)],
        ),
        segment_of,
    )
    if corrected:
        correct_clocks(tree)
    return tree


#: Any spans: repeated ids, missing parents, circles, clocks that disagree.
anything = st.lists(
    st.builds(
        One,
        span_id=st.integers(1, 12),
        parent_id=st.integers(0, 14),
        start=st.integers(0, 30),
        duration=st.integers(0, 30),
        project=st.integers(1, 2),
        marks=st.integers(0, 7),
        likeness=st.integers(1, 3),
    ),
    max_size=30,
)
