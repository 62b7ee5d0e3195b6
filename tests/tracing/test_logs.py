"""Log records as they are read back."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from dictamesh_sentry.processing.logs import COLUMNS, LogRecord, build_row
from dictamesh_sentry.search.period import Period
from dictamesh_sentry.tracing.logs import get_log, logs_of_trace, logs_per_span

TRACE = "7" * 32


def record(body: str, offset: int = 0, **more: Any) -> LogRecord:
    fields: dict[str, Any] = {
        "nanoseconds": time.time_ns() // 1000 * 1000 + offset, "trace_id": TRACE, "span_id": "", "severity": "info",
        "severity_number": 9, "attributes": {}, "size": len(body),
    }  # fmt: skip
    return LogRecord(body=body, **{**fields, **more})


def store(event_store: Any, records: list[LogRecord], project_id: int = 1) -> None:
    now = time.time()
    rows = [
        build_row(one, project_id=project_id, received=now, retention_days=90, origin=(0, project_id), index=index)
        for index, one in enumerate(records)
    ]
    event_store.insert("logs", COLUMNS, rows)


def test_a_trace_has_its_logs_in_their_order(event_store: Any) -> None:
    now = time.time_ns() // 1000 * 1000
    base = [record(f"step {n}", nanoseconds=now + n, span_id="a" * 16 if n % 2 else "") for n in (3, 1, 2, 0)]
    store(event_store, [*base, record("elsewhere", trace_id="8" * 32)])
    store(event_store, [record("of another project")], project_id=2)
    found = logs_of_trace([1], TRACE)
    assert [log.message for log in found] == ["step 0", "step 1", "step 2", "step 3"]
    assert [log.nanoseconds - now for log in found] == [0, 1, 2, 3]
    assert [log.message for log in logs_of_trace([1], TRACE, newest_first=True, limit=1, offset=1)] == ["step 2"]
    assert [log.message for log in logs_of_trace([1], TRACE, text="STEP 3")] == ["step 3"]
    assert logs_per_span([1], TRACE) == {"": 2, "a" * 16: 2}
    assert logs_of_trace([], TRACE) == []


def test_a_record_is_found_by_its_id_only_in_its_project(event_store: Any) -> None:
    store(event_store, [record("one", attributes={"size": 3, "kind": "x", "ok": True})])
    (log,) = logs_of_trace([1], TRACE)
    again = get_log([1], log.id)
    assert again == log
    assert (log.strings, log.numbers) == ({"kind": "x", "ok": "true"}, {"size": 3.0})
    assert get_log([2], log.id) is None
    assert get_log([1], uuid.uuid4().hex) is None
    assert get_log([1], "nonsense") is None


def test_a_period_bounds_the_logs(event_store: Any) -> None:
    store(event_store, [record("now"), record("then", nanoseconds=time.time_ns() - 3600 * 10**9)])
    end = datetime.now(UTC) + timedelta(minutes=1)
    period = Period(end - timedelta(minutes=10), end)
    assert [log.message for log in logs_of_trace([1], TRACE, period=period)] == ["now"]
