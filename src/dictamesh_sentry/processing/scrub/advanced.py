"""Applying advanced rules to an event."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.normalize.meta import Meta, Path
from dictamesh_sentry.processing.scrub.defaults import is_pairs
from dictamesh_sentry.processing.scrub.patterns import FILTERED
from dictamesh_sentry.processing.scrub.redact import pseudonym, redact
from dictamesh_sentry.processing.scrub.rules import Application, Rule
from dictamesh_sentry.processing.scrub.selectors import Element

_NEVER = frozenset(
    {
        *("event_id", "timestamp", "start_timestamp", "received", "type", "level", "platform", "version", "project"),
        *("key_id", "errors", "_meta", "measurements", "breakdowns"),
    }
)
# Reached only by selectors that name them: the product groups, searches and symbolicates by these.
_ONLY_BY_NAME = frozenset(
    {
        *("release", "environment", "dist", "transaction", "logger", "culprit", "fingerprint", "modules", "sdk"),
        *("debug_meta", "template", "checksum", "transaction_info", "csp"),
    }
)
_FRAME_DATA = frozenset({"vars"})
_TECHNICAL_KEYS = {
    "exception": frozenset({"type", "module", "thread_id"}),
    "thread": frozenset({"id", "name", "state"}),
    "breadcrumb": frozenset({"type", "category", "level", "timestamp"}),
    "request": frozenset({"method", "inferred_content_type"}),
}
_LIST_TYPES = {"exception": "exception", "threads": "thread", "breadcrumbs": "breadcrumb"}
_TOP_TYPES = {"request": "request", "user": "user", "logentry": "logentry", "sdk": "sdk"}
_NOTHING: frozenset[str] = frozenset()
_STRING = frozenset({"string"})
_NUMBER = frozenset({"number"})
_BOOLEAN = frozenset({"boolean"})
_MAX_DEPTH = 110


def apply_rules(event: dict[str, Any], applications: tuple[Application, ...], meta: Meta) -> None:
    """Apply every rule to every value its selector matches, in place."""
    walker = _Walker(applications, meta)
    root = Element("", frozenset({"event", "object"}))
    for key in [key for key in event if key not in _NEVER]:
        location = [root, Element(key, _types(event[key], _TOP_TYPES.get(key, "")))]
        new = walker.visit(event[key], location, (key,), key in _ONLY_BY_NAME)
        if new is None:
            del event[key]
        elif new is not event[key]:
            event[key] = new


def _types(value: Any, name: str = "") -> frozenset[str]:
    kind = type(value)
    if kind is str:
        base = _STRING
    elif kind is bool:
        base = _BOOLEAN
    elif kind is int or kind is float:
        base = _NUMBER
    else:
        base = frozenset({"object"}) if kind is dict else frozenset({"array"}) if kind is list else _NOTHING
    return base | {name} if name else base


def _child_type(location: list[Element], key: str, value: Any) -> str:
    if type(value) is not dict:
        return ""
    if len(location) == 3 and location[2].key == "values":
        return _LIST_TYPES.get(location[1].key, "")
    if key in ("stacktrace", "raw_stacktrace"):
        return "stacktrace"
    if location[-1].key == "frames" and len(location) > 1 and "stacktrace" in location[-2].types:
        return "frame"
    if len(location) == 2:
        return {"spans": "span", "contexts": "context"}.get(location[1].key, "")
    return ""


def _only_by_name(parent: Element, key: str) -> bool:
    if "frame" in parent.types:
        return key not in _FRAME_DATA
    return any(key in _TECHNICAL_KEYS.get(name, _NOTHING) for name in parent.types)


_CONTAINERS = frozenset({"exception", "threads", "breadcrumbs", "request", "logentry", "contexts", "spans", "tags"})
_CONTAINER_KEYS = frozenset({"values", "stacktrace", "raw_stacktrace", "frames", "mechanism"})
_CONTAINER_TYPES = frozenset({"exception", "thread", "breadcrumb", "frame", "stacktrace", "span", "context"})


def _is_structure(location: list[Element]) -> bool:
    """Whether a value is a part of the event's structure, which only a selector that names it takes away as a whole."""
    here = location[-1]
    if len(location) == 2:
        return here.key in _CONTAINERS
    return here.key in _CONTAINER_KEYS or not _CONTAINER_TYPES.isdisjoint(here.types)


class _Walker:
    def __init__(self, applications: tuple[Application, ...], meta: Meta) -> None:
        self._applications = applications
        self._meta = meta

    def visit(self, value: Any, location: list[Element], path: Path, by_name: bool) -> Any:
        """``value`` after the rules that apply to it; None when it was removed."""
        if value is None:
            return None
        container = type(value) in (dict, list)
        structure = container and _is_structure(location)
        rules = [
            rule
            for selector, application_rules in self._applications
            if (selector.is_specific or not by_name) and selector.matches(location)
            for rule in application_rules
            # Sweeping selectors reach the values inside by themselves.
            if selector.is_specific or not (structure or (container and rule.pattern is not None))
        ]
        for rule in rules:
            value = self._apply(rule, value, location[-1].key, path)
            if value is None:
                return None
        if type(value) is dict:
            self._visit_object(value, location, path, by_name)
        elif type(value) is list and len(path) < _MAX_DEPTH:
            self._visit_list(value, location, path, by_name)
        return value

    def _visit_object(self, value: dict[str, Any], location: list[Element], path: Path, by_name: bool) -> None:
        for key, child in list(value.items()):
            here = [*location, Element(key.lower(), _types(child, _child_type(location, key, child)))]
            new = self.visit(child, here, (*path, key), by_name or _only_by_name(location[-1], key))
            if new is not child:
                value[key] = new

    def _visit_list(self, value: list[Any], location: list[Element], path: Path, by_name: bool) -> None:
        pairs = is_pairs(value)
        for index, child in enumerate(value):
            key = child[0].lower() if pairs else str(index)
            target = child[1] if pairs else child
            here = [*location, Element(key, _types(target, _child_type(location, key, target)))]
            new = self.visit(target, here, (*path, index, 1) if pairs else (*path, index), by_name)
            if new is not target:
                if pairs:
                    child[1] = "" if new is None else new
                else:
                    value[index] = new

    def _apply(self, rule: Rule, value: Any, key: str, path: Path) -> Any:
        if rule.anything or (rule.key_pattern is not None and rule.key_pattern.search(key)):
            return self._whole(rule, value, path)
        if type(value) is str:
            if rule.text_pattern is not None and rule.text_pattern.search(value):
                return self._whole(rule, value, path)
            if rule.pattern is not None:
                return self._parts(rule, value, path)
            return value
        if type(value) in (int, float):
            if rule.pattern is not None and rule.pattern.regex.search(str(value)):
                self._meta.remark(path, [rule.id, "x"])
                return None
            return value
        if type(value) is dict and rule.pattern is not None:
            # A rule on a container is meant for the text in it.
            for child_key, child in value.items():
                value[child_key] = self._apply(rule, child, child_key, (*path, child_key))
        elif type(value) is list and rule.pattern is not None:
            self._apply_to_list(rule, value, path)
        return value

    def _apply_to_list(self, rule: Rule, value: list[Any], path: Path) -> None:
        if is_pairs(value):
            for index, pair in enumerate(value):
                pair[1] = self._apply(rule, pair[1], pair[0], (*path, index, 1)) if pair[1] is not None else None
        else:
            for index, child in enumerate(value):
                value[index] = self._apply(rule, child, "", (*path, index))

    def _whole(self, rule: Rule, value: Any, path: Path) -> Any:
        if type(value) is bool and rule.key_pattern is not None:
            return value
        if type(value) is not str or rule.method == "remove":
            if value is not None:
                self._meta.remark(path, [rule.id, "x"])
            return None
        new = _replacement(rule, value)
        if new != value and value:
            self._meta.remark(path, [rule.id, _KINDS[rule.method], 0, len(new)], len(value))
            return new
        return value

    def _parts(self, rule: Rule, value: str, path: Path) -> str:
        pattern = rule.pattern
        if pattern is None:
            return value
        keep = rule.text if rule.method == "replace" else FILTERED
        kind = _KINDS[rule.method]
        return redact(
            value, pattern, lambda found: _replacement(rule, found), rule.id, kind, path, self._meta, keep=keep
        )


_KINDS = {"remove": "x", "replace": "s", "mask": "m", "hash": "p", "filter": "s"}


def _replacement(rule: Rule, found: str) -> str:
    match rule.method:
        case "remove":
            return ""
        case "mask":
            return "*" * len(found)
        case "hash":
            return pseudonym(found)
        case "filter":
            return FILTERED
        case _:
            return rule.text
