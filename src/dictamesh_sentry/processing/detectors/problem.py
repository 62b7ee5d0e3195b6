"""What detectors look at, and what they find."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dictamesh_sentry.processing.spans.span import Span

MOST_EVIDENCE = 50


@dataclass(frozen=True)
class Threshold:
    """A number a project may change. ``unit``: ms, bytes, count or share."""

    default: float
    unit: str
    minimum: float
    maximum: float
    description: str


@dataclass(frozen=True)
class Segment:
    """A transaction as detectors see it: children in the order of their starts, and who is below whom."""

    segment: Span
    spans: Sequence[Span]
    children: Mapping[str, list[Span]]

    @classmethod
    def of(cls, segment: Span, spans: Sequence[Span]) -> Segment:
        """Group the children by their parents."""
        children: dict[str, list[Span]] = {}
        for span in spans:
            children.setdefault(span.parent_span_id, []).append(span)
        return cls(segment, spans, children)


@dataclass(slots=True)
class Problem:
    """A pattern in a transaction. ``key``: what makes two of them the same issue, whatever the values in them."""

    issue_type: str
    title: str
    subtitle: str
    key: str
    offenders: list[Span]
    causes: list[Span] = field(default_factory=list)
    parents: list[Span] = field(default_factory=list)
    facts: list[tuple[str, str, bool]] = field(default_factory=list)
    """(name, value, important) for people."""

    @property
    def fingerprint(self) -> str:
        """32 hex digits."""
        return hashlib.md5(f"{self.issue_type}\0{self.key}".encode(), usedforsecurity=False).hexdigest()


Limits = Mapping[str, float]
Detect = Callable[[Segment, Limits], list[Problem]]


@dataclass(frozen=True)
class Detector:
    """``name`` is the key of the options; ``detect`` is pure and takes the thresholds by name."""

    name: str
    issue_type: str
    title: str
    description: str
    thresholds: Mapping[str, Threshold]
    detect: Detect


def text_of(span: Span) -> str:
    """What a span does, for people."""
    return span.normalized_description or span.description or span.op


def number(span: Span, *names: str) -> float:
    """The first of these attributes that is a number; 0 without one."""
    for name in names:
        value = span.attributes.get(name)
        if type(value) in (int, float):
            return float(value)  # type: ignore[arg-type]
        if type(value) is str and value.isdigit():
            return float(value)
    return 0.0


def union(spans: Sequence[Span]) -> float:
    """Milliseconds during which any of the spans ran."""
    total, reached = 0.0, float("-inf")
    for span in sorted(spans, key=lambda one: one.start):
        begin = max(span.start, reached)
        if span.end > begin:
            total += span.end - begin
            reached = span.end
    return total * 1000


def milliseconds(value: float) -> str:
    return f"{value:.0f} ms"
