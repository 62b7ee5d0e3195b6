"""Databases: the same query for every row of another, queries that wait for nothing, and slow ones."""

from __future__ import annotations

from dictamesh_sentry.processing.detectors.problem import (
    Detector,
    Limits,
    Problem,
    Segment,
    Threshold,
    milliseconds,
    text_of,
    union,
)
from dictamesh_sentry.processing.spans.span import Span

_READS = frozenset({"SELECT"})


def _is_query(span: Span) -> bool:
    return span.category == "db" and bool(span.group_hash) and span.system not in ("redis", "memcached")


def n_plus_one(segment: Segment, limits: Limits) -> list[Problem]:
    """Under one parent: a query, then the same other query again and again, one after the other."""
    found: list[Problem] = []
    for siblings in segment.children.values():
        queries = [span for span in siblings if _is_query(span)]
        index = 1
        while index < len(queries):
            run = _run(queries, index)
            source = queries[index - 1]
            index += len(run)
            if len(run) < limits["count"] or union(run) < limits["duration"]:
                continue
            if run[0].action not in _READS or source.group_hash == run[0].group_hash or source.end > run[0].start:
                continue
            found.append(
                Problem(
                    issue_type="performance_n_plus_one_db_queries",
                    title="N+1 Query",
                    subtitle=text_of(run[0]),
                    key=f"{source.group_hash}/{run[0].group_hash}",
                    offenders=run,
                    causes=[source],
                    facts=[
                        ("Transaction", segment.segment.description, False),
                        ("Preceding query", text_of(source), False),
                        ("Repeating query", f"×{len(run)} {text_of(run[0])}", True),
                        ("Time in the repeating query", milliseconds(union(run)), False),
                    ],
                )
            )
    return found


def _run(queries: list[Span], index: int) -> list[Span]:
    """The queries alike from here on that follow one another without overlapping."""
    first = queries[index]
    run = [first]
    for span in queries[index + 1 :]:
        if span.group_hash != first.group_hash or span.start < run[-1].end - 0.0005:
            break
        run.append(span)
    return run


def consecutive(segment: Segment, limits: Limits) -> list[Problem]:
    """Different reads under one parent, one right after the other, that could have run at the same time."""
    found: list[Problem] = []
    for siblings in segment.children.values():
        queries = [span for span in siblings if _is_query(span)]
        for run in _chains(queries, limits["gap"]):
            independent = [span for span in run if span.action in _READS and "WHERE" in text_of(span).upper()]
            if len({span.group_hash for span in independent}) < limits["count"]:
                continue
            if min(span.duration for span in independent) < limits["least_duration"]:
                independent = [span for span in independent if span.duration >= limits["least_duration"]]
            if len({span.group_hash for span in independent}) < limits["count"]:
                continue
            saved = sum(span.duration for span in independent) - max(span.duration for span in independent)
            if saved < limits["saved"]:
                continue
            hashes = "/".join(sorted({span.group_hash for span in independent}))
            found.append(
                Problem(
                    issue_type="performance_consecutive_db_queries",
                    title="Consecutive DB Queries",
                    subtitle=text_of(independent[0]),
                    key=hashes,
                    offenders=independent,
                    facts=[
                        ("Transaction", segment.segment.description, False),
                        ("Queries", " · ".join(dict.fromkeys(text_of(span) for span in independent)), True),
                        ("Time that could be saved", milliseconds(saved), False),
                    ],
                )
            )
    return found


def _chains(spans: list[Span], gap: float) -> list[list[Span]]:
    """Runs of spans of which each begins at most ``gap`` ms after the one before ended."""
    chains: list[list[Span]] = []
    for span in spans:
        last = chains[-1][-1] if chains else None
        if last is not None and -0.0005 <= span.start - last.end <= gap / 1000:
            chains[-1].append(span)
        else:
            chains.append([span])
    return [chain for chain in chains if len(chain) > 1]


def slow(segment: Segment, limits: Limits) -> list[Problem]:
    """One read that takes too long. Statements that were cut off are left alone: what they group by is not whole."""
    found: dict[str, Problem] = {}
    for span in segment.spans:
        if span.duration < limits["duration"] or not _is_query(span) or span.action not in _READS:
            continue
        if span.description.rstrip().endswith(("...", "…")) or span.group_hash in found:
            continue
        found[span.group_hash] = Problem(
            issue_type="performance_slow_db_query",
            title="Slow DB Query",
            subtitle=text_of(span),
            key=span.group_hash,
            offenders=[span],
            facts=[
                ("Transaction", segment.segment.description, False),
                ("Slow query", text_of(span), True),
                ("Duration", milliseconds(span.duration), False),
            ],
        )
    return list(found.values())


def _count(default: float) -> Threshold:
    return Threshold(default, "count", 2, 1000, "so many of them at least")


DETECTORS = (
    Detector(
        "n_plus_one_db", "performance_n_plus_one_db_queries", "N+1 queries",
        "The same query runs again for every row of another query.",
        {"count": _count(5), "duration": Threshold(50, "ms", 0, 60_000, "time in them together")}, n_plus_one,
    ),
    Detector(
        "consecutive_db", "performance_consecutive_db_queries", "Consecutive queries",
        "Queries that do not need one another run one after the other.",
        {
            "count": _count(2), "saved": Threshold(100, "ms", 1, 60_000, "time that running at once would save"),
            "least_duration": Threshold(30, "ms", 0, 60_000, "a query shorter than this does not count"),
            "gap": Threshold(5, "ms", 0, 10_000, "longest pause between two of them"),
        },
        consecutive,
    ),
    Detector(
        "slow_db_query", "performance_slow_db_query", "Slow queries", "One query takes long by itself.",
        {"duration": Threshold(500, "ms", 1, 600_000, "slow from this duration on")}, slow,
    ),
)  # fmt: skip
