"""Exclusive time against a clock that ticks through every millisecond."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.processing.spans.exclusive_time import set_exclusive_times
from dictamesh_sentry.processing.spans.span import Span

TRACE = "a" * 32
ticks = st.integers(0, 40)


def span(number: int, parent: int | None, start: int, length: int) -> Span:
    parent_id = "" if parent is None else f"{parent + 1:016x}"
    return Span(TRACE, f"{number + 1:016x}", parent_id, start / 1000, (start + length) / 1000)


@given(st.lists(st.tuples(ticks, ticks, st.integers(0, 12)), max_size=12))
def test_it_is_what_no_direct_child_covers(shape: list[tuple[int, int, int]]) -> None:
    spans = [span(0, None, 5, 30)]
    spans += [span(number, parent, start, length) for number, (start, length, parent) in enumerate(shape, 1)]
    set_exclusive_times(spans[0], spans[1:])
    for one in spans:
        children = [child for child in spans if child.parent_span_id == one.span_id and child.span_id != one.span_id]
        mine = range(round(one.start * 1000), round(one.end * 1000))
        alone = [
            tick
            for tick in mine
            if not any(round(child.start * 1000) <= tick < round(child.end * 1000) for child in children)
        ]
        assert abs(one.exclusive_time - len(alone)) < 1e-6


def test_a_span_that_is_its_own_parent_keeps_its_time() -> None:
    segment, loop = span(0, None, 0, 10), span(1, 1, 2, 4)
    set_exclusive_times(segment, [loop])
    assert (segment.exclusive_time, round(loop.exclusive_time, 6)) == (10.0, 4.0)


def test_ids_that_go_round_or_are_shared_do_not_break_it() -> None:
    segment = span(0, None, 0, 10)
    first, second = span(1, 2, 0, 6), span(2, 1, 4, 6)
    twin = span(1, 0, 8, 2)
    set_exclusive_times(segment, [first, second, twin])
    assert [round(one.exclusive_time, 6) for one in (segment, first, second, twin)] == [8.0, 4.0, 4.0, 0.0]


def test_a_segment_without_an_id_takes_no_roots_for_children() -> None:
    segment, root = span(0, None, 0, 10), span(1, None, 2, 4)
    segment.span_id = ""
    set_exclusive_times(segment, [root])
    assert segment.exclusive_time == 10.0


def test_many_spans_of_one_id_and_many_children_take_no_square() -> None:
    twins = [span(1, 0, number, 50) for number in range(20_000)]
    children = [span(number, 1, number * 2, 1) for number in range(2, 20_000)]
    began = time.perf_counter()
    set_exclusive_times(span(0, None, 0, 60_000), [*twins, *children])
    assert time.perf_counter() - began < 2
    assert round(twins[100].exclusive_time, 3) == 25.0
