"""What the URL of an insights page asks for, and what its tables are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.search.ast import Value
from dictamesh_sentry.search.unparse import unparse_value
from dictamesh_sentry.tracing.insights.common import MOST_ROWS, Filters, Sample, Sort
from dictamesh_sentry.web.pages import PageRequest, is_fragment
from dictamesh_sentry.web.presenters import figures
from dictamesh_sentry.web.views import issues_scope

PER_PAGE = 25
#: Column of the table → field of the explorer.
_EXPLORED = {
    "system": "span.system", "action": "span.action", "domain": "span.domain", "transaction": "transaction",
    "browser_name": "browser.name", "device_class": "device.class", "os_name": "os.name",
}  # fmt: skip
_KEPT = ("project", "environment", "statsPeriod", "start", "end", "release")


@dataclass(frozen=True)
class Section:
    """A part of the insights. ``path`` is its address below that of the insights."""

    key: str
    label: str
    icon: str
    text: str


SECTIONS = (
    Section("databases", "Databases", "database", "Queries that take the most time, and who runs them."),
    Section("http", "HTTP requests", "globe", "Requests to other services, and how these answer."),
    Section("caches", "Caches", "layers", "How often what is looked for is there."),
    Section("queues", "Queues", "mail", "What is published and processed, and how long it waits."),
    Section("vitals", "Web vitals", "target", "How fast pages load and answer for their visitors."),
    Section("mobile", "Mobile", "device", "Starts of apps, slow frames, times until a screen shows."),
)
_LABELS = {section.key: section for section in SECTIONS}


@dataclass(frozen=True)
class Field:
    """A filter of a section: parameter of the URL, label, column of the table. Values that occur may be suggested."""

    name: str
    label: str
    column: str
    value: str = ""
    options: Sequence[str] = ()
    is_choice: bool = False


@dataclass(frozen=True)
class Column:
    """A head of a table. ``order`` is what the URL calls sorting by it; empty for columns that cannot be sorted."""

    label: str
    order: str = ""
    hint: str = ""
    is_text: bool = False


@dataclass(frozen=True)
class Cell:
    """A value of a table, with where it leads, a remark below, and a bar from 0 to 1."""

    text: str
    url: str = ""
    note: str = ""
    css: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Asked:
    """The page's filters. ``filters`` is what the filter bar shows, ``spans`` what is asked of the store."""

    request: PageRequest
    filters: issues_scope.Scope
    spans: Filters
    sort: Sort
    fields: Sequence[Field]

    @property
    def minutes(self) -> float:
        return self.filters.period.seconds / 60

    @property
    def base(self) -> str:
        """The address of the insights."""
        return f"/organizations/{self.request.organization.slug}/insights/"

    def project(self, project_id: int) -> Project | None:
        return next((one for one in self.filters.visible if one.pk == project_id), None)

    def slug(self, project_id: int) -> str:
        found = self.project(project_id)
        return found.slug if found else ""

    def page(self, path: str, **parameters: object) -> str:
        """Another page of the insights with the same project, environment, period and release."""
        return f"{self.base}{path}?{urlencode([*self._kept(), *((k, str(v)) for k, v in parameters.items())])}"

    def transaction(self, project_id: int, name: str) -> str:
        """The summary of a transaction."""
        kept = [(key, value) for key, value in self._kept() if key != "project"]
        query = urlencode([("project", str(project_id)), ("transaction", name), *kept])
        return f"/organizations/{self.request.organization.slug}/performance/summary/?{query}"

    def trace(self, sample: Sample) -> str:
        """A span in its trace."""
        return f"/organizations/{self.request.organization.slug}/traces/{sample.trace_id}/?node={sample.span_id}"

    def explorer(self, terms: Mapping[str, str | Value]) -> str:
        """The spans of a table in the explorer: field → value, or Value for one with wildcards. Filters are added."""
        narrowed = {_EXPLORED[field.column]: field.value for field in self.fields if field.value}
        known = {**narrowed, **terms, **({"release": self.spans.release} if self.spans.release else {})}
        query = " ".join(
            f"{key}:{unparse_value(value if isinstance(value, Value) else Value((value,)))}"
            for key, value in known.items()
        )
        kept = [(key, value) for key, value in self._kept() if key != "release"]
        return f"/organizations/{self.request.organization.slug}/explore/spans/?{urlencode([('query', query), *kept])}"

    def _kept(self) -> list[tuple[str, str]]:
        given = self.request.GET
        return [(key, value) for key in _KEPT for value in given.getlist(key) if value]


def read_insights(request: PageRequest, fields: Sequence[Field] = (), order: str = "") -> Asked:
    """The filters of the request; ``fields`` are those of the section, ``order`` what its table is sorted by."""
    filters = issues_scope.read_scope(request)
    given = request.GET
    filled = [replace(field, value=given.get(field.name, "").strip()[:500]) for field in fields]
    text = given.get("sort", "") or order
    offset = given.get("offset", "")
    start = int(offset) if offset.isascii() and offset.isdigit() and len(offset) < 7 else 0
    spans = Filters(
        [project.pk for project in filters.searched],
        filters.period,
        tuple(filters.environments),
        given.get("release", "").strip()[:250],
        {field.column: field.value for field in filled if field.value},
    )
    sort = Sort(text.removeprefix("-"), text.startswith("-"), min(start, MOST_ROWS - PER_PAGE), PER_PAGE)
    return Asked(request, filters, spans, sort, filled)


def table(
    asked: Asked, title: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]], found: int
) -> dict[str, Any]:
    """What ``insights/_table.html`` shows. Clicking a head sorts by it, the largest first, then turns the order."""
    heads = []
    for column in columns:
        current = bool(column.order) and column.order == asked.sort.column
        link = column.order if current and asked.sort.descending else f"-{column.order}"
        direction = ("descending" if asked.sort.descending else "ascending") if current else "none"
        heads.append({"column": column, "link": link if column.order else "", "direction": direction})
    last = asked.sort.offset + len(rows)
    more = last < min(found, MOST_ROWS)
    return {
        "title": title,
        "heads": heads,
        "rows": [list(zip(columns, row, strict=True)) for row in rows],
        "found": found,
        "first": asked.sort.offset + 1,
        "last": last,
        "next_offset": last if more else None,
        "previous_offset": max(0, asked.sort.offset - PER_PAGE) if asked.sort.offset else None,
    }


def known_order(asked: Asked, orders: Mapping[str, str]) -> Asked:
    """The same with the default order when the one of the URL is unknown."""
    if asked.sort.column in orders:
        return asked
    return replace(asked, sort=replace(asked.sort, column=next(iter(orders)), descending=True))


@dataclass(frozen=True)
class Examples:
    """Spans that show what a page's figures are made of. They are read after the page, by a request of their own.

    ``kinds`` words the kinds of samples; ``value`` is shown beside the duration, under ``label``.
    """

    read: Callable[[], Sequence[Sample]]
    kinds: Mapping[str, str]
    label: str = ""
    value: Callable[[Sample], str] = lambda _: ""


def _example_rows(asked: Asked, examples: Examples) -> list[dict[str, Any]]:
    """What ``insights/_samples.html`` shows."""
    return [
        {
            "sample": sample,
            "kind": examples.kinds[sample.kind],
            "url": asked.trace(sample),
            "project": asked.slug(sample.project_id),
            "value": examples.value(sample),
            "duration": figures.length(sample.duration),
        }
        for sample in examples.read()
    ]


def insights_page(
    request: PageRequest,
    asked: Asked,
    section: str,
    template: str,
    read: Callable[[], dict[str, Any]],
    examples: Examples | None = None,
) -> HttpResponse:
    """Render a page of a section. ``read`` asks the store; when that fails the page says so.

    ``part=examples`` asks for the examples: a fragment has them alone, otherwise the page has them, too.
    """
    wanted = examples is not None and request.GET.get("part") == "examples"
    if examples is not None and wanted and is_fragment(request):
        return _examples_alone(request, asked, examples)
    narrowing = {field.name for field in asked.fields}
    context: dict[str, Any] = {
        **issues_scope.filter_context(request, asked.filters),
        "asked": asked,
        "section": _LABELS.get(section),
        "sections": [
            {"label": one.label, "url": asked.page(f"{one.key}/"), "current": one.key == section} for one in SECTIONS
        ],
        "overview_url": asked.page(""),
        "release": asked.spans.release,
        "fields": asked.fields,
        "average": None,
        "narrowed": [field for field in asked.fields if field.value],
        "kept_without_fields": [
            (key, value)
            for key, values in request.GET.lists()
            for value in values
            if key not in {*narrowing, "release", "offset", "part"}
        ],
    }
    try:
        context |= read()
        if examples is not None:
            context |= {"examples": examples, "samples": _example_rows(asked, examples) if wanted else None}
    except (StoreUnavailableError, QueryTimeoutError) as error:
        context["down"] = "slow" if isinstance(error, QueryTimeoutError) else "down"
    return render(request, template, context)


def _examples_alone(request: PageRequest, asked: Asked, examples: Examples) -> HttpResponse:
    try:
        context = {"examples": examples, "samples": _example_rows(asked, examples)}
    except (StoreUnavailableError, QueryTimeoutError):
        context = {"down": True}
    return render(request, "insights/_samples.html", context)
