"""Filters and tags of the issue pages. Registered as built-ins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.safestring import SafeString

from dictamesh_sentry.issues.event_queries import Event
from dictamesh_sentry.issues.presentation import BreadcrumbView, ExceptionView, KeyValue, UserView
from dictamesh_sentry.web.presenters.charts import meter
from dictamesh_sentry.web.presenters.highlight import highlight_block, source_lines

register = template.Library()
register.filter("source_lines", source_lines)
register.filter("code", highlight_block)

_CRUMB_ICONS = {
    "error": "issues", "navigation": "pointer", "http": "http", "info": "info", "query": "database",
    "debug": "terminal", "transaction": "play", "ui": "pointer", "user": "user", "session": "refresh", "system": "cpu",
}  # fmt: skip
_CATEGORY_ICONS = (
    ("ui.", "pointer"), ("navigation", "pointer"), ("http", "http"), ("fetch", "http"), ("xhr", "http"),
    ("query", "database"), ("sql", "database"), ("redis", "database"), ("cache", "database"), ("auth", "key"),
)  # fmt: skip
_CONTEXT_ICONS = {
    "os": "terminal", "client_os": "terminal", "runtime": "play", "browser": "globe", "device": "device", "app": "box",
    "gpu": "cpu", "trace": "layers", "response": "http", "cloud_resource": "globe", "culture": "globe", "flags": "tag",
}  # fmt: skip
#: Shown inside a page. SVG is not among them: it can hold scripts.
PREVIEWED = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"})


@register.filter
def crumb_icon(crumb: BreadcrumbView) -> str:
    """The icon of a breadcrumb by its type, else by its category."""
    if crumb.type in _CRUMB_ICONS:
        return _CRUMB_ICONS[crumb.type]
    return next((name for prefix, name in _CATEGORY_ICONS if crumb.category.startswith(prefix)), "terminal")


@register.filter
def crumb_line(crumb: BreadcrumbView) -> str:
    """What happened in one line: the message, else "POST /orders [502]" or "from → to" made of the data."""
    if crumb.message:
        return crumb.message
    data = {row.key: row.value for row in crumb.data}
    if "url" in data:
        status = f"[{data['status_code']}]" if data.get("status_code") else ""
        return " ".join(part for part in (data.get("method", ""), data["url"], status) if part)
    return f"{data.get('from') or '…'} → {data['to']}" if "to" in data else ""


@register.filter
def crumb_rest(crumb: BreadcrumbView) -> list[KeyValue]:
    """The data ``crumb_line`` did not say yet."""
    if crumb.message:
        return list(crumb.data)
    keys = {row.key for row in crumb.data}
    said = {"url", "method", "status_code"} if "url" in keys else {"from", "to"} if "to" in keys else set()
    return [row for row in crumb.data if row.key not in said or row.note]


@register.filter
def context_icon(kind: str) -> str:
    """The icon of a context."""
    return _CONTEXT_ICONS.get(kind, "info")


@register.simple_tag
def chain_text(exception: ExceptionView, chain: Sequence[ExceptionView]) -> str:
    """How an exception belongs to the one it led to: "The direct cause of CheckoutError"; empty for the last one."""
    if exception.index == max(item.index for item in chain):
        return ""
    parent = next(
        (item for item in chain if item.exception_id is not None and item.exception_id == exception.parent_id), None
    )
    if parent is None:
        parent = next(item for item in chain if item.index == exception.index + 1)
    source = exception.mechanism.source if exception.mechanism else ""
    name = parent.type or "the next exception"
    if parent.is_group:
        return f"Member of {name}"
    return {
        "__cause__": f"The direct cause of {name}",
        "__context__": f"Was being handled when {name} was raised",
    }.get(source, f"The cause of {name}{f' ({source})' if source else ''}")


@register.filter
def event_user(event: Event) -> str:
    """The best name of an event's user."""
    fields = event.user_fields
    return fields.get("email") or fields.get("username") or event.user or "–"


@register.filter
def level_colour(level: str) -> str:
    """The badge colour of a level."""
    return {"fatal": "red", "error": "red", "warning": "amber", "info": "blue"}.get(level, "")


@register.filter
def before(seconds: float | None) -> str:
    """Seconds before the event: "-340 ms", "-12.5 s", "-4 min"."""
    if seconds is None:
        return ""
    sign, seconds = ("-", seconds) if seconds >= 0 else ("+", -seconds)
    if seconds < 1:
        return f"{sign}{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{sign}{seconds:.1f} s"
    return f"{sign}{seconds / 60:.0f} min" if seconds < 7200 else f"{sign}{seconds / 3600:.0f} h"


@register.filter
def user_facts(user: UserView) -> list[tuple[str, str, str]]:
    """(label, value, what was filtered) of what is known about a user."""
    notes = {row.key: row.value for row in user.notes}
    rows = (
        ("id", "Id"), ("email", "E-mail"), ("username", "User name"), ("name", "Name"),
        ("ip_address", "IP address"), ("geo", "Place"),
    )  # fmt: skip
    return [
        (label, getattr(user, key), notes.get(key, "")) for key, label in rows if getattr(user, key) or key in notes
    ]


@register.filter
def previewable(attachment: Any) -> bool:
    """Whether a file may be shown inside the page."""
    return attachment.mimetype.split(";")[0].strip().lower() in PREVIEWED and attachment.size < 10_000_000


@register.filter
def slice_to(items: Sequence[Any], count: int) -> Sequence[Any]:
    """The first ``count`` items."""
    return items[: int(count)]


@register.filter
def percent_of(count: int, total: int) -> str:
    """ "42 %", "<1 %"."""
    if not total:
        return "0 %"
    share = 100 * count / total
    return "<1 %" if 0 < share < 1 else f"{share:.0f} %"


@register.simple_tag
def share_meter(count: int, total: int) -> SafeString:
    """The bar of a share."""
    return meter(count / total if total else 0)


@register.filter
def search_term(key: str, value: str) -> str:
    """``key:"value"`` for the search field."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    return f'{key}:"{escaped}"'
