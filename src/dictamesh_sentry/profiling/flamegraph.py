"""Flame graphs: call trees by weight, time-ordered graphs of one thread, callers and callees of a function. Pure.

Every graph is a list of boxes in columns, parents before their children. In a tree a box's start is its place among its
siblings, the widest first; in a time-ordered graph it is a moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from dictamesh_sentry.profiling.functions import Chain, Function, Functions, chains_of_stacks
from dictamesh_sentry.profiling.model import Profile


@dataclass(slots=True)
class Graph:
    """Boxes in columns. Widths and times are nanoseconds; ``total`` is the width of everything, idleness included.

    ``function`` is an index into ``functions``; ``parent`` is -1 at the root.
    """

    functions: list[Function]
    total: int = 0
    function: list[int] = field(default_factory=list)
    depth: list[int] = field(default_factory=list)
    start: list[int] = field(default_factory=list)
    width: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.function)

    def add(self, function: int, depth: int, start: int, parent: int) -> int:
        """A new box of no width yet; its index."""
        self.function.append(function)
        self.depth.append(depth)
        self.start.append(start)
        self.width.append(0)
        self.own.append(0)
        self.samples.append(0)
        self.parent.append(parent)
        return len(self.function) - 1

    def widest(self, limit: int) -> Graph:
        """The ``limit`` widest boxes. A box's parent is always among them."""
        if len(self) <= limit:
            return self
        return self._only(sorted(sorted(range(len(self)), key=lambda index: (-self.width[index], index))[:limit]))

    def between(self, start: int, end: int) -> Graph:
        """The boxes of a window, cut at its edges; the window's start becomes 0. Times of their own are kept whole."""
        inside = [
            index
            for index in range(len(self))
            if self.start[index] < end and self.start[index] + self.width[index] > start
        ]
        found = self._only(inside)
        for index in range(len(found)):
            first = max(found.start[index], start)
            found.width[index] = min(found.start[index] + found.width[index], end) - first
            found.start[index] = first - start
        found.total = end - start
        return found

    def _only(self, kept: Sequence[int]) -> Graph:
        place = {old: new for new, old in enumerate(kept)}
        return Graph(
            functions=self.functions,
            total=self.total,
            function=[self.function[index] for index in kept],
            depth=[self.depth[index] for index in kept],
            start=[self.start[index] for index in kept],
            width=[self.width[index] for index in kept],
            own=[self.own[index] for index in kept],
            samples=[self.samples[index] for index in kept],
            parent=[place.get(self.parent[index], -1) for index in kept],
        )


class _Tree:
    """Chains merged at the root. Node 0 is the root of all and is no box."""

    def __init__(self) -> None:
        self.function = [-1]
        self.total = [0]
        self.own = [0]
        self.samples = [0]
        self.children: list[dict[int, int]] = [{}]

    def add(self, chain: Iterable[int], nanoseconds: int, samples: int) -> None:
        node = 0
        self.total[0] += nanoseconds
        self.samples[0] += samples
        for function in chain:
            child = self.children[node].get(function)
            if child is None:
                child = self.children[node][function] = len(self.function)
                self.function.append(function)
                self.total.append(0)
                self.own.append(0)
                self.samples.append(0)
                self.children.append({})
            node = child
            self.total[node] += nanoseconds
            self.samples[node] += samples
        self.own[node] += nanoseconds

    def graph(self, functions: Functions) -> Graph:
        """Boxes, the heaviest of each family leftmost."""
        names = functions.items
        graph = Graph(names, total=self.total[0])
        pending = [(0, -1, 0, 0)]  # node, box of the parent, depth, start
        while pending:
            node, parent, depth, start = pending.pop()
            box = -1
            if node:
                box = graph.add(self.function[node], depth - 1, start, parent)
                graph.width[box], graph.own[box] = self.total[node], self.own[node]
                graph.samples[box] = self.samples[node]
            order = sorted(
                self.children[node].values(), key=lambda one: (-self.total[one], names[self.function[one]], one)
            )
            places = []
            for child in order:
                places.append((child, box, depth + 1, start))
                start += self.total[child]
            pending.extend(reversed(places))
        return graph


def call_tree(functions: Functions, chains: Iterable[Chain]) -> Graph:
    """Who called whom, and for how long in all."""
    tree = _Tree()
    for chain in chains:
        tree.add(chain.functions, chain.nanoseconds, chain.samples)
    return tree.graph(functions)


def callees(functions: Functions, chains: Iterable[Chain], function: int) -> Graph:
    """What a function called, from its outermost call on; its own box is the root."""
    tree = _Tree()
    for chain in chains:
        if function in chain.functions:
            place = chain.functions.index(function)
            tree.add(chain.functions[place:], chain.nanoseconds, chain.samples)
    return tree.graph(functions)


def callers(functions: Functions, chains: Iterable[Chain], function: int) -> Graph:
    """Who called a function, its outermost call being the root; each further depth is a caller's caller."""
    tree = _Tree()
    for chain in chains:
        if function in chain.functions:
            place = chain.functions.index(function)
            tree.add(reversed(chain.functions[: place + 1]), chain.nanoseconds, chain.samples)
    return tree.graph(functions)


def time_ordered(profile: Profile, functions: Functions, thread: int, *, in_app_only: bool = False) -> Graph:
    """What a thread did when. Neighbouring samples with a common root share boxes."""
    chains = chains_of_stacks(profile, functions, in_app_only=in_app_only)
    graph = Graph(functions.items, total=profile.duration_ns)
    opened: list[int] = []
    current: tuple[int, ...] = ()
    samples = profile.samples_by_thread()[thread]
    for (time, stack), (following, _) in pairwise(samples):
        chain = chains[stack]
        if chain != current:
            shared = _shared(current, chain)
            _close(graph, opened, shared, time)
            for depth in range(shared, len(chain)):
                opened.append(graph.add(chain[depth], depth, time, opened[-1] if opened else -1))
            current = chain
        for box in opened:
            graph.samples[box] += 1
        if opened:
            graph.own[opened[-1]] += following - time
    if samples:
        _close(graph, opened, 0, samples[-1][0])
    return graph


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    """How many functions two chains begin with alike."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _close(graph: Graph, opened: list[int], keep: int, time: int) -> None:
    while len(opened) > keep:
        box = opened.pop()
        graph.width[box] = time - graph.start[box]
