"""Times: wrong client clocks are corrected, impossible times replaced."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.normalize.meta import (
    CLOCK_DRIFT,
    FUTURE_TIMESTAMP,
    PAST_TIMESTAMP,
    Meta,
)
from dictamesh_sentry.processing.normalize.values import to_timestamp

DRIFT_THRESHOLD = 55 * 60
MAX_FUTURE = 60


def normalize_times(event: dict[str, Any], received: float, sent_at: float | None, max_age: float, meta: Meta) -> None:
    """Set ``received`` and bring all times of the event close to the server's clock.

    ``received`` and ``sent_at`` are epoch seconds, ``max_age`` is in seconds. Runs after the interfaces, so that the
    times of breadcrumbs are numbers.
    """
    event["received"] = received
    timestamp = _read(event, "timestamp", meta)
    _read(event, "start_timestamp", meta)
    if timestamp is None:
        timestamp = event["timestamp"] = received
        has_own_time = False
    else:
        has_own_time = True
    if sent_at is not None and has_own_time and abs(received - sent_at) >= DRIFT_THRESHOLD:
        _shift(event, received - sent_at)
        meta.error(("timestamp",), CLOCK_DRIFT, timestamp, sdk_time=sent_at, server_time=received)
        timestamp = event["timestamp"]
    if timestamp > received + MAX_FUTURE:
        meta.error(("timestamp",), FUTURE_TIMESTAMP, timestamp, sdk_time=timestamp, server_time=received)
        _shift(event, received - timestamp)
    elif timestamp < received - max_age:
        meta.error(("timestamp",), PAST_TIMESTAMP, timestamp, sdk_time=timestamp, server_time=received)
        _shift(event, received - timestamp)


def _read(event: dict[str, Any], key: str, meta: Meta) -> float | None:
    raw = event.pop(key, None)
    if raw is None:
        return None
    value = to_timestamp(raw)
    if value is None:
        meta.invalid((key,), raw, "expected a timestamp")
        return None
    event[key] = value
    return value


def _shift(event: dict[str, Any], seconds: float) -> None:
    for key in ("timestamp", "start_timestamp"):
        if key in event:
            event[key] = max(event[key] + seconds, 0.0)
    for crumb in (event.get("breadcrumbs") or {}).get("values") or ():
        if "timestamp" in crumb:
            crumb["timestamp"] = max(crumb["timestamp"] + seconds, 0.0)
