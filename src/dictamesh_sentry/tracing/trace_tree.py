"""A trace as a tree, in arrays: a hundred thousand spans take a few megabytes and a few hundredths of a second. Pure.

Nodes are numbers: the spans as they were read, then a place for each parent that was not received. Every node knows
its parent, one of its children and one sibling; nothing recurses, so that a trace may be as deep or wide as it likes.
What is only needed for what is looked at (the order of siblings, the rows, the critical path) waits until it is.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, repeat
from operator import add, and_, floordiv, ge, lt

SEGMENT, FAILED, WAITS = 1, 2, 4
"""Marks of a span: it begins a segment; its status is a failure; it lasts until what it calls has answered."""
_MARKS = 8
_NEVER = -(1 << 62)


@dataclass(slots=True)
class Spans:
    """The spans of a trace in any order, a list per column. Times are microseconds, ``start`` since the epoch."""

    span_id: Sequence[int]
    parent_id: Sequence[int]
    start: Sequence[int]
    duration: Sequence[int]
    marks: Sequence[int]
    """The project's id times eight, plus ``SEGMENT``, ``FAILED`` and ``WAITS``."""
    likeness: Sequence[int]
    """Equal for spans that do the same."""

    def __len__(self) -> int:
        return len(self.span_id)


@dataclass
class Tree:
    """See the module. ``first`` has one element more than there are nodes: the first root, at index -1."""

    count: int
    """How many nodes are spans; those after them are parents that were not received."""
    span_id: array[int]
    start: array[int]
    duration: array[int]
    marks: array[int]
    likeness: array[int]
    parent: array[int]
    first: array[int]
    sibling: array[int]
    cut: frozenset[int]
    """Spans that are their own ancestors by what they say; they became roots."""
    again: Mapping[int, int]
    """Spans whose id came before: the how-manieth it is."""
    shifts: dict[int, int] = field(default_factory=dict)
    """Segments and how many microseconds they are moved by with all below them down to the next segment in here."""

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def orphans(self) -> int:
        """How many spans have a parent that was not received."""
        return sum(1 for node in range(self.count, len(self)) for _ in self.below(node))

    def below(self, node: int) -> Iterator[int]:
        """The children of a node in no order; of -1 the roots."""
        sibling = self.sibling
        child = self.first[node]
        while child >= 0:
            yield child
            child = sibling[child]

    def children(self, node: int) -> list[int]:
        """The children of a node by start, of those that begin together the longest first; of -1 the roots."""
        found = list(self.below(node))
        if len(found) > 1:
            found.sort(key=self.duration.__getitem__, reverse=True)
            if self.shifts and not self.shifts.keys().isdisjoint(found):
                found.sort(key=lambda child: self.times(child)[0])
            else:
                found.sort(key=self.start.__getitem__)
        return found

    def ancestors(self, node: int) -> Iterator[int]:
        """From the node's parent up to its root."""
        node = self.parent[node]
        while node >= 0:
            yield node
            node = self.parent[node]

    def is_missing(self, node: int) -> bool:
        """Whether the node stands for a span that was not received."""
        return node >= self.count

    def is_orphan(self, node: int) -> bool:
        """Whether the span's parent was not received."""
        return self.parent[node] >= self.count

    def has(self, node: int, mark: int) -> bool:
        """Whether the span is marked so."""
        return bool(self.marks[node] & mark)

    def project(self, node: int) -> int:
        """The id of the span's project; 0 for one that is missing."""
        return self.marks[node] // _MARKS

    def projects(self) -> Iterator[int]:
        """The project of each span."""
        return map(floordiv, self.marks[: self.count], repeat(_MARKS))

    def shift(self, node: int) -> int:
        """By how many microseconds the node is moved."""
        if not self.shifts:
            return 0
        while node >= 0:
            if node in self.shifts:
                return self.shifts[node]
            node = self.parent[node]
        return 0

    def times(self, node: int) -> tuple[int, int]:
        """Start and end in microseconds, the clock corrected."""
        start = self.start[node] + self.shift(node)
        return start, start + self.duration[node]

    @cached_property
    def extent(self) -> tuple[int, int]:
        """When the first span begins and when the last one ends."""
        if not len(self):
            return 0, 0
        if not self.shifts:
            return min(self.start), max(map(add, self.start, self.duration))
        moved = [0] * len(self)
        first, last = None, None
        for node in self.order:
            parent = self.parent[node]
            moved[node] = self.shifts.get(node, moved[parent] if parent >= 0 else 0)
            start = self.start[node] + moved[node]
            first = start if first is None or start < first else first
            end = start + self.duration[node]
            last = end if last is None or end > last else last
        return first or 0, last or 0

    @cached_property
    def order(self) -> array[int]:
        """Every node, parents before their children, siblings by start."""
        first = self.first
        order = array("q")
        stack = self.children(-1)[::-1]
        while stack:
            node = stack.pop()
            order.append(node)
            if first[node] >= 0:
                children = self.children(node)
                children.reverse()
                stack += children
        return order

    @cached_property
    def place(self) -> array[int]:
        """For each node, where it is in ``order``."""
        place = array("q", bytes(self.order.itemsize * len(self)))
        for position, node in enumerate(self.order):
            place[node] = position
        return place

    @cached_property
    def spine(self) -> frozenset[int]:
        """The nodes that have a segment below them."""
        found: set[int] = set()
        for node in self.segments():
            node = self.parent[node]
            while node >= 0 and node not in found:
                found.add(node)
                node = self.parent[node]
        return frozenset(found)

    def segments(self) -> Iterator[int]:
        """The spans that begin a segment."""
        return compress(range(self.count), map(and_, self.marks, repeat(SEGMENT)))

    def find(self, span_ids: set[int]) -> dict[int, int]:
        """Span id → node, of those that are there; of two spans with one id the first."""
        found: dict[int, int] = {}
        for node, span_id in enumerate(self.span_id):
            if span_id in span_ids:
                found.setdefault(span_id, node)
        return found

    def node_of(self, span_id: int, which: int = 1) -> int | None:
        """The node of a span id, also of one that is missing; ``which`` tells spans of one id apart."""
        if which > 1:
            return next((n for n, number in self.again.items() if number == which and self.span_id[n] == span_id), None)
        try:
            return self.span_id.index(span_id)
        except (ValueError, OverflowError):
            return None


def build_tree(spans: Spans, segment_of: Mapping[int, int] | None = None) -> Tree:
    """The tree of a trace's spans. Takes any input: missing parents, repeated ids, circles.

    ``segment_of``: the segment's id of spans whose parent is not there, which then hang below their segment.
    """
    count = len(spans)
    # Backwards, so that of two spans with one id the first is found.
    index = dict(zip(reversed(spans.span_id), range(count - 1, -1, -1), strict=True))
    index.pop(0, None)
    parent = list(map(index.get, spans.parent_id, repeat(-1)))
    cut = _break_circles(parent, spans.start)
    lost: dict[int, list[int]] = {}
    for node in compress(range(count), map(lt, parent, repeat(0))):
        if spans.parent_id[node] and node not in cut:
            lost.setdefault(spans.parent_id[node], []).append(node)
    tree = Tree(
        count=count,
        span_id=array("Q", spans.span_id),
        start=array("q", spans.start),
        duration=array("q", spans.duration),
        marks=array("Q", spans.marks),
        likeness=array("Q", spans.likeness),
        parent=array("q"),
        first=array("q"),
        sibling=array("q"),
        cut=frozenset(cut),
        again={} if len(index) == count else _repeated(spans.span_id),
    )
    _add_missing(tree, parent, lost, index, segment_of or {})
    first, sibling = _links(parent)
    tree.parent, tree.first, tree.sibling = array("q", parent), array("q", first), array("q", sibling)
    return tree


def _break_circles(parent: list[int], start: Sequence[int]) -> set[int]:
    """Make a root of the earliest node of every circle.

    In every circle some node begins no later than its parent, so only from those it is worth looking.
    """
    cut: set[int] = set()
    state = bytearray(len(parent))
    starts = [*start, _NEVER]  # of the parent -1
    for suspect in compress(range(len(parent)), map(ge, map(starts.__getitem__, parent), start)):
        path: list[int] = []
        node = suspect
        while node >= 0 and not state[node]:
            state[node] = 1
            path.append(node)
            node = parent[node]
        if node >= 0 and state[node] == 1:
            earliest = min(path[path.index(node) :], key=lambda one: (start[one], one))
            parent[earliest] = -1
            cut.add(earliest)
        for one in path:
            state[one] = 2
    return cut


def _add_missing(
    tree: Tree,
    parent: list[int],
    lost: Mapping[int, list[int]],
    index: Mapping[int, int],
    segment_of: Mapping[int, int],
) -> None:
    """A node for each parent that is not there, lasting as long as its children."""
    start, duration = tree.start, tree.duration
    for missing, nodes in lost.items():
        place = len(parent)
        parent.append(-1)
        for node in nodes:
            parent[node] = place
        began = min(start[node] for node in nodes)
        tree.span_id.append(missing)
        start.append(began)
        duration.append(max(start[node] + duration[node] for node in nodes) - began)
        tree.marks.append(0)
        tree.likeness.append(missing)
        above = index.get(segment_of.get(tree.span_id[nodes[0]], 0), -1)
        # A segment that is itself below the missing span cannot hold it.
        node = above
        while node >= 0 and node != place:
            node = parent[node]
        if node != place:
            parent[place] = above


def _links(parent: list[int]) -> tuple[list[int], list[int]]:
    """One child (of -1 in the last place) and one sibling of each node."""
    first, sibling = [-1] * (len(parent) + 1), [-1] * len(parent)
    for node, above in enumerate(parent):
        sibling[node] = first[above]
        first[above] = node
    return first, sibling


def _repeated(span_ids: Sequence[int]) -> dict[int, int]:
    seen: dict[int, int] = {}
    found: dict[int, int] = {}
    for node, span_id in enumerate(span_ids):
        number = seen[span_id] = seen.get(span_id, 0) + 1
        if number > 1:
            found[node] = number
    return found
