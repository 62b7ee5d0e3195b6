"""Matchers: ``key:pattern``, the left-hand side of both kinds of rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dictamesh_sentry.processing.grouping.frames import Frame, is_library_frame, text_of
from dictamesh_sentry.processing.grouping.functions import family_of
from dictamesh_sentry.processing.grouping.rules.globs import Glob, GlobError
from dictamesh_sentry.processing.grouping.rules.syntax import Scanner
from dictamesh_sentry.processing.grouping.view import EventView

_ALIASES = {
    "type": "error.type",
    "value": "error.value",
    "mechanism": "error.mechanism",
    "path": "stack.abs_path",
    "stack.filename": "stack.abs_path",
    "function": "stack.function",
    "module": "stack.module",
    "package": "stack.package",
    "sdk": "sdk.name",
}
_EVENT_KEYS = frozenset(
    {
        "message",
        "logger",
        "level",
        "family",
        "platform",
        "release",
        "dist",
        "environment",
        "transaction",
        "sdk.name",
    }
)
_EXCEPTION_KEYS = frozenset({"error.type", "error.value", "error.mechanism"})
_FRAME_KEYS = frozenset({"stack.function", "stack.module", "stack.abs_path", "stack.package", "app", "category"})
_IGNORE_CASE = frozenset({"message", "level", "error.value", "stack.abs_path", "stack.package"})
_PATHS = frozenset({"stack.abs_path", "stack.package"})
_FAMILIES = ("javascript", "native", "other", "all")

KNOWN_KEYS = (*sorted(_EVENT_KEYS | _EXCEPTION_KEYS | _FRAME_KEYS), "tags.<name>")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition. ``scope`` is ``event``, ``exception`` or ``frame``: what it is compared with."""

    key: str
    globs: tuple[Glob, ...]
    negated: bool
    scope: str

    def test_event(self, view: EventView) -> bool:
        return any(self._any(text) for text in _event_texts(self.key, view)) is not self.negated

    def test_exception(self, exception: dict[str, Any] | None) -> bool:
        return (exception is not None and self._any(_exception_text(self.key, exception))) is not self.negated

    def test_frame(self, frame: Frame, platform: str, category: str = "") -> bool:
        return any(self._any(text) for text in _frame_texts(self.key, frame, platform, category)) is not self.negated

    def _any(self, text: str) -> bool:
        return any(glob.matches(text) for glob in self.globs)


def _event_texts(key: str, view: EventView) -> list[str]:
    if key.startswith("tags."):
        value = view.tags.get(key[5:])
        return [] if value is None else [value]
    if key == "family":
        return [view.family, "all"]
    if key == "message":
        texts = [view.message, *(text_of(exception.get("value")) for exception in view.exceptions)]
        return [text for text in texts if text]
    if key == "sdk.name":
        return [view.sdk]
    if key == "level":
        return [view.text("level") or "error"]
    return [view.text(key)]


def _exception_text(key: str, exception: dict[str, Any]) -> str:
    if key == "error.mechanism":
        mechanism = exception.get("mechanism")
        return text_of(mechanism.get("type")) if type(mechanism) is dict else ""
    return text_of(exception.get(key[6:]))


def _frame_texts(key: str, frame: Frame, platform: str, category: str) -> list[str]:
    if key == "app":
        return ["yes" if frame.get("in_app") is True else "no"]
    if key == "category":
        return [category or ("system" if is_library_frame(frame, platform) else "")]
    if key == "stack.abs_path":
        texts = [text_of(frame.get("abs_path")), text_of(frame.get("filename"))]
    elif key == "stack.package":
        texts = [text_of(frame.get("package"))]
    else:
        return [text for text in (text_of(frame.get(key[6:])),) if text]
    return [text.replace("\\", "/") for text in texts if text]


def matches_exception(matchers: Sequence[Matcher], exceptions: Sequence[dict[str, Any]]) -> bool:
    """All matchers hold for one and the same exception; with negated ones only, no exception may contradict them."""
    if not matchers:
        return True
    check = all if all(matcher.negated for matcher in matchers) else any
    return check(all(matcher.test_exception(exception) for matcher in matchers) for exception in exceptions)


def matches_frame(matchers: Sequence[Matcher], frames: Sequence[Frame], platform: str) -> bool:
    """All matchers hold for one and the same frame; with negated ones only, no frame may contradict them."""
    if not matchers:
        return True
    check = all if all(matcher.negated for matcher in matchers) else any
    return check(all(matcher.test_frame(frame, platform) for matcher in matchers) for frame in frames)


def frame_family(frame: Frame, platform: str) -> str:
    return family_of(text_of(frame.get("platform")) or platform)


def _scope(key: str) -> str | None:
    if key in _EVENT_KEYS or (key.startswith("tags.") and len(key) > 5):
        return "event"
    if key in _EXCEPTION_KEYS:
        return "exception"
    return "frame" if key in _FRAME_KEYS else None


def parse_matcher(scanner: Scanner, stops: str = " \t") -> Matcher:
    """The matcher at the cursor. Raises RuleError."""
    start = scanner.position
    negated = scanner.take("!")
    name_start = scanner.position
    name = scanner.quoted() if scanner.peek('"') else scanner.word(": \t")
    key = _ALIASES.get(name, name)
    scope = _scope(key)
    if scope is None:
        raise scanner.error(f"unknown matcher {name!r}; use one of {', '.join(KNOWN_KEYS)}", name_start)
    if not scanner.take(":"):
        raise scanner.error(f"write a colon and a pattern after {name!r}, for example {name}:*", scanner.position)
    value_start = scanner.position
    text = scanner.value(stops)
    if not text:
        raise scanner.error(f'the pattern of {name!r} is empty; write "" only to match with *', start)
    return Matcher(key, _globs(scanner, key, text, value_start), negated, scope)


def _globs(scanner: Scanner, key: str, text: str, at: int) -> tuple[Glob, ...]:
    choices = {"family": _FAMILIES, "app": ("yes", "no")}.get(key)
    words = [word.strip() for word in text.split(",")] if key == "family" else [text]
    if key == "app":
        words = [{"true": "yes", "1": "yes", "false": "no", "0": "no"}.get(text.lower(), text.lower())]
    for word in words:
        if choices is not None and word not in choices:
            raise scanner.error(f"{key} is one of {', '.join(choices)}, not {word!r}", at)
    if key in _PATHS:
        # A relative path has no leading part for ** to match, so "**/x" also means "x".
        words = [word.replace("\\\\", "/") for word in words]
    globs = tuple(Glob(word, key in _IGNORE_CASE, key in _PATHS) for word in words)
    for glob in globs:
        try:
            glob.check()
        except GlobError as error:
            raise scanner.error(str(error), at) from error
    return globs
