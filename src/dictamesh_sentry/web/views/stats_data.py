"""What the statistics page and the project cards show of the outcomes: buckets, totals, reasons, bars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dictamesh_sentry.protocol.categories import DataCategory, Outcome

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Range:
    """A period people choose, and how finely it is drawn."""

    name: str
    label: str
    length: timedelta
    bucket: timedelta

    def starts(self, now: datetime) -> list[datetime]:
        """The start of every bucket, oldest first, aligned to the bucket in UTC; the last one holds ``now``."""
        seconds = int(self.bucket.total_seconds())
        last = datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)
        count = int(self.length / self.bucket)
        return [last - self.bucket * index for index in reversed(range(count))]


RANGES = (
    Range("24h", "Last 24 hours", timedelta(hours=24), HOUR),
    Range("7d", "Last 7 days", timedelta(days=7), timedelta(hours=4)),
    Range("14d", "Last 14 days", timedelta(days=14), timedelta(hours=8)),
    Range("30d", "Last 30 days", timedelta(days=30), timedelta(days=1)),
    Range("90d", "Last 90 days", timedelta(days=90), timedelta(days=2)),
)

#: How the outcomes are shown: name of the colour, label, what it means.
SHOWN = {
    Outcome.ACCEPTED: ("accepted", "Accepted", "Stored."),
    Outcome.FILTERED: ("filtered", "Filtered", "Dropped by an inbound filter or because it cannot be shown yet."),
    Outcome.RATE_LIMITED: ("limited", "Rate limited", "Over a quota or the limit of a key; SDKs were told to wait."),
    Outcome.INVALID: ("invalid", "Invalid", "Could not be read, or came twice."),
    Outcome.CLIENT_DISCARD: ("client", "Dropped by SDKs", "Never sent: the SDK itself reports that it dropped it."),
}
_MERGED = {Outcome.ABUSE: Outcome.RATE_LIMITED, Outcome.CARDINALITY_LIMITED: Outcome.RATE_LIMITED}
#: Categories counted in bytes.
BYTES = frozenset({DataCategory.ATTACHMENT, DataCategory.LOG_BYTE, DataCategory.TRACE_METRIC_BYTE})
CATEGORY_LABELS = {
    DataCategory.DEFAULT: "Messages",
    DataCategory.ERROR: "Errors",
    DataCategory.SECURITY: "Security reports",
    DataCategory.ATTACHMENT: "Attachments",
    DataCategory.FEEDBACK: "Feedback",
    DataCategory.TRANSACTION: "Transactions",
    DataCategory.SPAN: "Spans",
    DataCategory.SESSION: "Sessions",
    DataCategory.REPLAY: "Replays",
    DataCategory.PROFILE: "Profiles",
    DataCategory.MONITOR: "Check-ins",
    DataCategory.LOG_ITEM: "Logs",
    DataCategory.LOG_BYTE: "Logs (bytes)",
    DataCategory.TRACE_METRIC: "Metrics",
}
REASONS = {
    "browser-extensions": "Error of a browser extension",
    "legacy-browsers": "Legacy browser",
    "web-crawlers": "Web crawler",
    "localhost": "Local development",
    "error-message": "Error message matches a filter",
    "release-version": "Release matches a filter",
    "ip-address": "IP address matches a filter",
    "invalid-csp": "CSP source matches a filter",
    "filtered-transaction": "Health check",
    "chunk-load-error": "Failed chunk load",
    "react-hydration-errors": "Hydration error of React",
    "discarded-hash": "Issue was deleted and discarded",
    "cors": "Origin not allowed",
    "duplicate": "Sent twice",
    "too_large": "Too large",
    "key_quota": "Limit of the client key",
    "project_quota": "Limit of the project",
    "quota_exceeded": "Quota",
    "queue_overflow": "Queue of the SDK was full",
    "cache_overflow": "Cache of the SDK was full",
    "ratelimit_backoff": "SDK waited because of a rate limit",
    "network_error": "Network error",
    "send_error": "Refused by the server",
    "sample_rate": "Sampling",
    "before_send": "before_send returned nothing",
    "event_processor": "Event processor returned nothing",
    "backpressure": "SDK slowed down under load",
}


@dataclass(frozen=True)
class Count:
    """``quantity`` with one outcome and reason in the bucket that starts at ``time``."""

    time: datetime
    project_id: int
    outcome: int
    reason: str
    quantity: int


def category_label(category: int) -> str:
    """A category's name for people; unknown numbers are shown as such."""
    try:
        known = DataCategory(category)
    except ValueError:
        return f"Category {category}"
    return CATEGORY_LABELS.get(known, known.api_name.replace("_", " ").capitalize())


def reason_label(reason: str) -> str:
    """A reason in words; unknown ones as SDKs and the server write them, readable."""
    if reason in REASONS:
        return REASONS[reason]
    return reason.replace("_", " ").replace("-", " ").replace("/", ": ").capitalize() if reason else "–"


def shown_outcome(outcome: int) -> Outcome | None:
    """The outcome under which a number is shown; None for numbers of a newer version."""
    try:
        known = Outcome(outcome)
    except ValueError:
        return None
    return _MERGED.get(known, known)


@dataclass(frozen=True)
class Segment:
    """One colour of a bar, in the drawing's units from the top."""

    css: str
    label: str
    quantity: int
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """One bucket."""

    start: datetime
    end: datetime
    x: float
    width: float
    total: int
    segments: list[Segment]

    def quantity(self, css: str) -> int:
        """How many of an outcome."""
        return sum(segment.quantity for segment in self.segments if segment.css == css)


@dataclass(frozen=True)
class Chart:
    """Stacked bars with their scale."""

    width: float
    height: float
    bars: list[Bar]
    maximum: int

    @property
    def ticks(self) -> list[int]:
        """Values of the scale, from the top."""
        return [self.maximum, self.maximum // 2, 0]

    @property
    def lines(self) -> list[int]:
        """Where the grid lines of ``ticks`` are."""
        return [0, round(self.height / 2), round(self.height)]


def stacked_bars(
    counts: Iterable[Count], starts: Sequence[datetime], bucket: timedelta, *, width: float = 720, height: float = 160
) -> Chart:
    """The counts as bars over the buckets; outcomes stack in the order of ``SHOWN``."""
    table: dict[int, dict[Outcome, int]] = defaultdict(lambda: defaultdict(int))
    for count in counts:
        outcome = shown_outcome(count.outcome)
        index = int((count.time - starts[0]) / bucket)
        if outcome is not None and outcome in SHOWN and 0 <= index < len(starts):
            table[index][outcome] += count.quantity
    maximum = nice_ceiling(max((sum(column.values()) for column in table.values()), default=0))
    step = width / len(starts)
    bars = []
    for index, start in enumerate(starts):
        segments, top = [], height
        for outcome, (css, label, _) in SHOWN.items():
            quantity = table[index][outcome] if index in table else 0
            if quantity:
                # A visible sliver even for one of a million.
                size = max(1.0, quantity / maximum * height)
                top = max(0.0, top - size)
                segments.append(Segment(css, label, quantity, round(top, 2), round(size, 2)))
        total = sum(segment.quantity for segment in segments)
        bars.append(Bar(start, start + bucket, round(index * step, 2), round(step * 0.8, 2), total, segments))
    return Chart(width, height, bars, maximum)


def nice_ceiling(value: int) -> int:
    """The next of 1, 2, 5 times a power of ten (at least 2), so that the middle of the scale is a whole number."""
    power = 1
    while True:
        for factor in (2, 4, 10):
            if value <= factor * power:
                return factor * power
        power *= 10


@dataclass(frozen=True)
class Total:
    """The sum of one outcome, or of one reason of it."""

    css: str
    label: str
    hint: str
    quantity: int
    share: float


def totals_by_outcome(counts: Iterable[Count]) -> list[Total]:
    """One total per shown outcome, zeros included."""
    sums: dict[Outcome, int] = defaultdict(int)
    for count in counts:
        outcome = shown_outcome(count.outcome)
        if outcome is not None:
            sums[outcome] += count.quantity
    everything = sum(sums.values()) or 1
    return [
        Total(css, label, hint, sums[outcome], sums[outcome] / everything * 100)
        for outcome, (css, label, hint) in SHOWN.items()
    ]


def totals_by_reason(counts: Iterable[Count]) -> list[Total]:
    """What was not accepted, by reason, most first."""
    sums: dict[tuple[Outcome, str], int] = defaultdict(int)
    for count in counts:
        outcome = shown_outcome(count.outcome)
        if outcome is not None and outcome in SHOWN and outcome is not Outcome.ACCEPTED:
            sums[(outcome, count.reason)] += count.quantity
    everything = sum(sums.values()) or 1
    return [
        Total(SHOWN[outcome][0], SHOWN[outcome][1], reason_label(reason), quantity, quantity / everything * 100)
        for (outcome, reason), quantity in sorted(sums.items(), key=lambda item: -item[1])
    ]
