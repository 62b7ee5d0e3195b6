"""A trace as a tree, laid out so that any window of its rows costs the same. Pure.

Nodes are numbers: the spans as they were read, then what is added for showing them: spans that are missing, and
groups of siblings that repeat. Everything is a list by node, nothing recurses, and a subtree is a range of ``order``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import add

SPAN, MISSING, GROUP = 0, 1, 2
#: So many siblings alike, one after the other, are shown as one.
LEAST_GROUP = 5


@dataclass(slots=True)
class Spans:
    """The spans of a trace, a list per column. Times are milliseconds since the epoch, parents 0 for none."""

    span_id: Sequence[int]
    parent_id: Sequence[int]
    project_id: Sequence[int]
    start: Sequence[float]
    duration: Sequence[float]
    is_segment: Sequence[int]
    likeness: Sequence[int]
    """Equal for spans that do the same: a hash of operation and normalized description."""

    def __len__(self) -> int:
        return len(self.span_id)


@dataclass(slots=True)
class Tree:
    """``order`` is the nodes in the order they are shown; ``size`` counts a node with all that is below it."""

    spans: Spans
    kind: bytearray
    parent: list[int]
    start: list[float]
    end: list[float]
    shift: dict[int, float]
    """Segments whose clock was corrected, and by how many milliseconds (with all that is below them)."""
    orphans: set[int]
    """Spans whose parent was not received; they hang on a node of kind MISSING."""
    missing_id: dict[int, int]
    by_id: dict[int, int]
    order: list[int] = field(default_factory=list)
    place: list[int] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    size: list[int] = field(default_factory=list)
    roots: list[int] = field(default_factory=list)
    children: dict[int, list[int]] = field(default_factory=dict)
    """Nodes below a node, in order; leaves are not in it."""
    critical: bytearray = field(default_factory=bytearray)

    @property
    def first(self) -> float:
        """When the trace begins, in milliseconds since the epoch."""
        return min((self.start[node] for node in self.roots), default=0.0)

    @property
    def last(self) -> float:
        """When the last span ends."""
        return max(self.end, default=0.0)

    def node_of(self, span_id: int) -> int | None:
        """The node of a span id: the span, or the place of one that is missing."""
        found = self.by_id.get(span_id)
        return found if found is not None else next((n for n, one in self.missing_id.items() if one == span_id), None)

    def ancestors(self, node: int) -> Iterator[int]:
        """From the node's parent up to its root."""
        node = self.parent[node]
        while node >= 0:
            yield node
            node = self.parent[node]

    def visible(self, toggled: frozenset[int] = frozenset()) -> list[int]:
        """The nodes that are shown. Groups are closed and everything else is open, unless ``toggled``."""
        shown: list[int] = []
        order, size, kind = self.order, self.size, self.kind
        position, end = 0, len(order)
        while position < end:
            node = order[position]
            shown.append(node)
            closed = (kind[node] == GROUP) != (node in toggled)
            position += size[node] if closed else 1
        return shown


def build_tree(spans: Spans) -> Tree:
    """The tree of a trace's spans. Takes any input: parents that are missing, ids that come twice, circles."""
    tree = _hang_up(spans)
    _correct_clocks(tree)
    _sort(tree)
    _group_repeated(tree)
    _lay_out(tree)
    _mark_critical_path(tree)
    return tree


def _hang_up(spans: Spans) -> Tree:
    count = len(spans)
    # Backwards, so that of two spans with one id the first is found.
    by_id = dict(zip(reversed(spans.span_id), range(count - 1, -1, -1), strict=True))
    start = list(spans.start)
    end = list(map(add, start, spans.duration))
    tree = Tree(spans, bytearray(count), [-1] * count, start, end, {}, set(), {}, by_id)
    lost: dict[int, list[int]] = {}
    for node, parent_id in enumerate(spans.parent_id):
        if not parent_id:
            continue
        parent = by_id.get(parent_id, -1)
        if parent >= 0 and parent != node:
            tree.parent[node] = parent
        elif parent < 0:
            lost.setdefault(parent_id, []).append(node)
    _break_circles(tree.parent)
    for parent_id, nodes in lost.items():
        placeholder = _add(tree, MISSING, min(start[node] for node in nodes), max(end[node] for node in nodes))
        tree.missing_id[placeholder] = parent_id
        for node in nodes:
            tree.parent[node] = placeholder
        tree.orphans.update(nodes)
    children = tree.children
    for node, parent in enumerate(tree.parent):
        if parent < 0:
            tree.roots.append(node)
        elif parent in children:
            children[parent].append(node)
        else:
            children[parent] = [node]
    return tree


def _add(tree: Tree, kind: int, start: float, end: float, parent: int = -1) -> int:
    tree.kind.append(kind)
    tree.parent.append(parent)
    tree.start.append(start)
    tree.end.append(end)
    return len(tree.parent) - 1


def _break_circles(parent: list[int]) -> None:
    """Make a root of one node of every circle."""
    state = bytearray(len(parent))
    for first in range(len(parent)):
        path: list[int] = []
        node = first
        while node >= 0 and not state[node]:
            state[node] = 1
            path.append(node)
            node = parent[node]
        if node >= 0 and state[node] == 1:
            parent[node] = -1
        for one in path:
            state[one] = 2


def _correct_clocks(tree: Tree) -> None:
    """Move what another service did into the span that called it, when its clock says otherwise.

    A callee cannot have begun before its caller, nor after the caller was done. As Jaeger does, it is then put in
    the middle of the call, or at its beginning when it took longer than the call.
    """
    spans = tree.spans
    calls = [node for node, flag in enumerate(spans.is_segment) if flag and _is_call(tree, tree.parent[node], node)]
    if not any(_shift_into(tree, tree.parent[node], node) for node in calls):
        return
    shifts = [0.0] * len(tree.parent)
    called = frozenset(calls)
    stack = list(tree.roots)
    while stack:
        node = stack.pop()
        parent = tree.parent[node]
        shift = shifts[parent] if parent >= 0 else 0.0
        if node in called:
            shift = _shift_into(tree, parent, node)
            if shift:
                tree.shift[node] = shift
        shifts[node] = shift
        tree.start[node] += shift
        tree.end[node] += shift
        stack += tree.children.get(node, ())
    for node in tree.missing_id:
        below = tree.children[node]
        tree.start[node] = min(tree.start[child] for child in below)
        tree.end[node] = max(tree.end[child] for child in below)


def _is_call(tree: Tree, parent: int, node: int) -> bool:
    """Whether a span was called from another service, whose clock may differ."""
    spans = tree.spans
    return parent >= 0 and tree.kind[parent] == SPAN and spans.project_id[parent] != spans.project_id[node]


def _shift_into(tree: Tree, parent: int, node: int) -> float:
    """What to add to the node's own times; the parent's are corrected already."""
    start, end = tree.start[node], tree.end[node]
    low, high = tree.start[parent], tree.end[parent]
    if low <= start <= high:
        return 0.0
    spare = (high - low) - (end - start)
    return low + max(0.0, spare / 2) - start


def _sort(tree: Tree) -> None:
    start, end = tree.start, tree.end
    tree.roots.sort(key=lambda node: (start[node], -end[node]))
    for below in tree.children.values():
        if len(below) > 1:
            below.sort(key=lambda node: (start[node], -end[node]))


def _group_repeated(tree: Tree) -> None:
    """Put runs of siblings that are alike under a node of their own."""
    long = [(parent, below) for parent, below in tree.children.items() if len(below) >= LEAST_GROUP]
    for parent, below in long:
        tree.children[parent] = _with_groups(tree, parent, below)


def _with_groups(tree: Tree, parent: int, below: list[int]) -> list[int]:
    likeness = tree.spans.likeness
    count = len(tree.spans)
    kept: list[int] = []
    index = 0
    while index < len(below):
        last = index + 1
        first = below[index]
        if first < count:
            while last < len(below) and below[last] < count and likeness[below[last]] == likeness[first]:
                last += 1
        run = below[index:last]
        if len(run) >= LEAST_GROUP:
            group = _add(tree, GROUP, tree.start[first], max(tree.end[node] for node in run), parent)
            tree.children[group] = run
            for node in run:
                tree.parent[node] = group
            kept.append(group)
        else:
            kept += run
        index = last
    return kept


def _lay_out(tree: Tree) -> None:
    """``order``, ``place``, ``depth`` and ``size``."""
    count = len(tree.parent)
    depth, size, place = [0] * count, [1] * count, [0] * count
    order: list[int] = []
    children, parents = tree.children, tree.parent
    stack = tree.roots[::-1]
    while stack:
        node = stack.pop()
        place[node] = len(order)
        order.append(node)
        below = children.get(node)
        if below:
            deeper = depth[node] + 1
            for child in below:
                depth[child] = deeper
            stack += below[::-1]
    for node in reversed(order):
        parent = parents[node]
        if parent >= 0:
            size[parent] += size[node]
    tree.order, tree.depth, tree.size, tree.place = order, depth, size, place


def _mark_critical_path(tree: Tree) -> None:
    """Mark the spans that had to end sooner for the trace to end sooner.

    From the end of a span backwards: whichever child ended last was being waited for, then whichever ended last
    before that one began, and so on down.
    """
    tree.critical = bytearray(len(tree.parent))
    if not tree.roots:
        return
    last = max(tree.roots, key=lambda node: tree.end[node])
    stack = [(last, tree.end[last])]
    while stack:
        node, until = stack.pop()
        tree.critical[node] = 1
        for child in sorted(tree.children.get(node, ()), key=lambda one: tree.end[one], reverse=True):
            if tree.end[child] <= until:
                stack.append((child, tree.end[child]))
                until = tree.start[child]
