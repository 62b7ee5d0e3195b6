"""Server time of the performance pages: every page with many filters, one request after the other."""

from __future__ import annotations

import argparse
import http.client
import itertools
import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

import span_rows
import span_trace
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.base import SessionBase
from rich.progress import Progress
from rich.table import Table
from span_fill import World, console

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.eventstore.client import get_store

Query = list[tuple[str, str]]


@dataclass(frozen=True)
class Page:
    """An address with the queries it is asked for with, and the p95 in milliseconds it is to keep; 0 for none."""

    name: str
    path: str
    queries: list[Query]
    target: int = 0


def _session(user: User) -> str:
    """A session as signing in makes it; its key."""
    from importlib import import_module

    from django.conf import settings

    store: SessionBase = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    assert store.session_key
    return f"{settings.SESSION_COOKIE_NAME}={store.session_key}"


def _combined(world: World, periods: tuple[str, ...], *filters: Query) -> list[Query]:
    """Every filter with every period, over all projects and over each."""
    projects: list[Query] = [[], *([("project", str(project.pk))] for project in world.projects)]
    times: list[Query] = [[("statsPeriod", period)] for period in periods]
    return [when + some + more for some, more, when in itertools.product(projects, filters or ([],), times)]


def _some_spans(world: World) -> list[str]:
    """Ids of spans from one end of the large trace to the other."""
    found = get_store().columns(
        "SELECT span_id FROM spans WHERE project_id IN {projects:Array(UInt64)} AND trace_id = {trace:UUID}"
        " ORDER BY timestamp, span_id",
        {"projects": [project.pk for project in world.projects], "trace": span_trace.TRACE_ID},
        timeout=60,
    )[0]
    return [f"{identifier:016x}" for identifier in found[:: max(1, len(found) // 25)]]


def _pages(world: World) -> Iterator[Page]:
    base = f"/organizations/{world.organization.slug}"
    half = ("14d", "14d", "7d", "24h")
    environment: Query = [("environment", "production")]
    sorts: list[Query] = [[("sort", key)] for key in ("-tpm", "-p95", "-failure_rate", "-misery")]
    yield Page("home", f"{base}/performance/", _combined(world, ("14d",), [], environment, *sorts), 300)
    yield Page("home, 24 hours", f"{base}/performance/", _combined(world, ("24h",), [], environment), 300)
    searches: list[Query] = [
        [("query", "transaction.duration:>300ms")], [("query", "user.id:17*")], [("query", "customer.plan:business")],
    ]  # fmt: skip
    yield Page("home, searched", f"{base}/performance/", _combined(world, ("14d",), *searches), 300)
    for tab in ("", "spans", "events"):
        queries = [
            [
                ("project", str(project.pk)),
                ("transaction", name),
                ("statsPeriod", "14d"),
                *([("tab", tab)] if tab else []),
            ]
            for rank in (0, 1, 5, 12, 30)
            for project, name in zip(world.projects, (names[rank] for names in span_rows.names()), strict=True)
        ]
        yield Page(f"summary {tab}".strip(), f"{base}/performance/summary/", queries, 300)
    for name in ("", "databases/", "http/", "caches/", "queues/", "vitals/", "mobile/"):
        label = f"insights {name.strip('/') or 'overview'}"
        yield Page(label, f"{base}/insights/{name}", _combined(world, ("14d",), [], environment), 300)
    explore = f"{base}/explore/spans/"
    samples: list[Query] = [[], [("query", "span.op:db.sql.query")], [("query", "span.duration:>1s")]]
    yield Page("explorer, samples", explore, _combined(world, half, *samples), 300)
    groups: list[Query] = [
        [("mode", "aggregates"), ("groupBy", group), ("aggregate", "p95(span.duration)"), ("aggregate", "count()")]
        for group in ("span.op", "transaction", "span.domain", "release")
    ]
    yield Page("explorer, figures", explore, _combined(world, half, *groups), 300)
    yield Page("traces", f"{base}/traces/", _combined(world, half, [], environment), 300)
    trace = f"{base}/traces/{span_trace.TRACE_ID}/"
    turns: list[Query] = [[("offset", str(number * 20))] for number in range(25)]
    turns += [[("node", identifier)] for identifier in _some_spans(world)]
    yield Page("large trace, windows", trace, turns[::2] + turns[1::2], 150)
    yield Page("large trace, found", trace, [[("q", text)] for text in ("op:db", "step 5", "duration:>100ms")], 150)


class Client:
    """One kept connection with a session."""

    def __init__(self, url: str, cookie: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self._headers = {"Cookie": cookie, "Accept-Encoding": "gzip", "Accept": "text/html"}

    def get(self, path: str, query: Query) -> tuple[int, float, int, bytes]:
        """Status, milliseconds, size and the body as sent."""
        target = f"{path}?{urlencode(query)}" if query else path
        began = time.perf_counter()
        self._connection.request("GET", target, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        return answer.status, (time.perf_counter() - began) * 1000, len(body), body


def measure(url: str, world: World, options: argparse.Namespace) -> int:
    """A table of all pages; 1 when one misses its target or answers anything but 200."""
    client = Client(url, _session(world.user))
    table = Table("page", "requests", "p50 ms", "p95 ms", "slowest ms", "target ms", "KB", title="Server time of pages")
    missed: list[str] = []
    pages = [page for page in _pages(world) if options.only.lower() in page.name]
    with Progress(console=console) as bar:
        task = bar.add_task("measuring", total=len(pages) * options.requests)
        for page in pages:
            bar.update(task, description=page.name)
            times, sizes, slow = [], [], (0.0, "")
            for number, query in enumerate(itertools.islice(itertools.cycle(page.queries), options.requests + 1)):
                status, milliseconds, size, _ = client.get(page.path, query)
                if status != 200:
                    missed.append(f"{page.name}: {status} for {page.path}?{urlencode(query)}")
                    break
                if number:  # the first request is cold
                    times.append(milliseconds)
                    sizes.append(size)
                    slow = max(slow, (milliseconds, urlencode(query)))
                    bar.advance(task)
            if len(times) < 2:
                continue
            late = statistics.quantiles(times, n=20, method="inclusive")[18]
            if page.target and late >= page.target:
                missed.append(f"{page.name}: p95 {late:.0f} ms; slowest {slow[0]:.0f} ms with {slow[1]}")
            figures = (len(times), statistics.median(times), late, slow[0])
            cells = [str(figures[0]), *(f"{figure:.0f}" for figure in figures[1:]), str(page.target or "")]
            table.add_row(page.name, *cells, f"{statistics.median(sizes) / 1000:.0f}")
    console.print(table)
    for line in missed:
        console.print(re.sub(r"\s+", " ", line), style="red", markup=False)
    return 1 if missed else 0
