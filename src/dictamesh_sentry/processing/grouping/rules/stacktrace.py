"""Stack-trace rules: ``matcher:pattern … +app -group ^-group v-group max-frames=3``. All rules run, top to bottom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from dictamesh_sentry.processing.grouping.frames import Frame
from dictamesh_sentry.processing.grouping.rules.matchers import Matcher, frame_family, parse_matcher
from dictamesh_sentry.processing.grouping.rules.syntax import Scanner, rule_lines
from dictamesh_sentry.processing.grouping.view import EventView

_FLAGS = ("app", "group")
_NUMBERS = ("max-frames", "min-frames")
_ACTION_HELP = "write +app, -app, +group, -group (with ^ or v in front for the frames above or below), max-frames=N"


@dataclass(frozen=True, slots=True)
class Action:
    """``flag`` set to ``value`` on the frame (reach ""), on those toward the crash ("^") or away from it ("v")."""

    flag: str
    value: bool
    reach: str


@dataclass(frozen=True, slots=True)
class StacktraceRule:
    """One line. ``caller`` and ``callee`` are conditions on the neighbouring frames."""

    text: str
    line: int
    matchers: tuple[Matcher, ...]
    caller: tuple[Matcher, ...]
    callee: tuple[Matcher, ...]
    actions: tuple[Action, ...]
    numbers: dict[str, int] = field(default_factory=dict, compare=False)
    category: str = ""


@dataclass(slots=True)
class StackFlags:
    """What the rules decided about one stack trace. ``group[i]`` is None where no rule spoke."""

    group: list[bool | None]
    categories: list[str]
    rules: list[list[int]]
    max_frames: int = 0
    min_frames: int = 0
    matched: list[int] = field(default_factory=list)


@lru_cache(maxsize=512)
def parse_stacktrace_rules(text: str) -> tuple[StacktraceRule, ...]:
    """The rules of a project in their order. Raises RuleError with line, column and the way to mend it."""
    return tuple(_parse_rule(line, scanner) for line, scanner in rule_lines(text))


def apply_rules(
    rules: Sequence[StacktraceRule], view: EventView, exception: dict[str, Any] | None, frames: Sequence[Frame]
) -> StackFlags:
    """Run the rules over one stack trace; ``in_app`` is changed in the frames themselves, in place."""
    flags = StackFlags([None] * len(frames), [""] * len(frames), [[] for _ in frames])
    for rule in rules:
        if not _applies(rule, view, exception):
            continue
        for index in range(len(frames)):
            if _matches_at(rule, frames, index, view.platform, flags.categories):
                _act(rule, frames, index, flags)
    return flags


def _applies(rule: StacktraceRule, view: EventView, exception: dict[str, Any] | None) -> bool:
    for matcher in rule.matchers:
        if matcher.scope == "event" and matcher.key != "family" and not matcher.test_event(view):
            return False
        if matcher.scope == "exception" and not matcher.test_exception(exception):
            return False
    return True


def _frame_matches(
    matchers: Sequence[Matcher], frames: Sequence[Frame], index: int, platform: str, categories: Sequence[str]
) -> bool:
    if not 0 <= index < len(frames):
        return False
    frame = frames[index]
    for matcher in matchers:
        if matcher.key == "family":
            family = frame_family(frame, platform)
            if any(glob.pattern in (family, "all") for glob in matcher.globs) is matcher.negated:
                return False
        elif matcher.scope == "frame" and not matcher.test_frame(frame, platform, categories[index]):
            return False
    return True


def _matches_at(
    rule: StacktraceRule, frames: Sequence[Frame], index: int, platform: str, categories: Sequence[str]
) -> bool:
    if not _frame_matches(rule.matchers, frames, index, platform, categories):
        return False
    if rule.caller and not _frame_matches(rule.caller, frames, index - 1, platform, categories):
        return False
    return not rule.callee or _frame_matches(rule.callee, frames, index + 1, platform, categories)


def _act(rule: StacktraceRule, frames: Sequence[Frame], index: int, flags: StackFlags) -> None:
    if rule.line not in flags.matched:
        flags.matched.append(rule.line)
    for action in rule.actions:
        if action.reach == "^":
            reached = range(index + 1, len(frames))
        elif action.reach == "v":
            reached = range(index)
        else:
            reached = range(index, index + 1)
        for position in reached:
            if action.flag == "app":
                frames[position]["in_app"] = action.value
            else:
                flags.group[position] = action.value
            if rule.line not in flags.rules[position]:
                flags.rules[position].append(rule.line)
    if rule.category:
        flags.categories[index] = rule.category
    flags.max_frames = rule.numbers.get("max-frames", flags.max_frames)
    flags.min_frames = rule.numbers.get("min-frames", flags.min_frames)


def _parse_rule(text: str, scanner: Scanner) -> StacktraceRule:
    caller: tuple[Matcher, ...] = ()
    callee: tuple[Matcher, ...] = ()
    if scanner.peek("["):
        caller = _siblings(scanner)
        scanner.skip_space()
        if not scanner.take("|"):
            raise scanner.error("write | between the calling frame in brackets and the matchers of the frame itself")
        scanner.skip_space()
    matchers: list[Matcher] = []
    while not scanner.at_end and not _is_action(scanner) and not scanner.peek("|"):
        matchers.append(parse_matcher(scanner))
        scanner.skip_space()
    if scanner.take("|"):
        scanner.skip_space()
        if not scanner.peek("["):
            raise scanner.error("write the called frame in brackets after |, for example | [ app:yes ]")
        callee = _siblings(scanner)
        scanner.skip_space()
    if not matchers:
        raise scanner.error("no matcher; write for example stack.function:malloc -group", 0)
    actions, numbers, category = _parse_actions(scanner)
    return StacktraceRule(text, scanner.line, tuple(matchers), caller, callee, actions, numbers, category)


def _siblings(scanner: Scanner) -> tuple[Matcher, ...]:
    start = scanner.position
    scanner.take("[")
    found: list[Matcher] = []
    while True:
        scanner.skip_space()
        if scanner.take("]"):
            if not found:
                raise scanner.error("the brackets are empty; write a matcher in them", start)
            return tuple(found)
        if scanner.at_end or _is_action(scanner):
            raise scanner.error("this [ is never closed; write ] after the matchers", start)
        at = scanner.position
        matcher = parse_matcher(scanner, " \t]")
        if matcher.scope != "frame" and matcher.key != "family":
            raise scanner.error("in brackets only matchers of frames are possible", at)
        found.append(matcher)


def _is_action(scanner: Scanner) -> bool:
    if scanner.text[scanner.position] in "+-^":
        return True
    if scanner.peek("v+") or scanner.peek("v-"):
        return True
    word = scanner.text[scanner.position :].split(None, 1)[0]
    name, separator, _ = word.partition("=")
    return bool(separator) and ":" not in name


def _parse_actions(scanner: Scanner) -> tuple[tuple[Action, ...], dict[str, int], str]:
    actions: list[Action] = []
    numbers: dict[str, int] = {}
    category = ""
    while not scanner.at_end:
        start = scanner.position
        word = scanner.word()
        scanner.skip_space()
        name, separator, value = word.partition("=")
        if separator and name == "category" and value:
            category = value
        elif separator and name in _NUMBERS:
            if not value.isdigit() or int(value) > 1000:
                raise scanner.error(f"{name} needs a number from 0 to 1000, not {value!r}", start)
            numbers[name] = int(value)
        else:
            actions.append(_flag_action(scanner, word, start))
    if not actions and not numbers and not category:
        raise scanner.error(f"no action; {_ACTION_HELP}")
    return tuple(actions), numbers, category


def _flag_action(scanner: Scanner, word: str, start: int) -> Action:
    reach = word[0] if word[0] in "^v" else ""
    rest = word[len(reach) :]
    if rest[:1] not in ("+", "-") or rest[1:] not in _FLAGS:
        raise scanner.error(f"unknown action {word!r}; {_ACTION_HELP}", start)
    return Action(rest[1:], rest[0] == "+", reach)
