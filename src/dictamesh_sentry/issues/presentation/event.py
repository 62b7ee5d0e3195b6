"""The whole event as one view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from dictamesh_sentry.issues.presentation.annotations import Annotation, Meta
from dictamesh_sentry.issues.presentation.details import (
    BreadcrumbView,
    ContextView,
    ErrorView,
    SdkView,
    UserView,
    present_breadcrumbs,
    present_contexts,
    present_errors,
    present_modules,
    present_sdk,
    present_tags,
    present_user,
)
from dictamesh_sentry.issues.presentation.exceptions import (
    ExceptionView,
    ThreadView,
    present_exceptions,
    present_threads,
)
from dictamesh_sentry.issues.presentation.frames import StackView, present_stack
from dictamesh_sentry.issues.presentation.raw_stack import raw_exceptions, raw_stack
from dictamesh_sentry.issues.presentation.request import RequestView, present_request
from dictamesh_sentry.issues.presentation.values import KeyValue, as_list, as_object, table, text, to_json

MAX_IMAGES = 200


class EventSource(Protocol):
    """What presentation needs of ``event_queries.Event``."""

    @property
    def id(self) -> str: ...
    @property
    def timestamp(self) -> datetime: ...
    @property
    def received(self) -> datetime: ...
    @property
    def title(self) -> str: ...
    @property
    def culprit(self) -> str: ...
    @property
    def location(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def level(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def platform(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def release(self) -> str: ...
    @property
    def tags(self) -> Mapping[str, str]: ...
    @property
    def data(self) -> Any: ...
    @property
    def size(self) -> int: ...


@dataclass(frozen=True, slots=True)
class MessageView:
    """A log message: ``formatted`` is what to read; ``template`` and ``params`` are what it was made from."""

    formatted: str
    template: str
    params: tuple[KeyValue, ...]
    note: str


@dataclass(frozen=True, slots=True)
class EventView:
    """One event for a page. Empty strings and tuples, or None, for what the event does not have."""

    id: str
    title: str
    culprit: str
    location: str
    level: str
    type: str
    platform: str
    environment: str
    release: str
    dist: str
    transaction: str
    logger: str
    server_name: str
    timestamp: datetime
    received: datetime
    size: int
    newest_first: bool
    message: MessageView | None
    exceptions: tuple[ExceptionView, ...]
    threads: tuple[ThreadView, ...]
    stack: StackView | None
    raw: str
    breadcrumbs: tuple[BreadcrumbView, ...]
    request: RequestView | None
    user: UserView | None
    tags: tuple[KeyValue, ...]
    contexts: tuple[ContextView, ...]
    extra: tuple[KeyValue, ...]
    sdk: SdkView | None
    modules: tuple[KeyValue, ...]
    csp: tuple[KeyValue, ...]
    template: tuple[KeyValue, ...]
    images: tuple[KeyValue, ...]
    fingerprint: tuple[str, ...]
    errors: tuple[ErrorView, ...]
    annotations: tuple[Annotation, ...]

    @property
    def is_unhandled(self) -> bool:
        """Whether some exception says that nobody caught it."""
        return any(view.mechanism is not None and view.mechanism.handled is False for view in self.exceptions)

    @property
    def has_system_frames(self) -> bool:
        """Whether showing library frames or not makes a difference."""
        stacks = [view.stack for view in (*self.exceptions, *self.threads)] + [self.stack]
        return any(stack is not None and stack.has_system_frames for stack in stacks)


def present_event(event: EventSource, *, newest_first: bool = True) -> EventView:
    """The view of an event; ``newest_first`` orders exceptions and frames, the crash at the top."""
    data = event.data if isinstance(event.data, dict) else {}
    meta = Meta(data.get("_meta"))
    platform = event.platform
    exceptions = present_exceptions(data, meta, platform=platform, newest_first=newest_first)
    threads = present_threads(data, meta, platform=platform, newest_first=newest_first)
    stack = present_stack(data.get("stacktrace"), meta.at("stacktrace"), platform=platform, newest_first=newest_first)
    return EventView(
        id=event.id,
        title=event.title,
        culprit=event.culprit,
        location=event.location,
        level=event.level,
        type=event.type,
        platform=platform,
        environment=event.environment,
        release=event.release,
        dist=text(data.get("dist"), 64),
        transaction=text(data.get("transaction"), 200),
        logger=text(data.get("logger"), 64),
        server_name=text(event.tags.get("server_name") or data.get("server_name"), 256),
        timestamp=event.timestamp,
        received=event.received,
        size=event.size,
        newest_first=newest_first,
        message=_message(data, meta),
        exceptions=exceptions,
        threads=threads,
        stack=stack,
        raw=_raw(exceptions, threads, stack, platform),
        breadcrumbs=present_breadcrumbs(data, meta),
        request=present_request(data, meta),
        user=present_user(data, meta),
        tags=present_tags(event.tags or data.get("tags"), meta),
        contexts=present_contexts(data, meta),
        extra=table(data.get("extra"), meta.at("extra")),
        sdk=present_sdk(data),
        modules=present_modules(data),
        csp=table(data.get("csp"), meta.at("csp")),
        template=table(data.get("template"), meta.at("template")),
        images=_images(data),
        fingerprint=tuple(text(item, 256) for item in as_list(data.get("fingerprint"))[:50]),
        errors=present_errors(data),
        annotations=tuple(meta.walk()),
    )


def _message(data: dict[str, Any], meta: Meta) -> MessageView | None:
    entry = as_object(data.get("logentry"))
    template, formatted = text(entry.get("message")), text(entry.get("formatted"))
    if not template and not formatted:
        return None
    params = entry.get("params")
    if isinstance(params, list):
        params = {str(position): item for position, item in enumerate(params)}
    return MessageView(
        formatted=formatted or template,
        template=template if formatted and template != formatted else "",
        params=table(params, meta.at("logentry", "params")),
        note=meta.at("logentry", "formatted").note() or meta.at("logentry", "message").note(),
    )


def _raw(
    exceptions: tuple[ExceptionView, ...],
    threads: tuple[ThreadView, ...],
    stack: StackView | None,
    platform: str,
) -> str:
    """The text of the most telling stack trace."""
    if exceptions:
        return raw_exceptions(exceptions, platform)
    shown = stack or next((thread.stack for thread in threads if thread.stack), None)
    return raw_stack(shown, platform) if shown else ""


def _images(data: dict[str, Any]) -> tuple[KeyValue, ...]:
    """Loaded debug images: file name and identifiers."""
    rows: list[KeyValue] = []
    for item in as_list(as_object(data.get("debug_meta")).get("images"))[:MAX_IMAGES]:
        image = as_object(item)
        if image:
            name = text(image.get("code_file") or image.get("debug_file") or image.get("type"), 256)
            ids = {key: image[key] for key in ("debug_id", "code_id", "uuid", "image_addr", "arch") if image.get(key)}
            rows.append(KeyValue(name, to_json(ids, indent=False)))
    return tuple(rows)
