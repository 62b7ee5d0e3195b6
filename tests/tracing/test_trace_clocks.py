"""Clocks that disagree: what is moved, and by how much."""

from __future__ import annotations

from hypothesis import given, settings

from dictamesh_sentry.tracing.trace_tree import SEGMENT, WAITS
from tests.tracing.trees import One, anything, tree_of


def test_what_begins_before_its_caller_is_moved_to_the_middle_of_the_call() -> None:
    tree = tree_of(
        One(1, 0, 1000, 100, 1, SEGMENT), One(2, 1, 1010, 80, 1, WAITS), One(3, 2, 500, 40, 2, SEGMENT),
        One(4, 3, 510, 10, 2), corrected=True,
    )  # fmt: skip
    assert tree.shifts == {2: 530}
    assert [tree.times(node) for node in range(4)] == [(1000, 1100), (1010, 1090), (1030, 1070), (1040, 1050)]
    assert tree.extent == (1000, 1100)


def test_what_takes_longer_than_the_call_is_moved_to_its_beginning() -> None:
    tree = tree_of(One(1, 0, 100, 10, 1, SEGMENT), One(2, 1, 50, 40, 2, SEGMENT), corrected=True)
    assert tree.times(1) == (100, 140)


def test_an_answer_after_the_end_of_the_call_is_moved_into_it() -> None:
    spans = [One(1, 0, 100, 100, 1, SEGMENT | WAITS), One(2, 1, 180, 50, 2, SEGMENT)]
    assert tree_of(*spans, corrected=True).times(1) == (125, 175)


def test_a_message_is_taken_long_after_it_was_sent() -> None:
    tree = tree_of(One(1, 0, 100, 5, 1, SEGMENT), One(2, 1, 900, 50, 2, SEGMENT), corrected=True)
    assert tree.shifts == {}
    longer = tree_of(One(1, 0, 100, 5, 1, SEGMENT | WAITS), One(2, 1, 104, 50, 2, SEGMENT), corrected=True)
    assert longer.shifts == {}


def test_a_third_service_is_measured_against_the_corrected_one() -> None:
    tree = tree_of(
        One(1, 0, 1000, 100, 1, SEGMENT),
        One(2, 1, 100, 60, 2, SEGMENT),
        One(3, 2, 1030, 20, 3, SEGMENT),
        corrected=True,
    )
    assert tree.shifts == {1: 920, 2: 0}
    assert [tree.times(node) for node in range(3)] == [(1000, 1100), (1020, 1080), (1030, 1050)]


def test_a_call_within_the_moved_service_moves_along() -> None:
    tree = tree_of(
        One(1, 0, 1000, 100, 1, SEGMENT), One(2, 1, 100, 60, 2, SEGMENT), One(3, 2, 110, 20, 2, SEGMENT), corrected=True
    )
    assert tree.shifts == {1: 920, 2: 920}


def test_spans_of_one_segment_are_never_moved_apart() -> None:
    assert tree_of(One(1, 0, 100, 10, 1, SEGMENT), One(2, 1, 50, 5), corrected=True).shifts == {}


@settings(deadline=None)
@given(anything)
def test_afterwards_no_segment_begins_before_what_called_it(spans: list[One]) -> None:
    tree = tree_of(*spans, corrected=True)
    for node in tree.segments():
        parent = tree.parent[node]
        if 0 <= parent < tree.count:
            assert tree.times(node)[0] >= tree.times(parent)[0]
    low, high = tree.extent
    assert all(low <= tree.times(node)[0] <= tree.times(node)[1] <= high for node in range(len(tree)))


def test_a_deep_chain_of_calls_is_corrected() -> None:
    spans = [One(n, n - 1, 10_000 - n, 5, n % 3, SEGMENT) for n in range(1, 5_001)]
    tree = tree_of(*spans, corrected=True)
    assert all(tree.times(node)[0] >= tree.times(node - 1)[0] for node in range(1, 5_000, 500))
