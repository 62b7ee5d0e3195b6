"""What the protocol says about each item type: its limits, what it counts as, and what it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from dictamesh_sentry.protocol.categories import DataCategory
from dictamesh_sentry.protocol.envelope import Item

KIB = 1024
MIB = 1024 * 1024
MAX_ENVELOPE = 200 * MIB
MAX_SMALL_BODY = 1 * MIB
MAX_INTEGRATION_BODY = 12 * MIB

Quantity = tuple[DataCategory, int]


class Group(NamedTuple):
    """Limits shared by item types: bytes of one item, how many items, bytes of all. ``strict``: more than
    ``max_items`` items reject the envelope; otherwise the surplus is dropped as ``duplicate_item``."""

    name: str
    item_bytes: int
    max_items: int
    total_bytes: int
    strict: bool = True


_EVENT = Group("event", MIB, 1, MIB)
_ATTACHMENT = Group("attachment", 200 * MIB, 30, 200 * MIB)
_SESSION = Group("session", 10 * MIB, 100, 10 * MIB)
_PROFILE = Group("profile", 50 * MIB, 1, 50 * MIB)

GROUPS: dict[str, Group] = {
    "event": _EVENT,
    "transaction": _EVENT,
    "security": _EVENT,
    "raw_security": _EVENT,
    "replay_event": _EVENT,
    "feedback": _EVENT,
    "form_data": _EVENT,
    "attachment": _ATTACHMENT,
    "unreal_report": _ATTACHMENT,
    "user_report": _ATTACHMENT,
    "replay_recording": Group("replay_recording", 10 * MIB, 1, 10 * MIB),
    "replay_video": Group("replay_video", 10 * MIB, 1, 10 * MIB),
    "session": _SESSION,
    "sessions": _SESSION,
    "client_report": Group("client_report", 100 * KIB, 100, 100 * KIB),
    "profile": _PROFILE,
    "profile_chunk": _PROFILE,
    "profile_chunk_ui": _PROFILE,
    "check_in": Group("check_in", 100 * KIB, 1, 100 * KIB, strict=False),
    "metric_buckets": Group("metric_buckets", MIB, 1, MIB),
    "log": Group("log", 12 * MIB, 1, 12 * MIB, strict=False),
    "trace_metric": Group("trace_metric", 12 * MIB, 1, 12 * MIB, strict=False),
    "span": Group("span", 10 * MIB, 25, 12 * MIB),
}
_INTEGRATION = Group("integration", MAX_INTEGRATION_BODY, 1, MAX_INTEGRATION_BODY)
_SPAN_CONTAINER = Group("span_container", 12 * MIB, 1, 12 * MIB, strict=False)
_ELEMENT_BYTES = {"log": 2 * MIB, "trace_metric": MIB, "span_container": 10 * MIB}

# Types of the past that clients may still send. They are accepted, and counted as unsupported in processing.
RETIRED = frozenset({"statsd", "metric_meta", "otel_span", "otel_log", "nel"})
_LEGACY = Group("legacy", MIB, 100, 10 * MIB)

KNOWN_TYPES = frozenset(GROUPS) | RETIRED
#: Made by the edge or by processing; clients may not send them.
INTERNAL_TYPES = frozenset({"integration", "occurrence"})

CRASH_ATTACHMENTS = frozenset(
    {
        "event.minidump",
        "event.applecrashreport",
        "event.payload",
        "event.breadcrumbs",
        "playstation.prosperodump",
        "nswitch.dying_message",
        "event.nv_gpudmp",
    }
)
ATTACHMENT_TYPES = CRASH_ATTACHMENTS | {
    "event.attachment",
    "event.view_hierarchy",
    "unreal.context",
    "unreal.logs",
    "event.nv_shader_debug",
}

_CREATES_EVENT = frozenset({"event", "transaction", "security", "raw_security", "unreal_report", "feedback"})
# Dropped together with the envelope's event (rate limits, section 9 of the protocol reference).
_DEPENDENT = frozenset({"attachment", "form_data", "user_report", "profile"})
_UI_PROFILE_PLATFORMS = frozenset({"cocoa", "android", "javascript"})


class ItemTooLargeError(ValueError):
    """Items break the limits of their group; ``item_type`` names the offender."""

    def __init__(self, item_type: str, detail: str) -> None:
        super().__init__(detail)
        self.item_type = item_type


def group_of(item: Item) -> Group:
    """The limits that apply to an item; unknown types are bounded like retired ones."""
    item_type = item.type
    if item_type == "span" and "item_count" in item.headers:
        return _SPAN_CONTAINER
    if item_type == "integration":
        return _INTEGRATION
    return GROUPS.get(item_type, _LEGACY)


def attachment_type(item: Item) -> str:
    """The ``attachment_type`` header, ``event.attachment`` when missing."""
    value = item.headers.get("attachment_type")
    return value if isinstance(value, str) and value else "event.attachment"


def is_crash_attachment(item: Item) -> bool:
    """An attachment an error event is made of, such as a minidump."""
    return item.type == "attachment" and attachment_type(item) in CRASH_ATTACHMENTS


def is_trace_attachment(item: Item) -> bool:
    """An attachment of a trace, which lives on its own and not with the envelope's event."""
    content_type = item.headers.get("content_type")
    return isinstance(content_type, str) and content_type.startswith("application/vnd.sentry.trace-attachment")


def creates_event(item: Item) -> bool:
    """Whether storing the item makes an event, so that the envelope needs an ``event_id``."""
    return item.type in _CREATES_EVENT or is_crash_attachment(item)


def depends_on_event(item: Item) -> bool:
    """Whether the item is dropped together with the envelope's event."""
    return item.type in _DEPENDENT and not is_trace_attachment(item)


def unknown_reason(item: Item) -> str:
    """Why this server does not know the item, as an outcome reason; "" when it does."""
    if item.type not in KNOWN_TYPES:
        return "unknown_item_type"
    if item.type == "attachment" and attachment_type(item) not in ATTACHMENT_TYPES:
        return "unknown_attachment_type"
    return ""


def check_limits(items: Sequence[Item]) -> list[Item]:
    """Enforce counts and sizes. Returns the surplus items to drop as ``duplicate_item``.

    Raises ItemTooLargeError when the whole envelope must be rejected.
    """
    counts: dict[str, int] = {}
    totals: dict[str, int] = {}
    surplus: list[Item] = []
    for item in items:
        group = group_of(item)
        size = len(item.payload)
        count = counts.get(group.name, 0) + 1
        if count > group.max_items:
            if group.strict:
                raise ItemTooLargeError(item.type, f"at most {group.max_items} {group.name} items are allowed")
            surplus.append(item)
            continue
        counts[group.name] = count
        total = totals[group.name] = totals.get(group.name, 0) + size
        if size > group.item_bytes or total > group.total_bytes:
            raise ItemTooLargeError(
                item.type, f"{item.type} is larger than {min(group.item_bytes, group.total_bytes)} bytes"
            )
        _check_elements(item, group, size)
    return surplus


def _check_elements(item: Item, group: Group, size: int) -> None:
    element = _ELEMENT_BYTES.get(group.name)
    if element is not None and size > element * max(1, _count(item, "item_count")):
        raise ItemTooLargeError(item.type, f"elements of {item.type} are larger than {element} bytes")


def _count(item: Item, header: str) -> int:
    value = item.headers.get(header)
    return min(value, 10**9) if type(value) is int and value > 0 else 0


_ONE: dict[str, tuple[DataCategory, ...]] = {
    "event": (DataCategory.ERROR,),
    "security": (DataCategory.SECURITY,),
    "raw_security": (DataCategory.SECURITY,),
    "unreal_report": (DataCategory.ERROR,),
    "user_report": (DataCategory.FEEDBACK,),
    "feedback": (DataCategory.FEEDBACK,),
    "session": (DataCategory.SESSION,),
    "sessions": (DataCategory.SESSION,),
    "replay_event": (DataCategory.REPLAY,),
    "replay_recording": (DataCategory.REPLAY,),
    "replay_video": (DataCategory.REPLAY,),
    "check_in": (DataCategory.MONITOR,),
    "metric_buckets": (DataCategory.METRIC_BUCKET,),
    "statsd": (DataCategory.METRIC_BUCKET,),
    "metric_meta": (DataCategory.METRIC_BUCKET,),
    "profile": (DataCategory.PROFILE, DataCategory.PROFILE_INDEXED),
    "profile_chunk_ui": (DataCategory.PROFILE_CHUNK_UI,),
    "otel_span": (DataCategory.SPAN, DataCategory.SPAN_INDEXED),
    "otel_log": (DataCategory.LOG_ITEM,),
    "nel": (DataCategory.LOG_ITEM,),
    "form_data": (),
    "client_report": (),
}


def quantities(item: Item) -> tuple[Quantity, ...]:
    """What an item counts as: categories with numbers (or bytes). From headers and sizes alone."""
    item_type = item.type
    simple = _ONE.get(item_type)
    if simple is not None:
        return tuple((category, 1) for category in simple)
    size = len(item.payload)
    match item_type:
        case "attachment":
            crash = ((DataCategory.ERROR, 1),) if is_crash_attachment(item) else ()
            return (*crash, (DataCategory.ATTACHMENT, size), (DataCategory.ATTACHMENT_ITEM, 1))
        case "transaction":
            spans = 1 + _count(item, "span_count")
            return (
                (DataCategory.TRANSACTION, 1),
                (DataCategory.TRANSACTION_INDEXED, 1),
                (DataCategory.SPAN, spans),
                (DataCategory.SPAN_INDEXED, spans),
            )
        case "span":
            spans = _count(item, "item_count") or 1
            return ((DataCategory.SPAN, spans), (DataCategory.SPAN_INDEXED, spans))
        case "integration":
            count = _count(item, "item_count")
            if item.headers.get("integration") == "otlp_traces":
                return ((DataCategory.SPAN, count), (DataCategory.SPAN_INDEXED, count))
            return ((DataCategory.LOG_ITEM, count), (DataCategory.LOG_BYTE, max(1, size)))
        case "log":
            return ((DataCategory.LOG_ITEM, _count(item, "item_count") or 1), (DataCategory.LOG_BYTE, max(1, size)))
        case "trace_metric":
            count = _count(item, "item_count") or 1
            return ((DataCategory.TRACE_METRIC, count), (DataCategory.TRACE_METRIC_BYTE, max(1, size)))
        case "profile_chunk":
            ui = item.headers.get("platform") in _UI_PROFILE_PLATFORMS
            return ((DataCategory.PROFILE_CHUNK_UI if ui else DataCategory.PROFILE_CHUNK, 1),)
        case _:
            return ((DataCategory.DEFAULT, 1),)


def limiting_categories(item: Item) -> tuple[DataCategory, ...]:
    """Categories whose rate limits drop the item; any active one is enough. Empty: never limited."""
    match item.type:
        case "event":
            return (DataCategory.ERROR, DataCategory.DEFAULT)
        case "transaction":
            return (DataCategory.TRANSACTION,)
        case "profile":
            return (DataCategory.PROFILE,)
        case "attachment" if is_crash_attachment(item):
            return (DataCategory.ERROR, DataCategory.DEFAULT)  # an attachment limit alone must not lose the crash
        case _:
            return tuple(category for category, _ in quantities(item))
