"""AST → a condition over the events table. Values travel as bound parameters, never in the SQL."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from dictamesh_sentry.search.ast import And, Filter, FreeText, Has, Key, Node, Or, Value
from dictamesh_sentry.search.conditions import Binder, Condition
from dictamesh_sentry.search.context import SearchContext
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.fields import PRIORITIES, UNSUPPORTED, Field, find_field
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
from dictamesh_sentry.search.values import parse_boolean, parse_number

MESSAGE_COLUMNS = ("title", "message", "culprit", "transaction")
_USER_KINDS = {"id": "user_id", "email": "user_email", "username": "user_username", "ip": "user_ip"}
_USER_KIND = re.compile(r"(id|email|username|ip):")
_DEVICE_CLASSES = {"high": "3", "medium": "2", "low": "1"}
_TIME = "DateTime64(3, 'UTC')"


def compile_events(node: Node | None, context: SearchContext, prefix: str = "q") -> Condition:
    """The condition a query puts on events. Raises SearchError for keys and values that cannot be answered."""
    compiler = EventCompiler(context, prefix)
    sql = compiler.node(node) if node is not None else "1"
    return Condition(sql, compiler.binder.parameters)


class EventCompiler:
    """Compiles terms one by one, collecting their parameters."""

    def __init__(self, context: SearchContext, prefix: str = "q") -> None:
        self.context = context
        self.binder = Binder(prefix)
        self._kinds: dict[str, Callable[[Field, Filter], str]] = {
            "text": self._text,
            "contains": self._message,
            "number": self._number,
            "boolean": self._boolean,
            "date": self._date,
            "choice": self._device_class,
            "user": self._user,
            "release": self._release,
            "semver": self._semver,
            "project": self._project,
            "uuid": self._uuid,
        }

    def node(self, node: Node) -> str:
        """Any part of the tree."""
        if isinstance(node, And | Or):
            word = " AND " if isinstance(node, And) else " OR "
            return "(" + word.join(self.node(child) for child in node.children) + ")"
        return self.term(node)

    def term(self, term: Filter | Has | FreeText) -> str:
        """One term."""
        if isinstance(term, FreeText):
            return contains(self.binder, MESSAGE_COLUMNS, term.value, whole=False)
        if isinstance(term, Has):
            present = self._present(term.key)
            return f"NOT ({present})" if term.negated else f"({present})"
        return self._filter(term)

    def _filter(self, term: Filter) -> str:
        if term.key.kind == "aggregate":
            raise SearchError(
                f"{term.key.text} filters groups of events, not events.", term.span.position, term.span.length
            )
        if term.key.kind in ("tag", "flag"):
            return self._map_value(term)
        field = find_field(term.key.name)
        if field is None:
            _reject_unsupported(term.key)
            return self._map_value(term)
        if field.key in ("issue", "issue.id"):
            return self._issue(field, term)
        if field.target == "issue":
            raise SearchError(
                f"{field.key}: describes issues, not events.",
                term.span.position,
                term.span.length,
                "Search issues for it.",
            )
        return self._kinds[field.kind](field, term)

    # Text

    def _text(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        return negated(term, self._text_match(field.column, field.array, term))

    def _text_match(self, column: str, array: bool, term: Filter) -> str:
        if not array:
            return match_values(self.binder, column, term.values)
        test = match_values(self.binder, "element", term.values)
        if len(term.values) == 1 and not term.is_list and term.value.pieces == ("",):
            return f"NOT arrayExists(element -> element != '', {column})"
        return f"arrayExists(element -> {test}, {column})"

    def _message(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        tests = [
            "message = ''" if value.pieces == ("",) else contains(self.binder, MESSAGE_COLUMNS, value, whole=True)
            for value in term.values
        ]
        return negated(term, " OR ".join(tests))

    def _map_value(self, term: Filter) -> str:
        """A tag or feature flag, as text or, when asked or compared, as a number."""
        column = "flags" if term.key.kind == "flag" else "tags"
        expression = f"{column}[{self.binder.text(term.key.name)}]"
        compared = term.operator not in ("=", "!=")
        if term.key.value_type == "number" or (compared and not term.key.value_type and is_number(term.value)):
            return self._numbers(f"toFloat64OrNull({expression})", term)
        if term.key.value_type == "boolean":
            values = [str(parse_boolean(term.key.text, value)).lower() for value in term.values]
            return negated(term, f"lower({expression}) IN {self.binder.texts(values)}")
        if compared:
            only_equality(term.key.text, term)
        return negated(term, self._text_match(expression, False, term))

    # Typed

    def _number(self, field: Field, term: Filter) -> str:
        is_id = field.key == "project.id"
        return self._numbers(field.column if is_id else f"toFloat64OrNull({field.column})", term)

    def _numbers(self, expression: str, term: Filter) -> str:
        numbers = [parse_number(term.key.text, value) for value in term.values]
        return match_numbers(self.binder, expression, numbers, term)

    def _boolean(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        wanted = [parse_boolean(field.key, value) for value in term.values]
        expression = field.column if field.column.startswith("(") else f"({field.column} IN ('true', '1'))"
        known = self._known(field)
        tests = [expression if value else f"NOT {expression}" for value in dict.fromkeys(wanted)]
        return negated(term, f"{known} AND ({' OR '.join(tests)})")

    def _known(self, field: Field) -> str:
        """When a boolean has a value at all. An error of unknown handling counts as handled."""
        if field.key == "error.main_thread":
            return "main_thread != 'unknown'"
        return f"{field.column} != ''" if field.column.startswith("contexts") else "1"

    def _date(self, field: Field, term: Filter) -> str:
        return match_date(self.binder, field.column, _TIME, field.key, term, self.context)

    def _device_class(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        names: list[str] = []
        for value in term.values:
            if value.text not in PRIORITIES:
                raise SearchError(
                    f"{field.key}: Invalid value {value.text!r}.",
                    value.span.position,
                    value.span.length,
                    f"Use one of {', '.join(PRIORITIES)}.",
                )
            names += [value.text, _DEVICE_CLASSES[value.text]]
        return negated(term, f"{field.column} IN {self.binder.texts(names)}")

    def _uuid(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        ids: list[uuid.UUID] = []
        for value in term.values:
            try:
                ids.append(uuid.UUID(hex=value.text))
            except ValueError:
                raise SearchError(
                    f"{field.key}: Invalid id {value.text!r}.",
                    value.span.position,
                    value.span.length,
                    "Write 32 hexadecimal digits.",
                ) from None
        return negated(term, f"has({self.binder.bind(ids, 'Array(UUID)')}, {field.column})")

    # References

    def _user(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        return negated(term, " OR ".join(self._one_user(value) for value in term.values))

    def _one_user(self, value: Value) -> str:
        if value.pieces == ("",):
            return "user = ''"
        kind = _USER_KIND.match(value.pieces[0])
        if kind:
            rest = Value((value.pieces[0][kind.end() :], *value.pieces[1:]), value.span)
            return match_value(self.binder, _USER_KINDS[kind[1]], rest)
        return "(" + " OR ".join(match_value(self.binder, column, value) for column in _USER_KINDS.values()) + ")"

    def _release(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        if any(value.text == "latest" for value in term.values):
            chosen = versions(named_releases(term, self.context) or [])
            return negated(term, f"{field.column} IN {self.binder.texts(chosen)}")
        return negated(term, self._text_match(field.column, False, term))

    def _semver(self, field: Field, term: Filter) -> str:
        chosen = versions(semver_releases(term, self.context))
        return negated(term, f"{field.column} IN {self.binder.texts(chosen)}")

    def _project(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        ids = [project_of(value, self.context) for value in term.values]
        return negated(term, f"{field.column} IN {self.binder.bind(ids, 'Array(UInt64)')}")

    def _issue(self, field: Field, term: Filter) -> str:
        only_equality(field.key, term)
        ids = [issue_of(field.key, value, self.context) for value in term.values]
        return negated(term, f"issue_id IN {self.binder.bind(ids, 'Array(UInt64)')}")

    # Presence

    def _present(self, key: Key) -> str:
        field = find_field(key.name) if key.kind == "field" else None
        if key.kind == "flag":
            return f"flags[{self.binder.text(key.name)}] != ''"
        if field is None:
            _reject_unsupported(key)
            return f"tags[{self.binder.text(key.name)}] != ''"
        if field.target == "issue":
            raise SearchError(f"has:{field.key} asks about issues.", key.span.position, key.span.length)
        if field.array:
            return f"arrayExists(element -> element != '', {field.column})"
        return _PRESENCE.get(field.key) or (
            "1" if field.kind in ("project", "uuid", "date") else f"{field.column} != ''"
        )


_PRESENCE = {
    "message": "message != ''",
    "project.id": "1",
    "error.handled": "handled != 'unknown'",
    "error.unhandled": "handled != 'unknown'",
    "error.main_thread": "main_thread != 'unknown'",
}


def _reject_unsupported(key: Key) -> None:
    reason = UNSUPPORTED.get(key.name) if key.kind == "field" else None
    if reason:
        raise SearchError(reason, key.span.position, key.span.length)


def project_of(value: Value, context: SearchContext) -> int:
    """The project a value names. Raises SearchError when it is none of those searched."""
    found = context.project_id(value.text)
    if found is None:
        raise SearchError(
            f"Project {value.text!r} does not exist or is not selected.", value.span.position, value.span.length
        )
    return found


def issue_of(key: str, value: Value, context: SearchContext) -> int:
    """The issue a value names: 0, which is no issue, when there is none. Raises SearchError for a malformed one."""
    text = value.text
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    if key == "issue.id":
        raise SearchError(f"{key}: Invalid number {text!r}.", value.span.position, value.span.length)
    return context.issue_id(text) or 0
