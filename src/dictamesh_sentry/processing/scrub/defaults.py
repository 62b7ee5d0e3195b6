"""The default rules: which values they apply to, and how to find quickly that there is nothing to do.

A walk over every value of an event is the expensive way. Most events hold nothing sensitive, so a container is first
serialized (in C) and searched with one pattern (in C) that finds whatever any rule could find; only where that hits,
the container's children are looked at, the same way.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any

import orjson
import re2

from dictamesh_sentry.processing.normalize.meta import Meta, Path
from dictamesh_sentry.processing.scrub.patterns import (
    COOKIE_NAMES,
    COOKIE_PAIR,
    FILTERED,
    MESSAGE_RULES,
    PATTERNS,
    SENSITIVE_KEY,
    SENSITIVE_KEY_SOURCE,
    SENSITIVE_TEXT,
    SOURCES,
    VALUE_RULES,
    Pattern,
    compile_pattern,
)
from dictamesh_sentry.processing.scrub.redact import redact
from dictamesh_sentry.processing.scrub.selectors import Element, Selector, SelectorError, parse_selector

_UNTOUCHED = frozenset({"", "true", "false", "null", "undefined", "True", "False", "None", FILTERED})
_IP_RULE = "@ip:replace"
_MAX_DEPTH = 110
_SELECTOR_MARKS = frozenset(".$*|&!('")


def _coarse(source: str) -> str:
    """A pattern for serialized JSON: the same words, without what depends on where a text begins or ends."""
    return source.replace("(?i)", "").replace("^otp$", '"otp"')


def _prefilter(options: DefaultRules) -> Any:
    parts: list[str] = []
    if options.defaults:
        parts += [f"(?i:{_coarse(SENSITIVE_KEY_SOURCE)})", "-----BEGIN", r"(?i:bearer\s)", r"://[^\s\"@/]*:[^\s\"@/]*@"]
        parts.append('(?i:["; ](?:' + "|".join(re2.escape(name) for name in sorted(COOKIE_NAMES)) + ")=)")
        parts += [SOURCES["creditcard"][0], SOURCES["iban"][0], SOURCES["usssn"][0], r"(?i:/home/|/users/|:\\\\)"]
    if options.ip_addresses:
        parts.append(SOURCES["ip"][0])
    parts += [f"(?i:{re2.escape(field)})" for field in options.sensitive]
    return compile_pattern("|".join(parts)) if parts else None


def _selectors(safe: tuple[str, ...]) -> tuple[Selector, ...]:
    selectors: list[Selector] = []
    for field in safe:
        if not _SELECTOR_MARKS.isdisjoint(field):
            with suppress(SelectorError):
                selectors.append(parse_selector(field))
    return tuple(selectors)


def _location(path: Path, key: str) -> list[Element]:
    """The elements of a path; the value of a pair stands under the pair's key."""
    names = [str(part).lower() for part in path]
    if key and names and names[-1] != key.lower():
        names[-2:] = [key.lower()]
    top = {"request": "request", "user": "user", "logentry": "logentry"}.get(names[0], "")
    elements = [Element("", frozenset({"event"})), Element(names[0], frozenset({top}))]
    for index, name in enumerate(names[1:], 1):
        is_frame = index >= 2 and names[index - 1] == "frames"
        elements.append(Element(name, frozenset({"frame"}) if is_frame else frozenset()))
    return elements


class DefaultRules:
    """The rules that need no configuration, with a project's sensitive and safe fields."""

    def __init__(
        self, *, defaults: bool, ip_addresses: bool, sensitive: tuple[str, ...], safe: tuple[str, ...]
    ) -> None:
        self.defaults = defaults
        self.ip_addresses = ip_addresses
        self.sensitive = tuple(field.strip().lower() for field in sensitive if field.strip())
        self._safe_names = frozenset(field.strip().lower() for field in safe if _SELECTOR_MARKS.isdisjoint(field))
        self._safe_selectors = _selectors(safe)
        self.prefilter = _prefilter(self)
        self._sensitive = (
            compile_pattern("(?i)" + "|".join(re2.escape(field) for field in self.sensitive))
            if self.sensitive
            else None
        )
        self.key_rule = lru_cache(maxsize=16384)(self._key_rule)

    def __bool__(self) -> bool:
        return self.prefilter is not None

    def may_match(self, value: Any) -> bool:
        """Whether anything in ``value`` could be sensitive. False is certain, True is not."""
        return self.prefilter.search(orjson.dumps(value)) is not None

    def is_safe(self, key: str, path: Path) -> bool:
        """Whether the project declared this field free of sensitive data."""
        if key and self._safe_names and key.lower() in self._safe_names:
            return True
        if not self._safe_selectors:
            return False
        location = _location(path, key)
        return any(selector.matches(location) for selector in self._safe_selectors)

    def _key_rule(self, key: str) -> str:
        """The rule by which a key alone makes its value sensitive; "" for none."""
        if self._sensitive is not None and self._sensitive.search(key):
            return "strip-fields"
        return "@password:filter" if self.defaults and SENSITIVE_KEY.search(key) else ""

    def scrub(self, value: Any, key: str, path: Path, meta: Meta) -> Any:
        """``value`` (found under ``key``) without sensitive data; containers are changed in place."""
        kind = type(value)
        if value is None or kind is bool or self.is_safe(key, path):
            return value
        rule = self.key_rule(key) if key else ""
        if rule:
            return self._remove(value, rule, path, meta)
        if kind is str:
            return self.scrub_text(value, path, meta)
        if kind is dict or kind is list:
            if value and len(path) < _MAX_DEPTH and self.may_match(value):
                self._scrub_children(value, path, meta)
            return value
        if self.defaults and kind is int and PATTERNS["creditcard"].regex.search(str(value)):
            meta.remark(path, ["@creditcard:filter", "x"])
            return None
        return value

    def _remove(self, value: Any, rule: str, path: Path, meta: Meta) -> Any:
        if type(value) is str:
            if value in _UNTOUCHED:
                return value
            meta.remark(path, [rule, "s", 0, len(FILTERED)], len(value))
            return FILTERED
        meta.remark(path, [rule, "x"])
        return None

    def _scrub_children(self, value: Any, path: Path, meta: Meta) -> None:
        if type(value) is dict:
            for key, child in value.items():
                new = self.scrub(child, key, (*path, key), meta)
                if new is not child:
                    value[key] = new
            return
        if is_pairs(value):
            self.scrub_pairs(value, path, meta)
            return
        for index, child in enumerate(value):
            new = self.scrub(child, "", (*path, index), meta)
            if new is not child:
                value[index] = new

    def scrub_pairs(self, pairs: list[Any], path: Path, meta: Meta) -> None:
        """Scrub the values of a list of ``[key, value]``."""
        for index, pair in enumerate(pairs):
            if type(pair) is list and len(pair) == 2:
                key = pair[0] if type(pair[0]) is str else ""
                pair[1] = self.scrub(pair[1], key, (*path, index, 1), meta)

    def scrub_text(self, text: str, path: Path, meta: Meta, *, whole: bool = True) -> str:
        """``text`` scrubbed by what it says. ``whole=False``: only parts are replaced, words condemn nothing."""
        if text in _UNTOUCHED:
            return text
        if whole:
            if self.defaults and SENSITIVE_TEXT.search(text):
                return self._remove(text, "@password:filter", path, meta)
            if self._sensitive is not None and self._sensitive.search(text):
                return self._remove(text, "strip-fields", path, meta)
        if self.defaults:
            for rule, pattern in VALUE_RULES:
                text = redact(text, pattern, _filtered, rule, "s", path, meta, keep=FILTERED)
            text = redact(text, _COOKIES, _filtered, "@cookie:filter", "s", path, meta, keep=FILTERED)
        return self.scrub_addresses(text, path, meta)

    def scrub_addresses(self, text: str, path: Path, meta: Meta) -> str:
        """``text`` without IP addresses, if the project stores none."""
        if not self.ip_addresses:
            return text
        return redact(text, PATTERNS["ip"], lambda _found: "[ip]", _IP_RULE, "s", path, meta)

    def scrub_message(self, text: str, path: Path, meta: Meta) -> str:
        """A message with only the clearly personal parts replaced."""
        if self.defaults:
            for rule, pattern, replacement in MESSAGE_RULES:
                text = redact(text, pattern, lambda _found, r=replacement: r, rule, "s", path, meta, keep=replacement)
        return self.scrub_addresses(text, path, meta)

    def scrub_cookies(self, cookies: list[Any], path: Path, meta: Meta) -> None:
        """Session and CSRF cookies lose their values."""
        if not self.defaults:
            return
        for index, pair in enumerate(cookies):
            if type(pair) is not list or len(pair) != 2 or type(pair[0]) is not str:
                continue
            here = (*path, index, 1)
            if pair[0].lower() in COOKIE_NAMES and pair[1] and not self.is_safe(pair[0], here):
                pair[1] = self._remove(pair[1], "@cookie:filter", here, meta)


_COOKIES = Pattern(COOKIE_PAIR, (1,))


def _filtered(_found: str) -> str:
    return FILTERED


def is_pairs(value: list[Any]) -> bool:
    """Whether a list consists of ``[text, value]`` pairs."""
    return bool(value) and all(type(item) is list and len(item) == 2 and type(item[0]) is str for item in value)
