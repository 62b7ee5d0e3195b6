"""Which rows of a trace are shown: open nodes, siblings that repeat as one row, and where each row is. Pure.

A row is a node, or a group of siblings that are alike, written as ``~first`` (negative) of the first of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import compress, groupby, islice, repeat
from operator import eq, ge

from dictamesh_sentry.tracing.trace_tree import SEGMENT, Tree

#: So many siblings alike, one after the other, are shown as one row.
LEAST_GROUP = 5
#: Up to so many spans everything is open but the groups; beyond, what leads to segments.
SMALL = 500
_FEW_ROOTS = 50
_MANY = 64


@dataclass(frozen=True)
class Folding:
    """What was opened and closed by hand; the rest is as it is by default."""

    opened: frozenset[int] = frozenset()
    closed: frozenset[int] = frozenset()

    def toggled(self, row: int, *, is_open: bool) -> Folding:
        """The same with one row turned around."""
        if is_open:
            return Folding(self.opened - {row}, self.closed | {row})
        return Folding(self.opened | {row}, self.closed - {row})

    def opening(self, rows: frozenset[int]) -> Folding:
        """The same with rows open."""
        return Folding(self.opened | rows, self.closed - rows)


@dataclass
class View:
    """The rows shown in one state of folding, how deep each is, and the members of the groups among them."""

    tree: Tree
    folding: Folding
    rows: array[int] = field(default_factory=lambda: array("q"))
    depths: array[int] = field(default_factory=lambda: array("q"))
    groups: dict[int, list[int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def is_open(self, row: int) -> bool:
        """Whether what is below a row is shown."""
        if row in self.folding.opened:
            return True
        if row in self.folding.closed or row < 0:
            return False
        return is_open_by_default(self.tree, row)

    @cached_property
    def places(self) -> dict[int, int]:
        """Row → where it is shown."""
        return dict(zip(self.rows, range(len(self.rows)), strict=True))

    @cached_property
    def _hidden(self) -> dict[int, int]:
        """The members of closed groups, and their group."""
        return {node: row for row, nodes in self.groups.items() if not self.is_open(row) for node in nodes}

    def holder(self, node: int) -> int:
        """The row a node is shown in: its own, or the closed one it is inside of; -1 for what is in no row."""
        while node >= 0 and node not in self.places:
            if node in self._hidden:
                return self._hidden[node]
            node = self.tree.parent[node]
        return node


def is_open_by_default(tree: Tree, node: int) -> bool:
    """In a large trace only what has segments below it, and the roots when they are few."""
    if tree.count <= SMALL or node in tree.spine:
        return True
    return tree.parent[node] < 0 and len(list(islice(tree.below(-1), _FEW_ROOTS + 1))) <= _FEW_ROOTS


def arranged(tree: Tree, node: int, groups: dict[int, list[int]]) -> list[int]:
    """The rows below a node when it is open: its children, those that repeat as groups, put into ``groups``."""
    children = tree.children(node)
    if len(children) < LEAST_GROUP:
        return children
    rows: list[int] = []
    position = 0
    for start, end in _runs(list(map(tree.likeness.__getitem__, children))):
        rows += children[position:start]
        for alone, some in groupby(children[start:end], lambda one: _stands_alone(tree, one)):
            nodes = list(some)
            if alone or len(nodes) < LEAST_GROUP:
                rows += nodes
            else:
                groups[~nodes[0]] = nodes
                rows.append(~nodes[0])
        position = end
    return rows + children[position:] if position else children


def _runs(alike: list[int]) -> Iterator[tuple[int, int]]:
    """Where so many equal values stand in a row that they make a group."""
    start = end = -1
    for index in compress(range(len(alike)), map(eq, alike, islice(alike, 1, None))):
        if index != end:
            if end - start + 1 >= LEAST_GROUP:
                yield start, end + 1
            start = index
        end = index + 1
    if end - start + 1 >= LEAST_GROUP:
        yield start, end + 1


def _stands_alone(tree: Tree, node: int) -> bool:
    """Whether the way to another segment would be hidden in a group."""
    return node >= tree.count or tree.has(node, SEGMENT) or node in tree.spine


def build_view(tree: Tree, folding: Folding) -> View:
    """Every row that is shown."""
    view = View(tree, folding)
    rows, depths, groups = view.rows, view.depths, view.groups
    level = arranged(tree, -1, groups)
    # Of each level: its rows, the positions among them where something may have to be shown below, how far we are.
    stack = [(level, iter(_branches(tree, level)), 0)]
    while stack:
        level, branches, position = stack.pop()
        depth = len(stack)
        end, inside = len(level), None
        for branch in branches:
            if view.is_open(level[branch]):
                end, inside = branch + 1, level[branch]
                break
        rows.extend(level[position:end])
        depths.extend(repeat(depth, end - position))
        if inside is not None:
            stack.append((level, branches, end))
            level = arranged(tree, inside, groups) if inside >= 0 else groups[inside]
            stack.append((level, iter(_branches(tree, level)), 0))
    return view


def _branches(tree: Tree, level: list[int]) -> list[int]:
    """Where in a list of siblings there is a group, or a node that has children."""
    first = tree.first
    if len(level) > _MANY and min(level) >= 0:
        return list(compress(range(len(level)), map(ge, map(first.__getitem__, level), repeat(0))))
    return [position for position, row in enumerate(level) if row < 0 or first[row] >= 0]


def opened_for(tree: Tree, folding: Folding, node: int) -> Folding:
    """The folding in which a node is to be seen."""
    view = View(tree, folding)
    closed: list[int] = []
    while node >= 0:
        groups: dict[int, list[int]] = {}
        arranged(tree, tree.parent[node], groups)
        closed += (group for group, nodes in groups.items() if node in nodes)
        node = tree.parent[node]
        if node >= 0:
            closed.append(node)
    needed = frozenset(row for row in closed if not view.is_open(row))
    return folding.opening(needed) if needed else folding
