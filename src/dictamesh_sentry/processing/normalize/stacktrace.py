"""Stack traces and their frames. Frames are oldest call first, the crash last."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from dictamesh_sentry.processing.normalize.fields import (
    ADDRESS,
    BOOL,
    INT,
    FastList,
    Field,
    anything,
    as_object,
    clean_object,
    container,
    converted,
    nested,
    text,
)
from dictamesh_sentry.processing.normalize.meta import LIMIT_RULE, MISSING_ATTRIBUTE, Meta, Path
from dictamesh_sentry.processing.normalize.trimming import trim_container, trim_text

MAX_FRAMES = 250
OLDEST_KEPT = 50
FRAMES_WITH_DETAILS = 50
_VARS_BYTES = 2048
_VARS_DEPTH = 5
_LINE_LENGTH = 1024
_CONTEXT_LINES = 30


def _read_lines(value: Any, path: Path, meta: Meta) -> list[str] | None:
    if type(value) is not list:
        meta.invalid(path, value, "expected a list of lines")
        return None
    if len(value) <= _CONTEXT_LINES:
        for line in value:
            if type(line) is not str or len(line) > _LINE_LENGTH:
                break
        else:
            return value
    lines: list[str] = []
    for index, line in enumerate(value[:_CONTEXT_LINES]):
        if line is None:
            lines.append("")
        elif type(line) is str:
            lines.append(trim_text(line, _LINE_LENGTH, (*path, index), meta))
        else:
            meta.invalid((*path, index), line, "expected a string")
            lines.append("")
    if len(value) > _CONTEXT_LINES:
        meta.remark(path, [LIMIT_RULE, "x"], len(value))
    return lines


def _read_vars(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    if type(value) is list:
        value = {str(index): item for index, item in enumerate(value)}
    if type(value) is not dict:
        meta.invalid(path, value, "expected an object")
        return None
    return trim_container(value, _VARS_BYTES, _VARS_DEPTH, path, meta) if value else None


_LOCK: dict[str, Field] = {
    "type": INT,
    "address": text(256),
    "package_name": text(256),
    "class_name": text(256),
    "thread_id": anything(),
}


def _read_lock(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    lock = as_object(value, path, meta)
    if lock is not None:
        clean_object(lock, _LOCK, path, meta)
    return lock or None


_LINES = Field(None, None, _read_lines)
FRAME: dict[str, Field] = {
    "filename": text(256),
    "abs_path": text(256),
    "function": text(512),
    "raw_function": text(512),
    "symbol": text(512),
    "module": text(256),
    "package": text(256),
    "platform": text(64),
    "lineno": INT,
    "colno": INT,
    "context_line": text(_LINE_LENGTH),
    "pre_context": _LINES,
    "post_context": _LINES,
    "source_link": text(1024),
    "vars": Field(None, None, _read_vars),
    "in_app": BOOL,
    "instruction_addr": ADDRESS,
    "symbol_addr": ADDRESS,
    "image_addr": ADDRESS,
    "addr_mode": text(64),
    "function_id": ADDRESS,
    "trust": text(128),
    "lang": text(64),
    "stack_start": BOOL,
    "lock": nested(_read_lock),
    "data": container(dict, 2048, 5, "an object"),
}


_SOURCE_LINES = Annotated[
    list[Annotated[str, msgspec.Meta(max_length=_LINE_LENGTH)]], msgspec.Meta(max_length=_CONTEXT_LINES)
]
_FAST_FRAMES = FastList(
    "Frame",
    FRAME,
    {"pre_context": _SOURCE_LINES | None, "post_context": _SOURCE_LINES | None, "vars": dict[str, Any] | None},
)


def _trim_vars(frame: dict[str, Any], path: Path, index: int, meta: Meta) -> None:
    local = frame.get("vars")
    if local:
        trimmed = trim_container(local, _VARS_BYTES, _VARS_DEPTH, (*path, index, "vars"), meta)
        if trimmed is not local:
            frame["vars"] = trimmed
    elif local is not None:
        del frame["vars"]


def _read_registers(value: Any, path: Path, meta: Meta) -> dict[str, str] | None:
    registers = as_object(value, path, meta)
    if registers is None:
        return None
    result: dict[str, str] = {}
    for name, raw in list(registers.items())[:256]:
        if raw is None:
            continue
        address = ADDRESS.read(raw, (*path, name), meta)
        if address is not None:
            result[name[:64]] = address
    return result or None


_STACKTRACE: dict[str, Field] = {
    "frames": Field(list, None, lambda value, path, meta: meta.invalid(path, value, "expected a list")),
    "registers": nested(_read_registers),
    "lang": text(128),
    "snapshot": BOOL,
    "instruction_addr_adjustment": converted(
        lambda value: value if value in ("auto", "all", "all_but_first", "none") else None, "an adjustment"
    ),
}


@lru_cache(maxsize=8192)
def _filename_of(abs_path: str) -> str:
    """The path part of a URL; anything else as it is."""
    if "://" not in abs_path[:64]:
        return abs_path
    try:
        path = urlsplit(abs_path).path
    except ValueError:
        return abs_path
    return path if path not in ("", "/") else abs_path


def normalize_stacktrace(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    """A stack trace with at least one frame, or None. A bare list of frames is accepted."""
    if type(value) is list:
        value = {"frames": value}
    stacktrace = as_object(value, path, meta)
    if not stacktrace:
        return None
    clean_object(stacktrace, _STACKTRACE, path, meta)
    frames = stacktrace.get("frames")
    if not frames:
        return None
    frames_path = (*path, "frames")
    frames = _limit_frames(frames, frames_path, meta)
    frames = _clean_frames(frames, frames_path, meta)
    if not frames:
        return None
    stacktrace["frames"] = frames
    return stacktrace


def _limit_frames(frames: list[Any], path: Path, meta: Meta) -> list[Any]:
    if len(frames) <= MAX_FRAMES:
        return frames
    # The client's remarks name positions that no longer exist.
    meta.drop(path)
    meta.remark(path, [LIMIT_RULE, "x"], len(frames))
    return frames[:OLDEST_KEPT] + frames[-(MAX_FRAMES - OLDEST_KEPT) :]


def _clean_frames(frames: list[Any], path: Path, meta: Meta) -> list[dict[str, Any]]:
    slim = _frames_to_slim(frames) if len(frames) > FRAMES_WITH_DETAILS else ()
    kept: list[dict[str, Any]] = []
    for index in slim:
        if type(frames[index]) is dict:
            _slim(frames[index], (*path, index), meta)
    for original, frame in zip(frames, _FAST_FRAMES.convert(frames), strict=True):
        if type(frame) is dict:
            if frame is original:
                clean_object(frame, FRAME, (*path, len(kept)), meta)
            else:
                _trim_vars(frame, path, len(kept), meta)
            if _complete_frame(frame):
                kept.append(frame)
            else:
                meta.error(path, MISSING_ATTRIBUTE, attribute="filename, function or instruction_addr")
        elif frame is not None:
            meta.invalid(path, frame, "expected an object")
    return kept


def _complete_frame(frame: dict[str, Any]) -> bool:
    """Fill what follows from other attributes; False when the frame says nothing."""
    if frame.get("function") == "?":
        del frame["function"]
    if frame.get("symbol") == "?":
        del frame["symbol"]
    filename = frame.get("filename")
    abs_path = frame.get("abs_path")
    if filename:
        if not abs_path:
            frame["abs_path"] = filename
    elif abs_path:
        frame["filename"] = _filename_of(abs_path)
    elif "function" not in frame and "instruction_addr" not in frame and "module" not in frame:
        return False
    if "context_line" not in frame and (frame.get("pre_context") or frame.get("post_context")):
        frame["context_line"] = ""
    return True


def _frames_to_slim(frames: list[Any]) -> frozenset[int]:
    """Positions of the frames that lose their details: system frames of the middle first, then in-app ones."""
    excess = len(frames) - FRAMES_WITH_DETAILS
    last = len(frames) - 1
    system = [i for i, f in enumerate(frames[:last]) if type(f) is not dict or f.get("in_app") is not True]
    chosen = _middle(system, excess)
    if len(chosen) < excess:
        taken = frozenset(chosen)
        in_app = [i for i in range(last) if i not in taken]
        chosen += _middle(in_app, excess - len(chosen))
    return frozenset(chosen)


def _middle(positions: list[int], count: int) -> list[int]:
    if len(positions) <= count:
        return list(positions)
    start = (len(positions) - count) // 2
    return positions[start : start + count]


def _slim(frame: dict[str, Any], path: Path, meta: Meta) -> None:
    for key in ("vars", "pre_context", "post_context"):
        if frame.pop(key, None):
            meta.drop((*path, key))
