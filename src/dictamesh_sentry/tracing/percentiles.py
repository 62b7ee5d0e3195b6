"""Percentiles as SQL that the embedded engine and a ClickHouse server both know.

The embedded engine has no weighted quantiles. Where every row has the same weight, a plain quantile is the weighted
one; where weights differ, the values are sorted with their weights. Both are the nearest rank: the smallest value
that at least the given share of the weight does not exceed.
"""

from __future__ import annotations

from dataclasses import dataclass

# quantileExact takes the element number floor(level * n) from 0; a trifle less makes it ceil(level * n) - 1.
_TRIFLE = 1e-9
_UNEVEN = 1e-6


@dataclass(frozen=True)
class Percentile:
    """The ``level`` (0.95) of an SQL ``value``, among the rows that meet the ``condition``. NaN when there are none."""

    level: float
    value: str = "duration"
    condition: str = ""

    def sql(self, *, weighted: bool) -> str:
        """The aggregate function call; ``weighted`` when rows of one group may differ in ``sample_weight``."""
        arguments = f", {self.condition}" if self.condition else ""
        suffix = "If" if self.condition else ""
        if not weighted:
            return f"quantileExact{suffix}({self.level - _TRIFLE:.10f})({self.value}{arguments})"
        pairs = f"arraySort(groupArray{suffix}((toFloat64({self.value}), sample_weight){arguments}))"
        reached = f"arrayReduceInRanges('sum', arrayMap(i -> (1, i), range(1, length({pairs}) + 1)), ({pairs}).2)"
        position = f"arrayFirstIndex(w -> w >= {self.level - _TRIFLE:.10f} * arraySum(({pairs}).2), {reached})"
        return f"if(empty({pairs}), nan, arrayElement({pairs}, {position}).1)"


def uneven(least: float, most: float) -> bool:
    """Whether weights between these differ, so that percentiles must respect them."""
    return most - least > _UNEVEN * most
