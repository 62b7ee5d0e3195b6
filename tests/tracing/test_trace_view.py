"""Which rows of a trace are shown, in every state of folding."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from dictamesh_sentry.tracing.trace_tree import SEGMENT, Tree
from dictamesh_sentry.tracing.trace_view import LEAST_GROUP, SMALL, Folding, View, build_view, opened_for
from tests.tracing.trees import One, anything, tree_of


def everything(tree: Tree) -> View:
    """All nodes and groups open."""
    view = build_view(tree, Folding())
    while True:
        further = build_view(tree, view.folding.opening(frozenset(view.rows)))
        if len(further) == len(view):
            return further
        view = further


def shown(view: View) -> list[int | str]:
    tree = view.tree
    return [tree.span_id[row] if row >= 0 else f"×{len(view.groups[row])}" for row in view.rows]


@settings(deadline=None)
@given(anything)
def test_with_everything_open_every_node_is_shown_once(spans: list[One]) -> None:
    tree = tree_of(*spans, corrected=True)
    view = everything(tree)
    assert sorted(row for row in view.rows if row >= 0) == list(range(len(tree)))


@settings(deadline=None)
@given(anything, st.data())
def test_what_is_below_something_closed_is_not_shown(spans: list[One], data: st.DataObject) -> None:
    tree = tree_of(*spans)
    full = everything(tree)
    closed = frozenset(data.draw(st.sets(st.sampled_from(list(full.rows) or [0]), max_size=4)))
    view = build_view(tree, Folding(full.folding.opened - closed, closed))
    group = {node: row for row, nodes in full.groups.items() for node in nodes}
    for row in full.rows:
        first = row if row >= 0 else ~row
        above = {*tree.ancestors(first), *(group[one] for one in (first, *tree.ancestors(first)) if one in group)}
        assert (row in view.places) == (not (above - {row}) & closed)


@settings(deadline=None)
@given(anything, st.data())
def test_the_row_that_holds_a_node_is_shown_and_opens_to_it(spans: list[One], data: st.DataObject) -> None:
    tree = tree_of(*spans)
    if not len(tree):
        return
    node = data.draw(st.integers(0, len(tree) - 1))
    closed = frozenset(data.draw(st.sets(st.integers(0, len(tree) - 1), max_size=4)))
    view = build_view(tree, Folding(closed=closed))
    holder = view.holder(node)
    assert holder in view.places
    assert holder == node or node not in view.places
    opened = build_view(tree, opened_for(tree, view.folding, node))
    assert opened.holder(node) == node


def test_depths() -> None:
    tree = tree_of(One(1), One(2, 1, 1), One(3, 2, 2), One(4, 1, 3), One(5, 9, 4))
    view = build_view(tree, Folding())
    assert list(zip(shown(view), view.depths, strict=True)) == [(1, 0), (2, 1), (3, 2), (4, 1), (9, 0), (5, 1)]


def test_siblings_that_repeat_are_one_row() -> None:
    spans = [One(1), *(One(10 + n, 1, n, likeness=7) for n in range(214)), One(5, 1, 300)]
    tree = tree_of(*spans)
    view = build_view(tree, Folding())
    assert shown(view) == [1, "×214", 5]
    opened = build_view(tree, Folding(frozenset({view.rows[1]})))
    assert len(opened) == 217
    assert set(opened.depths[2:-1]) == {2}


def test_only_neighbours_alike_make_a_group() -> None:
    few = [One(10 + n, 1, n, likeness=7) for n in range(LEAST_GROUP - 1)]
    again = [One(20 + n, 1, 50 + n, likeness=7) for n in range(LEAST_GROUP)]
    tree = tree_of(One(1), *few, One(5, 1, 40), *again)
    assert shown(build_view(tree, Folding())) == [1, *(one.span_id for one in few), 5, f"×{LEAST_GROUP}"]


def test_the_way_to_another_service_is_not_hidden_in_a_group() -> None:
    calls = [One(10 + n, 1, n, likeness=7) for n in range(12)]
    tree = tree_of(One(1), *calls, One(99, 15, 20, project=2, marks=SEGMENT))
    assert shown(build_view(tree, Folding())) == [1, "×5", 15, 99, "×6"]


def test_a_large_trace_shows_its_segments_and_folds_the_rest() -> None:
    inner = [One(1000 + n, 1000 + n - 1 if n % 3 else 2, n + 5) for n in range(SMALL)]
    tree = tree_of(One(1, marks=SEGMENT), One(2, 1, 1), One(3, 1, 2), One(4, 3, 3, marks=SEGMENT), *inner)
    assert shown(build_view(tree, Folding())) == [1, 2, 3, 4]
    opened = build_view(tree, Folding(frozenset({1})))
    assert len(opened) == 4 + len([one for one in inner if one.parent_id == 2])


def test_a_large_trace_of_many_roots_shows_the_roots() -> None:
    spans = [One(n * 2 + 2, 0, n * 5, marks=SEGMENT) for n in range(SMALL)]
    tree = tree_of(*spans, *(One(n * 2 + 3, n * 2 + 2, n * 5) for n in range(SMALL)))
    assert shown(build_view(tree, Folding())) == [one.span_id for one in spans]
