"""The one shape every span takes inside processing, whatever it arrived as."""

from __future__ import annotations

from dataclasses import dataclass, field

#: What an attribute may be; lists hold scalars.
AttributeValue = str | bool | int | float | list[object]

#: Canonical statuses in the order of their numbers 0 to 16 (ingest protocol reference, section 13).
STATUSES = (
    "ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists",
    "permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range", "unimplemented",
    "internal_error", "unavailable", "data_loss", "unauthenticated",
)  # fmt: skip
#: Statuses that statistics do not count as failures.
NOT_FAILED = ("", "ok", "cancelled", "unknown")


@dataclass(slots=True)
class Span:
    """A valid span. Ids are lower-case hex, ``parent_span_id`` empty for a root; times are epoch seconds.

    ``exclusive_time`` is in milliseconds. What stands after ``links`` is derived (``processing.spans.derive``).
    """

    trace_id: str
    span_id: str
    parent_span_id: str
    start: float
    end: float
    op: str = ""
    name: str = ""
    description: str = ""
    status: str = ""
    origin: str = ""
    is_segment: bool = False
    segment_id: str = ""
    attributes: dict[str, AttributeValue] = field(default_factory=dict)
    measurements: dict[str, float] = field(default_factory=dict)
    links: list[dict[str, object]] = field(default_factory=list)
    exclusive_time: float = 0.0
    category: str = "other"
    normalized_description: str = ""
    group_hash: str = ""
    """16 hex digits, empty when the description is not worth grouping by."""
    action: str = ""
    domain: str = ""
    system: str = ""

    @property
    def duration(self) -> float:
        """Milliseconds, never negative."""
        return max(0.0, (self.end - self.start) * 1000)

    @property
    def failed(self) -> bool:
        """Whether statistics count it as a failure."""
        return self.status not in NOT_FAILED
