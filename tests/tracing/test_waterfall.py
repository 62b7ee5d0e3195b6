"""The tree of a trace: everything is shown once, whatever arrives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dictamesh_sentry.tracing.waterfall import GROUP, LEAST_GROUP, MISSING, SPAN, Spans, Tree, build_tree

Row = tuple[int, int, int, float, float, int, int]


def tree_of(*rows: Row) -> Tree:
    """Rows of (span id, parent id, project, start, duration, is segment, likeness)."""
    return build_tree(Spans(*[list(column) for column in zip(*rows, strict=True)]) if rows else Spans(*[[]] * 7))


def ids(tree: Tree, nodes: list[int]) -> list[int | str]:
    names: list[int | str] = []
    for node in nodes:
        kind = tree.kind[node]
        names.append(
            tree.spans.span_id[node]
            if kind == SPAN
            else f"missing {tree.missing_id[node]}"
            if kind == MISSING
            else "group"
        )
    return names


rows = st.lists(
    st.tuples(
        st.integers(1, 12), st.integers(0, 14), st.integers(1, 2), st.integers(0, 50).map(float),
        st.integers(0, 50).map(float), st.integers(0, 1), st.integers(0, 1),
    ),
    max_size=30,
)  # fmt: skip


@given(rows)
def test_every_span_is_shown_exactly_once(found: list[Row]) -> None:
    tree = tree_of(*found)
    groups = frozenset(node for node, kind in enumerate(tree.kind) if kind == GROUP)
    shown = tree.visible(groups)
    assert sorted(node for node in shown if tree.kind[node] == SPAN) == list(range(len(found)))
    assert sorted(tree.order) == list(range(len(tree.kind)))
    for node in tree.order:
        below = tree.order[tree.place[node] : tree.place[node] + tree.size[node]]
        assert below[0] == node
        assert all(node in tree.ancestors(one) for one in below[1:])
        parent = tree.parent[node]
        assert tree.depth[node] == (tree.depth[parent] + 1 if parent >= 0 else 0)


@given(rows, st.data())
def test_closing_a_node_hides_what_is_below_it(found: list[Row], data: st.DataObject) -> None:
    tree = tree_of(*found)
    toggled = frozenset(data.draw(st.sets(st.integers(0, max(0, len(tree.kind) - 1)), max_size=5)))
    shown = set(tree.visible(toggled))
    for node in range(len(tree.kind)):
        closed = [one for one in tree.ancestors(node) if (tree.kind[one] == GROUP) != (one in toggled)]
        assert (node in shown) == (not closed)


def test_children_stand_in_order_below_their_parent() -> None:
    tree = tree_of((1, 0, 1, 0, 100, 1, 0), (3, 1, 1, 50, 10, 0, 1), (2, 1, 1, 10, 10, 0, 2), (4, 3, 1, 51, 2, 0, 3))
    assert ids(tree, tree.visible()) == [1, 2, 3, 4]
    assert tree.depth == [0, 1, 1, 2]


def test_spans_without_their_parent_hang_on_what_is_missing() -> None:
    tree = tree_of((1, 0, 1, 0, 100, 1, 0), (5, 9, 1, 20, 10, 0, 1), (6, 9, 1, 40, 10, 0, 2))
    assert ids(tree, tree.visible()) == [1, "missing 9", 5, 6]
    missing = tree.node_of(9)
    assert missing is not None
    assert (tree.start[missing], tree.end[missing]) == (20, 50)
    assert tree.orphans == {1, 2}


def test_siblings_alike_are_one() -> None:
    queries = [(10 + n, 1, 1, float(n), 1.0, 0, 7) for n in range(LEAST_GROUP + 3)]
    tree = tree_of((1, 0, 1, 0, 100, 1, 0), *queries, (99, 1, 1, 60, 1, 0, 8))
    assert ids(tree, tree.visible()) == [1, "group", 99]
    group = tree.children[0][0]
    assert len(tree.visible(frozenset([group]))) == 3 + len(queries)
    few = tree_of((1, 0, 1, 0, 100, 1, 0), *queries[: LEAST_GROUP - 1])
    assert "group" not in ids(few, few.visible())


def test_a_circle_is_broken() -> None:
    tree = tree_of((1, 2, 1, 0, 5, 0, 0), (2, 1, 1, 1, 5, 0, 1), (3, 3, 1, 2, 1, 0, 2))
    assert sorted(map(str, ids(tree, tree.visible()))) == ["1", "2", "3"]


def test_another_services_clock_is_corrected() -> None:
    call, callee, child = (1, 0, 1, 1000, 100, 1, 0), (2, 1, 2, 400, 60, 1, 1), (3, 2, 2, 410, 10, 0, 2)
    tree = tree_of(call, callee, child)
    assert tree.shift == {1: 620.0}  # to the middle of the call
    assert (tree.start[1], tree.end[1], tree.start[2]) == (1020, 1080, 1030)
    slower = tree_of(call, (2, 1, 2, 400, 160, 1, 1))
    assert slower.start[1] == 1000


def test_a_clock_that_is_right_stays() -> None:
    tree = tree_of((1, 0, 1, 1000, 100, 1, 0), (2, 1, 2, 1010, 200, 1, 1), (3, 1, 1, 900, 5, 0, 1))
    assert tree.shift == {}
    assert tree.start == [1000, 1010, 900]


def waits(tree: Tree, node: int, until: float) -> set[int]:
    """The critical path by definition: moment for moment backwards, whichever child had ended last."""
    found, moment = {node}, until
    while True:
        ended = [child for child in tree.children.get(node, ()) if tree.end[child] <= moment and child not in found]
        if not ended:
            return found
        latest = max(ended, key=lambda child: tree.end[child])
        found |= waits(tree, latest, tree.end[latest])
        moment = tree.start[latest]


@given(rows)
def test_the_critical_path_is_what_was_waited_for(found: list[Row]) -> None:
    tree = tree_of(*{row[0]: row for row in found}.values())
    marked = {node for node, flag in enumerate(tree.critical) if flag}
    if not tree.roots:
        assert not marked
        return
    last = max(tree.roots, key=lambda node: tree.end[node])
    lasting = [child for below in tree.children.values() for child in below if tree.end[child] == tree.start[child]]
    if not lasting:  # what took no time may be waited for or not
        assert marked == waits(tree, last, tree.end[last])
    for node in marked:
        assert tree.parent[node] < 0 or tree.critical[tree.parent[node]]


def test_the_critical_path_of_a_request() -> None:
    tree = tree_of(
        (1, 0, 1, 0, 100, 1, 0),
        (2, 1, 1, 5, 40, 0, 1),
        (3, 1, 1, 10, 80, 0, 2),
        (4, 3, 1, 20, 60, 0, 3),
        (5, 1, 1, 92, 5, 0, 4),
        (6, 1, 1, 1, 8, 0, 5),
    )
    assert [tree.spans.span_id[node] for node in range(6) if tree.critical[node]] == [1, 3, 4, 5, 6]


def test_a_very_deep_and_a_very_wide_trace() -> None:
    deep = tree_of(*[(n + 1, n, 1, float(n), 20_000.0 - n, 0, n) for n in range(10_000)])
    assert deep.depth[9_999] == 9_999
    wide = tree_of((1, 0, 1, 0, 1e6, 1, 0), *[(n + 2, 1, 1, float(n), 1.0, 0, n % 2) for n in range(50_000)])
    assert len(wide.visible()) == 50_001
