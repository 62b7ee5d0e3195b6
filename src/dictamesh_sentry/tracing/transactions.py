"""Figures of transactions: by name, over time, and against the period before. Weighted by what was sampled away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.statistics_queries import bucket_starts
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.tracing.percentiles import Percentile, uneven

LEVELS = {"p50": 0.50, "p75": 0.75, "p95": 0.95, "p99": 0.99}
DEFAULT_APDEX = 300
#: User misery, as the field defines it: (miserable users + alpha) / (users + alpha + beta).
ALPHA, BETA = 5.8875, 111.8625
MOST_ROWS = 100
_FAILED = "status NOT IN ('', 'ok', 'cancelled', 'unknown')"
_TIME = "DateTime64(6, 'UTC')"
SORTS = {
    "tpm": "count", "p50": "p50", "p75": "p75", "p95": "p95", "p99": "p99", "failure": "failure_rate",
    "apdex": "apdex", "users": "users", "misery": "misery", "name": "transaction", "trend": "trend",
}  # fmt: skip
#: What the tabs of the home show: a condition on segments.
KINDS = {
    "backend": "transaction_op IN ('http.server', 'queue.process', 'queue.task', 'queue.task.celery', 'task',"
    " 'function', 'websocket.server', 'grpc.server', 'rpc', 'grpc', 'default')",
    "frontend": "transaction_op IN ('pageload', 'navigation', 'ui.action.click', 'ui.interaction.click')"
    " OR (platform = 'javascript' AND browser_name != '')",
    "mobile": "transaction_op IN ('ui.load', 'app.start', 'app.start.cold', 'app.start.warm')"
    " OR platform IN ('cocoa', 'android', 'dart', 'java-android')",
}


@dataclass(frozen=True)
class Scope:
    """Which segments are meant. ``condition`` is SQL of a compiled search, its values bound in ``parameters``."""

    project_ids: Sequence[int]
    period: Period
    environments: Sequence[str] = ()
    release: str = ""
    transaction: str | None = None
    condition: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def where(self, start: datetime | None = None, *, segments: bool = True) -> tuple[str, dict[str, Any]]:
        """Conditions and parameters; ``start`` replaces the period's."""
        conditions = [
            f"is_segment = {1 if segments else 0}",
            "project_id IN {projects:Array(UInt64)}",
            f"timestamp >= {{start:{_TIME}}}",
            f"timestamp < {{end:{_TIME}}}",
        ]
        parameters: dict[str, Any] = {
            **self.parameters,
            "projects": list(self.project_ids),
            "start": start or self.period.start,
            "end": self.period.end,
        }
        if self.environments:
            conditions.append("environment IN {environments:Array(String)}")
            parameters["environments"] = list(self.environments)
        if self.release:
            conditions.append("release = {release:String}")
            parameters["release"] = self.release
        if self.transaction is not None:
            conditions.append("transaction = {transaction:String}")
            parameters["transaction"] = self.transaction
        if self.condition:
            conditions.append(f"({self.condition})")
        return " AND ".join(conditions), parameters


@dataclass(frozen=True)
class Figures:
    """What is said of some transactions. Durations in ms; None where nothing was measured."""

    count: float
    tpm: float
    p50: float | None
    p75: float | None
    p95: float | None
    p99: float | None
    failure_rate: float | None
    apdex: float | None
    users: int
    misery: float | None
    previous_p95: float | None = None
    previous_count: float = 0.0
    is_extrapolated: bool = False

    @property
    def trend(self) -> float | None:
        """p95 now over p95 in the period before; None without both."""
        return self.p95 / self.previous_p95 if self.p95 is not None and self.previous_p95 else None


@dataclass(frozen=True)
class TransactionRow:
    """A transaction of a project with its figures."""

    project_id: int
    transaction: str
    op: str
    figures: Figures


@dataclass(frozen=True)
class TransactionPage:
    """Some of the transactions in the order asked for, and how many there are."""

    rows: list[TransactionRow]
    total: int


@dataclass(frozen=True)
class Point:
    """One interval of a chart."""

    start: int
    count: float
    p50: float | None
    p95: float | None
    failure_rate: float | None


def list_transactions(
    scope: Scope,
    thresholds: Mapping[int, int],
    *,
    sort: str = "tpm",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> TransactionPage:
    """Transactions by project and name. ``thresholds``: project → Apdex threshold in ms."""
    if not scope.project_ids:
        return TransactionPage([], 0)
    where, parameters = scope.where(scope.period.previous().start)
    weighted = _weights_differ(where, parameters)
    order = _order(SORTS.get(sort, "count"), "DESC" if descending else "ASC")
    rows = get_store().query(
        f"SELECT project_id, transaction, any(transaction_op) AS op, {_figures(thresholds, weighted)},"
        f" p95 / nullIf(previous_p95, 0) AS trend, count() OVER () AS total FROM spans WHERE {where}"
        f" GROUP BY project_id, transaction HAVING count > 0 ORDER BY {order}, transaction, project_id"
        " LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
        {**parameters, "now": scope.period.start, "limit": min(limit, MOST_ROWS), "offset": offset},
    )
    minutes = scope.period.seconds / 60
    found = [TransactionRow(int(row["project_id"]), row["transaction"], row["op"], _read(row, minutes)) for row in rows]
    return TransactionPage(found, int(rows[0]["total"]) if rows else 0)


def _order(column: str, direction: str) -> str:
    """What there is no figure for comes last, whichever way it is sorted."""
    if column == "transaction":
        return f"lower(transaction) {direction}"
    value = f"ifNull(toFloat64({column}), nan)"
    return f"isNaN({value}), {value} {direction}"


def summarize(scope: Scope, thresholds: Mapping[int, int]) -> Figures | None:
    """The figures of everything in the scope together; None when there is nothing."""
    if not scope.project_ids:
        return None
    where, parameters = scope.where(scope.period.previous().start)
    weighted = _weights_differ(where, parameters)
    rows = get_store().query(
        f"SELECT {_figures(thresholds, weighted)} FROM spans WHERE {where}",
        {**parameters, "now": scope.period.start},
    )
    return _read(rows[0], scope.period.seconds / 60) if rows and rows[0]["count"] else None


def series(scope: Scope) -> list[Point]:
    """The chart of the scope: one point per interval, those without transactions included."""
    rollup = scope.period.rollup
    starts = bucket_starts(scope.period, rollup)
    if not scope.project_ids:
        return [Point(start, 0, None, None, None) for start in starts]
    where, parameters = scope.where()
    weighted = _weights_differ(where, parameters)
    rows = get_store().rows(
        f"SELECT toUInt32(intDiv(toUnixTimestamp(timestamp), {rollup}) * {rollup}) AS bucket, sum(sample_weight),"
        f" {Percentile(0.5).sql(weighted=weighted)}, {Percentile(0.95).sql(weighted=weighted)},"
        f" sumIf(sample_weight, {_FAILED}) FROM spans WHERE {where} GROUP BY bucket",
        parameters,
    )
    found = {
        int(bucket): Point(int(bucket), count, _number(p50), _number(p95), failed / count if count else None)
        for bucket, count, p50, p95, failed in rows
    }
    return [found.get(start) or Point(start, 0, None, None, None) for start in starts]


def _weights_differ(where: str, parameters: Mapping[str, Any]) -> bool:
    rows = get_store().rows(f"SELECT min(sample_weight), max(sample_weight) FROM spans WHERE {where}", parameters)
    return uneven(float(rows[0][0]), float(rows[0][1])) if rows else False


def _figures(thresholds: Mapping[int, int], weighted: bool) -> str:
    """The aggregates: those of the period, and two of the one before. ``{now}`` is where the period begins."""
    now = f"timestamp >= {{now:{_TIME}}}"
    limit = _threshold(thresholds)
    percentiles = ", ".join(
        f"{Percentile(level, condition=now).sql(weighted=weighted)} AS {name}" for name, level in LEVELS.items()
    )
    return (
        f"sumIf(sample_weight, {now}) AS count, {percentiles},"
        f" sumIf(sample_weight, {now} AND {_FAILED}) / nullIf(count, 0) AS failure_rate,"
        f" (sumIf(sample_weight, {now} AND duration <= {limit})"
        f" + sumIf(sample_weight, {now} AND duration > {limit} AND duration <= 4 * {limit}) / 2) / nullIf(count, 0)"
        " AS apdex,"
        f" uniqExactIf(user_hash, {now} AND user_hash != 0) AS users,"
        f" uniqExactIf(user_hash, {now} AND user_hash != 0 AND duration > 4 * {limit}) AS miserable,"
        f" (miserable + {ALPHA}) / (users + {ALPHA} + {BETA}) AS misery,"
        f" {Percentile(0.95, condition=f'NOT ({now})').sql(weighted=weighted)} AS previous_p95,"
        f" sumIf(sample_weight, NOT ({now})) AS previous_count,"
        f" maxIf(sample_weight, {now}) AS heaviest, minIf(sample_weight, {now}) AS lightest"
    )


def _threshold(thresholds: Mapping[int, int]) -> str:
    """The Apdex threshold of a row's project, as SQL over numbers of ours."""
    special = {int(key): int(value) for key, value in thresholds.items() if int(value) != DEFAULT_APDEX}
    if not special:
        return str(DEFAULT_APDEX)
    keys, values = ", ".join(map(str, special)), ", ".join(map(str, special.values()))
    return f"transform(project_id, [{keys}], [{values}], {DEFAULT_APDEX})"


def _read(row: Mapping[str, Any], minutes: float) -> Figures:
    count = float(row["count"])
    return Figures(
        count=count,
        tpm=count / minutes if minutes else 0.0,
        p50=_number(row["p50"]),
        p75=_number(row["p75"]),
        p95=_number(row["p95"]),
        p99=_number(row["p99"]),
        failure_rate=_number(row["failure_rate"]),
        apdex=_number(row["apdex"]),
        users=int(row["users"]),
        misery=_number(row["misery"]) if row["users"] else None,
        previous_p95=_number(row["previous_p95"]) if row["previous_count"] else None,
        previous_count=float(row["previous_count"]),
        is_extrapolated=float(row["heaviest"]) != 1 or float(row["lightest"]) != 1,
    )


def _number(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)
