"""How long the page of a large trace takes, window by window.

``python benchmarks/trace_view.py [spans] [others]`` fills a store of its own in a temporary folder with one trace
(default 100,000 spans: transactions of four services calling each other, queries that repeat, errors) beside
``others`` spans of other traces (default 1,000,000), and with a trace of 100 spans. It prints the milliseconds of whole
requests through Django: the first window, which lays the trace out, and all kinds of windows after it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

SPANS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
OTHERS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
FOLDER = os.environ.setdefault("SENTRY_DATA_DIR", tempfile.mkdtemp(prefix="trace-view-"))
os.environ.setdefault("DICTAMESH_STORE_SYNC", "0")
os.environ["DJANGO_SETTINGS_MODULE"] = "dictamesh_sentry.config.django"

import django  # noqa: E402

django.setup()

from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402

from dictamesh_sentry.accounts.models import User  # noqa: E402
from dictamesh_sentry.eventstore.client import get_store  # noqa: E402
from dictamesh_sentry.eventstore.embedded.launch import ensure_running, read_address  # noqa: E402
from dictamesh_sentry.eventstore.migrate import migrate  # noqa: E402
from dictamesh_sentry.organizations.models import Organization  # noqa: E402
from dictamesh_sentry.projects.models import Project  # noqa: E402
from dictamesh_sentry.tracing.trace_store import forget_traces  # noqa: E402

LARGE, SMALL = uuid.UUID(int=7), uuid.UUID(int=8)

# A hundred spans a transaction: ten steps with nine spans each. A transaction is called by a step of one ten times as
# early, so that the whole is four levels of services deep.
FILL = """INSERT INTO spans (project_id, is_segment, category, timestamp, received, retention_days, origin_offset,
trace_id, span_id, parent_span_id, segment_id, event_id, duration, self_time, op, description, status, group_hash,
transaction, transaction_op, attributes_string, attributes_number, platform)
SELECT 1 + tx % 4, place = 0, if(place % 10 = 0, 'http', 'db'), begin + toIntervalMicrosecond(place * 90),
now64(3), 90, number, {trace:UUID}, cityHash64({trace:UUID}, number),
multiIf(number = 0, 0, place = 0, cityHash64({trace:UUID}, intDiv(tx, 10) * 100 + 10 * (tx % 9 + 1)),
place % 10 = 0, cityHash64({trace:UUID}, tx * 100), cityHash64({trace:UUID}, tx * 100 + intDiv(place, 10) * 10)),
cityHash64({trace:UUID}, tx * 100), reinterpretAsUUID(concat(reinterpretAsFixedString(cityHash64(tx)),
reinterpretAsFixedString(cityHash64(tx, 1)))),
multiIf(place = 0, 10, place % 10 = 0, 0.8, 0.07), 0.05,
multiIf(place = 0, 'http.server', place % 10 = 0, 'http.client', 'db'),
concat('SELECT a, b, c FROM things WHERE id = ', toString(number), ' AND kind = ', toString(number % 5)),
if(number % 977 = 0, 'internal_error', 'ok'), if(place % 20 < 10, 5, cityHash64(place)),
concat('/api/', toString(tx % 50)), 'http.server', map('server.address', concat('web-', toString(tx % 7))),
map('thread.id', number % 9), 'python'
FROM (SELECT number, intDiv(number, 100) AS tx, number % 100 AS place,
toDateTime64({start:String}, 6, 'UTC') + toIntervalMicrosecond(tx * 9500) AS begin FROM numbers({count:UInt64}))"""

FILL_OTHERS = """INSERT INTO spans (project_id, is_segment, category, timestamp, received, retention_days,
origin_offset, trace_id, span_id, segment_id, duration, op, description, transaction)
SELECT 1 + number % 4, number % 10 = 0, 'db', now64(6) - toIntervalSecond(cityHash64(number) % 1209600), now64(3), 90,
number, generateUUIDv4(), rand64(), 1, 10, 'db', concat('SELECT ', toString(number % 1000)), '/other'
FROM numbers({first:UInt64}, {count:UInt64})"""

FILL_ERRORS = """INSERT INTO events (project_id, event_id, timestamp, received, retention_days, origin_offset, issue_id,
type, level, title, trace_id, span_id, payload) SELECT project_id, generateUUIDv4(), timestamp, received, 90, origin_offset,
1, 'error', 'error', 'ValueError: bad', lower(replaceAll(toString(trace_id), '-', '')), lower(hex(span_id)), '{}'
FROM spans WHERE trace_id = {trace:UUID} AND status = 'internal_error'"""


def fill() -> None:
    """Both stores."""
    call_command("migrate", verbosity=0)
    migrate()
    store = get_store()
    start = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(time.time() - 7200))
    for first in range(0, OTHERS, 250_000):
        store.command(FILL_OTHERS, {"first": first, "count": min(250_000, OTHERS - first)})
    for trace, count in ((LARGE, SPANS), (SMALL, 100)):
        store.command(FILL, {"trace": trace, "count": count, "start": start})
        store.command(FILL_ERRORS, {"trace": trace})
    store.command("OPTIMIZE TABLE spans FINAL")
    organization = Organization.objects.create(slug="bench", name="Bench")
    for number in range(1, 5):
        Project.objects.create(pk=number, organization=organization, slug=f"service-{number}", name="Service")
    User.objects.create_superuser("bench@example.com")


def store_seconds() -> float:
    """Processor time the event store has used."""
    address = read_address(Path(FOLDER))
    if address is None:
        return 0.0
    fields = Path(f"/proc/{address['pid']}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name: str, action: Callable[[int], Any], turns: int = 25, before: Callable[[], None] | None = None) -> None:
    """Milliseconds of whole requests on the clock, and of processor time here and in the event store: the latter do
    not depend on what else the machine does."""
    times = []
    own, store = time.process_time(), store_seconds()
    for turn in range(turns):
        if before is not None:
            before()
        started = time.perf_counter()
        answer = action(turn)
        times.append((time.perf_counter() - started) * 1000)
        assert answer.status_code == 200, (name, answer.status_code)
    times.sort()
    p95 = times[min(len(times) - 1, round(len(times) * 0.95) - 1)]
    print(
        f"{name:<40} median {statistics.median(times):5.0f}  p95 {p95:5.0f}  worst {times[-1]:5.0f} ms"
        f"  CPU {(time.process_time() - own) * 1000 / turns:4.0f} + {(store_seconds() - store) * 1000 / turns:4.0f} ms",
        flush=True,
    )


def main() -> None:
    """Fill and measure."""
    with ensure_running():
        fill()
        client = Client()
        client.force_login(User.objects.get(), backend="django.contrib.auth.backends.ModelBackend")
        base = "/organizations/bench/traces/"
        large, part = f"{base}{LARGE.hex}/", {"headers": {"HX-Request": "true"}}
        client.get(base)
        span = get_store().rows(
            "SELECT lower(hex(span_id)) FROM spans WHERE trace_id = {trace:UUID} ORDER BY timestamp", {"trace": LARGE}
        )
        ids = [row[0].rjust(16, "0") for row in span[:: max(1, len(span) // 97)]]
        client.get(large)
        measure("100 spans: page", lambda _: client.get(f"{base}{SMALL.hex}/"))
        measure("100 spans: page, laid out anew", lambda _: client.get(f"{base}{SMALL.hex}/"), before=forget_traces)
        measure(f"{SPANS:,} spans: page, laid out anew", lambda _: client.get(large), before=forget_traces)
        measure(f"{SPANS:,} spans: page", lambda _: client.get(large))
        measure("  further rows", lambda turn: client.get(f"{large}?offset={turn * 37}&rows=after", **part))
        measure("  a state of folding", lambda turn: client.get(f"{large}?open={ids[turn]}&offset={turn * 37}", **part))
        measure("  page at a span far inside", lambda turn: client.get(f"{large}?node={ids[turn]}"))
        measure("  panel of a span", lambda turn: client.get(
            f"{large}?node={ids[turn]}", headers={"HX-Request": "true", "HX-Target": "trace-panel"}
        ))  # fmt: skip
        measure("  search: op:db status:error", lambda _: client.get(f"{large}?q=op:db+status:error", **part))
        measure("  search: kind = 3 (a fifth of all)", lambda _: client.get(f"{large}?q=%22kind+%3D+3%22", **part))
        measure("list of traces, 14 days", lambda _: client.get(base))
        measure("list of traces, a search", lambda _: client.get(f"{base}?query=span.op:http.client"))


if __name__ == "__main__":
    try:
        main()
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)
