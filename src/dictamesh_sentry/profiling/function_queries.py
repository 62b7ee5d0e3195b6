"""Which functions take time, over many profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.profiling.queries import Filters
from dictamesh_sentry.search.conditions import without_surrogates

ORDERS = {"self": "self_ns_", "total": "total_ns_", "p95": "quantiles[3]", "profiles": "profiles"}


@dataclass(frozen=True)
class SlowFunction:
    """A function in many profiles. Times are nanoseconds; quantiles are over its time in each profile.

    ``example`` is the profile in which it took longest by itself: (project, id, its start).
    """

    fingerprint: int
    function: str
    package: str
    file: str
    in_app: bool
    platform: str
    self_ns: int
    total_ns: int
    samples: int
    profiles: int
    p50_self_ns: int
    p75_self_ns: int
    p95_self_ns: int
    p99_self_ns: int
    project_id: int
    example: str
    last: datetime


def slowest_functions(
    filters: Filters,
    *,
    in_app: bool | None = True,
    order: str = "self",
    fingerprint: int | None = None,
    text: str = "",
    limit: int = 25,
    offset: int = 0,
) -> list[SlowFunction]:
    """Functions by the time they took in all profiles of the window; ``order`` is one of ORDERS.

    ``in_app``: only functions of the app, only others, or (None) both. ``text`` is looked for in name and package.
    """
    if not filters.project_ids:
        return []
    where, parameters = filters.where()
    conditions, more = _conditions(in_app, fingerprint, text)
    rows = get_store().rows(
        "SELECT fingerprint, any(function), any(package), any(file), max(in_app), any(platform),"
        " sum(self_ns) AS self_ns_, sum(total_ns) AS total_ns_, sum(samples), uniqExact(profile_id) AS profiles,"
        " quantilesExact(0.5, 0.75, 0.95, 0.99)(self_ns) AS quantiles, argMax(project_id, self_ns),"
        " argMax(profile_id, self_ns), max(timestamp)"
        f" FROM profile_functions WHERE {where}{conditions} GROUP BY fingerprint"
        f" ORDER BY {ORDERS[order]} DESC, total_ns_ DESC, fingerprint LIMIT {{limit:UInt32}} OFFSET {{offset:UInt32}}",
        {**parameters, **more, "limit": limit, "offset": offset},
    )
    return [_slow(row) for row in rows]


def _slow(row: Sequence[Any]) -> SlowFunction:
    p50, p75, p95, p99 = (int(value) for value in row[10])
    return SlowFunction(
        fingerprint=int(row[0]),
        function=row[1],
        package=row[2],
        file=row[3],
        in_app=bool(row[4]),
        platform=row[5],
        self_ns=int(row[6]),
        total_ns=int(row[7]),
        samples=int(row[8]),
        profiles=int(row[9]),
        p50_self_ns=p50,
        p75_self_ns=p75,
        p95_self_ns=p95,
        p99_self_ns=p99,
        project_id=int(row[11]),
        example=row[12].hex,
        last=row[13],
    )


def _conditions(in_app: bool | None, fingerprint: int | None, text: str) -> tuple[str, dict[str, Any]]:
    sql, parameters = "", {}
    if in_app is not None:
        sql += " AND in_app = {in_app:UInt8}"
        parameters["in_app"] = int(in_app)
    if fingerprint is not None:
        sql += " AND fingerprint = {fingerprint:UInt64}"
        parameters["fingerprint"] = fingerprint
    if text:
        sql += " AND positionCaseInsensitiveUTF8(concat(package, '.', function), {text:String}) > 0"
        parameters["text"] = without_surrogates(text)
    return sql, parameters
