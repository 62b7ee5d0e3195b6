"""An installation with the benchmark's organization, user, projects and rows."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import django

django.setup()

import span_rows  # noqa: E402
import span_trace  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: E402

from dictamesh_sentry.accounts.models import User  # noqa: E402
from dictamesh_sentry.config.load import get_settings  # noqa: E402
from dictamesh_sentry.eventstore.client import get_store  # noqa: E402
from dictamesh_sentry.organizations.models import Organization  # noqa: E402
from dictamesh_sentry.projects.models import Project  # noqa: E402

SLUG = "benchmark"
BATCH = 10_000  # segments an insert
console = Console()


@dataclass(frozen=True)
class World:
    """What the pages are asked about."""

    user: User
    organization: Organization
    projects: list[Project]
    start: datetime
    end: datetime


@contextmanager
def installation(url: str) -> Iterator[str]:
    """The address of a running installation: the given one, else one that lives as long as the block."""
    if url:
        yield url.rstrip("/")
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    folder = get_settings().data_dir
    folder.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "SENTRY_PORT": str(port), "SENTRY_URL_PREFIX": url, "SENTRY_MAIL_BACKEND": "dummy"}
    with (folder / "server.log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "dictamesh_sentry", "up"], env=environment, stdout=log, stderr=log
        )
    try:
        _wait(url, server)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(f"{url}/_health/", timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the server did not start; see {get_settings().data_dir}/server.log")


def fill(options: argparse.Namespace) -> World:
    """Projects and rows, as far as they are not there."""
    organization, _ = Organization.objects.get_or_create(slug=SLUG, defaults={"name": "Benchmark"})
    projects = []
    for name, platform in zip(span_rows.SERVICES, span_rows.PLATFORMS, strict=True):
        made = {"organization": organization, "name": name, "platform": platform}
        projects.append(Project.objects.get_or_create(organization=organization, slug=name, defaults=made)[0])
    user = User.objects.filter(email="benchmark@example.com").first()
    user = user or User.objects.create_superuser("benchmark@example.com")
    ids = [project.pk for project in projects]
    store = get_store()
    if options.fresh:
        store.command("ALTER TABLE spans DELETE WHERE project_id IN {projects:Array(UInt64)}", {"projects": ids})
    found = store.rows(
        "SELECT count(), min(timestamp), max(timestamp) FROM spans WHERE project_id IN {projects:Array(UInt64)}",
        {"projects": ids}, timeout=120,
    )[0]  # fmt: skip
    if found[0]:
        console.print(f"{found[0]:,} spans are there, from {found[1]:%d %b %H:%M} to {found[2]:%d %b %H:%M} UTC")
        return World(user, organization, projects, found[1], found[2])
    end = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=20)
    start = end - timedelta(days=options.days)
    _insert(options, ids, start, end)
    return World(user, organization, projects, start, end)


def _insert(options: argparse.Namespace, projects: list[int], start: datetime, end: datetime) -> None:
    store = get_store()
    sizes = f"SELECT avg(children) + 1 FROM ({span_rows.SEGMENTS})"
    given = {
        "projects": projects, "start": start.timestamp(), "days": options.days, "segments": 100_000, "first": 0,
        "count": 100_000,
    }  # fmt: skip
    per_segment = store.rows(sizes, given, timeout=120)[0][0]
    segments = max(4, round(options.spans / per_segment) // 4 * 4)
    began = time.monotonic()
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console
    )
    with bar:
        task = bar.add_task(f"{segments:,} segments", total=segments)
        for first in range(0, segments, BATCH):
            given |= {"segments": segments, "first": first, "count": min(BATCH, segments - first)}
            store.command(_statement(span_rows.COLUMNS, span_rows.SPANS), given)
            bar.advance(task, given["count"])
        task = bar.add_task("large trace", total=options.trace_spans)
        for first in range(0, options.trace_spans, BATCH):
            given |= {"first": first, "count": min(BATCH, options.trace_spans - first)}
            given["start"] = (end - timedelta(hours=3)).timestamp()
            store.command(_statement(span_trace.COLUMNS, span_trace.PLACES), given)
            bar.advance(task, given["count"])
    rows, size = store.rows(
        "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'spans'", timeout=60
    )[0]
    seconds = time.monotonic() - began
    console.print(f"{rows:,} rows, {size / 1e6:,.0f} MB on disk ({size / rows:.0f} bytes a row), in {seconds:.0f} s")


def _statement(columns: dict[str, str], source: str) -> str:
    values = ", ".join(value if value == name else f"{value} AS {name}" for name, value in columns.items())
    return f"INSERT INTO spans ({', '.join(columns)}) SELECT {values} FROM ({source})"
