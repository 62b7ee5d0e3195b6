"""Everything around the stack trace: breadcrumbs, contexts, user, tags, SDK, errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dictamesh_sentry.issues.presentation.annotations import Meta
from dictamesh_sentry.issues.presentation.values import (
    MAX_ROWS,
    KeyValue,
    as_list,
    as_object,
    interface_values,
    moment,
    pairs,
    table,
    text,
)

MAX_BREADCRUMBS = 300
MAX_CONTEXTS = 100


@dataclass(frozen=True, slots=True)
class BreadcrumbView:
    """What happened before. ``seconds_before`` counts back from the event."""

    timestamp: datetime | None
    seconds_before: float | None
    type: str
    category: str
    level: str
    message: str
    data: tuple[KeyValue, ...]
    note: str


@dataclass(frozen=True, slots=True)
class ContextView:
    """A context as a table; ``title`` is for people, ``alias`` is its key in the payload."""

    alias: str
    title: str
    type: str
    headline: str
    items: tuple[KeyValue, ...]


@dataclass(frozen=True, slots=True)
class UserView:
    """Who was affected. ``display`` is the best name for them."""

    id: str
    email: str
    username: str
    name: str
    ip_address: str
    geo: str
    data: tuple[KeyValue, ...]
    notes: tuple[KeyValue, ...]

    @property
    def display(self) -> str:
        return self.email or self.username or self.name or self.id or self.ip_address


@dataclass(frozen=True, slots=True)
class SdkView:
    name: str
    version: str
    integrations: tuple[str, ...]
    packages: tuple[KeyValue, ...]


@dataclass(frozen=True, slots=True)
class ErrorView:
    """A problem with the payload itself, found while it was processed."""

    type: str
    text: str
    path: str
    value: str


_CONTEXT_TITLES = {
    "app": "App", "browser": "Browser", "client_os": "Client operating system", "cloud_resource": "Cloud resource",
    "culture": "Culture", "device": "Device", "flags": "Feature flags", "gpu": "GPU", "memory_info": "Memory",
    "os": "Operating system", "otel": "OpenTelemetry", "profile": "Profile", "replay": "Replay",
    "response": "Response", "runtime": "Runtime", "state": "State", "threadpool_info": "Thread pool", "trace": "Trace",
    "unity": "Unity", "monitor": "Monitor", "feedback": "Feedback",
}  # fmt: skip
_CONTEXT_ORDER = ("browser", "runtime", "os", "client_os", "device", "app", "gpu", "culture", "response")
_ERROR_TEXTS = {
    "invalid_data": "A value was discarded because it is invalid",
    "missing_attribute": "A required value is missing",
    "invalid_attribute": "An unknown attribute was discarded",
    "value_too_long": "A value was discarded because it is too long",
    "clock_drift": "The client's clock was wrong; times were corrected",
    "past_timestamp": "The time was too far in the past and was corrected",
    "future_timestamp": "The time was in the future and was corrected",
    "js_no_source": "The source code was not found",
    "js_invalid_source": "The source file could not be read",
    "js_invalid_sourcemap": "The source map could not be read",
    "native_missing_dsym": "A debug information file is missing",
}


def present_breadcrumbs(data: dict[str, Any], meta: Meta) -> tuple[BreadcrumbView, ...]:
    """Breadcrumbs, oldest first as they were sent; at most the newest ``MAX_BREADCRUMBS``."""
    happened = moment(data.get("timestamp"))
    place = meta.at("breadcrumbs", "values")
    items = list(enumerate(interface_values(data.get("breadcrumbs"))))[-MAX_BREADCRUMBS:]
    views: list[BreadcrumbView] = []
    for index, item in items:
        if not isinstance(item, dict):
            continue
        at = moment(item.get("timestamp"))
        views.append(
            BreadcrumbView(
                timestamp=at,
                seconds_before=(happened - at).total_seconds() if happened and at else None,
                type=text(item.get("type"), 128) or "default",
                category=text(item.get("category"), 128),
                level=text(item.get("level"), 16) or "info",
                message=text(item.get("message")),
                data=table(item.get("data"), place.at(index, "data")),
                note=place.at(index, "message").note() or place.at(index).note(),
            )
        )
    return tuple(views)


def present_contexts(data: dict[str, Any], meta: Meta) -> tuple[ContextView, ...]:
    """Contexts with content, the well-known ones first."""
    place = meta.at("contexts")
    views: list[ContextView] = []
    for alias, raw in list(as_object(data.get("contexts")).items())[:MAX_CONTEXTS]:
        context = as_object(raw)
        name = text(alias, 128)
        kind = text(context.get("type"), 64) or name
        rows = _flags(context) if kind == "flags" else table(context, place.at(alias), skip=("type",))
        if rows:
            views.append(ContextView(name, _context_title(name, kind), kind, _headline(context), rows))
    order = {alias: position for position, alias in enumerate(_CONTEXT_ORDER)}
    return tuple(sorted(views, key=lambda view: (order.get(view.type, len(order)), view.title.lower())))


def _context_title(alias: str, kind: str) -> str:
    if alias == kind or kind not in _CONTEXT_TITLES:
        return _CONTEXT_TITLES.get(alias) or alias.replace("_", " ")
    return f"{_CONTEXT_TITLES[kind]} ({alias})"


def _headline(context: Mapping[str, Any]) -> str:
    """``name version``, shown beside an icon in the summary."""
    return " ".join(part for part in (text(context.get("name"), 64), text(context.get("version"), 32)) if part)


def _flags(context: Mapping[str, Any]) -> tuple[KeyValue, ...]:
    return tuple(
        KeyValue(text(item.get("flag"), 256), text(item.get("result"), 256))
        for item in as_list(context.get("values"))[:MAX_ROWS]
        if isinstance(item, dict)
    )


def present_user(data: dict[str, Any], meta: Meta) -> UserView | None:
    """The affected user; None when nothing is known."""
    raw = as_object(data.get("user"))
    if not raw:
        return None
    place = meta.at("user")
    geo = as_object(raw.get("geo"))
    known = ("id", "email", "username", "name", "ip_address")
    return UserView(
        id=text(raw.get("id"), 128),
        email=text(raw.get("email"), 128),
        username=text(raw.get("username"), 128),
        name=text(raw.get("name"), 128),
        ip_address=text(raw.get("ip_address"), 64),
        geo=", ".join(text(geo.get(key), 128) for key in ("city", "subdivision", "region") if geo.get(key))
        or text(geo.get("country_code"), 8),
        data=table(
            {**as_object(raw.get("data")), **{k: v for k, v in raw.items() if k not in (*known, "geo", "data")}}
        ),
        notes=tuple(KeyValue(key, place.at(key).note()) for key in known if place.at(key).note()),
    )


def present_tags(raw: object, meta: Meta) -> tuple[KeyValue, ...]:
    """Tags sorted by key."""
    place = meta.at("tags")
    rows = [
        KeyValue(key, text(value, 200), place.at(*position.split("\x00")).note()) for key, value, position in pairs(raw)
    ]
    return tuple(sorted(rows, key=lambda item: item.key))


def present_sdk(data: dict[str, Any]) -> SdkView | None:
    """The SDK that sent the event."""
    raw = as_object(data.get("sdk"))
    if not raw:
        return None
    return SdkView(
        name=text(raw.get("name"), 256),
        version=text(raw.get("version"), 256),
        integrations=tuple(text(item, 128) for item in as_list(raw.get("integrations"))[:MAX_ROWS]),
        packages=tuple(
            KeyValue(text(item.get("name"), 256), text(item.get("version"), 128))
            for item in as_list(raw.get("packages"))[:MAX_ROWS]
            if isinstance(item, dict)
        ),
    )


def present_modules(data: dict[str, Any]) -> tuple[KeyValue, ...]:
    """Installed packages and their versions, by name."""
    rows = [KeyValue(text(name, 256), text(version, 128)) for name, version in as_object(data.get("modules")).items()]
    return tuple(sorted(rows, key=lambda item: item.key.lower()))


def present_errors(data: dict[str, Any]) -> tuple[ErrorView, ...]:
    """Problems that were found in the payload."""
    return tuple(
        ErrorView(
            type=text(item.get("type"), 64),
            text=_ERROR_TEXTS.get(text(item.get("type"), 64), text(item.get("type"), 64).replace("_", " ")),
            path=text(item.get("name") or item.get("path") or item.get("url"), 256),
            value=text(item.get("value"), 500),
        )
        for item in as_list(data.get("errors"))[:MAX_ROWS]
        if isinstance(item, dict)
    )
