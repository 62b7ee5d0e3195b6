"""The critical path against one that is found step by step, as the definition says."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.tracing.trace_critical import CriticalPath
from dictamesh_sentry.tracing.trace_tree import Tree
from tests.tracing.trees import One, anything, tree_of


def walked(tree: Tree) -> dict[int, tuple[int, int]]:
    """Backwards from the end, one child at a time: whichever of those not yet looked at ended last until then."""
    found: dict[int, tuple[int, int]] = {}

    def follow(node: int, low: int, until: int) -> None:
        now, left = until, set(tree.below(node))
        while True:
            ended = [
                (min(end, until), -start, -child)
                for child in left
                for start, end in (tree.times(child),)
                if start < until and low <= min(end, until) <= now
            ]
            if not ended:
                return
            end, start, child = max(ended)
            left.remove(-child)
            found[-child] = (max(-start, low), end)
            follow(-child, *found[-child])
            now = max(-start, low)

    follow(-1, *tree.extent)
    return found


@settings(deadline=None)
@given(anything)
def test_it_is_the_path_that_walking_finds(spans: list[One]) -> None:
    tree = tree_of(*spans, corrected=True)
    path = CriticalPath(tree)
    expected = walked(tree)
    assert {node: path.part(node) for node in range(len(tree)) if path.part(node) is not None} == expected


@settings(deadline=None)
@given(anything)
def test_the_parts_of_a_span_add_up_to_it(spans: list[One]) -> None:
    tree = tree_of(*spans, corrected=True)
    path = CriticalPath(tree)
    for node in range(len(tree)):
        part = path.part(node)
        if part is None:
            assert path.own(node) == 0
            continue
        below = [one for child in tree.children(node) if (one := path.part(child)) is not None]
        assert 0 <= path.own(node) == part[1] - part[0] - sum(end - start for start, end in below)
        start, end = tree.times(node)
        assert start <= part[0] <= part[1] <= end


@settings(deadline=None)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=20))
def test_steps_one_after_another_are_all_waited_for(lengths: list[int]) -> None:
    spans, now = [One(1, 0, 0, sum(lengths))], 0
    for number, length in enumerate(lengths):
        spans.append(One(number + 2, 1, now, length))
        now += length
    path = CriticalPath(tree_of(*spans))
    assert [path.own(node) for node in range(len(spans))] == [0, *lengths]


def test_of_parallel_work_the_slowest_is_waited_for() -> None:
    tree = tree_of(One(1, 0, 0, 100), One(2, 1, 10, 80), One(3, 1, 10, 50), One(4, 1, 0, 9))
    path = CriticalPath(tree)
    assert [path.own(node) for node in range(4)] == [11, 80, 0, 9]
    assert path.part(2) is None


def test_what_outlives_its_caller_counts_up_to_its_end() -> None:
    tree = tree_of(One(1, 0, 0, 100), One(2, 1, 90, 500), One(3, 1, 200, 5))
    path = CriticalPath(tree)
    assert (path.part(0), path.part(1)) == ((0, 100), (90, 100))
    assert path.part(2) is None
