"""Scores of web vitals, and rates of mobile measurements.

A vital's score is the complementary log-normal distribution through two control points: web.dev's boundary of "good"
scores 0.9, and its boundary of "poor" is the median, which scores 0.5 (the curve Lighthouse uses for its scores,
https://developer.chrome.com/docs/lighthouse/performance/performance-scoring).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple


class Curve(NamedTuple):
    """Values that score 0.9 and 0.5, and what the vital weighs in the total. Milliseconds, but for cls."""

    good: float
    poor: float
    weight: float


#: Boundaries: https://web.dev/articles/vitals, https://web.dev/articles/fcp, https://web.dev/articles/ttfb.
CURVES: Mapping[str, Curve] = {
    "lcp": Curve(2500, 4000, 0.30),
    "inp": Curve(200, 500, 0.30),
    "cls": Curve(0.1, 0.25, 0.15),
    "fcp": Curve(1800, 3000, 0.15),
    "ttfb": Curve(800, 1800, 0.10),
}
_NINETY = 0.9061938024368232  # inverse of the complementary error function at 0.2


def score(vital: str, value: float) -> float:
    """From 0 to 1, for a vital of ``CURVES``."""
    curve = CURVES[vital]
    if value <= curve.good / 1e6:
        return 1.0
    shape = math.log(curve.good / curve.poor) / -_NINETY
    return max(0.0, min(1.0, 0.5 * math.erfc(math.log(value / curve.poor) / shape)))


def web_vital_scores(measurements: Mapping[str, float]) -> dict[str, float]:
    """``score.lcp``, ``score.weight.lcp`` … and ``score.total``, for the vitals that were measured.

    A vital that is missing weighs nothing, and the others share its weight. INP comes in a span of its own and then
    makes the total alone.
    """
    present = {vital: measurements[vital] for vital in CURVES if vital in measurements}
    if not present:
        return {}
    whole = sum(CURVES[vital].weight for vital in present)
    found: dict[str, float] = {}
    total = 0.0
    for vital, value in present.items():
        weight = CURVES[vital].weight / whole
        found[f"score.{vital}"] = score(vital, value)
        found[f"score.weight.{vital}"] = weight
        total += weight * found[f"score.{vital}"]
    return {**found, "score.total": total}


def mobile_rates(measurements: Mapping[str, float], duration: float = 0.0) -> dict[str, float]:
    """``frames_slow_rate``, ``frames_frozen_rate`` (of all frames) and ``stall_percentage`` (of ``duration``, ms)."""
    found: dict[str, float] = {}
    total = measurements.get("frames_total", 0)
    if total > 0:
        for name in ("frames_slow", "frames_frozen"):
            if name in measurements:
                found[f"{name}_rate"] = measurements[name] / total
    if duration > 0 and "stall_total_time" in measurements:
        found["stall_percentage"] = measurements["stall_total_time"] / duration
    return found
