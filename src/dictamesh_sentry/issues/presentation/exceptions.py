"""Exceptions, their chain or group, and threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dictamesh_sentry.issues.presentation.annotations import Meta
from dictamesh_sentry.issues.presentation.frames import StackView, present_stack
from dictamesh_sentry.issues.presentation.values import (
    KeyValue,
    as_object,
    boolean,
    integer,
    interface_values,
    table,
    text,
)

MAX_EXCEPTIONS = 50
MAX_THREADS = 256


@dataclass(frozen=True, slots=True)
class MechanismView:
    """How the exception was captured."""

    type: str
    handled: bool | None
    synthetic: bool
    description: str
    help_link: str
    source: str
    data: tuple[KeyValue, ...]


@dataclass(frozen=True, slots=True)
class ExceptionView:
    """One exception of the chain. ``depth`` > 0 for members of an exception group."""

    index: int
    type: str
    value: str
    module: str
    thread_id: str
    mechanism: MechanismView | None
    stack: StackView | None
    exception_id: int | None
    parent_id: int | None
    is_group: bool
    depth: int
    note: str

    @property
    def title(self) -> str:
        """``Type: value``, or what of it is known."""
        return ": ".join(part for part in (self.type, self.value) if part) or "<unknown>"


@dataclass(frozen=True, slots=True)
class ThreadView:
    """A thread at the time of the event."""

    id: str
    name: str
    crashed: bool
    current: bool
    main: bool
    state: str
    stack: StackView | None

    @property
    def label(self) -> str:
        return f"{self.name or 'Thread'} {f'({self.id})' if self.id else ''}".strip()


def present_exceptions(
    data: dict[str, Any], meta: Meta, *, platform: str, newest_first: bool
) -> tuple[ExceptionView, ...]:
    """Exceptions in display order: the one raised last comes first unless ``newest_first`` is off.

    Only the exception that was raised last has open frames, so that the page starts with the crash.
    """
    place = meta.at("exception", "values")
    items = [
        (index, item) for index, item in enumerate(interface_values(data.get("exception"))) if isinstance(item, dict)
    ][-MAX_EXCEPTIONS:]
    depths = _depths([as_object(item.get("mechanism")) for _, item in items])
    views = [
        _present_exception(index, item, place.at(index), platform, newest_first, depth, is_last=index == items[-1][0])
        for (index, item), depth in zip(items, depths, strict=True)
    ]
    return tuple(reversed(views)) if newest_first else tuple(views)


def _depths(mechanisms: Sequence[Any]) -> list[int]:
    """How many exception groups each exception is in; a plain chain is flat. Cycles and unknown parents end it."""
    groups = {integer(item.get("exception_id")) for item in mechanisms if item.get("is_exception_group") is True}
    parents = {
        integer(item.get("exception_id")): integer(item.get("parent_id"))
        for item in mechanisms
        if integer(item.get("exception_id")) is not None
    }
    depths: list[int] = []
    for item in mechanisms:
        depth, seen = 0, set()
        parent = integer(item.get("parent_id"))
        while parent is not None and parent in parents and parent not in seen:
            seen.add(parent)
            depth += parent in groups
            parent = parents[parent]
        depths.append(depth)
    return depths


def _present_exception(
    index: int, raw: dict[str, Any], meta: Meta, platform: str, newest_first: bool, depth: int, *, is_last: bool
) -> ExceptionView:
    mechanism = as_object(raw.get("mechanism"))
    return ExceptionView(
        index=index,
        type=text(raw.get("type"), 256),
        value=text(raw.get("value")),
        module=text(raw.get("module"), 256),
        thread_id=text(raw.get("thread_id"), 256),
        mechanism=_present_mechanism(mechanism, meta.at("mechanism")) if mechanism else None,
        stack=present_stack(
            raw.get("stacktrace"),
            meta.at("stacktrace"),
            platform=platform,
            newest_first=newest_first,
            open_first=is_last,
        ),
        exception_id=integer(mechanism.get("exception_id")),
        parent_id=integer(mechanism.get("parent_id")),
        is_group=mechanism.get("is_exception_group") is True,
        depth=depth,
        note=meta.at("value").note() or meta.note(),
    )


def _present_mechanism(raw: Any, meta: Meta) -> MechanismView:
    link = text(raw.get("help_link"), 2000)
    extra = {**as_object(raw.get("data")), **{f"meta.{key}": item for key, item in as_object(raw.get("meta")).items()}}
    return MechanismView(
        type=text(raw.get("type"), 128),
        handled=boolean(raw.get("handled")),
        synthetic=raw.get("synthetic") is True,
        description=text(raw.get("description")),
        help_link=link if link.startswith(("https://", "http://")) else "",
        source=text(raw.get("source"), 128),
        data=table(extra, meta.at("data")),
    )


def present_threads(data: dict[str, Any], meta: Meta, *, platform: str, newest_first: bool) -> tuple[ThreadView, ...]:
    """Threads, the crashed one first, then the current one."""
    place = meta.at("threads", "values")
    threads = [
        ThreadView(
            id=text(item.get("id"), 256),
            name=text(item.get("name"), 1024),
            crashed=item.get("crashed") is True,
            current=item.get("current") is True,
            main=item.get("main") is True,
            state=text(item.get("state"), 128),
            stack=present_stack(
                item.get("stacktrace"),
                place.at(index, "stacktrace"),
                platform=platform,
                newest_first=newest_first,
                open_first=False,
            ),
        )
        for index, item in enumerate(interface_values(data.get("threads"))[:MAX_THREADS])
        if isinstance(item, dict)
    ]
    return tuple(sorted(threads, key=lambda thread: (not thread.crashed, not thread.current)))
