"""Mobile apps: starts, slow and frozen frames, times until a screen is shown."""

from __future__ import annotations

from dictamesh_sentry.tracing.insights.common import (
    COUNT,
    Breakdown,
    Filters,
    Sample,
    Sort,
    Spans,
    Table,
    breakdown,
    number,
    samples,
)
from dictamesh_sentry.tracing.percentiles import Percentile

_MEASURED = {
    "cold": "app_start_cold",
    "warm": "app_start_warm",
    "ttid": "time_to_initial_display",
    "ttfd": "time_to_full_display",
}
_FRAMES = {"frames": "frames_total", "slow": "frames_slow", "frozen": "frames_frozen"}
#: React Native calls the load of a screen a navigation, as browsers do.
REACT_NATIVE = "startsWith(sdk_name, 'sentry.javascript.react-native')"
_COLUMNS = {
    name: sql
    for short, stored in {**_MEASURED, **_FRAMES}.items()
    for name, sql in number(short, f"measurements.{stored}").items()
}
LOADS = Spans((), f"(op IN ('ui.load', 'app.start') OR (op = 'navigation' AND {REACT_NATIVE}))", _COLUMNS, (1,))
_METRICS = {
    "count": COUNT,
    **{f"{name}_count": f"sumIf(sample_weight, has_{name})" for name in _MEASURED},
    **{f"{name}_total": f"sumIf({name} * sample_weight, has_{name})" for name in _MEASURED},
    "frames_all": "sum(frames * sample_weight)",
    "frames_slow": "sum(slow * sample_weight)",
    "frames_frozen": "sum(frozen * sample_weight)",
    **{f"{name}_p50": Percentile(0.5, name, f"has_{name}") for name in ("cold", "warm")},
    **{f"{name}_p95": Percentile(0.95, name, f"has_{name}") for name in _MEASURED},
}
ORDERS = {
    "count": "count",
    "cold": "cold_p50",
    "cold95": "cold_p95",
    "warm": "warm_p50",
    "warm95": "warm_p95",
    "slow": "frames_slow / frames_all",
    "frozen": "frames_frozen / frames_all",
    "ttid": "ttid_total / ttid_count",
    "ttfd": "ttfd_total / ttfd_count",
}
#: What mobile figures can be broken down by: name → columns.
GROUPINGS = {
    "screen": {"project": "project_id", "name": "transaction"},
    "release": {"name": "release"},
    "device": {"name": "device_class"},
    "os": {"name": "os_name"},
}


def screens(filters: Filters, grouping: str, sort: Sort) -> Breakdown:
    """Loads of screens by one of ``GROUPINGS``."""
    keys = GROUPINGS.get(grouping, GROUPINGS["screen"])
    return breakdown(filters, Table(LOADS, keys, _METRICS, ORDERS, tuple(keys.values())), sort)


def over_time(filters: Filters) -> Breakdown:
    """Starts, without a table."""
    names = ("count", "cold_count", "cold_total", "warm_count", "warm_total")
    return breakdown(filters, Table(LOADS, {}, {name: _METRICS[name] for name in names}, {}))


def load_samples(filters: Filters) -> list[Sample]:
    """The slowest starts, and the slowest loads."""
    return samples(
        filters,
        LOADS,
        {
            "cold": ("has_cold", "cold DESC"),
            "warm": ("has_warm", "warm DESC"),
            "slow": ("1", "duration DESC"),
        },
        values=("cold", "has_cold", "warm", "has_warm", "ttid", "has_ttid"),
        each=4,
    )
