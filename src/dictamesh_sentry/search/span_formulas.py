"""Functions over spans that say how well something works: failures, Apdex, misery, web vitals, caches, statistics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dictamesh_sentry.search.columns import Column, number, unquoted, whole
from dictamesh_sentry.search.errors import FieldError
from dictamesh_sentry.search.span_aggregates import count, like, mean, ratio
from dictamesh_sentry.search.span_fields import Value

if TYPE_CHECKING:
    from dictamesh_sentry.search.span_functions import SpanReader

FAILED = "status NOT IN ('', 'ok', 'cancelled', 'unknown')"
_ALPHA, _BETA = 5.8875, 111.8625
#: Up to the first a vital is good, above the second poor (web.dev). Milliseconds, but for cls.
VITALS = {
    "lcp": (2500.0, 4000.0), "fcp": (1800.0, 3000.0), "fp": (1800.0, 3000.0), "inp": (200.0, 500.0),
    "cls": (0.1, 0.25), "ttfb": (800.0, 1800.0), "fid": (100.0, 300.0),
}  # fmt: skip
_HIT, _MISS = "attributes_string['cache.hit'] = 'true'", "attributes_string['cache.hit'] = 'false'"


def _failures(reader: SpanReader, name: str, arguments: list[str]) -> Column:  # noqa: ARG001
    return count(name, FAILED)


def _failure_rate(reader: SpanReader, name: str, arguments: list[str]) -> Column:  # noqa: ARG001
    return ratio(name, FAILED)


def _failure_rate_if(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    return ratio(name, FAILED, f"({reader.test(name, arguments)})")


def _timed(reader: SpanReader, name: str, arguments: list[str]) -> tuple[Value, str, list[str]]:
    """The duration a verdict is about, its threshold in SQL, and the arguments that are left.

    Without a field it is the transaction's: spans that are no transactions take no part. Without a threshold it is
    the project's.
    """
    field = "transaction.duration"
    if arguments and not arguments[0].replace(".", "", 1).isdigit():
        field, *arguments = arguments
    value = reader.numeric(name, field)
    if not arguments:
        return value, reader.threshold, []
    if reader.float(name, arguments[0]) <= 0:
        raise FieldError(f"{name[:100]}: the threshold must be more than 0")
    return value, reader.constant(name, arguments[0]), arguments[1:]


def _apdex(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value, limit, _ = _timed(reader, name, arguments)
    there = value.condition
    happy = f"sumIf(sample_weight, ({there} AND {value.sql} <= {limit}))"
    tolerating = f"sumIf(sample_weight, ({there} AND {value.sql} > {limit} AND {value.sql} <= 4 * {limit}))"
    sql = f"(({happy} + {tolerating} / 2) / nullIf(sumIf(sample_weight, {there}), 0))"
    return Column(name, sql, "number", True, convert=number, extrapolated=True)


def _miserable(value: Value, limit: str) -> str:
    return f"uniqIf(user_hash, (user_hash != 0 AND {value.condition} AND {value.sql} > 4 * {limit}))"


def _misery(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value, limit, rest = _timed(reader, name, arguments)
    alpha = reader.constant(name, rest[0] if rest else str(_ALPHA))
    beta = reader.constant(name, rest[1] if len(rest) > 1 else str(_BETA))
    users = f"uniqIf(user_hash, (user_hash != 0 AND {value.condition}))"
    sql = f"(({_miserable(value, limit)} + {alpha}) / nullIf({users} + {alpha} + {beta}, 0))"
    return Column(name, sql, "number", True, convert=number)


def _count_miserable(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    who, *rest = arguments
    if reader.value(who).kind != "user":
        raise FieldError(f"{name[:100]}: only users can be counted")
    value, limit, _ = _timed(reader, name, rest)
    return Column(name, _miserable(value, limit), "integer", True, convert=whole, zero=True)


def _vital(reader: SpanReader, name: str, argument: str) -> tuple[str, Value]:
    """``measurements.lcp``, ``measurements.score.lcp`` or ``lcp``: the vital and its score."""
    vital = argument.removeprefix("measurements.").removeprefix("score.")
    if vital not in VITALS and vital != "total":
        raise FieldError(f"{name[:100]}: {argument[:100]} is no web vital")
    return vital, reader.numeric(name, f"measurements.score.{vital}")


def _web_vitals(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    vital, quality = arguments[0].removeprefix("measurements."), unquoted(arguments[1])
    if vital not in VITALS:
        raise FieldError(f"{name[:100]}: {arguments[0][:100]} is no web vital")
    value = reader.numeric(name, f"measurements.{vital}")
    good, poor = (reader.binder.bind(limit, "Float64") for limit in VITALS[vital])
    tests = {
        "good": f"{value.sql} <= {good}", "meh": f"{value.sql} > {good} AND {value.sql} <= {poor}",
        "poor": f"{value.sql} > {poor}", "any": "1",
    }  # fmt: skip
    if quality not in tests:
        raise FieldError(f"{name[:100]}: the quality must be one of {', '.join(tests)}")
    return count(name, f"({value.condition} AND {tests[quality]})")


def _weighed(reader: SpanReader, name: str, argument: str) -> tuple[Value, str]:
    """A vital's score, and in SQL what it weighs in the total score of its page (1 for the total itself)."""
    vital, score = _vital(reader, name, argument)
    if vital == "total":
        return score, "1"
    weight = reader.numeric(name, f"measurements.score.weight.{vital}")
    return score, f"if({weight.condition}, {weight.sql}, 0)"


def _performance_score(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    score, weight = _weighed(reader, name, arguments[0])
    total = f"sumIf({weight} * sample_weight, {score.condition})"
    sql = f"(sumIf({score.sql} * {weight} * sample_weight, {score.condition}) / nullIf({total}, 0))"
    return Column(name, sql, "number", True, convert=number, extrapolated=True)


def _opportunity_score(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    score, weight = _weighed(reader, name, arguments[0])
    sql = f"sumIf((1 - {score.sql}) * {weight} * sample_weight, {score.condition})"
    return Column(name, sql, "number", True, convert=number, zero=True, extrapolated=True)


def _count_scores(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    _, score = _vital(reader, name, arguments[0])
    return count(name, score.condition)


def _cache_rate(reader: SpanReader, name: str, arguments: list[str]) -> Column:  # noqa: ARG001
    return ratio(name, f"({_MISS if 'miss' in name else _HIT})", f"(({_HIT}) OR ({_MISS}))")


def _http_response(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    digit = unquoted(arguments[0])
    if digit not in {"1", "2", "3", "4", "5"}:
        raise FieldError(f"{name[:100]}: write a digit from 1 to 5")
    part = f"startsWith(status_code, {reader.binder.text(digit)})"
    return count(name, part) if name.startswith("http_response_count") else ratio(name, part, "(status_code != '')")


def _status_rate(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    return ratio(name, f"(status = {reader.binder.text(unquoted(arguments[0]))})")


def _time_spent(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value = reader.numeric(name, arguments[0] if arguments else "span.self_time")
    spent = f"sumIf({value.sql} * sample_weight, {value.condition})"
    sql = f"({spent} / nullIf((SELECT {spent} FROM spans WHERE {reader.where}), 0))"
    return Column(name, sql, "percentage", True, convert=number, extrapolated=True)


def _avg_compare(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value, field = reader.numeric(name, arguments[0]), arguments[1]
    before, after = (mean(value, f"({reader.test(name, [field, text])})") for text in arguments[2:])
    return Column(name, f"({after} / nullIf({before}, 0) - 1)", "percentage", True, convert=number, extrapolated=True)


def _division(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    above, below = (reader.numeric(name, argument) for argument in arguments)
    sql = (
        f"(sumIf({above.sql} * sample_weight, {above.condition}) / "
        f"nullIf(sumIf({below.sql} * sample_weight, {below.condition}), 0))"
    )
    return Column(name, sql, "number", True, convert=number, extrapolated=True)


def _contribution(reader: SpanReader, name: str, arguments: list[str]) -> Column:  # noqa: ARG001
    key = reader.binder.text(f"ui.contributes_to_{name[:4]}")
    return ratio(name, f"(attributes_string[{key}] = 'true')")


def covariance(first: Value, second: Value) -> str:
    """Of a sample in which a row stands for as many pairs as it weighs. Null below two."""
    there = f"({first.condition} AND {second.condition})"
    weight = f"sumIf(sample_weight, {there})"
    products = f"sumIf({first.sql} * {second.sql} * sample_weight, {there})"
    sums = f"sumIf({first.sql} * sample_weight, {there}) * sumIf({second.sql} * sample_weight, {there})"
    return f"(({products} - {sums} / nullIf({weight}, 0)) / if({weight} > 1, {weight} - 1, NULL))"


def _variance(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    value = reader.numeric(name, arguments[0] if arguments else reader.duration)
    sql = f"greatest({covariance(value, value)}, 0)"
    if name.startswith("std"):
        return like(name, value, f"sqrt({sql})")
    return Column(name, sql, "number", True, convert=number, extrapolated=True)


def _covariance(reader: SpanReader, name: str, arguments: list[str]) -> Column:
    first, second = (reader.numeric(name, argument) for argument in arguments)
    sql = covariance(first, second)
    if name.startswith("corr"):
        both = f"({first.condition} AND {second.condition})"
        one, other = (Value(value.name, value.kind, value.sql, both) for value in (first, second))
        sql = f"({sql} / nullIf(sqrt(greatest({covariance(one, one)} * {covariance(other, other)}, 0)), 0))"
    return Column(name, sql, "number", True, convert=number, extrapolated=True)


_Maker = Callable[["SpanReader", str, list[str]], Column]
FORMULAS: dict[str, tuple[int, int, _Maker]] = {
    "failure_count": (0, 0, _failures),
    "failure_rate": (0, 0, _failure_rate),
    "failure_rate_if": (2, 3, _failure_rate_if),
    "apdex": (0, 2, _apdex),
    "user_misery": (0, 4, _misery),
    "count_miserable": (1, 3, _count_miserable),
    "count_web_vitals": (2, 2, _web_vitals),
    "performance_score": (1, 1, _performance_score),
    "opportunity_score": (1, 1, _opportunity_score),
    "count_scores": (1, 1, _count_scores),
    "cache_miss_rate": (0, 0, _cache_rate),
    "cache_hit_rate": (0, 0, _cache_rate),
    "http_response_rate": (1, 1, _http_response),
    "http_response_count": (1, 1, _http_response),
    "trace_status_rate": (1, 1, _status_rate),
    "time_spent_percentage": (0, 1, _time_spent),
    "avg_compare": (4, 4, _avg_compare),
    "division": (2, 2, _division),
    "ttid_contribution_rate": (0, 0, _contribution),
    "ttfd_contribution_rate": (0, 0, _contribution),
    "stddev": (0, 1, _variance),
    "var": (0, 1, _variance),
    "cov": (2, 2, _covariance),
    "corr": (2, 2, _covariance),
}
