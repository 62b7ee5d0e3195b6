"""How many spans one stored span stands for: the client's sampling and the project's own rules."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

from dictamesh_sentry.processing.filters.globs import compiled
from dictamesh_sentry.projects.options import PerformanceOptions, SamplingRule

_LEAST_RATE = 1e-6


class Verdict(NamedTuple):
    """``keep`` or not; ``weight``: what a kept one counts for; ``rule``: number of the rule that decided, from 1."""

    keep: bool
    weight: float
    rule: int = 0


def rate_of(value: object) -> float | None:
    """A sampling rate in (0, 1] from a number or text; None when it is none."""
    try:
        rate = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else 0.0
    except ValueError:
        return None
    return rate if 0 < rate <= 1 else None


def client_rate(trace_header: dict[str, Any]) -> float:
    """The rate the SDK sampled the trace with, from the dynamic sampling context; 1 when it does not say."""
    return rate_of(trace_header.get("sample_rate")) or 1.0


def decide(
    options: PerformanceOptions,
    *,
    trace_id: str,
    transaction: str,
    environment: str,
    release: str,
    client_sample_rate: float,
) -> Verdict:
    """Whether the project keeps a segment. All segments of one trace meet the same number, so a rule keeps traces
    whole as far as it applies to their parts."""
    for number, rule in enumerate(options.sampling_rules, 1):
        if _matches(rule, transaction, environment, release):
            rate = min(1.0, max(0.0, rule.rate))
            if rate <= 0 or _number(trace_id) >= rate:
                return Verdict(False, 0.0, number)
            return Verdict(True, 1 / max(_LEAST_RATE, client_sample_rate * rate), number)
    return Verdict(True, 1 / max(_LEAST_RATE, client_sample_rate))


def _matches(rule: SamplingRule, transaction: str, environment: str, release: str) -> bool:
    pairs = ((rule.transaction, transaction), (rule.environment, environment), (rule.release, release))
    return all(not pattern or compiled((pattern,)).matches(value) for pattern, value in pairs)


def _number(trace_id: str) -> float:
    """The trace's number in [0, 1), evenly spread, whatever made the id."""
    digest = hashlib.blake2b(trace_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
