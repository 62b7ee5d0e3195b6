"""The pages of traces: one as a waterfall, a window of it, one of its spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dictamesh_sentry.issues.search_context import OrganizationSearchContext
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.tracing.trace_search import search_trace
from dictamesh_sentry.tracing.trace_spans import find_transaction, issues_of
from dictamesh_sentry.tracing.trace_store import Trace, load_trace, parse_trace_id
from dictamesh_sentry.tracing.trace_view import Folding, View, opened_for
from dictamesh_sentry.web.issue_page import STORE_ERRORS
from dictamesh_sentry.web.pages import PageRequest, is_fragment, organization_page
from dictamesh_sentry.web.views.trace_panel import build_panel
from dictamesh_sentry.web.views.trace_rows import (
    WINDOW,
    Row,
    Window,
    build_window,
    key_of,
    overview,
    read_folding,
    row_of,
)

_MAP_LINKS = 10
_MOST_ISSUES = 50


@require_safe
@organization_page
def trace_page(request: PageRequest, trace_id: str) -> HttpResponse:
    """A trace. htmx asks the same address for further rows, for the panel, or for a state of folding."""
    if parse_trace_id(trace_id) is None:
        raise NotVisibleError
    projects = {project.pk: project for project in visible_to(request.user, request.organization, request.access)}
    try:
        trace = load_trace(projects, trace_id)
        if trace is None:
            raise NotVisibleError
        page = _Page(request, trace, projects)
        if not is_fragment(request):
            return render(request, "traces/trace.html", page.all())
        if request.headers.get("HX-Target") == "trace-panel":
            return render(request, "traces/_panel.html", page.panel())
        if request.GET.get("rows") in ("before", "after"):
            return render(request, "traces/_row_list.html", page.rows())
        return render(request, "traces/_trace.html", page.body())
    except STORE_ERRORS:
        return render(request, "traces/down.html", {"trace_id": trace_id}, status=503)


@dataclass
class _Page:
    """The trace in the state that the URL says: ``node``, ``open``, ``closed``, ``q``, ``offset``."""

    request: PageRequest
    trace: Trace
    projects: Mapping[int, Project]
    problem: SearchError | None = None

    @cached_property
    def query(self) -> str:
        return self.request.GET.get("q", "").strip()[:2000]

    @cached_property
    def matches(self) -> list[int]:
        """What the search finds; ``problem`` says why it cannot be read."""
        if not self.query:
            return []
        context = OrganizationSearchContext(list(self.projects), self.request.organization, self.request.user)
        try:
            return search_trace(self.trace, self.query, context)
        except SearchError as error:
            self.problem = error
            return []

    @cached_property
    def selected(self) -> int | None:
        """The row that is selected, by hand or as the first match."""
        chosen = row_of(self.trace, self.request.GET.get("node", ""))
        return self.matches[0] if chosen is None and self.matches else chosen

    @cached_property
    def folding(self) -> Folding:
        parameters = self.request.GET
        found = read_folding(self.trace, parameters.get("open", ""), parameters.get("closed", ""))
        if self.selected is None or self.selected in found.closed:
            return found
        node = self.selected if self.selected >= 0 else ~self.selected
        return opened_for(self.trace.tree, found, node) if self.selected >= 0 else found

    @cached_property
    def view(self) -> View:
        return self.trace.structure.view(self.folding)

    @cached_property
    def root(self) -> int | None:
        """The span that names the trace: its first root, else what hangs on the first that is missing."""
        tree = self.trace.tree
        roots = tree.children(-1)
        found = next((one for one in roots if not tree.is_missing(one)), roots[0] if roots else None)
        return tree.children(found)[0] if found is not None and tree.is_missing(found) else found

    @cached_property
    def window(self) -> Window:
        return build_window(
            self.trace,
            self.view,
            self.projects,
            offset=self._place("offset"),
            until=self._place("until"),
            selected=self.selected,
            matches=frozenset(self.matches),
            also=[self.root] if self.root is not None else [],
        )

    def _place(self, name: str) -> int | None:
        text = self.request.GET.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else None

    # Links

    def link(self, folding: Folding | None = None, **more: str | int | None) -> str:
        """The page in this state, changed by ``more``; None leaves something out."""
        state = self.folding if folding is None else folding
        pairs = {
            "node": key_of(self.trace, self.selected) if self.selected is not None else None,
            "open": ",".join(sorted(key_of(self.trace, row) for row in state.opened)),
            "closed": ",".join(sorted(key_of(self.trace, row) for row in state.closed)),
            "q": self.query,
            **more,
        }
        base = f"/organizations/{self.request.organization.slug}/traces/{self.trace.id}/"
        query = urlencode([(key, str(value)) for key, value in pairs.items() if value not in (None, "")], safe=",")
        return f"{base}?{query}" if query else base

    def _linked(self, row: Row) -> Row:
        toggled = ""
        if row.count:
            folding = self.folding.toggled(row.number, is_open=row.is_open)
            toggled = self.link(folding, offset=max(0, row.position - WINDOW // 3) or None)
        return replace(row, url=self.link(node=row.key), toggle_url=toggled)

    # Parts

    def rows(self) -> dict[str, Any]:
        """What the rows need. ``before`` and ``after`` lead to the windows around this one."""
        window = self.window
        before = max(0, window.offset - WINDOW)
        part = self.request.GET.get("rows") if is_fragment(self.request) else None
        return {
            "trace": self.trace,
            "rows": [self._linked(row) for row in window.rows],
            "window": window,
            "before": self.link(offset=before, until=window.offset) if window.offset and part != "after" else "",
            "after": self.link(offset=window.end) if window.end < window.total and part != "before" else "",
        }

    def panel(self) -> dict[str, Any]:
        """What the panel beside the rows needs."""
        if self.selected is None:
            return {"panel": None}
        return {
            "trace": self.trace,
            "panel": build_panel(self.trace, self.selected, self.view, self.projects),
            "close_url": self.link(node=None, q=None),
        }

    def body(self) -> dict[str, Any]:
        """Search, mini-map, rows and panel."""
        services = [number for number in self.trace.structure.services if number in self.projects]
        chart = overview(self.trace, self.view, services)
        return {
            **self.rows(),
            **self.panel(),
            "query": self.query,
            "match": self._match(),
            "problem": self.problem,
            "map": chart,
            "map_links": self._map_links(),
            "open_all": self.request.GET.get("open", ""),
            "closed_all": self.request.GET.get("closed", ""),
            "services": [
                {
                    "project": self.projects[number],
                    "spans": self.trace.structure.services[number],
                    "colour": chart["colours"][number],
                }
                for number in services
            ],
        }

    def all(self) -> dict[str, Any]:
        """The whole page."""
        trace, tree = self.trace, self.trace.tree
        pins = trace.all_pins
        issues = {issue.pk: issue for issue in issues_of(trace)}
        first, last = tree.extent
        return {
            **self.body(),
            "root": self.window.labels.get(self.root) if self.root is not None else None,
            "started": datetime.fromtimestamp(first / 1e6, UTC) if tree.count else None,
            "duration": (last - first) / 1000 if tree.count else None,
            "failures": trace.structure.failures,
            "truncated": trace.structure.truncated,
            "issues": [{"pin": pin, "issue": issues[pin.issue_id]} for pin in pins if pin.issue_id in issues][
                :_MOST_ISSUES
            ],
            "error_count": sum(not pin.is_performance for pin in pins),
            "problem_count": sum(pin.is_performance for pin in pins),
            "log_count": sum(trace.logs.values()),
            "orphan_count": tree.orphans,
            "shifted": sum(1 for shift in tree.shifts.values() if shift),
        }

    def _match(self) -> dict[str, Any]:
        """Which of the found spans is selected, and the way to the next."""
        found = self.matches
        if not found:
            return {}
        place = found.index(self.selected) if self.selected in found else -1

        def link(position: int) -> str:
            return self.link(node=key_of(self.trace, found[position % len(found)]))

        return {"number": place + 1, "count": len(found), "next": link(place + 1), "previous": link(max(place, 0) - 1)}

    def _map_links(self) -> list[dict[str, Any]]:
        """Parts of the mini-map that lead to their rows."""
        total = len(self.view)
        if total <= WINDOW:
            return []
        places = [number * total // _MAP_LINKS for number in range(_MAP_LINKS + 1)]
        return [
            {"url": self.link(offset=start or None, node=None), "first": start + 1, "last": end, "number": number}
            for number, (start, end) in enumerate(pairwise(places))
        ]


@require_safe
@organization_page
def transaction_event(request: PageRequest, project: str, event_id: str) -> HttpResponse:
    """A transaction by its event id: its place in its trace."""
    visible = {one.slug: one.pk for one in visible_to(request.user, request.organization, request.access)}
    found = find_transaction([visible[project]], event_id) if project in visible else None
    if found is None:
        raise NotVisibleError
    trace_id, span_id, _ = found
    return HttpResponseRedirect(f"/organizations/{request.organization.slug}/traces/{trace_id}/?node={span_id:016x}")
