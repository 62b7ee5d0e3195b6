"""Clocks of services that disagree: what was called is moved into the call. Pure.

A callee cannot begin before its caller. Where it seems to, its segment is moved as Jaeger does it: into the middle of
the call, or to its beginning when it took longer than the call. The same goes for an answer that seems to come after
the end of a call that waited for it, when it took no longer than the call.
"""

from __future__ import annotations

from dictamesh_sentry.tracing.trace_tree import WAITS, Tree


def correct_clocks(tree: Tree) -> None:
    """Fill ``tree.shifts``; it stays empty where all clocks agree."""
    calls = [node for node in tree.segments() if 0 <= tree.parent[node] < tree.count]
    if not any(_shift(tree, node, 0, 0) for node in calls):
        return
    called = frozenset(calls)
    above: dict[int, int] = {}
    shifts: dict[int, int] = {}
    for call in calls:
        chain: list[int] = []
        node = call
        while node >= 0 and node not in shifts:
            chain.append(node)
            node = _segment_above(tree, node, called, above)
        for one in reversed(chain):
            inherited = shifts.get(_segment_above(tree, one, called, above), 0)
            shifts[one] = _resolve(tree, one, inherited)
    tree.shifts = shifts


def _segment_above(tree: Tree, node: int, called: frozenset[int], known: dict[int, int]) -> int:
    """The nearest ancestor that was called, or -1. What is found is remembered for the whole way."""
    path: list[int] = []
    node = tree.parent[node]
    while node >= 0 and node not in called and node not in known:
        path.append(node)
        node = tree.parent[node]
    found = known.get(node, node)
    for one in path:
        known[one] = found
    return found


def _resolve(tree: Tree, node: int, inherited: int) -> int:
    """The shift of a call in a span that is itself shifted by ``inherited``.

    A service that also made the call has the caller's clock; another one's is first taken to be right.
    """
    same = tree.project(node) == tree.project(tree.parent[node])
    own = inherited if same else 0
    return own + _shift(tree, node, own, inherited)


def _shift(tree: Tree, node: int, own: int, callers: int) -> int:
    """What to add to the node's times, moved by ``own``, in a parent moved by ``callers``."""
    parent = tree.parent[node]
    start, low = tree.start[node] + own, tree.start[parent] + callers
    spare = tree.duration[parent] - tree.duration[node]
    late = tree.has(parent, WAITS) and start > low + spare >= low and tree.project(node) != tree.project(parent)
    if start >= low and not late:
        return 0
    return low + max(0, spare // 2) - start
