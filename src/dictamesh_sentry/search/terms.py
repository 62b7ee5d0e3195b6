"""One filter token, taken apart: key, operator and value. Called by the grammar, which only finds the tokens."""

from __future__ import annotations

import re

from dictamesh_sentry.search.ast import Filter, FreeText, Has, Key, Operator, Span, Value
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.fields import find_field

MARK = "\uf00d"  # the search bar wraps its operator words in this private-use character

QUOTED = r'"(?:[^"\\]|\\.)*"'
PLAIN_KEY = r"[A-Za-z0-9_.\-]+"
AGGREGATE_KEY = r"[A-Za-z_][A-Za-z0-9_]*\([^()\n]*\)"
MAP_KEY = rf"(?:tags|flags)\[(?:{QUOTED}|[^\]\s\",]+)(?:[ \t]*,[ \t]*[a-z]+)?\]"
KEY = rf"(?:{MAP_KEY}|{AGGREGATE_KEY}|{PLAIN_KEY}|{QUOTED})"
HAS_VALUE = rf"(?:{MAP_KEY}|{QUOTED}|[^\s()]+)"
LIST = rf"\[(?:{QUOTED}|[^\"\]])*\]"
OPERATOR = r"(?:>=|<=|!=|>|<|=)"
WORD_OPERATOR = rf"{MARK}(?:Contains|StartsWith|EndsWith){MARK}"
REGEX = r"//(?:[^/\n\\]|\\.|/(?!/))+//"
VALUE = rf"(?:{REGEX}(?=[\s()]|\Z)|{LIST}(?=[\s()]|\Z)|{QUOTED}(?=[\s()]|\Z)|[^\s()]*)"
FILTER = rf"!?(?:has:{HAS_VALUE}|{KEY}:(?:{WORD_OPERATOR}|{OPERATOR})?{VALUE})"

_KEY = re.compile(KEY)
_REGEX = re.compile(REGEX)
_OPERATOR = re.compile(rf"(?:{WORD_OPERATOR}|{OPERATOR})")
_MAP_KEY = re.compile(rf"(tags|flags)\[({QUOTED}|[^\]\s\",]+)(?:[ \t]*,[ \t]*([a-z]+))?\]\Z")
_LIST_ITEM = re.compile(rf"[ \t\n]*({QUOTED}|[^,\"\]]*?)[ \t\n]*(,|\Z)")
_ESCAPE = re.compile(r'\\([\\"*])|(\*)')
_WORDS = {"Contains": ("*", "*"), "StartsWith": ("", "*"), "EndsWith": ("*", "")}
VALUE_TYPES = ("string", "number", "boolean")


def unescape(text: str) -> tuple[str, ...]:
    """The literal pieces of a value: ``\\*``, ``\\"`` and ``\\\\`` stand for themselves, ``*`` separates pieces."""
    pieces = [""]
    last = 0
    for found in _ESCAPE.finditer(text):
        pieces[-1] += text[last : found.start()]
        if found[2]:
            pieces.append("")
        else:
            pieces[-1] += found[1]
        last = found.end()
    pieces[-1] += text[last:]
    return tuple(pieces)


def literal(text: str) -> str:
    """A quoted text without its quotes and escapes, stars included."""
    inner = text[1:-1] if len(text) >= 2 and text.startswith('"') and text.endswith('"') else text
    return "*".join(unescape(inner))


def read_value(text: str, position: int) -> Value:
    """A bare or quoted value. Raises SearchError for a quote that is not closed or not alone."""
    span = Span(position, max(len(text), 1))
    if text.startswith('"'):
        if re.fullmatch(QUOTED, text, re.DOTALL) is None:
            raise SearchError(
                "This quote is not closed.", position, max(len(text), 1), 'Close it with ", or write \\" for a quote.'
            )
        return Value(unescape(text[1:-1]), span)
    if _REGEX.fullmatch(text):
        return Value(unescape(text), span, text[2:-2])
    return Value(unescape(text), span)


def read_key(text: str, position: int) -> Key:
    """A key in any of its spellings. Raises SearchError for an unknown type in ``tags[name,type]``."""
    span = Span(position, len(text))
    mapped = _MAP_KEY.match(text)
    if mapped:
        kind, name, value_type = mapped[1], literal(mapped[2]), mapped[3] or ""
        if value_type and value_type not in VALUE_TYPES:
            raise SearchError(
                f"{value_type!r} is no type of a tag.", position, len(text), f"Use one of {', '.join(VALUE_TYPES)}."
            )
        return Key(name, "tag" if kind == "tags" else "flag", value_type, span=span)
    if text.endswith(")") and "(" in text:
        name, _, rest = text[:-1].partition("(")
        arguments = tuple(part.strip() for part in rest.split(",")) if rest.strip() else ()
        return Key(name, "aggregate", arguments=arguments, span=span)
    if text.startswith('"'):
        return Key(literal(text), quoted=True, span=span)
    return Key(text, span=span)


def _read_list(text: str, position: int) -> tuple[Value, ...]:
    """The values of ``[a, "b c"]``; ``position`` is that of the bracket."""
    inner = text[1:-1]
    values: list[Value] = []
    at = 0
    while True:
        found = _LIST_ITEM.match(inner, at)
        if found is None:
            raise SearchError("This list is not readable.", position, len(text), "Write it as [first, second].")
        raw = found[1]
        start = position + 1 + found.start(1)
        if not raw:
            raise SearchError("A list has no empty elements.", start, 1, 'Remove the comma, or write "" for "not set".')
        value = read_value(raw, start)
        if value.is_pattern and not raw.startswith('"'):
            raise SearchError(
                "Wildcards do not work inside a list.", start, len(raw), "Use one filter with a wildcard."
            )
        values.append(value if not value.is_pattern else Value((value.text,), value.span))
        if found[2] != ",":
            return tuple(values)
        at = found.end()


def _wrapped(value: Value, word: str) -> Value:
    """A value of the search bar's word operators: its own stars are literal."""
    before, after = _WORDS[word]
    pieces = (value.text,)
    return Value((("",) if before else ()) + pieces + (("",) if after else ()), value.span)


def read_filter(text: str, position: int) -> Filter | Has | FreeText:
    """A whole filter token. Raises SearchError.

    ``ValueError:`` followed by a space is how titles of errors begin: an unknown key without a value is a word.
    """
    span = Span(position, len(text))
    negated = text.startswith("!")
    start = 1 if negated else 0
    if text.startswith("has:", start):
        key = read_key(text[start + 4 :], position + start + 4)
        if not key.name:
            raise SearchError("has: needs the name of a field or tag.", position, len(text), "For example has:user.")
        return Has(key, negated, span)
    found = _KEY.match(text, start)
    if found is None:
        raise SearchError("This filter has no readable key.", position, len(text))
    key = read_key(found[0], position + start)
    at = found.end() + 1
    operator: Operator = "="
    word = ""
    matched = _OPERATOR.match(text, at)
    if matched:
        if matched[0].startswith(MARK):
            word = matched[0].strip(MARK)
        else:
            operator = matched[0]  # type: ignore[assignment]
        at = matched.end()
    raw = text[at:]
    where = position + at
    if not raw:
        if key.kind == "field" and not key.quoted and not negated and not matched and find_field(key.name) is None:
            return FreeText(Value((text,), span), False, span)
        raise SearchError(
            f"{key.text}: has no value.", position, len(text), f'Write !has:{key.text} for "not set", or a value.'
        )
    if raw.startswith("["):
        return _list_filter(key, operator, word, raw, where, negated, span)
    value = read_value(raw, where)
    if word:
        value = _wrapped(value, word)
    return Filter(key, operator, (value,), False, negated, span)


def _list_filter(key: Key, operator: Operator, word: str, raw: str, where: int, negated: bool, span: Span) -> Filter:
    if not raw.endswith("]") or len(raw) < 2:
        raise SearchError("This list is not closed.", where, len(raw), "Close it with ].")
    if operator not in ("=", "!="):
        raise SearchError("A list cannot be compared with an operator.", where, len(raw), "Use : alone before a list.")
    values = _read_list(raw, where)
    if word:
        values = tuple(_wrapped(value, word) for value in values)
    return Filter(key, operator, values, True, negated, span)


def read_text(text: str, position: int) -> FreeText:
    """A word or quoted phrase that is no filter."""
    return FreeText(read_value(text, position), text.startswith('"'), Span(position, len(text)))
