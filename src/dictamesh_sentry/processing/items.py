"""What each item type is counted as, and what becomes of types this installation does not process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.protocol.envelope import Item

EVENT_TYPES = frozenset({"event", "security", "raw_security", "feedback"})
CRASH_ATTACHMENTS = frozenset(
    {
        "event.minidump",
        "event.applecrashreport",
        "event.payload",
        "event.breadcrumbs",
        "event.nv_gpudmp",
        "playstation.prosperodump",
        "nswitch.dying_message",
    }
)
PLAIN_ATTACHMENTS = frozenset(
    {"event.attachment", "event.view_hierarchy", "unreal.context", "unreal.logs", "event.nv_shader_debug"}
)
INTEGRATION = "integration"
OCCURRENCE = "occurrence"
PROFILE_TYPES = frozenset({"profile", "profile_chunk", "profile_chunk_ui"})
PERFORMANCE_TYPES = frozenset({"transaction", "span", "log", INTEGRATION, OCCURRENCE}) | PROFILE_TYPES
# Sent by SDKs of the past; swallowed without a word, as the protocol asks.
OBSOLETE_TYPES = frozenset({"statsd", "metric_meta", "otel_span", "otel_log", "nel"})

Quantities = Iterator[tuple[DataCategory, int]]

_ONE = {
    "check_in": DataCategory.MONITOR,
    "replay_event": DataCategory.REPLAY,
    "replay_recording": DataCategory.REPLAY,
    "replay_video": DataCategory.REPLAY,
    "metric_buckets": DataCategory.METRIC_BUCKET,
    "unreal_report": DataCategory.ERROR,
    "profile": DataCategory.PROFILE,
}
_UI_PLATFORMS = frozenset({"cocoa", "android", "javascript"})


def category_of(item: Item) -> DataCategory:
    """The category a whole item is counted in when nothing inside it can be."""
    return {
        "event": DataCategory.ERROR,
        "security": DataCategory.SECURITY,
        "raw_security": DataCategory.SECURITY,
        "feedback": DataCategory.FEEDBACK,
        "user_report": DataCategory.FEEDBACK,
        "attachment": DataCategory.ATTACHMENT,
        "transaction": DataCategory.TRANSACTION,
    }.get(item.type, _ONE.get(item.type, DataCategory.DEFAULT))


def quantities(item: Item) -> Quantities | None:
    """How much of which categories an item is that no part of this installation processes; None: an unknown type."""
    kind = item.type
    if kind in _ONE:
        return iter([(_ONE[kind], 1)])
    if kind == "transaction":
        return iter(transaction_quantities(item))
    if kind in ("session", "sessions"):
        return iter([(DataCategory.SESSION, 1)])
    if kind in ("profile_chunk", "profile_chunk_ui"):
        interface = kind == "profile_chunk_ui" or str(item.headers.get("platform")) in _UI_PLATFORMS
        return iter([(DataCategory.PROFILE_CHUNK_UI if interface else DataCategory.PROFILE_CHUNK, 1)])
    if kind == "span":
        return iter([(DataCategory.SPAN, _container_length(item))])
    if kind == "log":
        return _container(item, DataCategory.LOG_ITEM, DataCategory.LOG_BYTE)
    if kind == "trace_metric":
        return _container(item, DataCategory.TRACE_METRIC, DataCategory.TRACE_METRIC_BYTE)
    return None


def _count_header(item: Item, name: str) -> int | None:
    value = item.headers.get(name)
    return value if type(value) is int and 0 <= value < 1_000_000 else None


def _parsed(item: Item) -> Any:
    try:
        return orjson.loads(item.payload)
    except orjson.JSONDecodeError:
        return None


def transaction_quantities(item: Item) -> list[tuple[DataCategory, int]]:
    """What a transaction counts as: itself, and a span for itself and for each of its children."""
    return [(DataCategory.TRANSACTION, 1), (DataCategory.SPAN, 1 + span_count(item, _parsed(item)))]


def is_container(item: Item) -> bool:
    """Whether a span item holds many spans (v2) rather than one (v1)."""
    content_type = item.headers.get("content_type")
    return (type(content_type) is str and "span.v2" in content_type) or "item_count" in item.headers


def declared_count(item: Item) -> int:
    """How many elements the item's header announces; 0 when it does not."""
    return _count_header(item, "item_count") or 0


def span_count(item: Item, transaction: Any) -> int:
    """How many child spans a transaction came with: those in it, else what its header announces."""
    if type(transaction) is not dict:
        return _count_header(item, "span_count") or 0
    spans = transaction.get("spans") if type(transaction) is dict else None
    return len(spans) if type(spans) is list else 0


def _elements(item: Item) -> list[Any]:
    container = _parsed(item)
    elements = container.get("items") if type(container) is dict else None
    return elements if type(elements) is list else []


def _container_length(item: Item) -> int:
    return _count_header(item, "item_count") or max(1, len(_elements(item)))


def _container(item: Item, count: DataCategory, size: DataCategory) -> Quantities:
    elements = _elements(item)
    yield count, _count_header(item, "item_count") or max(1, len(elements))
    yield size, sum(max(1, element_size(element)) for element in elements) or len(item.payload)


def element_size(element: object) -> int:
    """Bytes of a log or metric element as quotas count them: its body and its attributes."""
    if type(element) is not dict:
        return 1
    total = _value_size(element.get("body"))
    attributes = element.get("attributes")
    if type(attributes) is dict:
        for key, attribute in attributes.items():
            value = attribute.get("value") if type(attribute) is dict else attribute
            total += len(key.encode()) + _value_size(value)
    return max(1, total)


def _value_size(value: object) -> int:
    if type(value) is str:
        return len(value.encode())
    if type(value) is bool:
        return 1
    if type(value) in (int, float):
        return 8
    return sum(map(_value_size, value)) if type(value) is list else 0
