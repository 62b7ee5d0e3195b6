"""A stack trace as the platform's own runtime would have printed it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from dictamesh_sentry.issues.presentation.exceptions import ExceptionView
from dictamesh_sentry.issues.presentation.frames import FrameView, StackView

MAX_RAW = 200_000


def raw_exceptions(exceptions: Sequence[ExceptionView], platform: str) -> str:
    """The chain as text, in the platform's order. ``exceptions`` may be in either order; they have their index."""
    chain = sorted(exceptions, key=lambda view: view.index)
    return _FORMATS.get(platform, _generic)(chain)[:MAX_RAW]


def raw_stack(stack: StackView, platform: str) -> str:
    """One stack trace without an exception (a thread, a message)."""
    frames = _oldest_first(stack)
    if platform == "python":
        return "\n".join(["Stack (most recent call last):", *_python_frames(frames)])[:MAX_RAW]
    line = _FRAME_LINES.get(platform, _generic_line)
    return "\n".join(line(frame, position) for position, frame in enumerate(reversed(frames)))[:MAX_RAW]


def _oldest_first(stack: StackView | None) -> list[FrameView]:
    if stack is None:
        return []
    return list(reversed(stack.frames)) if stack.newest_first else list(stack.frames)


def _newest_first(stack: StackView | None) -> list[FrameView]:
    return list(reversed(_oldest_first(stack)))


def _qualified(view: ExceptionView, separator: str = ".") -> str:
    name = view.type or "Error"
    return f"{view.module}{separator}{name}" if view.module else name


def _headline(view: ExceptionView, separator: str = ".") -> str:
    return f"{_qualified(view, separator)}: {view.value}" if view.value else _qualified(view, separator)


def _python(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for position, view in enumerate(chain):
        if position:
            blocks.append(_python_link(chain[position - 1]))
        lines = ["Traceback (most recent call last):", *_python_frames(_oldest_first(view.stack))] if view.stack else []
        name = view.type if view.module in ("", "builtins") else _qualified(view)
        lines.append(f"{name or 'Exception'}: {view.value}" if view.value else name or "Exception")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _python_link(before: ExceptionView) -> str:
    """Python's sentence between a chained exception and the one raised after it."""
    if before.mechanism and before.mechanism.source == "__context__":
        return "During handling of the above exception, another exception occurred:"
    return "The above exception was the direct cause of the following exception:"


def _python_frames(frames: Sequence[FrameView]) -> list[str]:
    lines: list[str] = []
    for frame in frames:
        line = frame.line_no if frame.line_no is not None else "?"
        lines.append(f'  File "{frame.abs_path or frame.path}", line {line}, in {frame.name}')
        source = next((item.text.strip() for item in frame.context if item.is_current), "")
        if source:
            lines.append(f"    {source}")
        if frame.repeats:
            lines.append(f"  [Previous line repeated {frame.repeats} more times]")
    return lines


def _javascript(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for view in reversed(chain):
        head = ("Caused by: " if blocks else "") + (f"{view.type}: {view.value}" if view.type else view.value)
        blocks.append("\n".join([head, *(_javascript_line(frame, 0) for frame in _newest_first(view.stack))]))
    return "\n".join(blocks)


def _javascript_line(frame: FrameView, _: int) -> str:
    place = _place(frame, frame.abs_path or frame.path)
    return f"    at {frame.function} ({place})" if frame.function else f"    at {place}"


def _place(frame: FrameView, path: str) -> str:
    result = path or "<anonymous>"
    if frame.line_no is not None:
        result += f":{frame.line_no}"
        if frame.col_no is not None:
            result += f":{frame.col_no}"
    return result


def _java(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for view in reversed(chain):
        head = ("Caused by: " if blocks else "") + _headline(view)
        blocks.append("\n".join([head, *(_java_line(frame, 0) for frame in _newest_first(view.stack))]))
    return "\n".join(blocks)


def _java_line(frame: FrameView, _: int) -> str:
    method = f"{frame.module}.{frame.name}" if frame.module else frame.name
    if frame.filename and frame.line_no is not None:
        return f"\tat {method}({frame.filename}:{frame.line_no})"
    return f"\tat {method}({frame.filename or 'Unknown Source'})"


def _go(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for view in reversed(chain):
        head = ("caused by: " if blocks else "") + _headline(view)
        lines = [_go_line(frame, 0) for frame in _newest_first(view.stack)]
        blocks.append("\n".join([head, *(["", "goroutine 1 [running]:", *lines] if lines else [])]))
    return "\n".join(blocks)


def _go_line(frame: FrameView, _: int) -> str:
    function = f"{frame.module}.{frame.name}" if frame.module else frame.name
    line = frame.line_no if frame.line_no is not None else 0
    return f"{function}(...)\n\t{frame.abs_path or frame.path or '?'}:{line}"


def _php(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for view in reversed(chain):
        frames = _newest_first(view.stack)
        origin = f" in {_place(frames[0], frames[0].abs_path or frames[0].path)}" if frames else ""
        head = ("Next " if blocks else "PHP Fatal error:  Uncaught ") + _headline(view, "\\") + origin
        lines = [_php_line(frame, position) for position, frame in enumerate(frames)]
        blocks.append("\n".join([head, *(["Stack trace:", *lines, f"#{len(lines)} {{main}}"] if lines else [])]))
    return "\n\n".join(blocks)


def _php_line(frame: FrameView, position: int) -> str:
    line = frame.line_no if frame.line_no is not None else "?"
    return f"#{position} {frame.abs_path or frame.path}({line}): {frame.name}()"


def _ruby(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for view in reversed(chain):
        frames = _newest_first(view.stack)
        first = f"{_ruby_place(frames[0])}: " if frames else ""
        head = f"{first}{view.value} ({_qualified(view, '::')})"
        blocks.append("\n".join([head, *(_ruby_line(frame, 0) for frame in frames[1:])]))
    return "\n".join(blocks)


def _ruby_place(frame: FrameView) -> str:
    line = frame.line_no if frame.line_no is not None else 0
    return f"{frame.abs_path or frame.path}:{line}:in `{frame.name}'"


def _ruby_line(frame: FrameView, _: int) -> str:
    return f"\tfrom {_ruby_place(frame)}"


def _csharp(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for view in reversed(chain):
        head = ("---> " if blocks else "") + _headline(view)
        blocks.append("\n".join([head, *(_csharp_line(frame, 0) for frame in _newest_first(view.stack))]))
    return "\n ".join(blocks)


def _csharp_line(frame: FrameView, _: int) -> str:
    method = f"{frame.module}.{frame.name}" if frame.module else frame.name
    call = method if method.endswith(")") else f"{method}()"
    if not frame.path or frame.path == frame.module:
        return f"   at {call}"
    line = f":line {frame.line_no}" if frame.line_no is not None else ""
    return f"   at {call} in {frame.abs_path or frame.path}{line}"


def _native(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for view in reversed(chain):
        frames = _newest_first(view.stack)
        blocks.append("\n".join([_headline(view), *(_native_line(frame, at) for at, frame in enumerate(frames))]))
    return "\n\n".join(blocks)


def _native_line(frame: FrameView, position: int) -> str:
    package = frame.package.replace("\\", "/").rsplit("/", 1)[-1] or "???"
    place = f" ({_place(frame, frame.filename or frame.abs_path)})" if frame.filename or frame.abs_path else ""
    return f"{position:<3} {package:<24} {frame.instruction_addr or '0x0':<18} {frame.name}{_offset(frame)}{place}"


def _offset(frame: FrameView) -> str:
    try:
        return f" + {int(frame.instruction_addr, 16) - int(frame.symbol_addr, 16)}"
    except ValueError:
        return ""


def _generic(chain: Sequence[ExceptionView]) -> str:
    blocks: list[str] = []
    for view in reversed(chain):
        frames = _newest_first(view.stack)
        head = ("Caused by: " if blocks else "") + _headline(view)
        blocks.append("\n".join([head, *(_generic_line(frame, 0) for frame in frames)]))
    return "\n".join(blocks)


def _generic_line(frame: FrameView, _: int) -> str:
    return f"  {frame.location} in {frame.name}"


_FORMATS: dict[str, Callable[[Sequence[ExceptionView]], str]] = {
    "python": _python,
    "javascript": _javascript,
    "node": _javascript,
    "java": _java,
    "groovy": _java,
    "go": _go,
    "php": _php,
    "ruby": _ruby,
    "csharp": _csharp,
    "native": _native,
    "cocoa": _native,
    "objc": _native,
    "c": _native,
}
_FRAME_LINES: dict[str, Callable[[FrameView, int], str]] = {
    "javascript": _javascript_line,
    "node": _javascript_line,
    "java": _java_line,
    "groovy": _java_line,
    "go": _go_line,
    "php": _php_line,
    "ruby": _ruby_line,
    "csharp": _csharp_line,
    "native": _native_line,
    "cocoa": _native_line,
    "objc": _native_line,
    "c": _native_line,
}
