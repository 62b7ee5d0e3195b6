"""Logs of a message: containers of SDKs and OpenTelemetry's exports."""

from __future__ import annotations

from dictamesh_sentry.processing import items as item_types
from dictamesh_sentry.processing.filters import first_match
from dictamesh_sentry.processing.logs import COLUMNS, LogRecord, build_row, read_container, read_export
from dictamesh_sentry.processing.normalize import InvalidEventError
from dictamesh_sentry.processing.results import LogGroup
from dictamesh_sentry.processing.work import Work
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.envelope import Item

_ENVIRONMENT, _RELEASE = COLUMNS.index("environment"), COLUMNS.index("release")


def process_logs(work: Work, item: Item) -> None:
    """Keep the valid records of an item; what is wrong with the others is counted."""
    try:
        if item.type == item_types.INTEGRATION:
            protobuf = item.headers.get("content_type") != "application/json"
            records, dropped = read_export(item.payload, work.config, work.request(), protobuf=protobuf)
        else:
            records, dropped = read_container(item.payload, work.config, work.request())
    except (InvalidEventError, RecursionError) as error:
        reason = error.reason if isinstance(error, InvalidEventError) else "nesting_too_deep"
        count = max(1, item_types.declared_count(item))
        _count(work, Outcome.INVALID, reason, count, len(item.payload))
        return
    for reason, quantity in dropped.items():
        work.outcome(DataCategory.LOG_ITEM, Outcome.INVALID, reason, quantity)
    if records:
        _keep(work, records)


def _count(work: Work, outcome: Outcome, reason: str, count: int, size: int) -> None:
    work.outcome(DataCategory.LOG_ITEM, outcome, reason, count)
    work.outcome(DataCategory.LOG_BYTE, outcome, reason, size)


def _keep(work: Work, records: list[LogRecord]) -> None:
    config, message = work.config, work.message
    rows = [
        build_row(
            record,
            project_id=config.project_id,
            received=message.received,
            retention_days=config.retention_days,
            origin=work.origin,
            index=len(work.result.logs) * 1_000_000 + index,
        )
        for index, record in enumerate(records)
    ]
    size = sum(record.size for record in records)
    release = rows[0][_RELEASE]
    reason = first_match({"type": "log", "release": release}, config, message.client_ip)
    if reason is not None:
        _count(work, Outcome.FILTERED, reason, len(records), size)
        return
    times = [record.nanoseconds / 1e9 for record in records]
    work.result.logs.append(
        LogGroup(
            project_id=config.project_id,
            organization_id=config.organization_id,
            key_id=message.key_id,
            received=message.received,
            timestamp=times[0],
            first=min(times),
            last=max(times),
            partition=work.result.partition,
            offset=work.result.offset,
            environment=rows[0][_ENVIRONMENT],
            release=release,
            rows=rows,
            quantities=[(int(DataCategory.LOG_ITEM), len(records)), (int(DataCategory.LOG_BYTE), size)],
        )
    )
