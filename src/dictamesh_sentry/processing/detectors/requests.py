"""Requests to other services: one per item, one after the other, large, or waiting for a connection."""

from __future__ import annotations

from dictamesh_sentry.processing.detectors.problem import (
    Detector,
    Limits,
    Problem,
    Segment,
    Threshold,
    milliseconds,
    number,
    text_of,
    union,
)
from dictamesh_sentry.processing.spans.names import normalize_transaction_name
from dictamesh_sentry.processing.spans.span import Span

_SIZES = ("http.response_content_length", "http.response.body.size", "http.response.header.content-length")


def _is_request(span: Span) -> bool:
    return span.op == "http.client"


def _address(span: Span) -> str:
    """Method and URL without query, identifiers as stars: what one endpoint's calls have in common."""
    text = span.description.partition("?")[0].partition("#")[0]
    return normalize_transaction_name(text[:400], "url")[0]


def n_plus_one(segment: Segment, limits: Limits) -> list[Problem]:
    """The same endpoint called many times at about the same time, each time for another thing."""
    found: list[Problem] = []
    for siblings in segment.children.values():
        groups: dict[str, list[Span]] = {}
        for span in siblings:
            if _is_request(span) and span.description:
                groups.setdefault(_address(span), []).append(span)
        for address, calls in groups.items():
            burst = _burst(calls, limits["window"])
            if len(burst) < limits["count"] or union(burst) < limits["duration"]:
                continue
            if len({span.description for span in burst}) < 2:
                continue
            found.append(
                Problem(
                    issue_type="performance_n_plus_one_api_calls",
                    title="N+1 API Call",
                    subtitle=address,
                    key=address,
                    offenders=burst,
                    facts=[
                        ("Transaction", segment.segment.description, False),
                        ("Repeating calls", f"×{len(burst)} {address}", True),
                        ("Time in them", milliseconds(union(burst)), False),
                    ],
                )
            )
    return found


def _burst(calls: list[Span], window: float) -> list[Span]:
    """The longest run of calls of which each begins within the window after the one before."""
    best: list[Span] = []
    run: list[Span] = []
    for call in calls:
        if run and (call.start - run[-1].start) * 1000 > window:
            run = []
        run.append(call)
        if len(run) > len(best):
            best = list(run)
    return best


def consecutive(segment: Segment, limits: Limits) -> list[Problem]:
    """Long calls under one parent that waited for one another."""
    found: list[Problem] = []
    for siblings in segment.children.values():
        chain: list[Span] = []
        for span in [*(one for one in siblings if _is_request(one)), None]:
            fits = span is not None and span.duration >= limits["least_duration"]
            if fits and span is not None and (not chain or _follows(chain[-1], span, limits["gap"])):
                chain.append(span)
                continue
            found += _chain_problem(segment, chain, limits)
            chain = [span] if fits and span is not None else []
    return found


def _follows(before: Span, after: Span, gap: float) -> bool:
    return -0.0005 <= after.start - before.end <= gap / 1000


def _chain_problem(segment: Segment, chain: list[Span], limits: Limits) -> list[Problem]:
    if len(chain) < limits["count"]:
        return []
    saved = sum(span.duration for span in chain) - max(span.duration for span in chain)
    if saved < limits["saved"]:
        return []
    addresses = list(dict.fromkeys(_address(span) for span in chain))
    return [
        Problem(
            issue_type="performance_consecutive_http",
            title="Consecutive HTTP",
            subtitle=addresses[0],
            key="/".join(sorted(addresses)),
            offenders=list(chain),
            facts=[
                ("Transaction", segment.segment.description, False),
                ("Calls", " · ".join(addresses), True),
                ("Time that could be saved", milliseconds(saved), False),
            ],
        )
    ]


def large_payload(segment: Segment, limits: Limits) -> list[Problem]:
    """An answer of many bytes."""
    found: dict[str, Problem] = {}
    for span in segment.spans:
        if not _is_request(span):
            continue
        size = number(span, *_SIZES)
        address = _address(span)
        if size < limits["size"] or address in found:
            continue
        found[address] = Problem(
            issue_type="performance_large_http_payload",
            title="Large HTTP payload",
            subtitle=address,
            key=address,
            offenders=[span],
            facts=[
                ("Transaction", segment.segment.description, False),
                ("Large payload", text_of(span), True),
                ("Size", f"{size / 1000:.0f} kB", False),
            ],
        )
    return list(found.values())


def overhead(segment: Segment, limits: Limits) -> list[Problem]:
    """Browser requests that waited in line for a connection before they were sent (HTTP/1.1)."""
    hosts: dict[str, list[tuple[float, Span]]] = {}
    for span in segment.spans:
        if not _is_request(span) or span.attributes.get("network.protocol.version") not in ("1.0", "1.1"):
            continue
        sent = number(span, "http.request.request_start")
        waited = (sent - span.start) * 1000 if sent else 0.0
        if waited > 0:
            hosts.setdefault(span.domain, []).append((waited, span))
    found: list[Problem] = []
    for host, waits in hosts.items():
        longest = max(wait for wait, _ in waits)
        if longest < limits["delay"]:
            continue
        found.append(
            Problem(
                issue_type="performance_http_overhead",
                title="HTTP/1.1 Overhead",
                subtitle=host,
                key=host,
                offenders=[span for _, span in waits],
                facts=[
                    ("Transaction", segment.segment.description, False),
                    ("Host", host, True),
                    ("Longest wait", milliseconds(longest), False),
                ],
            )
        )
    return found


DETECTORS = (
    Detector(
        "n_plus_one_api_calls", "performance_n_plus_one_api_calls", "N+1 API calls",
        "One endpoint is called for every item instead of once for all.",
        {
            "count": Threshold(10, "count", 2, 1000, "so many calls at least"),
            "duration": Threshold(300, "ms", 0, 60_000, "time in them together"),
            "window": Threshold(100, "ms", 1, 60_000, "longest pause between the starts of two calls"),
        },
        n_plus_one,
    ),
    Detector(
        "consecutive_http", "performance_consecutive_http", "Consecutive HTTP requests",
        "Long requests wait for one another.",
        {
            "count": Threshold(3, "count", 2, 100, "so many requests at least"),
            "saved": Threshold(2000, "ms", 1, 60_000, "time that running at once would save"),
            "least_duration": Threshold(500, "ms", 0, 60_000, "a request shorter than this does not count"),
            "gap": Threshold(1000, "ms", 0, 60_000, "longest pause between two of them"),
        },
        consecutive,
    ),
    Detector(
        "large_http_payload", "performance_large_http_payload", "Large HTTP payloads", "An answer is very large.",
        {"size": Threshold(1_000_000, "bytes", 1000, 1e10, "large from this size on")}, large_payload,
    ),
    Detector(
        "http_overhead", "performance_http_overhead", "HTTP/1.1 overhead",
        "Requests of a page wait in line for one of the few connections of HTTP/1.1.",
        {"delay": Threshold(500, "ms", 1, 60_000, "longest wait before a request is sent")}, overhead,
    ),
)  # fmt: skip
