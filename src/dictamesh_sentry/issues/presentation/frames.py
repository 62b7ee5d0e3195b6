"""Stack traces: frames with their source, and the runs of library frames that fold away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from dictamesh_sentry.issues.presentation.annotations import Meta
from dictamesh_sentry.issues.presentation.values import (
    KeyValue,
    as_list,
    as_object,
    boolean,
    cut,
    integer,
    table,
    text,
)

MAX_FRAMES = 500
MAX_LINE = 500
OPEN_FRAMES = 3


@dataclass(frozen=True, slots=True)
class ContextLine:
    """A line of source; ``number`` is 0 when unknown."""

    number: int
    text: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class FrameView:
    """A call. ``index`` counts from the oldest call and names the frame in ids and links."""

    index: int
    function: str
    raw_function: str
    module: str
    filename: str
    abs_path: str
    line_no: int | None
    col_no: int | None
    package: str
    platform: str
    instruction_addr: str
    symbol_addr: str
    in_app: bool
    context: tuple[ContextLine, ...]
    variables: tuple[KeyValue, ...]
    trust: str
    source_link: str
    stack_start: bool
    note: str
    is_crash: bool = False
    """The newest call: where it happened."""
    is_open: bool = False
    """Pages show source and variables of this frame at once."""
    repeats: int = 0
    """How many identical calls directly before it were folded into this one (recursion)."""

    @property
    def path(self) -> str:
        """What names the file: the relative name, else the absolute one, else module or package."""
        return self.filename or self.abs_path or self.module or self.package

    @property
    def location(self) -> str:
        """``file:line:column`` as far as known."""
        parts = [self.path or self.instruction_addr or "?"]
        if self.line_no is not None:
            parts.append(str(self.line_no))
            if self.col_no is not None:
                parts.append(str(self.col_no))
        return ":".join(parts)

    @property
    def name(self) -> str:
        return self.function or self.raw_function or "<unknown>"

    @property
    def has_details(self) -> bool:
        return bool(self.context or self.variables)

    @property
    def language(self) -> str:
        """Name of the lexer for the source; empty for plain text."""
        extension = self.path.rsplit(".", 1)[-1].lower() if "." in self.path else ""
        return _LANGUAGES.get(extension) or _PLATFORM_LANGUAGES.get(self.platform, "")


@dataclass(frozen=True, slots=True)
class FrameGroup:
    """Consecutive frames; ``is_folded`` for a run of library frames between the application's own."""

    frames: tuple[FrameView, ...]
    is_folded: bool

    @property
    def label(self) -> str:
        count = len(self.frames)
        return f"{count} {'frame' if count == 1 else 'frames'} from libraries"


@dataclass(frozen=True, slots=True)
class StackView:
    """A stack trace in the order asked for. ``groups`` holds the same frames, library runs folded."""

    frames: tuple[FrameView, ...]
    groups: tuple[FrameGroup, ...]
    has_app_frames: bool
    has_system_frames: bool
    omitted: int
    registers: tuple[KeyValue, ...]
    newest_first: bool


_LANGUAGES = {
    "py": "python", "js": "javascript", "mjs": "javascript", "cjs": "javascript", "jsx": "jsx", "ts": "typescript",
    "tsx": "typescript", "vue": "html", "svelte": "html", "java": "java", "kt": "kotlin", "scala": "scala", "go": "go",
    "rb": "ruby", "erb": "erb", "php": "php", "cs": "csharp", "fs": "fsharp", "c": "c", "h": "c", "cc": "cpp",
    "cpp": "cpp", "hpp": "cpp", "m": "objective-c", "mm": "objective-c", "swift": "swift", "rs": "rust",
    "ex": "elixir", "exs": "elixir", "dart": "dart", "lua": "lua", "pl": "perl", "pm": "perl", "groovy": "groovy",
    "html": "html", "sql": "sql", "hs": "haskell",
}  # fmt: skip
_PLATFORM_LANGUAGES = {
    "python": "python", "javascript": "javascript", "node": "javascript", "java": "java", "go": "go", "ruby": "ruby",
    "php": "php", "csharp": "csharp", "cocoa": "swift", "objc": "objective-c", "c": "c", "native": "cpp",
    "elixir": "elixir", "perl": "perl", "groovy": "groovy", "haskell": "haskell",
}  # fmt: skip


def present_stack(
    raw: object, meta: Meta, *, platform: str = "", newest_first: bool = True, open_first: bool = True
) -> StackView | None:
    """The view of a stack trace interface; None when there is no frame.

    With ``open_first`` the newest frames of the application are open; without any, the newest frame is.
    """
    stack = as_object(raw)
    frames = [
        _present_frame(index, item, meta.at("frames", index), platform)
        for index, item in enumerate(as_list(stack.get("frames"))[-MAX_FRAMES:])
        if isinstance(item, dict)
    ]
    if not frames:
        return None
    frames = _mark(_fold_recursion(frames), open_first)
    has_app = any(frame.in_app for frame in frames)
    ordered = tuple(reversed(frames)) if newest_first else tuple(frames)
    return StackView(
        frames=ordered,
        groups=_group(ordered, fold=has_app),
        has_app_frames=has_app,
        has_system_frames=has_app and any(not frame.in_app for frame in frames),
        omitted=_omitted(stack, meta),
        registers=table(stack.get("registers"), meta.at("registers")),
        newest_first=newest_first,
    )


def _omitted(stack: Any, meta: Meta) -> int:
    """Frames that normalization left out of a very deep stack."""
    declared = as_list(stack.get("frames_omitted"))
    if len(declared) == 2:
        first, last = integer(declared[0]), integer(declared[1])
        if first is not None and last is not None:
            return max(0, last - first)
    original = as_object(meta.at("frames").node.get("")).get("len")
    kept = len(as_list(stack.get("frames")))
    return max(0, original - kept) if isinstance(original, int) else max(0, kept - MAX_FRAMES)


def _present_frame(index: int, raw: dict[str, Any], meta: Meta, platform: str) -> FrameView:
    link = text(raw.get("source_link"), 2000)
    return FrameView(
        index=index,
        function=text(raw.get("function"), 512),
        raw_function=text(raw.get("raw_function"), 512),
        module=text(raw.get("module"), 256),
        filename=text(raw.get("filename"), 512),
        abs_path=text(raw.get("abs_path"), 512),
        line_no=integer(raw.get("lineno")),
        col_no=integer(raw.get("colno")),
        package=text(raw.get("package"), 256),
        platform=text(raw.get("platform"), 64) or platform,
        instruction_addr=text(raw.get("instruction_addr"), 32),
        symbol_addr=text(raw.get("symbol_addr"), 32),
        in_app=raw.get("in_app") is True,
        context=_context(raw),
        variables=table(raw.get("vars"), meta.at("vars")),
        trust=text(raw.get("trust"), 32),
        source_link=link if link.startswith(("https://", "http://")) else "",
        stack_start=boolean(raw.get("stack_start")) is True,
        note=meta.note(),
    )


def _context(raw: dict[str, Any]) -> tuple[ContextLine, ...]:
    """Source around the call, numbered from the line of the call."""
    current = raw.get("context_line")
    before, after = as_list(raw.get("pre_context"))[-20:], as_list(raw.get("post_context"))[:20]
    if current is None and not before and not after:
        return ()
    number = integer(raw.get("lineno")) or 0
    first = number - len(before)
    lines = [(item, False) for item in before] + [(current, True)] + [(item, False) for item in after]
    return tuple(
        ContextLine(max(0, first + offset) if number else 0, cut(text(item).rstrip("\r\n"), MAX_LINE), is_current)
        for offset, (item, is_current) in enumerate(lines)
    )


def _fold_recursion(frames: Sequence[FrameView]) -> list[FrameView]:
    """One frame for a run of the same call at the same place, from the fourth repetition on."""
    runs: list[list[FrameView]] = []
    for frame in frames:
        if runs and _same_call(runs[-1][-1], frame):
            runs[-1].append(frame)
        else:
            runs.append([frame])
    folded: list[FrameView] = []
    for run in runs:
        folded += run if len(run) < 4 else [replace(run[-1], repeats=len(run) - 1)]
    return folded


def _same_call(one: FrameView, other: FrameView) -> bool:
    def key(frame: FrameView) -> tuple[object, ...]:
        return (frame.function, frame.module, frame.path, frame.line_no, frame.col_no, frame.instruction_addr)

    return key(one) == key(other)


def _mark(frames: list[FrameView], open_first: bool) -> list[FrameView]:
    """Say which frame is the crash and which ones are open; ``frames`` is oldest first."""
    newest = len(frames) - 1
    candidates = [position for position, frame in enumerate(frames) if frame.in_app and frame.has_details]
    opened = set(candidates[-OPEN_FRAMES:] or [newest]) if open_first else set()
    return [
        replace(frame, is_crash=position == newest, is_open=position in opened) for position, frame in enumerate(frames)
    ]


def _group(frames: Sequence[FrameView], *, fold: bool) -> tuple[FrameGroup, ...]:
    """Runs of application and of library frames. The crash frame is never folded away."""
    groups: list[tuple[list[FrameView], bool]] = []
    for frame in frames:
        folded = fold and not frame.in_app and not frame.is_crash
        if groups and groups[-1][1] == folded:
            groups[-1][0].append(frame)
        else:
            groups.append(([frame], folded))
    return tuple(FrameGroup(tuple(items), folded) for items, folded in groups)
