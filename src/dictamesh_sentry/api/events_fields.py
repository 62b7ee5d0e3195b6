"""Fields and functions of event queries (``field=``, ``yAxis=``, ``sort=``) → SQL over the events table.

Names and arguments reach the SQL only as known columns or as bound parameters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.responses import iso
from dictamesh_sentry.releases.version import parse_version
from dictamesh_sentry.search.columns import MAX_FIELDS, Column, number, optional
from dictamesh_sentry.search.conditions import Binder
from dictamesh_sentry.search.equations import PREFIX, read_equation
from dictamesh_sentry.search.fields import find_field

_FUNCTION = re.compile(r"([a-z][a-z0-9_]*)\((.*)\)\Z", re.DOTALL)
_TAG = re.compile(r"tags\[([^\[\]]{1,200})\]\Z")
_FLAG = re.compile(r"flags\[\"?([^\[\]\"]{1,200})\"?\]\Z")
_NAME = re.compile(r"[A-Za-z0-9_.:\-]{1,200}\Z")
#: Columns that are never missing; an empty text there is an empty text, not null.
_ALWAYS = frozenset(
    {"title", "message", "culprit", "location", "level", "type", "event.type", "platform", "platform.name"}
)


def _hex(value: Any) -> str:
    return str(value).replace("-", "")


def _date(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


_SPECIAL: dict[str, tuple[str, str, Callable[[Any], Any], str]] = {
    "id": ("event_id", "string", _hex, ""),
    "issue": ("issue_id", "string", str, "issue"),
    "issue.id": ("issue_id", "integer", int, ""),
    "project": ("project_id", "string", str, "project"),
    "project.name": ("project_id", "string", str, "project"),
    "project.id": ("project_id", "integer", int, ""),
    "project_id": ("project_id", "integer", int, ""),
    "timestamp": ("timestamp", "date", _date, ""),
    "timestamp.to_hour": ("toStartOfHour(timestamp)", "date", _date, ""),
    "timestamp.to_day": ("toStartOfDay(timestamp)", "date", _date, ""),
    "message": ("message", "string", str, ""),
    "user.display": (
        "multiIf(user_email != '', user_email, user_username != '', user_username, user_id != '', user_id, user_ip)",
        "string",
        optional,
        "",
    ),
    "release.version": ("release", "string", lambda value: parse_version(value).short if value else None, ""),
    "release.package": ("release", "string", lambda value: parse_version(value).package or None, ""),
    "release.build": ("release", "string", lambda value: parse_version(value).build or None, ""),
    "size": ("size", "integer", int, ""),
}
_TYPES = {"number": "number", "boolean": "boolean", "date": "date"}
_COMPARISONS = {
    "equals": "=",
    "notEquals": "!=",
    "less": "<",
    "lessOrEquals": "<=",
    "greater": ">",
    "greaterOrEquals": ">=",
}


class FieldReader:
    """Reads the fields of one request; ``binder`` collects their parameters. ``seconds`` is the window's length."""

    def __init__(self, seconds: float, prefix: str = "f") -> None:
        self.binder = Binder(prefix)
        self.seconds = max(1.0, seconds)

    def read_all(self, names: Sequence[str]) -> list[Column]:
        """The columns asked for. Raises ApiError 400 for too many, unknown functions and bad arguments."""
        if len(names) > MAX_FIELDS:
            raise bad_request(f"You can view up to {MAX_FIELDS} fields at a time. Please delete some and try again.")
        return [self.read(name) for name in dict.fromkeys(names)]

    def read(self, name: str) -> Column:
        """One field or function."""
        if name.startswith(PREFIX):
            return read_equation(name, self.read)
        if name == "last_seen":
            name = "last_seen()"
        found = _FUNCTION.match(name)
        return self._function(name, found[1], found[2]) if found else self.column(name)

    def column(self, name: str) -> Column:
        """A field of events, or a tag."""
        if name in _SPECIAL:
            sql, kind, convert, reference = _SPECIAL[name]
            return Column(name, sql, kind, convert=convert, reference=reference)
        tag, flag = _TAG.match(name), _FLAG.match(name)
        if flag:
            return Column(name, f"flags[{self.binder.text(flag[1])}]", "string", convert=optional)
        field = None if tag else find_field(name)
        if field is not None and field.target == "event" and field.column:
            if field.array:
                return Column(name, field.column, "array", convert=list)
            if field.kind == "boolean":
                return Column(name, field.column, "boolean", convert=bool)
            convert = str if name in _ALWAYS else optional
            return Column(name, field.column, "string", convert=convert)
        key = tag[1] if tag else name
        if field is not None or not (tag or _NAME.match(key)):
            raise bad_request(
                f"Invalid characters in field {name[:100]}" if field is None else f"{name} is no field of events"
            )
        return Column(name, f"tags[{self.binder.text(key)}]", "string", convert=optional)

    def _function(self, name: str, function: str, inside: str) -> Column:
        arguments = [part.strip() for part in inside.split(",")] if inside.strip() else []
        build = _FUNCTIONS.get(function)
        if build is None:
            raise bad_request(f"{function} is not a valid function")
        low, high, maker = build
        if not low <= len(arguments) <= high:
            expected = str(low) if low == high else f"{low} to {high}"
            raise bad_request(f"{name[:100]}: expected {expected} argument(s)")
        return maker(self, name, arguments)

    def _count(self, name: str, arguments: list[str]) -> Column:
        sql = f"countIf({self._present(self.column(arguments[0]))})" if arguments else "count()"
        return Column(name, sql, "integer", True, zero=True)

    def _count_unique(self, name: str, arguments: list[str]) -> Column:
        column = self.column(arguments[0])
        return Column(name, f"uniqIf({column.sql}, {self._present(column)})", "integer", True, zero=True)

    def _count_if(self, name: str, arguments: list[str]) -> Column:
        column, operator, value = self.column(arguments[0]), _COMPARISONS.get(arguments[1]), arguments[2].strip('"')
        if operator is None:
            raise bad_request(f"{name[:100]}: {arguments[1][:40]} is not a valid condition")
        if column.type == "array":
            test = f"has({column.sql}, {self.binder.text(value)})"
            return Column(name, f"countIf({'NOT ' if operator == '!=' else ''}{test})", "integer", True, zero=True)
        sql = f"countIf(toString({column.sql}) {operator} {self.binder.text(value)})"
        return Column(name, sql, "integer", True, zero=True)

    def _extreme(self, name: str, arguments: list[str]) -> Column:
        column = self.column(arguments[0])
        if column.type not in {"date", "integer", "number"}:
            raise bad_request(f"{name[:100]}: {arguments[0][:100]} is not a number or a date")
        return Column(name, f"{name.partition('(')[0]}({column.sql})", column.type, True, convert=column.convert)

    def _mean(self, name: str, arguments: list[str]) -> Column:
        column = self.column(arguments[0])
        if column.type not in {"integer", "number"}:
            raise bad_request(f"{name[:100]}: {arguments[0][:100]} is not a number")
        return Column(name, f"{name.partition('(')[0]}({column.sql})", "number", True, convert=number)

    def _any(self, name: str, arguments: list[str]) -> Column:
        column = self.column(arguments[0])
        return Column(name, f"any({column.sql})", column.type, True, convert=column.convert, reference=column.reference)

    def _seen(self, name: str, arguments: list[str]) -> Column:  # noqa: ARG002
        sql = "max(timestamp)" if name.startswith("last") else "min(timestamp)"
        return Column(name, sql, "date", True, convert=_date)

    def _latest(self, name: str, arguments: list[str]) -> Column:  # noqa: ARG002
        return Column(name, "argMax(event_id, (timestamp, event_id))", "string", True, convert=_hex)

    def _rate(self, name: str, arguments: list[str]) -> Column:  # noqa: ARG002
        per_second = name.startswith(("eps", "tps"))
        seconds = self.seconds if per_second else self.seconds / 60
        unit = "1/second" if per_second else "1/minute"
        return Column(name, f"count() / {self.binder.bind(seconds, 'Float64')}", "rate", True, unit, zero=True)

    @staticmethod
    def _present(column: Column) -> str:
        if column.type == "array":
            return f"notEmpty({column.sql})"
        return (
            f"{column.sql} != ''" if column.type == "string" and not column.reference and column.name != "id" else "1"
        )


_Maker = Callable[[FieldReader, str, list[str]], Column]
_FUNCTIONS: dict[str, tuple[int, int, _Maker]] = {
    "count": (0, 1, FieldReader._count),
    "count_unique": (1, 1, FieldReader._count_unique),
    "count_if": (3, 3, FieldReader._count_if),
    "min": (1, 1, FieldReader._extreme),
    "max": (1, 1, FieldReader._extreme),
    "avg": (1, 1, FieldReader._mean),
    "sum": (1, 1, FieldReader._mean),
    "any": (1, 1, FieldReader._any),
    "last_seen": (0, 0, FieldReader._seen),
    "first_seen": (0, 0, FieldReader._seen),
    "latest_event": (0, 0, FieldReader._latest),
    "eps": (0, 0, FieldReader._rate),
    "tps": (0, 0, FieldReader._rate),
    "epm": (0, 0, FieldReader._rate),
    "tpm": (0, 0, FieldReader._rate),
}
