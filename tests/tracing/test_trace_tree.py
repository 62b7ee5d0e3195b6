"""The tree of a trace: every span is in it once, whatever arrives."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.tracing.trace_tree import SEGMENT, Tree
from tests.tracing.trees import One, anything, tree_of


def names(tree: Tree, nodes: list[int]) -> list[int | str]:
    return [f"missing {tree.span_id[node]}" if tree.is_missing(node) else tree.span_id[node] for node in nodes]


@settings(deadline=None)
@given(anything)
def test_every_span_is_in_the_tree_exactly_once(spans: list[One]) -> None:
    tree = tree_of(*spans)
    assert sorted(tree.order) == list(range(len(tree)))
    assert tree.count == len(spans)
    for node in tree.order:
        for above in tree.ancestors(node):
            assert tree.place[above] < tree.place[node]


@settings(deadline=None)
@given(anything)
def test_parents_are_those_that_the_spans_name(spans: list[One]) -> None:
    tree = tree_of(*spans)
    for node, one in enumerate(spans):
        parent = tree.parent[node]
        if node in tree.cut or not one.parent_id:
            assert parent == -1
        else:
            assert tree.span_id[parent] == one.parent_id
            assert tree.is_missing(parent) == all(other.span_id != one.parent_id for other in spans)
    for node in range(tree.count, len(tree)):
        assert tree.children(node), "nothing is missing that nobody names"


@settings(deadline=None)
@given(anything)
def test_only_what_is_its_own_ancestor_is_cut(spans: list[One]) -> None:
    tree = tree_of(*spans)
    parents = {one.span_id: one.parent_id for one in reversed(spans)}
    for node in tree.cut:
        at, seen = spans[node].parent_id, set()
        while at in parents and at not in seen:
            seen.add(at)
            at = parents[at]
        assert spans[node].span_id in seen


def test_siblings_stand_by_their_start_the_longest_first() -> None:
    tree = tree_of(One(1), One(4, 1, 5), One(3, 1, 2, 3), One(2, 1, 2, 7), One(5, 3, 2))
    assert names(tree, list(tree.order)) == [1, 2, 3, 5, 4]


def test_spans_without_their_parent_hang_on_what_is_missing() -> None:
    tree = tree_of(One(1), One(5, 9, 20, 10), One(6, 9, 40, 10), One(7, 8, 1, 1))
    assert names(tree, list(tree.order)) == [1, "missing 8", 7, "missing 9", 5, 6]
    missing = tree.node_of(9)
    assert missing is not None
    assert tree.times(missing) == (20, 50)
    assert tree.orphans == 3
    assert [tree.is_orphan(node) for node in range(4)] == [False, True, True, True]


def test_what_is_missing_hangs_in_the_segment_of_its_orphans() -> None:
    spans = [One(1, marks=SEGMENT), One(2, 1), One(5, 9, 3)]
    tree = tree_of(*spans, segment_of={5: 1})
    assert names(tree, list(tree.order)) == [1, 2, "missing 9", 5]


def test_a_segment_below_what_is_missing_cannot_hold_it() -> None:
    spans = [One(5, 9), One(1, 5, 1, marks=SEGMENT)]
    tree = tree_of(*spans, segment_of={5: 1})
    assert names(tree, list(tree.order)) == ["missing 9", 5, 1]


def test_of_spans_with_one_id_the_first_has_the_children() -> None:
    tree = tree_of(One(1), One(2, 1, 1), One(2, 1, 2), One(3, 2, 3))
    assert list(tree.parent) == [-1, 0, 0, 1]
    assert tree.again == {2: 2}
    assert (tree.node_of(2), tree.node_of(2, 2), tree.node_of(2, 3)) == (1, 2, None)


def test_circles_are_cut_where_they_begin() -> None:
    tree = tree_of(One(1, 3, 1), One(2, 1, 2), One(3, 2, 3), One(4, 4, 9), One(5, 2, 4))
    assert tree.cut == {0, 3}
    assert names(tree, list(tree.order)) == [1, 2, 3, 5, 4]


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(-(2**40), 2**52))
def test_any_id_and_time_fits(span_id: int, start: int) -> None:
    tree = tree_of(One(span_id, 0, start))
    assert (tree.span_id[0], tree.extent) == (span_id, (start, start + 10))


def test_an_empty_trace_is_a_tree() -> None:
    tree = tree_of()
    assert (list(tree.order), tree.extent, tree.orphans) == ([], (0, 0), 0)


def test_depth_and_width_are_no_matter() -> None:
    deep = tree_of(*(One(n, n - 1, n) for n in range(1, 10_001)))
    wide = tree_of(One(1), *(One(n, 1, n) for n in range(2, 100_001)))
    started = time.process_time()
    assert len(deep.order) == 10_000
    assert len(list(deep.ancestors(9_999))) == 9_999
    assert len(wide.order) == 100_000
    assert time.process_time() - started < 2
