"""What the spans explorer shows: cells with links, a chart of the chosen figure, rows for an export."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from dictamesh_sentry.search.ast import Filter, Has, Key, Value
from dictamesh_sentry.search.columns import Column
from dictamesh_sentry.search.having import split_aggregates
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.select import OTHER, Points, buckets, label, series, top_groups
from dictamesh_sentry.search.unparse import unparse
from dictamesh_sentry.tracing.span_queries import SpanQuery, span_query
from dictamesh_sentry.web.pages import PageRequest
from dictamesh_sentry.web.presenters.timeseries import Series, chart_table, line_chart
from dictamesh_sentry.web.timefmt import compact, elapsed
from dictamesh_sentry.web.views.explore_scope import AGGREGATES, ExploreScope, projects_of, question

PER_PAGE = 50
MOST_LINES = 5


@dataclass(frozen=True)
class Cell:
    """One value of the table. ``moment`` is set for times; an empty ``text`` means there is no value."""

    text: str
    url: str = ""
    moment: datetime | None = None
    is_number: bool = False
    is_code: bool = False


@dataclass(frozen=True)
class TableRow:
    """One row; ``samples`` leads to the spans of a group."""

    cells: Sequence[Cell]
    samples: str = ""


@dataclass(frozen=True)
class TablePage:
    """A page of the table; ``more`` when another one follows."""

    columns: Sequence[Column]
    rows: Sequence[TableRow]
    more: bool


def ask(request: PageRequest, scope: ExploreScope) -> SpanQuery:
    """The spans the page is about. Raises SearchError."""
    return span_query(
        scope.filters.searched,
        organization=request.organization,
        user=request.user,
        query=scope.filters.query,
        environments=scope.filters.environments,
        period=scope.filters.period,
    )


def raw_rows(
    query: SpanQuery, scope: ExploreScope, limit: int, offset: int = 0
) -> tuple[list[Column], Sequence[Sequence[Any]]]:
    """The columns of the table, hidden ones last, and raw rows. One query. Raises SearchError, FieldError."""
    reader = query.reader()
    columns = [reader.read(name) for name in (*scope.columns, *scope.hidden)]
    return columns, query.rows(columns, reader.binder.parameters, scope.order(columns), limit, offset)


def plain(column: Column, raw: Any, slugs: dict[int, str]) -> Any:
    """A value as it is exported: a project by its slug, None where there is none."""
    value = column.convert(raw) if raw is not None else None
    return slugs.get(int(value)) if column.reference == "project" and value is not None else value


def table(request: PageRequest, query: SpanQuery, scope: ExploreScope) -> TablePage:
    """The page of the table."""
    columns, rows = raw_rows(query, scope, PER_PAGE + 1, scope.offset)
    shown = len(scope.columns)
    slugs = {project.pk: project.slug for project in query.projects}
    base = f"/organizations/{request.organization.slug}/"
    result: list[TableRow] = []
    for row in rows[:PER_PAGE]:
        values = {column.name: plain(column, raw, slugs) for column, raw in zip(columns, row, strict=True)}
        cells = [_cell(column, values, base, slugs) for column in columns[:shown]]
        result.append(TableRow(cells, _samples(scope, values) if scope.mode == AGGREGATES else ""))
    return TablePage(columns[:shown], result, len(rows) > PER_PAGE)


def _cell(column: Column, values: dict[str, Any], base: str, slugs: dict[int, str]) -> Cell:
    value = values[column.name]
    if value is None or value == "":
        return Cell("")
    if isinstance(value, datetime):
        return Cell(str(value), moment=value)
    url = ""
    if column.name == "trace":
        node = f"?node={values['id']}" if values.get("id") else ""
        return Cell(str(value)[:8], f"{base}traces/{value}/{node}", is_code=True)
    if column.name in ("transaction", "segment.name") and "project" in values:
        ids = {slug: project for project, slug in slugs.items()}
        if values["project"] in ids:
            chosen = urlencode({"project": ids[values["project"]], "transaction": value})
            url = f"{base}performance/summary/?{chosen}"
    return Cell(show(column)(value), url, is_number=column.type not in ("string", "boolean"),
                is_code=column.name in ("span.description", "id", "span_id"))  # fmt: skip


def show(column: Column) -> Callable[[Any], str]:
    """How the values of a column are written."""
    if column.type == "rate":
        return lambda value: f"{_number(value)}/{'s' if column.unit == '1/second' else 'min'}"
    return _WRITERS.get(column.type, str)


def _number(value: float) -> str:
    return compact(round(value)) if abs(value) >= 10_000 else f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def _size(value: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if abs(value) < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


_WRITERS: dict[str, Callable[[Any], str]] = {
    "duration": elapsed,
    "size": _size,
    "percentage": lambda value: f"{value * 100:.3g}%",
    "integer": lambda value: f"{round(value):,}",
    "number": _number,
    "boolean": lambda value: "true" if value else "false",
}


def _samples(scope: ExploreScope, values: dict[str, Any]) -> str:
    """The question that shows the spans of a group."""
    terms = [_term(name, values[name]) for name in scope.groups]
    rows = _without_functions(scope.filters.query)
    text = " ".join([f"({rows})" if " OR " in rows.upper() else rows, *terms]).strip()
    kept = [pair for pair in question(scope) if pair[0] not in {"query", "mode", "sort", "chart"}]
    return f"?{urlencode([*kept, *projects_of(scope), ('mode', 'samples'), ('query', text)])}"


def _term(name: str, value: Any) -> str:
    """A search term that finds exactly the value."""
    key = _key(name)
    if value is None or value == "":
        return unparse(Has(key, negated=True))
    if isinstance(value, datetime):
        return ""
    text = ("true" if value else "false") if isinstance(value, bool) else str(value)
    return unparse(Filter(key, "=", (Value((text,)),)))


def _key(name: str) -> Key:
    parsed = parse_query(f"has:{name}")
    return parsed.key if isinstance(parsed, Has) else Key(name)


def _without_functions(text: str) -> str:
    """The search without filters on functions, which choose groups and mean nothing for samples."""
    rows, functions = split_aggregates(parse_query(text))
    return unparse(rows) if functions else text


# Chart


def chart(query: SpanQuery, scope: ExploreScope) -> dict[str, Any]:
    """The chosen figure over time: of everything, or of the groups that have most of it."""
    period = scope.filters.period
    width = period.rollup
    reader = query.reader(width)
    axis = reader.read(scope.chart)
    starts = list(buckets(period, width))
    lines: list[Series] = []
    groups = [reader.read(name) for name in scope.groups] if scope.mode == AGGREGATES else []
    if query.projects and groups:
        lines = _top_lines(query, groups, axis, scope, reader.binder.parameters, starts, width)
    elif query.projects:
        # What is asked of groups was answered by the table: everything is its one group.
        points = series(replace(query, functions=()).selection(), [axis], reader.binder.parameters, width).get(0)
        lines = [Series(scope.chart, _values(axis, points, starts), "s1")] if points else []
    writer = show(axis)
    title = f"{scope.chart} over time"
    return {
        "label": title,
        "svg": line_chart(starts, lines, writer, label=title, rollup=width, width=800, height=170),
        "table": chart_table(starts, lines, writer, width),
        "series": lines,
    }


def _top_lines(
    query: SpanQuery,
    groups: Sequence[Column],
    axis: Column,
    scope: ExploreScope,
    parameters: dict[str, Any],
    starts: Sequence[int],
    width: int,
) -> list[Series]:
    selection = query.selection()
    ascending = scope.sort == scope.chart
    rows, hashes = top_groups(selection, groups, axis, parameters, MOST_LINES, ascending=ascending)
    by, more = label(groups, hashes)
    found = series(selection, [axis], {**parameters, **more}, width, by)
    slugs = {project.pk: project.slug for project in query.projects}
    lines: list[Series] = []
    for position, row in enumerate(rows):
        values = [plain(column, raw, slugs) for column, raw in zip(groups, row, strict=True)]
        texts = [str(value) if value not in (None, "") else "(none)" for value in values]
        name = " · ".join(text if len(text) <= 60 else f"{text[:59]}…" for text in texts)
        lines.append(Series(name, _values(axis, found.get(position), starts), f"s{position + 1}"))
    if OTHER in found and not selection.having:
        lines.append(Series("others", _values(axis, found[OTHER], starts), "s6"))
    return lines


def _values(axis: Column, points: Points | None, starts: Sequence[int]) -> list[float | None]:
    """A value for each point; counts are 0 where nothing happened, other figures unknown."""
    nothing = 0.0 if axis.zero else None
    if points is None:
        return [nothing for _ in starts]
    return [axis.convert(points[at][0]) if at in points else nothing for at in starts]
