"""Percentiles as SQL that the embedded engine and a ClickHouse server both know.

The embedded engine has no weighted quantiles. Where every row has the same weight, a plain quantile is the weighted
one; where weights differ, the values are sorted with their weights. Both are the nearest rank: the smallest value
that at least the given share of the weight does not exceed.
"""

from __future__ import annotations

# quantileExact takes the element number floor(level * n) from 0; a trifle less makes it ceil(level * n) - 1.
_TRIFLE = 1e-9


def percentile(level: float, value: str, condition: str, *, weighted: bool) -> str:
    """The ``level`` (0.95) of an SQL ``value`` among the rows that meet the ``condition``; nan when there are none.

    ``weighted`` when rows of one group may differ in ``sample_weight``.
    """
    reach = max(0.0, level - _TRIFLE)
    if not weighted and condition == "(1)":
        return f"toFloat64(quantileExact({reach:.10f})({value}))"
    if not weighted:
        return f"if(countIf({condition}) = 0, nan, toFloat64(quantileExactIf({reach:.10f})({value}, {condition})))"
    pairs = f"arraySort(groupArrayIf((toFloat64({value}), sample_weight), {condition}))"
    sums = f"arrayReduceInRanges('sum', arrayMap(i -> (1, i), range(1, length({pairs}) + 1)), ({pairs}).2)"
    position = f"arrayFirstIndex(w -> w >= {reach:.10f} * arraySum(({pairs}).2), {sums})"
    return f"if(empty({pairs}), nan, arrayElement({pairs}, {position}).1)"
