"""The critical path of a trace: what would have had to be faster for the whole to be faster. Pure.

From the end of a span backwards: whichever child ended last was being waited for, then whichever had ended last when
that one began, and so on, down through the tree. What is left of the span is its own work. Children that outlive
their parent count up to its end, those that begin after it not at all. Computed for the nodes that are asked for.
"""

from __future__ import annotations

from dictamesh_sentry.tracing.trace_tree import Tree


class CriticalPath:
    """Answers for one tree; the roots are the children of the trace itself."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._waited: dict[int, dict[int, tuple[int, int]]] = {}
        self._part: dict[int, tuple[int, int] | None] = {-1: tree.extent}

    def part(self, node: int) -> tuple[int, int] | None:
        """From when to when the trace waited for the span or what is below it; None when it did not."""
        path: list[int] = []
        at = node
        while at not in self._part:
            path.append(at)
            at = self._tree.parent[at]
        found = self._part[at]
        for one in reversed(path):
            found = self._below(at, found).get(one) if found is not None else None
            self._part[one] = found
            at = one
        return found

    def own(self, node: int) -> int:
        """For how many microseconds the trace waited for the span itself."""
        found = self.part(node)
        if found is None:
            return 0
        return found[1] - found[0] - sum(end - start for start, end in self._below(node, found).values())

    def _below(self, node: int, part: tuple[int, int]) -> dict[int, tuple[int, int]]:
        """The children that were waited for, and from when to when."""
        known = self._waited.get(node)
        if known is not None:
            return known
        low, until = part
        tree = self._tree
        if tree.shifts:
            spans = [(child, *tree.times(child)) for child in tree.below(node)]
        else:
            spans = [(child, start := tree.start[child], start + tree.duration[child]) for child in tree.below(node)]
        found: dict[int, tuple[int, int]] = {}
        last = until
        for child, start, end in sorted(spans, key=lambda one: (-min(one[2], last), one[1], one[0])):
            end = min(end, last)
            if low <= end <= until and start < last:
                found[child] = (max(start, low), end)
                until = max(start, low)
        self._waited[node] = found
        return found
