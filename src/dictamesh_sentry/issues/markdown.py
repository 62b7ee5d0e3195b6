"""An event as Markdown, to paste into a ticket, a chat or a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import re2

from dictamesh_sentry.issues.presentation import (
    BreadcrumbView,
    EventSource,
    EventView,
    ExceptionView,
    FrameView,
    KeyValue,
    RequestView,
    StackView,
    present_event,
)
from dictamesh_sentry.issues.presentation.values import cut

MAX_MARKDOWN = 60_000
_MAX_FRAMES = 60
_MAX_BREADCRUMBS = 30
_MAX_VARIABLES = 30
_CELL = 300
_TICKS = re2.compile(r"`+")
_SPECIAL = re2.compile(r"([\\`*_\[\]<>#|~])")
_SPACES = re2.compile(r"[\s\x00-\x1f\x7f]+")


def event_markdown(event: EventSource, *, short_id: str = "", project: str = "", url: str = "") -> str:
    """Title, facts, stack traces with source and variables, breadcrumbs, tags and request; newest call first.

    At most ``MAX_MARKDOWN`` characters; sections at the end give way first, and the text says so. Payload text cannot
    end a code block, start a link of its own or add headings. Never raises, whatever the payload holds.
    """
    view = present_event(event)
    sections = [
        _head(view, short_id, project, url),
        *_exceptions(view),
        _stack_section("Stack trace", view.stack) if not view.exceptions else "",
        _message(view),
        _request(view.request),
        _rows("Tags", view.tags),
        _breadcrumbs(view.breadcrumbs),
        *(_rows(f"Context: {context.title}", context.items) for context in view.contexts),
        _rows("Additional data", view.extra),
    ]
    return _join([section for section in sections if section])


def _join(sections: Sequence[str]) -> str:
    """Sections until the limit; the first is always there."""
    note = "\n\n*The rest was left out: the event is too large.*\n"
    result = ""
    for section in sections:
        addition = f"\n\n{section}" if result else section
        if len(result) + len(addition) + len(note) > MAX_MARKDOWN:
            room = MAX_MARKDOWN - len(result) - len(note)
            return (result + _cut_lines(addition, room)).rstrip() + note
        result += addition
    return result + "\n"


def _cut_lines(section: str, room: int) -> str:
    """Whole lines of a section that fit, with an open code block closed."""
    kept = section[: max(0, room - 16)].rpartition("\n")[0]
    fence = ""
    for line in kept.splitlines():
        stripped = line.strip()
        if stripped == fence:
            fence = ""
        elif not fence and stripped.startswith("```"):
            fence = stripped[: len(stripped) - len(stripped.lstrip("`"))]
    return f"{kept}\n{fence}" if fence else kept


def _head(view: EventView, short_id: str, project: str, url: str) -> str:
    facts = [
        ("Issue", short_id),
        ("Project", project),
        ("Event", view.id),
        ("Time", view.timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z")),
        ("Level", view.level),
        ("Platform", view.platform),
        ("Environment", view.environment),
        ("Release", view.release),
        ("Location", view.location or view.culprit),
        ("User", view.user.display if view.user else ""),
        ("Handled", "no" if view.is_unhandled else ""),
    ]
    lines = [f"# {_inline(view.title) or 'Event'}", ""]
    lines += [f"- **{name}:** {_code(value)}" for name, value in facts if value]
    if url:
        lines.append(f"- **Link:** <{url}>")
    return "\n".join(lines)


def _exceptions(view: EventView) -> list[str]:
    sections: list[str] = []
    for position, exception in enumerate(view.exceptions):
        heading = "Exception" if not position else "Caused by" if not exception.depth else "Part of the group"
        sections.append(_exception(heading, exception))
    return sections


def _exception(heading: str, exception: ExceptionView) -> str:
    lines = [f"## {heading}: {_inline(exception.type) or 'unknown'}"]
    if exception.value:
        lines += ["", _fenced(exception.value)]
    if exception.mechanism and exception.mechanism.type:
        lines += ["", f"Mechanism: {_code(exception.mechanism.type)}"]
    if exception.stack:
        lines += ["", *_stack(exception.stack)]
    return "\n".join(lines)


def _stack_section(heading: str, stack: StackView | None) -> str:
    return "\n".join([f"## {heading}", "", *_stack(stack)]) if stack else ""


def _stack(stack: StackView) -> list[str]:
    """Frames, newest first; the middle of a very deep stack is left out."""
    frames = list(stack.frames) if stack.newest_first else list(reversed(stack.frames))
    hidden = len(frames) - _MAX_FRAMES
    if hidden > 0:
        half = _MAX_FRAMES // 2
        head, tail = _frames(frames[:half]), _frames(frames[-half:])
        return [*head, "", f"*({hidden} frames left out)*", "", *tail]
    return _frames(frames)


def _frames(frames: Iterable[FrameView]) -> list[str]:
    lines: list[str] = []
    for frame in frames:
        mark = "" if frame.in_app else " (library)"
        lines.append(f"- {_code(frame.name)} in {_code(frame.location)}{mark}")
        if frame.in_app or frame.is_crash:
            lines += _source(frame)
            lines += _variables(frame)
    return lines


def _source(frame: FrameView) -> list[str]:
    if not frame.context:
        return []
    width = len(str(frame.context[-1].number))
    code = "\n".join(
        f"{'>' if line.is_current else ' '} {str(line.number or '').rjust(width)} | {line.text}"
        for line in frame.context
    )
    return ["", _indent(_fenced(code, frame.language)), ""]


def _variables(frame: FrameView) -> list[str]:
    rows = frame.variables[:_MAX_VARIABLES]
    if not rows:
        return []
    code = "\n".join(f"{row.key} = {cut(_SPACES.sub(' ', row.value), _CELL)}" for row in rows)
    return ["  Variables:", "", _indent(_fenced(code)), ""]


def _message(view: EventView) -> str:
    if view.message is None or view.message.formatted == view.title:
        return ""
    return "\n".join(["## Message", "", _fenced(view.message.formatted)])


def _request(request: RequestView | None) -> str:
    if request is None:
        return ""
    lines = ["## Request", "", f"{_code(request.method or 'GET')} {_code(request.full_url)}"]
    if request.headers:
        lines += ["", _fenced("\n".join(f"{row.key}: {_line(row.value)}" for row in request.headers))]
    if request.body:
        lines += ["", "Body:", "", _fenced(request.body, request.body_language)]
    return "\n".join(lines)


def _breadcrumbs(breadcrumbs: Sequence[BreadcrumbView]) -> str:
    if not breadcrumbs:
        return ""
    lines = ["## Breadcrumbs", "", "| Time | Category | Level | Message |", "|---|---|---|---|"]
    for crumb in breadcrumbs[-_MAX_BREADCRUMBS:]:
        time = crumb.timestamp.strftime("%H:%M:%S.%f")[:-3] if crumb.timestamp else ""
        message = crumb.message or ", ".join(f"{row.key}={row.value}" for row in crumb.data)
        cells = [time, crumb.category or crumb.type, crumb.level, message]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines)


def _rows(heading: str, rows: Sequence[KeyValue]) -> str:
    if not rows:
        return ""
    lines = [f"## {_inline(heading)}", "", "| Key | Value |", "|---|---|"]
    lines += [f"| {_cell(row.key)} | {_cell(row.value)} |" for row in rows]
    return "\n".join(lines)


def _fenced(code: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in _TICKS.findall(code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code}\n{fence}"


def _code(value: str) -> str:
    """Inline code that its own content cannot end."""
    value = _line(value)
    longest = max((len(run) for run in _TICKS.findall(value)), default=0)
    fence = "`" * (longest + 1)
    space = " " if value.startswith("`") or value.endswith("`") or not value.strip() else ""
    return f"{fence}{space}{value or '-'}{space}{fence}"


def _inline(value: str) -> str:
    """Text of one line in which nothing is Markdown."""
    return cut(_SPECIAL.sub(r"\\\1", _line(value)), 2 * _CELL)


def _cell(value: str) -> str:
    """A table cell."""
    return _inline(cut(value, _CELL))


def _line(value: str) -> str:
    return _SPACES.sub(" ", value).strip()


def _indent(block: str) -> str:
    return "\n".join(f"  {line}" if line else line for line in block.splitlines())
