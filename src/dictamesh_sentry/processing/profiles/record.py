"""From a profile item to what is stored of it."""

from __future__ import annotations

import re
from typing import Any

from dictamesh_sentry.processing.normalize.clock import DRIFT_THRESHOLD, MAX_FUTURE
from dictamesh_sentry.processing.profiles.errors import InvalidProfileError
from dictamesh_sentry.processing.profiles.parse import parse_profile
from dictamesh_sentry.processing.profiles.values import mapping, optional_identifier, text
from dictamesh_sentry.processing.rows import to_datetime
from dictamesh_sentry.profiling.functions import function_times
from dictamesh_sentry.profiling.model import Profile, encode
from dictamesh_sentry.profiling.records import ProfileRecord, blob_key
from dictamesh_sentry.projects.options import ProjectConfig
from dictamesh_sentry.protocol.envelope import Item
from dictamesh_sentry.protocol.messages import IngestMessage

MAX_FUNCTIONS = 200
"""Rows of functions kept of a profile, those of the app first; its samples have all of them."""
CHUNKS = frozenset({"profile_chunk", "profile_chunk_ui"})
_ZERO = "0" * 32
_SPAN_ID = re.compile(r"[0-9a-fA-F]{16}\Z")


def process_profile_item(
    item: Item,
    config: ProjectConfig,
    message: IngestMessage,
    transaction: dict[str, Any] | None,
    *,
    origin: tuple[int, int],
    sent_at: float | None = None,
    quantities: list[tuple[int, int]] | None = None,
) -> ProfileRecord:
    """Read a ``profile`` or ``profile_chunk`` item and make what is stored of it. Pure.

    ``transaction`` is the normalized transaction of the same envelope, also when sampling dropped it; a ``profile``
    without one is refused unless its header ``sampled`` is false, which says that the SDK did not send it. For chunks
    it is None. ``origin`` is the message's partition and offset, ``sent_at`` the envelope's, in epoch seconds;
    ``quantities`` (category, quantity) is what the record is to be counted as.

    Raises InvalidProfileError, whose ``reason`` is the reason of the outcome, and nothing else.
    """
    chunk = item.type in CHUNKS
    if not chunk and transaction is None and item.headers.get("sampled") is not False:
        raise InvalidProfileError("profile_without_transaction")
    profile = parse_profile(
        item.payload,
        chunk=chunk,
        content_type=text(item.headers.get("content_type")),
        platform=text(item.headers.get("platform"), 32) if chunk else "",
        received=message.received,
    )
    _set_clock(profile, message.received, sent_at, config.retention_days)
    link = _link(profile, mapping(transaction))
    return _record(profile, link, config, message, origin, quantities or [])


def _set_clock(profile: Profile, received: float, sent_at: float | None, retention_days: int) -> None:
    """Correct a wrong clock of the client as that of events. Raises InvalidProfileError for an impossible time."""
    if sent_at is not None and abs(received - sent_at) >= DRIFT_THRESHOLD:
        profile.start += received - sent_at
    if profile.start > received + MAX_FUTURE or profile.start < received - retention_days * 86400:
        raise InvalidProfileError("profile_invalid_timestamp", "older than the retention, or in the future")


def _link(profile: Profile, transaction: dict[str, Any]) -> dict[str, Any]:
    """Which transaction, trace and span the profile belongs to; what the transaction says counts more."""
    sent = profile.meta.get("transaction", {})
    trace = mapping(mapping(transaction.get("contexts")).get("trace"))
    span = text(trace.get("span_id"), 16)
    profile.release = text(transaction.get("release"), 250) or profile.release
    profile.environment = text(transaction.get("environment"), 64) or profile.environment
    link = {
        "id": optional_identifier(transaction.get("event_id")) or sent.get("id", ""),
        "name": text(transaction.get("transaction"), 200) or sent.get("name", ""),
        "trace_id": optional_identifier(trace.get("trace_id")) or sent.get("trace_id", ""),
        "span_id": span if _SPAN_ID.match(span) else "",
    }
    if sent or transaction:
        profile.meta["transaction"] = {**sent, **{key: value for key, value in link.items() if value}}
    return link


def _record(
    profile: Profile,
    link: dict[str, Any],
    config: ProjectConfig,
    message: IngestMessage,
    origin: tuple[int, int],
    quantities: list[tuple[int, int]],
) -> ProfileRecord:
    start = to_datetime(profile.start)
    key = blob_key(config.project_id, start, config.retention_days, profile.profile_id, origin)
    blob = encode(profile)
    common = [start, to_datetime(message.received), config.retention_days, *origin]
    meta = profile.meta
    system, runtime, sdk = meta.get("os", {}), meta.get("runtime", {}), meta.get("sdk", {})
    row = [
        config.project_id,
        profile.kind,
        *common,
        profile.profile_id,
        profile.profiler_id or _ZERO,
        link["id"] or _ZERO,
        link["trace_id"] or _ZERO,
        int(link["span_id"] or "0", 16),
        profile.threads[profile.active].id if profile.active >= 0 else "",
        profile.duration_ns / 1e6,
        link["name"],
        profile.environment,
        profile.release,
        profile.platform,
        sdk.get("name", ""),
        sdk.get("version", ""),
        " ".join(part for part in (runtime.get("name"), runtime.get("version")) if part),
        system.get("name", ""),
        system.get("version", ""),
        meta.get("device", {}).get("model", ""),
        len(profile.times),
        len(profile.threads),
        key,
        len(blob),
    ]
    return ProfileRecord(
        project_id=config.project_id,
        organization_id=config.organization_id,
        key_id=message.key_id,
        profile_id=profile.profile_id,
        received=message.received,
        timestamp=profile.start,
        partition=origin[0],
        offset=origin[1],
        environment=profile.environment,
        release=profile.release,
        row=row,
        function_rows=_function_rows(profile, link["name"], config.project_id, common),
        blob_key=key,
        blob=blob,
        quantities=quantities,
    )


def _function_rows(profile: Profile, transaction: str, project_id: int, common: list[Any]) -> list[list[Any]]:
    times = function_times(profile)
    times.sort(key=lambda time: not time.function.in_app)  # stable: the longest of each kind first
    return [
        [
            project_id,
            *common,
            profile.profile_id,
            profile.profiler_id or _ZERO,
            time.function.fingerprint,
            time.function.name,
            time.function.place,
            time.function.file,
            int(time.function.in_app),
            time.function.platform,
            transaction,
            profile.environment,
            profile.release,
            time.self_ns,
            time.total_ns,
            time.samples,
        ]
        for time in times[:MAX_FUNCTIONS]
    ]
