"""How long the issue list and the issue page's reads take with many events.

``python benchmarks/issue_queries.py [events] [issues]`` fills a store of its own in a temporary folder (default
1,000,000 events in 20,000 issues over 30 days, four projects, the first issues with most events) and prints what
each read costs.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVENTS = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
ISSUES = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
FOLDER = os.environ.setdefault("SENTRY_DATA_DIR", tempfile.mkdtemp(prefix="issue-queries-"))
os.environ.setdefault("DICTAMESH_STORE_SYNC", "0")
os.environ["DJANGO_SETTINGS_MODULE"] = "dictamesh_sentry.config.django"

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402

from dictamesh_sentry.accounts.models import User  # noqa: E402
from dictamesh_sentry.eventstore.client import get_store, log_queries  # noqa: E402
from dictamesh_sentry.eventstore.embedded.launch import ensure_running, read_address  # noqa: E402
from dictamesh_sentry.eventstore.migrate import migrate  # noqa: E402
from dictamesh_sentry.issues import event_queries, queries  # noqa: E402
from dictamesh_sentry.issues.models import Issue  # noqa: E402
from dictamesh_sentry.organizations.models import Organization  # noqa: E402
from dictamesh_sentry.projects.models import Project  # noqa: E402
from dictamesh_sentry.search.period import Period, parse_period  # noqa: E402

FILL = """INSERT INTO events (project_id, event_id, timestamp, received, retention_days, origin_offset, issue_id,
primary_hash, type, level, platform, environment, release, transaction, title, message, culprit, user, user_id, user_email,
exception_types, exception_values, handled, stack_functions, stack_filenames, tags, size, payload, trace_id)
SELECT 1 + issue % 4, generateUUIDv4(), ts, ts, 90, number, issue,
reinterpretAsUUID(concat(reinterpretAsFixedString(cityHash64(issue, 1)),
reinterpretAsFixedString(cityHash64(issue, 2)))),
'error', ['error', 'warning', 'fatal'][1 + number % 3], 'python',
['production', 'staging', 'dev'][1 + cityHash64(number) % 3],
concat('app@1.', toString(cityHash64(number, 2) % 20), '.0'),
concat('/path/', toString(issue % 500)), concat('Error ', toString(issue)), concat('Something ', toString(issue)),
concat('mod.fn', toString(issue)), concat('id:', toString(cityHash64(number, 3) % 50000)),
toString(cityHash64(number, 3) % 50000), concat('u', toString(cityHash64(number, 3) % 50000), '@example.com'),
['ValueError'], [concat('bad ', toString(number % 1000))], 'no', ['f', 'g', 'h'], ['a.py', 'b.py', 'c.py'],
map('browser', ['Chrome', 'Firefox', 'Safari'][1 + cityHash64(number, 4) % 3], 'os',
['Linux', 'Windows'][1 + cityHash64(number, 5) % 2], 'server_name', concat('web-', toString(cityHash64(number, 6) % 20)),
'url', concat('https://x/', toString(cityHash64(number, 7) % 5000)), 'runtime', 'CPython 3.11', 'handled', 'no',
'mechanism', 'django'), 2000, concat(repeat('payload ', 100), toString(generateUUIDv4())),
lower(concat(hex(cityHash64(number, 11)), hex(cityHash64(number, 12))))
FROM (SELECT number, toUInt64(1 + {issues:UInt64} * pow((cityHash64(number, 1) % 1000000) / 1000000, 2.0)) AS issue,
now64(3) - toIntervalSecond(cityHash64(number, 9) % 2592000) AS ts FROM numbers({first:UInt64}, {count:UInt64}))"""


def fill() -> None:
    """Both stores; the issues' own numbers are those of their events."""
    call_command("migrate", verbosity=0)
    store = get_store()
    migrate()
    if store.rows("SELECT count() FROM events")[0][0]:
        return
    for first in range(0, EVENTS, 100_000):
        store.command(FILL, {"first": first, "count": min(100_000, EVENTS - first), "issues": ISSUES})
    store.command("OPTIMIZE TABLE events FINAL")
    organization = Organization.objects.create(slug="bench", name="Bench")
    for number in range(1, 5):
        Project.objects.create(pk=number, organization=organization, slug=f"project-{number}", name="Project")
    User.objects.create_superuser("bench@example.com")
    rows = store.rows(
        "SELECT issue_id, any(project_id), any(title), count(), min(timestamp), max(timestamp) "
        "FROM events GROUP BY issue_id"
    )
    Issue.objects.bulk_create(
        [
            Issue(
                pk=pk, project_id=project, short_number=pk, title=title, times_seen=count, first_seen=first,
                last_seen=last,
                status="resolved" if pk % 5 == 0 else "unresolved", priority=("high", "medium", "low")[pk % 3],
            )
            for pk, project, title, count, first, last in rows
        ],
        batch_size=1000,
    )  # fmt: skip


def store_seconds() -> float:
    """Processor time the event store has used."""
    address = read_address(Path(FOLDER))
    if address is None:
        return 0.0
    fields = Path(f"/proc/{address['pid']}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, action: Callable[[], object], turns: int = 12) -> None:
    """Milliseconds on the clock, and of processor time here and in the event store: the latter do not depend on what
    else the machine does."""
    times = []
    own, store = time.process_time(), store_seconds()
    with log_queries() as log:
        for _ in range(turns):
            started = time.perf_counter()
            action()
            times.append((time.perf_counter() - started) * 1000)
    rest = sorted(times[1:])
    print(
        f"{name:<42} first {times[0]:6.0f}  median {statistics.median(rest):6.0f}  worst {rest[-1]:6.0f} ms"
        f"  CPU {(time.process_time() - own) * 1000 / turns:4.0f} + {(store_seconds() - store) * 1000 / turns:4.0f} ms"
        f"  queries {len(log) // turns}",
        flush=True,
    )


def run_issue(kind: str, issue: Issue, period: Period) -> None:
    """The reads of one issue's pages."""
    event = event_queries.issue_event(issue, "latest", (), period)
    assert event is not None
    projects = [issue.project_id]
    reads: dict[str, Callable[[], object]] = {
        "latest event": lambda: event_queries.issue_event(issue, "latest", (), period),
        "recommended event": lambda: event_queries.issue_event(issue, "recommended", (), period),
        "neighbours": lambda: event_queries.neighbours(issue, event),
        "series": lambda: queries.issue_series(issue, (), period),
        "tags": lambda: event_queries.tag_keys(projects, issue=issue, period=period),
        "events": lambda: event_queries.list_events(projects, issue=issue, period=period),
        "events by tag": lambda: event_queries.list_events(
            projects, issue=issue, query="browser:Safari", period=period
        ),
        "event by id": lambda: event_queries.get_event(projects, event.id),
    }
    for name, read in reads.items():
        measure(f"issue ({kind}, {issue.times_seen} events), {name}", read)


def run() -> None:
    """Every measurement."""
    user, organization = User.objects.get(), Organization.objects.get()
    print(f"{EVENTS:,} events, {Issue.objects.count():,} issues")
    month = parse_period("30d")

    def page(query: str = "is:unresolved", period: str = "30d", **options: Any) -> Callable[[], queries.IssueListPage]:
        return lambda: queries.search_issues(user, organization, query=query, period=parse_period(period), **options)

    for sort in ("date", "new", "priority", "freq", "user", "trends"):
        measure(f"list, 30d, sort={sort}", page(sort=sort))
    measure("list, 30d, page 2", page(cursor=page()().next_cursor))
    measure("list, 24h", page(period="24h"))
    measure("list, 30d, environment", page(environments=["production"]))
    measure("list, 30d, tag", page("is:unresolved browser:Chrome"))
    measure("list, 30d, level and release", page("level:error release:app@1.3.0"))
    measure("list, 30d, text", page('"something 77"'))
    by_size = Issue.objects.order_by("-times_seen")
    for kind, issue in (("busy", by_size[0]), ("rare", by_size.reverse()[0])):
        run_issue(kind, issue, month)
    measure("tags of all projects, 24h", lambda: event_queries.tag_keys([1, 2, 3, 4], period=parse_period("24h")))
    address = read_address(Path(FOLDER))
    assert address is not None
    memory = Path(f"/proc/{address['pid']}/smaps_rollup").read_text()
    print("memory of the store (PSS):", memory.split("Pss:")[1].split("\n")[0].strip())


if __name__ == "__main__":
    try:
        with ensure_running():
            fill()
            run()
    finally:
        if FOLDER.startswith(tempfile.gettempdir()) and "issue-queries-" in FOLDER:
            shutil.rmtree(FOLDER, ignore_errors=True)
