"""Filters on functions are separated from filters on rows and become conditions on groups."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dictamesh_sentry.search.ast import Filter
from dictamesh_sentry.search.errors import FieldError, SearchError
from dictamesh_sentry.search.having import compile_having, split_aggregates
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.span_functions import SpanReader
from dictamesh_sentry.search.unparse import unparse

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def _having(query: str) -> tuple[str, dict[str, object]]:
    reader = SpanReader(uneven=lambda: False)
    _, filters = split_aggregates(parse_query(query))
    return compile_having(filters, reader.read, reader.binder, NOW), reader.binder.parameters


@pytest.mark.parametrize(
    ("query", "rows", "functions"),
    [
        ("span.op:db count():>10", "span.op:db", 1),
        ("count():>10", "", 1),
        ("span.op:db (status:ok p95():>2s) failure_rate():>5%", "span.op:db status:ok", 2),
        ("span.op:db OR status:ok", "span.op:db OR status:ok", 0),
        ("", "", 0),
    ],
)
def test_rows_and_functions_are_separated(query: str, rows: str, functions: int):
    rest, filters = split_aggregates(parse_query(query))
    assert unparse(rest) == rows
    assert len(filters) == functions
    assert all(isinstance(filter_, Filter) for filter_ in filters)


@pytest.mark.parametrize("query", ["count():>10 OR span.op:db", "a:b (span.op:db OR p95():>1s)"])
def test_functions_beside_or_are_refused(query: str):
    with pytest.raises(SearchError, match="cannot be one side of OR"):
        split_aggregates(parse_query(query))


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("p95(span.duration):>2s", 2000.0),
        ("p95(span.duration):>250", 250.0),
        ("failure_rate():>5%", 0.05),
        ("failure_rate():>0.1", 0.1),
        ("count():>=2k", 2000.0),
        ("avg(cache.item_size):<1kb", 1000.0),
        ("!count():>7", 7.0),
        ("count_if(span.op,equals,db):7", 7.0),
    ],
)
def test_values_are_read_in_the_functions_unit(query: str, value: float):
    sql, parameters = _having(query)
    assert value in parameters.values()
    assert ("<=" in sql) == query.startswith("!")


def test_dates_and_texts():
    assert "max(timestamp) >= {" in _having("last_seen():-24h")[0]
    assert "db" in _having("any(span.op):db")[1].values()


@pytest.mark.parametrize("query", ["p95():fast", "count():[1,2]", "any(span.op):>5", "last_seen():soon", "count():1*"])
def test_unreadable_values_are_refused(query: str):
    with pytest.raises(SearchError):
        _having(query)


def test_unknown_functions_are_refused():
    with pytest.raises(FieldError, match="not a valid function"):
        _having("nope():>1")
