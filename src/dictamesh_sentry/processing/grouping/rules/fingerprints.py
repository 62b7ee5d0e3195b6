"""Fingerprint rules: ``matcher:pattern … -> value, {{ variable }} title="…"``. The first rule that matches wins."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from dictamesh_sentry.processing.grouping.rules.matchers import (
    Matcher,
    matches_exception,
    matches_frame,
    parse_matcher,
)
from dictamesh_sentry.processing.grouping.rules.syntax import RuleError, Scanner, rule_lines
from dictamesh_sentry.processing.grouping.variables import is_variable
from dictamesh_sentry.processing.grouping.view import EventView

_ATTRIBUTES = ("title",)


@dataclass(frozen=True, slots=True)
class FingerprintRule:
    """One line. ``values`` are texts with variables; ``attributes`` may hold ``title``."""

    text: str
    line: int
    matchers: tuple[Matcher, ...]
    values: tuple[str, ...]
    attributes: dict[str, str] = field(default_factory=dict, compare=False)

    def matches(self, view: EventView) -> bool:
        """True when every matcher holds for the event."""
        for matcher in self.matchers:
            if matcher.scope == "event" and not matcher.test_event(view):
                return False
        on_exceptions = [matcher for matcher in self.matchers if matcher.scope == "exception"]
        if not matches_exception(on_exceptions, view.exceptions):
            return False
        on_frames = [matcher for matcher in self.matchers if matcher.scope == "frame"]
        if not on_frames:
            return True
        frames = [frame for _, stack in view.stacks for frame in stack]
        return matches_frame(on_frames, frames, view.platform)


@lru_cache(maxsize=512)
def parse_fingerprint_rules(text: str) -> tuple[FingerprintRule, ...]:
    """The rules of a project in their order. Raises RuleError with line, column and the way to mend it."""
    return tuple(_parse_rule(line, scanner) for line, scanner in rule_lines(text))


def _parse_rule(text: str, scanner: Scanner) -> FingerprintRule:
    matchers: list[Matcher] = []
    while not scanner.take("->"):
        if scanner.at_end:
            raise scanner.error("no fingerprint; write -> and its values after the matchers")
        matchers.append(parse_matcher(scanner))
        scanner.skip_space()
    if not matchers:
        raise scanner.error("no matcher before ->; write for example error.type:TimeoutError -> timeout", 0)
    values, attributes = _parse_values(scanner)
    if not values:
        raise scanner.error("no value after ->; write for example -> my-group, {{ transaction }}")
    return FingerprintRule(text, scanner.line, tuple(matchers), tuple(values), attributes)


def _parse_values(scanner: Scanner) -> tuple[list[str], dict[str, str]]:
    values: list[str] = []
    attributes: dict[str, str] = {}
    while True:
        scanner.skip_space()
        while scanner.take(","):
            scanner.skip_space()
        if scanner.at_end:
            return values, attributes
        if scanner.peek("{{"):
            values.append(_variable(scanner))
        elif scanner.peek('"'):
            values.append(scanner.quoted())
        else:
            _word_or_attribute(scanner, values, attributes)


def _variable(scanner: Scanner) -> str:
    start = scanner.position
    end = scanner.text.find("}}", start)
    if end < 0:
        raise scanner.error("this {{ is never closed; write {{ name }}", start)
    name = scanner.text[start + 2 : end].strip()
    if not is_variable(name):
        raise scanner.error(f"unknown variable {name!r}; see the list of variables in the documentation", start)
    scanner.position = end + 2
    return f"{{{{ {name} }}}}"


def _word_or_attribute(scanner: Scanner, values: list[str], attributes: dict[str, str]) -> None:
    start = scanner.position
    word = scanner.word(" \t,=")
    if scanner.peek("="):
        if word not in _ATTRIBUTES:
            raise scanner.error(f"unknown attribute {word!r}; the attributes are {', '.join(_ATTRIBUTES)}", start)
        scanner.position += 1
        attributes[word] = scanner.value(" \t,")
        if not attributes[word]:
            raise scanner.error(f'{word} is empty; write {word}="…"', start)
    else:
        values.append(word.replace("\\", ""))


__all__ = ["FingerprintRule", "RuleError", "parse_fingerprint_rules"]
