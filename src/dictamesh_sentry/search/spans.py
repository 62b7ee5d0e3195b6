"""AST → a condition over the spans table. Values travel as bound parameters, never in the SQL."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

import re2

from dictamesh_sentry.search import ast
from dictamesh_sentry.search.ast import And, Filter, FreeText, Has, Key, Node, Or
from dictamesh_sentry.search.conditions import Binder, Condition
from dictamesh_sentry.search.context import SearchContext
from dictamesh_sentry.search.errors import FieldError, SearchError
from dictamesh_sentry.search.events import project_of
from dictamesh_sentry.search.matching import (
    contains,
    is_number,
    match_date,
    match_numbers,
    match_value,
    match_values,
    negated,
    only_equality,
)
from dictamesh_sentry.search.releases import named_releases, semver_releases, versions
from dictamesh_sentry.search.span_fields import NUMBERS, Dataset, Value, attribute_value, names, read_value
from dictamesh_sentry.search.values import (
    parse_boolean,
    parse_duration,
    parse_number,
    parse_percentage,
    parse_size,
)

TEXT_COLUMNS = ("description", "transaction", "name")
MAX_PATTERN = 200
_TIME = "DateTime64(6, 'UTC')"
_USER_KINDS = {"id": "user_id", "email": "user_email", "username": "user_username", "ip": "user_ip"}
_USER_KIND = re.compile(r"(id|email|username|ip):")
_DEVICE_CLASSES = {"high": "3", "medium": "2", "low": "1"}
_HEX = re.compile(r"[0-9a-fA-F]{1,16}\Z")
_PARSERS = {"duration": parse_duration, "size": parse_size, "percentage": parse_percentage}


def compile_spans(
    node: Node | None, context: SearchContext, prefix: str = "q", dataset: Dataset = "spans"
) -> Condition:
    """The condition a query puts on spans. Raises SearchError for keys and values that cannot be answered."""
    compiler = SpanCompiler(context, prefix, dataset)
    sql = compiler.node(node) if node is not None else "1"
    return Condition(sql, compiler.binder.parameters)


class SpanCompiler:
    """Compiles terms one by one, collecting their parameters."""

    def __init__(self, context: SearchContext, prefix: str = "q", dataset: Dataset = "spans") -> None:
        self.context = context
        self.dataset = dataset
        self.binder = Binder(prefix)
        self._kinds: dict[str, Callable[[Value, Filter], str]] = {
            "text": self._text,
            "attribute": self._attribute,
            "boolean": self._boolean,
            "date": self._date,
            "hex": self._hex,
            "uuid": self._uuid,
            "project": self._project,
            "release": self._release,
            "semver": self._semver,
            "user": self._user,
            "device_class": self._device_class,
            **dict.fromkeys(NUMBERS, self._number),
        }

    def node(self, node: Node) -> str:
        """Any part of the tree."""
        if isinstance(node, And | Or):
            word = " AND " if isinstance(node, And) else " OR "
            return "(" + word.join(self.node(child) for child in node.children) + ")"
        if isinstance(node, FreeText):
            return contains(self.binder, TEXT_COLUMNS, node.value, whole=False)
        if isinstance(node, Has):
            present = self._value(node.key).condition
            return f"NOT ({present})" if node.negated else f"({present})"
        return self._filter(node)

    def _filter(self, term: Filter) -> str:
        if term.key.kind == "aggregate":
            raise SearchError(
                f"{term.key.text} filters groups of spans, not spans.", term.span.position, term.span.length
            )
        field = names(self.dataset).get(term.key.name) if term.key.kind == "field" else None
        if field is not None and field.kind == "contains":
            only_equality(field.name, term)
            tests = [contains(self.binder, TEXT_COLUMNS, value, whole=True) for value in term.values]
            return negated(term, " OR ".join(tests))
        value = self._value(term.key)
        if any(given.regex for given in term.values):
            return self._regex(value, term)
        if not term.is_list and term.value.pieces == ("",) and value.kind not in ("date", "project"):
            only_equality(value.name, term)
            return negated(term, f"NOT ({value.condition})")
        return self._kinds[value.kind](value, term)

    def _value(self, key: Key) -> Value:
        try:
            if key.kind == "tag":
                return attribute_value(key.name, key.value_type, self.binder, shown=key.text)
            if key.kind == "flag":
                return attribute_value(f"flag.evaluation.{key.name}", "", self.binder, shown=key.text)
            if key.quoted and key.name not in names(self.dataset):
                return attribute_value(key.name, "", self.binder)
            return read_value(key.name, self.dataset, self.binder)
        except FieldError as error:
            raise SearchError(f"{error}.", key.span.position, key.span.length) from None

    # Text

    def _text(self, value: Value, term: Filter) -> str:
        only_equality(value.name, term)
        return negated(term, match_values(self.binder, value.sql, term.values))

    def _attribute(self, value: Value, term: Filter) -> str:
        """An attribute of unknown type: compared as a number, or equal as text."""
        if term.operator not in ("=", "!="):
            numbers = [_any_number(value.name, given) for given in term.values]
            return match_numbers(self.binder, value.number, numbers, term)
        return negated(term, match_values(self.binder, value.sql, _without_zeros(term)))

    def _regex(self, value: Value, term: Filter) -> str:
        """``key://pattern//``: RE2 finds the pattern anywhere in the text, case matters."""
        only_equality(value.name, term)
        given = term.value
        if term.is_list or not given.regex or value.kind in ("date", "boolean", "project"):
            raise SearchError(f"{value.name}: cannot be searched by a pattern.", term.span.position, term.span.length)
        if len(given.regex) > MAX_PATTERN:
            raise SearchError(
                f"A pattern has at most {MAX_PATTERN} characters.",
                given.span.position,
                given.span.length,
                "Shorten it.",
            )
        options = re2.Options()
        options.log_errors = False
        options.max_mem = 1 << 20
        try:
            re2.compile(given.regex, options)
        except re2.error as error:
            raise SearchError(
                f"{value.name}: Invalid pattern: {error}.", given.span.position, given.span.length
            ) from None
        return negated(term, f"match({self._shown(value)}, {self.binder.text(given.regex)})")

    @staticmethod
    def _shown(value: Value) -> str:
        """The value as text."""
        if value.kind == "hex":
            return f"leftPad(lower(hex({value.sql})), 16, '0')"
        if value.kind == "uuid":
            return f"replaceAll(toString({value.sql}), '-', '')"
        return f"toString({value.sql})" if value.kind in NUMBERS else value.sql

    # Typed

    def _number(self, value: Value, term: Filter) -> str:
        parse = _PARSERS.get(value.kind, parse_number)
        numbers = [parse(value.name, given) for given in term.values]
        return match_numbers(self.binder, value.number, numbers, term)

    def _boolean(self, value: Value, term: Filter) -> str:
        only_equality(value.name, term)
        wanted = {parse_boolean(value.name, given) for given in term.values}
        if value.sql.startswith("("):
            tests = [value.sql if one else f"NOT {value.sql}" for one in sorted(wanted)]
            return negated(term, " OR ".join(tests))
        texts = [text for one in sorted(wanted) for text in (("true", "1") if one else ("false", "0"))]
        return negated(term, f"lower({value.sql}) IN {self.binder.texts(texts)}")

    def _date(self, value: Value, term: Filter) -> str:
        return match_date(self.binder, value.sql, _TIME, value.name, term, self.context)

    def _hex(self, value: Value, term: Filter) -> str:
        only_equality(value.name, term)
        patterns = [given for given in term.values if given.is_pattern]
        tests = [match_value(self.binder, self._shown(value), given) for given in patterns]
        ids: list[int] = []
        for given in term.values:
            if given.is_pattern:
                continue
            if _HEX.match(given.text) is None:
                raise _invalid_id(value.name, given, 16)
            ids.append(int(given.text, 16))
        if ids:
            tests.append(f"{value.sql} IN {self.binder.bind(ids, 'Array(UInt64)')}")
        return negated(term, " OR ".join(tests))

    def _uuid(self, value: Value, term: Filter) -> str:
        only_equality(value.name, term)
        ids: list[uuid.UUID] = []
        for given in term.values:
            if given.is_pattern:
                return negated(term, match_values(self.binder, self._shown(value), term.values))
            try:
                ids.append(uuid.UUID(hex=given.text))
            except ValueError:
                raise _invalid_id(value.name, given, 32) from None
        return negated(term, f"{value.sql} IN {self.binder.bind(ids, 'Array(UUID)')}")

    def _device_class(self, value: Value, term: Filter) -> str:
        only_equality(value.name, term)
        texts = {given.text for given in term.values}
        texts |= {_DEVICE_CLASSES[text] for text in texts if text in _DEVICE_CLASSES}
        return negated(term, f"{value.sql} IN {self.binder.texts(sorted(texts))}")

    # References

    def _project(self, value: Value, term: Filter) -> str:
        only_equality(value.name, term)
        ids = [project_of(given, self.context) for given in term.values]
        return negated(term, f"{value.sql} IN {self.binder.bind(ids, 'Array(UInt64)')}")

    def _release(self, value: Value, term: Filter) -> str:
        only_equality(value.name, term)
        if any(given.text == "latest" for given in term.values):
            chosen = versions(named_releases(term, self.context) or [])
            return negated(term, f"{value.sql} IN {self.binder.texts(chosen)}")
        return self._text(value, term)

    def _semver(self, value: Value, term: Filter) -> str:
        chosen = versions(semver_releases(term, self.context))
        return negated(term, f"{value.sql} IN {self.binder.texts(chosen)}")

    def _user(self, value: Value, term: Filter) -> str:
        only_equality(value.name, term)
        return negated(term, " OR ".join(self._one_user(given) for given in term.values))

    def _one_user(self, given: ast.Value) -> str:
        kind = _USER_KIND.match(given.pieces[0])
        if kind:
            rest = ast.Value((given.pieces[0][kind.end() :], *given.pieces[1:]), given.span)
            return match_value(self.binder, _USER_KINDS[kind[1]], rest)
        return "(" + " OR ".join(match_value(self.binder, column, given) for column in _USER_KINDS.values()) + ")"


def _any_number(key: str, given: ast.Value) -> float:
    """A number, a duration in milliseconds or a size in bytes. Raises SearchError."""
    for parse in (parse_number, parse_duration, parse_size):
        try:
            return parse(key, given)
        except SearchError:
            continue
    return parse_number(key, given)


def _without_zeros(term: Filter) -> list[ast.Value]:
    """Numbers also in the spelling the store gives them, so that ``5.0`` finds 5."""
    values = list(term.values)
    for given in term.values:
        if not given.is_pattern and is_number(given) and given.text[-1].isdigit():
            spelling = format(float(given.text), ".15g")
            if spelling != given.text:
                values.append(ast.Value((spelling,), given.span))
    return values


def _invalid_id(key: str, given: ast.Value, digits: int) -> SearchError:
    return SearchError(
        f"{key}: Invalid id {given.text!r}.", given.span.position, given.span.length,
        f"Write {digits} hexadecimal digits.",
    )  # fmt: skip
