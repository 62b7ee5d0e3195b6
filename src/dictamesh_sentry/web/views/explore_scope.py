"""What the URL of the spans explorer asks for. Everything shown follows from it, so it is also what is saved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from dictamesh_sentry.search.columns import NUMERIC, Column, order_by, split_arguments
from dictamesh_sentry.search.errors import FieldError
from dictamesh_sentry.search.span_functions import SpanReader
from dictamesh_sentry.tracing.models import SavedQuery
from dictamesh_sentry.tracing.span_queries import NEWEST
from dictamesh_sentry.web.pages import PageRequest
from dictamesh_sentry.web.views import issues_scope

SAMPLES, AGGREGATES = "samples", "aggregates"
MODES = ((SAMPLES, "Samples"), (AGGREGATES, "Aggregates"))
#: Columns of samples that are always there; what links need is read with them.
SAMPLE_FIELDS = ("trace", "span.op", "span.description", "span.duration", "transaction", "project", "timestamp")
HIDDEN_FIELDS = ("id",)
MOST_GROUPS, MOST_AGGREGATES, MOST_FIELDS = 6, 8, 8
DEFAULT_AGGREGATE = "count()"
#: Functions of a numeric field, and those that need none.
OF_FIELD = ("avg", "p50", "p75", "p90", "p95", "p99", "max", "min", "sum")
ALONE = ("count", "failure_rate", "failure_count", "epm", "eps")
OF_ANY = ("count_unique",)
_NAMES = (
    "query",
    "mode",
    "groupBy",
    "aggregate",
    "field",
    "sort",
    "chart",
    "environment",
    "statsPeriod",
    "start",
    "end",
)
_WORD = re.compile(r"[a-z_0-9]{1,40}\Z")


@dataclass(frozen=True)
class ExploreScope:
    """``filters`` is the filter bar. ``sort`` and ``chart`` name columns; ``problem`` says what is wrong with them."""

    filters: issues_scope.Scope
    mode: str
    groups: Sequence[str]
    aggregates: Sequence[str]
    fields: Sequence[str]
    sort: str
    chart: str
    offset: int
    problem: str

    @property
    def columns(self) -> list[str]:
        """The names of the table's columns."""
        if self.mode == AGGREGATES:
            return [*self.groups, *self.aggregates]
        return [*SAMPLE_FIELDS, *(name for name in self.fields if name not in SAMPLE_FIELDS)]

    @property
    def hidden(self) -> list[str]:
        """Columns that are read only for links."""
        return [name for name in HIDDEN_FIELDS if name not in self.columns] if self.mode == SAMPLES else []

    def order(self, columns: Sequence[Column]) -> str:
        """ORDER BY of the table."""
        return order_by(self.sort, columns, NEWEST)


def read_explore_scope(request: PageRequest) -> ExploreScope:
    """The question of the request. What cannot be asked is left out and named in ``problem``."""
    given = request.GET
    filters = issues_scope.read_scope(request)
    filters = replace(filters, query=given.get("query", "").strip()[:2000])
    mode = AGGREGATES if given.get("mode") == AGGREGATES else SAMPLES
    reader = SpanReader(uneven=lambda: False)
    problems: list[str] = []
    groups = _checked(reader, given.getlist("groupBy"), MOST_GROUPS, problems, aggregate=False)
    aggregates = _checked(reader, _aggregates(given), MOST_AGGREGATES, problems, aggregate=True)
    fields = _checked(reader, given.getlist("field"), MOST_FIELDS, problems, aggregate=False)
    offset = given.get("offset", "")
    scope = ExploreScope(
        filters,
        mode,
        groups,
        aggregates or [DEFAULT_AGGREGATE],
        fields,
        "",
        "",
        min(int(offset), 100_000) if offset.isascii() and offset.isdigit() and len(offset) < 9 else 0,
        "",
    )
    return replace(scope, sort=_sort(scope, reader, given.get("sort", "")), chart=_chart(scope, given.get("chart", "")),
                   problem=" ".join(problems))  # fmt: skip


def _aggregates(given: Any) -> list[str]:
    """``aggregate`` as it is, and one put together from the form's ``function`` and ``of``."""
    names = list(given.getlist("aggregate"))
    function, argument = given.get("function", ""), given.get("of", "").strip()
    if function in ALONE:
        names.append(f"{function}()")
    elif function in (*OF_FIELD, *OF_ANY):
        names.append(f"{function}({argument or ('user' if function in OF_ANY else 'span.duration')})")
    return names


def _checked(reader: SpanReader, names: Sequence[str], most: int, problems: list[str], *, aggregate: bool) -> list[str]:
    """The names that can be answered, each once."""
    found: list[str] = []
    for name in dict.fromkeys(text.strip() for text in names if text.strip()):
        try:
            column = reader.read(name)
        except FieldError as error:
            problems.append(f"{error}.")
            continue
        if column.is_aggregate != aggregate or (aggregate and column.type not in (*NUMERIC, "date")):
            problems.append(f"{name[:100]} is {'no figure' if aggregate else 'not a field or attribute'}.")
        elif len(found) >= most:
            problems.append(f"At most {most} can be shown; {name[:100]} is left out.")
        else:
            found.append(name)
    return found


def _sort(scope: ExploreScope, reader: SpanReader, wanted: str) -> str:
    """The order asked for if it can be had, else the newest or the largest."""
    try:
        order_by(wanted, [reader.read(name) for name in scope.columns], NEWEST)
    except FieldError:
        wanted = ""
    if wanted:
        return wanted
    return f"-{scope.aggregates[0]}" if scope.mode == AGGREGATES else "-timestamp"


def _chart(scope: ExploreScope, wanted: str) -> str:
    """The figure over time: one of the aggregates, or the number of spans."""
    if scope.mode == SAMPLES:
        return DEFAULT_AGGREGATE
    charted = [name for name in scope.aggregates if not name.startswith(("last_seen", "first_seen"))]
    return wanted if wanted in charted else charted[0] if charted else DEFAULT_AGGREGATE


def question(scope: ExploreScope) -> list[tuple[str, str]]:
    """The question as URL parameters, projects and the page left out."""
    pairs = [("mode", scope.mode), ("query", scope.filters.query)]
    pairs += [("groupBy", name) for name in scope.groups]
    pairs += [("aggregate", name) for name in scope.aggregates]
    pairs += [("field", name) for name in scope.fields]
    pairs += [("sort", scope.sort), ("chart", scope.chart), *scope.filters.parameters]
    return [(key, value) for key, value in pairs if value]


def projects_of(scope: ExploreScope) -> list[tuple[str, str]]:
    """The chosen projects as URL parameters."""
    return [("project", str(project.pk)) for project in scope.filters.projects]


def stored(scope: ExploreScope) -> dict[str, list[str]]:
    """The question as it is saved."""
    found: dict[str, list[str]] = {}
    for key, value in question(scope):
        found.setdefault(key, []).append(value)
    return found


def saved_url(base: str, saved: SavedQuery) -> str:
    """The page that asks a saved question again."""
    kept: Mapping[str, Any] = saved.query if isinstance(saved.query, dict) else {}
    pairs = [("project", str(project)) for project in saved.project_ids]
    pairs += [(key, str(value)) for key in _NAMES for value in kept.get(key, [])]
    return f"{base}?{urlencode(pairs)}"


def field_of(aggregate: str) -> str:
    """What an aggregate is about: ``span.duration`` of ``p95(span.duration)``."""
    arguments = split_arguments(aggregate.partition("(")[2].removesuffix(")"))
    return arguments[0] if arguments else ""
