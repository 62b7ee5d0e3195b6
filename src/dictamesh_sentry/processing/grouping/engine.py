"""``group_event``: which issue an event belongs to, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dictamesh_sentry.processing.grouping import titles
from dictamesh_sentry.processing.grouping.frames import text_of
from dictamesh_sentry.processing.grouping.rules import (
    FingerprintRule,
    RuleError,
    StacktraceRule,
    parse_fingerprint_rules,
    parse_stacktrace_rules,
)
from dictamesh_sentry.processing.grouping.stacks import Stack
from dictamesh_sentry.processing.grouping.strategies import (
    Component,
    Variant,
    component,
    default_variant,
    hash_parts,
    prepare_stacks,
)
from dictamesh_sentry.processing.grouping.variables import expand, is_default
from dictamesh_sentry.processing.grouping.view import EventView
from dictamesh_sentry.projects.options import ProjectConfig

ALGORITHM = "dictamesh:2026-11"
MAX_FINGERPRINT_VALUES = 32
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(slots=True)
class GroupingResult:
    """Where an event belongs and how it is shown. ``hashes[0]`` is ``primary_hash``."""

    hashes: list[str]
    primary_hash: str
    algorithm: str
    type: str
    category: str
    title: str
    culprit: str
    location: str
    metadata: dict[str, Any]
    level: str
    is_unhandled: bool
    priority: str
    issue_type: str
    _variant: Variant = field(repr=False)
    _rule: FingerprintRule | None = field(repr=False)
    _stacks: list[Stack] = field(repr=False)
    _stacktrace_rules: tuple[StacktraceRule, ...] = field(repr=False)

    @property
    def explanation(self) -> dict[str, Any]:
        """Why the event has this hash, as JSON: variant, components with their values, rules that took part."""
        explanation: dict[str, Any] = {
            "algorithm": self.algorithm,
            "variant": self._variant.name,
            "description": self._variant.description,
            "hash": self.primary_hash,
            "components": self._variant.components(),
        }
        if self._rule is not None:
            explanation["fingerprintRule"] = {"line": self._rule.line, "text": self._rule.text}
        lines = {line for stack in self._stacks if stack.flags for line in stack.flags.matched}
        if lines:
            explanation["stacktraceRules"] = [
                {"line": rule.line, "text": rule.text} for rule in self._stacktrace_rules if rule.line in lines
            ]
        return explanation


def group_event(event: dict[str, Any], config: ProjectConfig) -> GroupingResult:
    """Group a normalized event. Pure but for one thing: ``in_app`` of its frames is completed in place.

    The same event and rules always give the same result. Rules that cannot be read count as absent (the settings
    page refuses them, so this only happens to rules written by an older version).
    """
    view = EventView(event)
    if type(event.get("occurrence")) is dict:
        return _group_occurrence(event["occurrence"], view)
    stacktrace_rules = _stacktrace_rules(config.options.stacktrace_rules)
    stacks = prepare_stacks(view, stacktrace_rules)
    kind = titles.event_type(view)
    rule = None if kind == "feedback" else _matching_rule(config.options.fingerprint_rules, view)
    variant = _feedback_variant(view) if kind == "feedback" else _variant(view, stacks, rule)
    primary = variant.parts[0] if variant.name == "checksum" else variant.hash
    metadata = titles.metadata_of(view, kind)
    title = titles.title_of(metadata, kind)
    if rule is not None and "title" in rule.attributes:
        title = titles.clip(expand(rule.attributes["title"], view), titles.MAX_TITLE)
        metadata["title"] = title
    level = "info" if kind == "feedback" and not view.text("level") else titles.level_of(view)
    unhandled = titles.is_unhandled(view)
    return GroupingResult(
        hashes=[primary],
        primary_hash=primary,
        algorithm=ALGORITHM,
        type=kind,
        category="feedback" if kind == "feedback" else "error",
        title=title,
        culprit=titles.culprit_of(view),
        location=titles.location_of(view),
        metadata=metadata,
        level=level,
        is_unhandled=unhandled,
        priority="medium" if kind == "feedback" else titles.priority_of(level, unhandled),
        issue_type="feedback" if kind == "feedback" else "error",
        _variant=variant,
        _rule=rule,
        _stacks=stacks,
        _stacktrace_rules=stacktrace_rules,
    )


def _group_occurrence(occurrence: dict[str, Any], view: EventView) -> GroupingResult:
    """What a detector found brings its own fingerprint and words. Normalization keeps clients from sending one."""
    fingerprint = text_of(occurrence.get("fingerprint"))
    issue_type = text_of(occurrence.get("issueType"))
    title = titles.clip(text_of(occurrence.get("issueTitle")) or issue_type, titles.MAX_TITLE)
    variant = Variant(
        "occurrence",
        "the pattern the detector found",
        [fingerprint],
        lambda: [component("type", issue_type), component("pattern", text_of(occurrence.get("subtitle")))],
    )
    level = titles.level_of(view) if view.text("level") else "info"
    return GroupingResult(
        hashes=[fingerprint],
        primary_hash=fingerprint,
        algorithm=ALGORITHM,
        type="transaction",
        category="performance",
        title=title,
        culprit=titles.culprit_of(view),
        location="",
        metadata={"title": title, "value": text_of(occurrence.get("subtitle"))[:1024]},
        level=level,
        is_unhandled=False,
        priority="low",
        issue_type=issue_type,
        _variant=variant,
        _rule=None,
        _stacks=[],
        _stacktrace_rules=(),
    )


def _stacktrace_rules(text: str) -> tuple[StacktraceRule, ...]:
    if not text:
        return ()
    try:
        return parse_stacktrace_rules(text)
    except RuleError:
        return ()


def _matching_rule(text: str, view: EventView) -> FingerprintRule | None:
    if not text:
        return None
    try:
        rules = parse_fingerprint_rules(text)
    except RuleError:
        return None
    return next((rule for rule in rules if rule.matches(view)), None)


def _feedback_variant(view: EventView) -> Variant:
    """Every piece of feedback is its own issue: no two people mean the same."""
    event_id = view.text("event_id")
    return Variant(
        "feedback",
        "each feedback is an issue of its own",
        [event_id],
        lambda: [component("event id", event_id)],
    )


def _variant(view: EventView, stacks: list[Stack], rule: FingerprintRule | None) -> Variant:
    if rule is not None:
        return _fingerprint(list(rule.values), "rule", view, stacks)
    sent = view.event.get("fingerprint")
    values = [text_of(value) for value in sent if text_of(value)] if type(sent) is list else []
    if values and not (len(values) == 1 and is_default(values[0])):
        return _fingerprint(values, "client", view, stacks)
    checksum = view.text("checksum")
    if checksum:
        return _checksum(checksum)
    return default_variant(view, stacks)


def _checksum(checksum: str) -> Variant:
    is_hash = len(checksum) == 32 and _HEX.issuperset(checksum)
    primary = checksum.lower() if is_hash else hash_parts(["checksum", checksum])
    return Variant("checksum", "the checksum the client sent", [primary], lambda: [component("checksum", checksum)])


def _fingerprint(values: list[str], source: str, view: EventView, stacks: list[Stack]) -> Variant:
    """A fingerprint from a rule or the client; ``{{ default }}`` in it refines the default grouping."""
    values = values[:MAX_FINGERPRINT_VALUES]
    parts: list[str] = []
    default: Variant | None = None
    for value in values:
        if is_default(value):
            default = default or default_variant(view, stacks)
            parts.append(default.hash)
        else:
            parts.append(expand(value, view))
    by = "a fingerprint rule of the project" if source == "rule" else "a fingerprint the client sent"
    if len(parts) == 1 and default is not None:
        return default

    def explain() -> list[Component]:
        lines = [component("fingerprint", part, original=value) for value, part in zip(values, parts, strict=True)]
        if default is not None:
            lines.append(component("default", default.description, children=default.components()))
        return lines

    # Not named after its source: a rule that says what the client used to say keeps the issue.
    return Variant(f"fingerprint.{source}", by, parts, explain)
