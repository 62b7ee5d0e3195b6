"""The time window of a query: ``statsPeriod`` or ``start`` and ``end`` (web API reference, 1.7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_RELATIVE = re.compile(r"^(\d{1,6})([smhdw])$")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST = timedelta(days=3650)
# Width of a chart's bucket for windows up to so many seconds.
_ROLLUPS = (
    (3600, 60),
    (6 * 3600, 300),
    (86400, 1800),
    (2 * 86400, 3600),
    (4 * 86400, 2 * 3600),
    (8 * 86400, 4 * 3600),
    (16 * 86400, 6 * 3600),
    (31 * 86400, 12 * 3600),
    (100 * 86400, 86400),
)
_SLACK = 60  # relative windows end a second ahead
DEFAULT = "14d"


class PeriodError(ValueError):
    """The window is not one; the message names the parameter and the fix."""


@dataclass(frozen=True)
class Period:
    """From ``start`` (inclusive) to ``end`` (exclusive), both in UTC. ``label`` is a relative form or empty."""

    start: datetime
    end: datetime
    label: str = ""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return (self.end - self.start).total_seconds()

    @property
    def rollup(self) -> int:
        """Seconds per bucket that give a chart of the window 24 to 100 points."""
        return next((width for limit, width in _ROLLUPS if self.seconds <= limit + _SLACK), 7 * 86400)

    def previous(self) -> Period:
        """The window of the same length just before."""
        return Period(self.start - (self.end - self.start), self.start)


def relative(text: str) -> timedelta:
    """``24h`` → one day. Raises PeriodError."""
    matched = _RELATIVE.match(text.strip())
    if matched is None:
        raise PeriodError(f"statsPeriod: {text!r} is not a period; write a number and s, m, h, d or w, such as 24h")
    length = timedelta(seconds=int(matched.group(1)) * _UNITS[matched.group(2)])
    if not timedelta(0) < length <= _LONGEST:
        raise PeriodError(f"statsPeriod: {text!r} is not between 1s and 3650d")
    return length


def parse_moment(text: str, name: str) -> datetime:
    """ISO 8601 with or without zone (then UTC), or epoch seconds. Raises PeriodError."""
    value = text.strip().replace(" ", "+") if "T" in text else text.strip()
    try:
        if value.replace(".", "", 1).isdigit() and len(value.partition(".")[0]) >= 9:
            return datetime.fromtimestamp(float(value), UTC)
        moment = datetime.fromisoformat(value)
    except (ValueError, OverflowError) as error:
        raise PeriodError(f"{name}: {text!r} is not a time; write it as 2026-01-31T10:00:00") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def parse_period(
    stats_period: str | None = None,
    start: str | None = None,
    end: str | None = None,
    *,
    default: str = DEFAULT,
    now: datetime | None = None,
) -> Period:
    """The window asked for; ``statsPeriod`` wins over ``start`` and ``end``. Raises PeriodError."""
    moment = now or datetime.now(UTC)
    if stats_period or not (start or end):
        label = (stats_period or default).strip()
        # One second ahead, so that an event of this very moment is inside.
        return Period(moment - relative(label), moment + timedelta(seconds=1), label)
    if not (start and end):
        raise PeriodError("start and end must be given together")
    first, last = parse_moment(start, "start"), parse_moment(end, "end")
    if first >= last:
        raise PeriodError("start must be before end")
    return Period(first, last)
