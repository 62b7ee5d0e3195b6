"""What lies behind one transaction's figures: how durations spread, what took the time, which tags go with slowness."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.tracing.percentiles import Percentile
from dictamesh_sentry.tracing.transactions import Scope

BUCKETS = 40
MOST_TAGS = 20
LEAST_SLOW = 10
VITALS = {"lcp": (2500, 4000), "fcp": (1800, 3000), "inp": (200, 500), "cls": (0.1, 0.25), "ttfb": (800, 1800)}
_ALWAYS = (
    "environment",
    "release",
    "browser_name",
    "os_name",
    "device_class",
    "geo_country_code",
    "transaction_method",
)


@dataclass(frozen=True)
class Bucket:
    """Transactions whose duration lies between ``low`` and ``high`` ms."""

    low: float
    high: float
    count: float


@dataclass(frozen=True)
class Suspect:
    """A kind of span below the transaction. ``frequency``: spans per transaction; ``share`` of all self time."""

    op: str
    group_hash: int
    description: str
    category: str
    count: float
    frequency: float
    average: float
    p95: float | None
    total_self: float
    share: float
    trace_id: str
    span_id: int


@dataclass(frozen=True)
class TagShare:
    """A tag's value among the slowest twentieth and among the rest; ``lift`` is the ratio of both shares."""

    key: str
    value: str
    slow: float
    rest: float
    count: float
    lift: float


@dataclass(frozen=True)
class Vital:
    """A web vital at p75 with the shares of good, fair and poor."""

    name: str
    p75: float
    good: float
    fair: float
    poor: float
    count: float


@dataclass(frozen=True)
class Sample:
    """One transaction. ``event_id`` and ``profile_id`` are empty where there is none."""

    event_id: str
    trace_id: str
    span_id: int
    timestamp: datetime
    duration: float
    status: str
    user: str
    environment: str
    release: str
    profile_id: str


def narrowed(scope: Scope, least: float | None, most: float | None) -> Scope:
    """The scope between two durations in ms, either of which may be open."""
    conditions = [scope.condition] if scope.condition else []
    parameters = dict(scope.parameters)
    if least is not None:
        conditions.append("duration >= {least:Float64}")
        parameters["least"] = least
    if most is not None:
        conditions.append("duration <= {most:Float64}")
        parameters["most"] = most
    joined = " AND ".join(f"({condition})" for condition in conditions)
    return replace(scope, condition=joined, parameters=parameters)


def histogram(scope: Scope) -> list[Bucket]:
    """At most ``BUCKETS`` buckets of equal width up to the 99th percentile; the last one holds what is beyond."""
    where, parameters = scope.where()
    store = get_store()
    low, high, top, count = store.rows(
        f"SELECT min(duration), quantileExact(0.99)(duration), max(duration), count() FROM spans WHERE {where}",
        parameters,
    )[0]
    if not count:
        return []
    width = max((high - low) / BUCKETS, 0.001)
    rows = store.rows(
        "SELECT least(toUInt32(floor((duration - {low:Float64}) / {width:Float64})), {last:UInt32}) AS bucket,"
        f" sum(sample_weight) FROM spans WHERE {where} GROUP BY bucket",
        {**parameters, "low": low, "width": width, "last": BUCKETS - 1},
    )
    counts = {int(bucket): float(weight) for bucket, weight in rows}
    return [
        Bucket(low + n * width, top if n == BUCKETS - 1 else low + (n + 1) * width, counts.get(n, 0.0))
        for n in range(BUCKETS)
    ]


def suspects(scope: Scope, limit: int = 10) -> list[Suspect]:
    """The kinds of child spans that took most time by themselves, in the transactions of the scope."""
    chosen, parameters = scope.where()
    where, _ = replace(scope, condition="").where(segments=False)
    rows = get_store().query(
        f"WITH (SELECT sum(sample_weight) FROM spans WHERE {chosen}) AS transactions"
        " SELECT op, group_hash, any(if(normalized_description = '', description, normalized_description)) AS text,"
        " any(category) AS kind, sum(sample_weight) AS count, count / nullIf(transactions, 0) AS frequency,"
        f" sum(duration * sample_weight) / count AS average, {Percentile(0.95).sql(weighted=False)} AS slow,"
        " sum(self_time * sample_weight) AS total_self, total_self / nullIf(sum(total_self) OVER (), 0) AS share,"
        " argMax(trace_id, duration) AS trace, argMax(span_id, duration) AS span"
        f" FROM spans WHERE {where}{_of_segments(scope, chosen)} GROUP BY op, group_hash"
        " ORDER BY total_self DESC, op, group_hash LIMIT {limit:UInt32}",
        {**parameters, "limit": limit},
    )
    return [
        Suspect(
            row["op"],
            int(row["group_hash"]),
            row["text"],
            row["kind"],
            row["count"],
            row["frequency"] or 0.0,
            row["average"],
            _number(row["slow"]),
            row["total_self"],
            row["share"] or 0.0,
            row["trace"].hex,
            int(row["span"]),
        )
        for row in rows
    ]


def _of_segments(scope: Scope, chosen: str) -> str:
    """Children of the chosen segments. Where nothing but the name decides, the name on the children says the same."""
    if not scope.condition:
        return ""
    return f" AND (trace_id, segment_id) IN (SELECT trace_id, span_id FROM spans WHERE {chosen})"


def breakdown(scope: Scope) -> list[tuple[str, float, float]]:
    """(category, self time in ms, share) of the children, and of the transactions themselves as ``app``."""
    chosen, parameters = scope.where()
    where, _ = replace(scope, condition="").where(segments=False)
    rows = get_store().rows(
        f"SELECT category, sum(self_time * sample_weight) FROM spans WHERE {where}{_of_segments(scope, chosen)}"
        f" GROUP BY category UNION ALL SELECT 'app', sum(self_time * sample_weight) FROM spans WHERE {chosen}",
        parameters,
    )
    total = sum(time for _, time in rows)
    found = [(category, float(time), time / total) for category, time in rows if total and time > 0]
    return sorted(found, key=lambda one: -one[1])


def slow_tags(scope: Scope) -> list[TagShare]:
    """Values of tags that are more frequent among the slowest 5 % than among the rest, strongest first.

    A value must occur in at least ten slow transactions: fewer say nothing.
    """
    where, parameters = scope.where()
    store = get_store()
    (edge,) = store.rows(f"SELECT quantileExact(0.95)(duration) FROM spans WHERE {where}", parameters)[0]
    if edge is None or math.isnan(edge):
        return []
    columns = ", ".join(f"('{name}', toString({name}))" for name in _ALWAYS)
    rows = store.rows(
        "WITH arrayConcat(arrayFilter(tag -> length(tag.2) <= 100 AND NOT startsWith(tag.1, 'http.')"
        " AND NOT startsWith(tag.1, 'thread.'), CAST(attributes_string, 'Array(Tuple(String, String))')),"
        f" arrayFilter(tag -> tag.2 != '', [{columns}])) AS tags,"
        f" (SELECT sumIf(sample_weight, duration >= {{edge:Float64}}) FROM spans WHERE {where}) AS slow_all,"
        f" (SELECT sumIf(sample_weight, duration < {{edge:Float64}}) FROM spans WHERE {where}) AS rest_all"
        " SELECT tag.1, tag.2, sumIf(sample_weight, duration >= {edge:Float64}) AS slow,"
        " sumIf(sample_weight, duration < {edge:Float64}) AS rest, slow / nullIf(slow_all, 0) AS slow_share,"
        " rest / nullIf(rest_all, 0) AS rest_share,"
        " slow_share / greatest(rest_share, 1 / nullIf(rest_all, 0)) AS lift"
        f" FROM spans ARRAY JOIN tags AS tag WHERE {where} GROUP BY tag.1, tag.2"
        " HAVING slow >= {least_slow:UInt32} AND lift > 1.5 ORDER BY lift * sqrt(slow) DESC LIMIT {most:UInt32}",
        {**parameters, "edge": edge, "least_slow": LEAST_SLOW, "most": MOST_TAGS},
    )
    return [TagShare(row[0], row[1], row[4], row[5] or 0.0, row[2] + row[3], row[6]) for row in rows]


def vitals(scope: Scope) -> list[Vital]:
    """The web vitals that were measured, in their usual order."""
    where, parameters = scope.where()
    parts = []
    for name, (good, poor) in VITALS.items():
        value = f"attributes_number['measurements.{name}']"
        has = f"mapContains(attributes_number, 'measurements.{name}')"
        parts += [
            f"sumIf(sample_weight, {has})",
            Percentile(0.75, value, has).sql(weighted=False),
            f"sumIf(sample_weight, {has} AND {value} <= {good})",
            f"sumIf(sample_weight, {has} AND {value} > {poor})",
        ]
    row = get_store().rows(f"SELECT {', '.join(parts)} FROM spans WHERE {where}", parameters)[0]
    found = []
    for index, name in enumerate(VITALS):
        count, p75, good, poor = row[4 * index : 4 * index + 4]
        if count:
            found.append(Vital(name, p75, good / count, (count - good - poor) / count, poor / count, count))
    return found


def samples(scope: Scope, *, order: str = "slowest", limit: int = 10, offset: int = 0) -> list[Sample]:
    """Transactions: ``slowest``, ``fastest``, ``newest``, or a ``random`` few that are the same each time."""
    where, parameters = scope.where()
    by = {
        "slowest": "duration DESC",
        "fastest": "duration",
        "newest": "timestamp DESC",
        "random": "cityHash64(trace_id)",
    }.get(order, "duration DESC")
    rows = get_store().query(
        "SELECT event_id, trace_id, span_id, timestamp, duration, status, user, environment, release, profile_id"
        f" FROM spans WHERE {where} ORDER BY {by}, span_id LIMIT {{limit:UInt32}} OFFSET {{offset:UInt32}}",
        {**parameters, "limit": limit, "offset": offset},
    )
    return [_sample(row) for row in rows]


def profiled(scope: Scope, limit: int = 5) -> list[Sample]:
    """The slowest transactions that have a profile."""
    condition = f"({scope.condition}) AND profile_id != ''" if scope.condition else "profile_id != ''"
    return samples(replace(scope, condition=condition), limit=limit)


def _sample(row: Mapping[str, Any]) -> Sample:
    return Sample(
        event_id=row["event_id"].hex if row["event_id"].int else "",
        trace_id=row["trace_id"].hex,
        span_id=int(row["span_id"]),
        timestamp=row["timestamp"],
        duration=row["duration"],
        status=row["status"],
        user=row["user"],
        environment=row["environment"],
        release=row["release"],
        profile_id=row["profile_id"],
    )


def related_issues(scope: Scope, limit: int = 5) -> list[tuple[int, int]]:
    """(issue id, events) of the errors and problems that happened in transactions of this name, most frequent first."""
    rows = get_store().rows(
        "SELECT issue_id, count() AS events FROM events WHERE project_id IN {projects:Array(UInt64)}"
        " AND timestamp >= {start:DateTime64(3)} AND timestamp < {end:DateTime64(3)}"
        " AND transaction = {transaction:String} GROUP BY issue_id ORDER BY events DESC, issue_id LIMIT {limit:UInt32}",
        {
            "projects": list(scope.project_ids),
            "start": scope.period.start,
            "end": scope.period.end,
            "transaction": scope.transaction or "",
            "limit": limit,
        },
    )
    return [(int(issue_id), int(events)) for issue_id, events in rows]


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def total_of(buckets: Sequence[Bucket]) -> float:
    """How many transactions a histogram shows."""
    return sum(bucket.count for bucket in buckets)
