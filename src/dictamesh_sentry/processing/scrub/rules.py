"""Rules of advanced scrubbing (``relayPiiConfig``), compiled from their JSON form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import re2

from dictamesh_sentry.processing.scrub.patterns import (
    FILTERED,
    PATTERNS,
    SENSITIVE_KEY,
    SENSITIVE_TEXT,
    Pattern,
    compile_pattern,
)
from dictamesh_sentry.processing.scrub.selectors import Selector, SelectorError, parse_selector

METHODS = ("remove", "replace", "mask", "hash", "filter")
_TYPES = ("anything", "password", "pattern", "redact_pair", "alias", "multiple", *PATTERNS)
_TYPE_ALIASES = {"cc": "creditcard", "ssn": "usssn", "us_ssn": "usssn", "url_auth": "urlauth", "user_path": "userpath"}
_MAX_RULES = 500
_MAX_APPLICATIONS = 500
_MAX_PATTERN = 5000
_MAX_NESTED = 10


class PiiConfigError(ValueError):
    """A configuration that cannot be used; ``field`` is where, such as ``rules.my_rule.pattern``."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class Rule(NamedTuple):
    """What to look for and what to do with it. Exactly one of the ways to look is set."""

    id: str
    method: str
    text: str
    pattern: Pattern | None = None
    """Parts of texts that match."""
    key_pattern: Any = None
    """The whole value, when its key matches."""
    text_pattern: Any = None
    """The whole text, when it matches."""
    anything: bool = False


class Application(NamedTuple):
    """A selector and the rules it applies."""

    selector: Selector
    rules: tuple[Rule, ...]


def compile_pii_config(config: Any) -> tuple[Application, ...]:
    """The applications of a configuration. Raises PiiConfigError naming the field that is wrong."""
    if not config:
        return ()
    if type(config) is not dict:
        raise PiiConfigError("relayPiiConfig", "must be an object")
    raw_rules = _object(config.get("rules"), "rules")
    applications = _object(config.get("applications"), "applications")
    if len(raw_rules) > _MAX_RULES or len(applications) > _MAX_APPLICATIONS:
        raise PiiConfigError("relayPiiConfig", f"at most {_MAX_RULES} rules and {_MAX_APPLICATIONS} applications")
    for name in raw_rules:
        _resolve(name, raw_rules, f"rules.{name}", 0)
    result: list[Application] = []
    for source, names in applications.items():
        field = f"applications.{source}"
        try:
            selector = parse_selector(source)
        except SelectorError as error:
            raise PiiConfigError(field, str(error)) from None
        if type(names) is not list or not all(type(name) is str for name in names):
            raise PiiConfigError(field, "must be a list of rule ids")
        rules = tuple(rule for name in names for rule in _resolve(name, raw_rules, field, 0))
        if rules:
            result.append(Application(selector, rules))
    return tuple(result)


def _object(value: Any, field: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if type(value) is not dict:
        raise PiiConfigError(field, "must be an object")
    return value


def _resolve(name: str, raw_rules: Mapping[str, Any], field: str, depth: int) -> list[Rule]:
    if depth > _MAX_NESTED:
        raise PiiConfigError(field, "rules refer to each other without end")
    if name in raw_rules:
        return _rule(name, _object(raw_rules[name], f"rules.{name}"), raw_rules, depth)
    if name.startswith("@"):
        kind, _, method = name[1:].partition(":")
        kind = _TYPE_ALIASES.get(kind, kind)
        method = method or "replace"
        if kind in _TYPES and kind not in ("pattern", "redact_pair", "alias", "multiple") and method in METHODS:
            return [_simple(name, kind, method, None)]
    raise PiiConfigError(field, f"unknown rule {name}")


def _rule(name: str, raw: Mapping[str, Any], raw_rules: Mapping[str, Any], depth: int) -> list[Rule]:
    field = f"rules.{name}"
    kind = raw.get("type")
    kind = kind.removeprefix("@") if type(kind) is str else kind
    kind = _TYPE_ALIASES.get(kind, kind) if type(kind) is str else kind
    if kind not in _TYPES:
        raise PiiConfigError(f"{field}.type", f"unknown type {kind}")
    if kind == "alias" or kind == "multiple":
        names: Any = [raw.get("rule")] if kind == "alias" else raw.get("rules")
        if type(names) is not list or not all(type(other) is str for other in names):
            raise PiiConfigError(f"{field}.{'rule' if kind == 'alias' else 'rules'}", "must name rules")
        return [rule for other in names for rule in _resolve(other, raw_rules, field, depth + 1)]
    method, text = _redaction(raw.get("redaction"), field)
    if kind == "pattern":
        groups = raw.get("replaceGroups")
        pattern = Pattern(regex := _regex(raw.get("pattern"), f"{field}.pattern"), _groups(groups, regex, field))
        return [Rule(name, method, _default_text(text, name), pattern=pattern)]
    if kind == "redact_pair":
        key_pattern = _regex(raw.get("keyPattern"), f"{field}.keyPattern")
        return [Rule(name, method, _default_text(text, name), key_pattern=key_pattern)]
    return [_simple(name, kind, method, text)]


def _simple(name: str, kind: str, method: str, text: str | None) -> Rule:
    text = _default_text(text, "us-ssn" if kind == "usssn" else kind)
    if kind == "anything":
        return Rule(name, method, text, anything=True)
    if kind == "password":
        return Rule(name, method, text, key_pattern=SENSITIVE_KEY, text_pattern=SENSITIVE_TEXT)
    return Rule(name, method, text, pattern=PATTERNS[kind])


def _default_text(text: str | None, name: str) -> str:
    return text if text is not None else FILTERED if name == "anything" else f"[{name.lstrip('@')}]"


def _redaction(raw: Any, field: str) -> tuple[str, str | None]:
    if raw is None:
        return "replace", None
    if type(raw) is str:
        raw = {"method": raw}
    redaction = _object(raw, f"{field}.redaction")
    method = redaction.get("method", "replace")
    if method not in METHODS:
        raise PiiConfigError(f"{field}.redaction.method", f"must be one of {', '.join(METHODS)}")
    text = redaction.get("text")
    if text is not None and (type(text) is not str or len(text) > 1024):
        raise PiiConfigError(f"{field}.redaction.text", "must be a string of at most 1024 characters")
    return method, text


def _regex(source: Any, field: str) -> Any:
    if type(source) is not str or not source:
        raise PiiConfigError(field, "must be a regular expression")
    if len(source) > _MAX_PATTERN:
        raise PiiConfigError(field, f"may have at most {_MAX_PATTERN} characters")
    try:
        return compile_pattern(source)
    except re2.error as error:
        detail = error.args[0] if error.args else "invalid"
        text = detail.decode("utf-8", "replace") if isinstance(detail, bytes) else str(detail)
        raise PiiConfigError(field, f"is not a valid regular expression: {text}") from None


def _groups(raw: Any, regex: Any, field: str) -> tuple[int, ...]:
    """The capture groups to replace: those named, else all there are, else the whole match."""
    count: int = regex.groups
    if raw is None:
        return tuple(range(1, count + 1)) or (0,)
    if type(raw) is not list or not all(type(group) is int and 0 <= group <= count for group in raw):
        raise PiiConfigError(f"{field}.replaceGroups", "must be a list of capture group numbers")
    return tuple(sorted(set(raw))) or (0,)
