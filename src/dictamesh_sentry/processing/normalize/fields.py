"""Tables that say what the attributes of an object are, and the loop that holds an object to its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, Optional, TypedDict

import msgspec

from dictamesh_sentry.processing.normalize import values
from dictamesh_sentry.processing.normalize.meta import Meta, Path
from dictamesh_sentry.processing.normalize.trimming import allowance, trim_container, trim_text


class Field(NamedTuple):
    """One attribute. A value of exactly ``kind`` that is not longer than ``longest`` is taken as it is."""

    kind: type | None
    longest: int | None
    read: Callable[[Any, Path, Meta], Any]
    """Brings any other value into form; None removes it, after an error was recorded."""


Table = Mapping[str, Field]
_NO_LIMIT = 1 << 62


def text(limit: int, *, lenient: bool = False) -> Field:
    """Text of at most ``limit`` characters; ``lenient`` turns numbers and booleans into text."""

    def read(value: Any, path: Path, meta: Meta) -> str | None:
        if lenient:
            value = _kept(values.to_text(value), value, "expected a string", path, meta)
        elif type(value) is not str:
            meta.invalid(path, value, "expected a string")
            return None
        return None if value is None else trim_text(value, limit, path, meta)

    return Field(str, limit + allowance(limit), read)


def scalar(kind: type, convert: Callable[[Any], Any], expected: str) -> Field:
    """A value that ``convert`` can read (it answers None when it cannot)."""

    def read(value: Any, path: Path, meta: Meta) -> Any:
        return _kept(convert(value), value, f"expected {expected}", path, meta)

    return Field(kind, None, read)


def converted(convert: Callable[[Any], Any], expected: str) -> Field:
    """Like ``scalar``, for values whose right type alone does not make them valid."""
    return Field(None, None, scalar(object, convert, expected).read)


def container(kind: type, max_bytes: int, max_depth: int, expected: str) -> Field:
    """A free object or list of limited size."""

    def read(value: Any, path: Path, meta: Meta) -> Any:
        if type(value) is not kind:
            meta.invalid(path, value, f"expected {expected}")
            return None
        return trim_container(value, max_bytes, max_depth, path, meta)

    return Field(None, None, read)


def nested(clean: Callable[[Any, Path, Meta], Any]) -> Field:
    """An attribute that has its own cleaning."""
    return Field(None, None, clean)


def anything() -> Field:
    """An attribute that is kept as it is."""
    return Field(None, None, lambda value, _path, _meta: value)


def _kept(result: Any, value: Any, reason: str, path: Path, meta: Meta) -> Any:
    if result is None:
        meta.invalid(path, value, reason)
    return result


BOOL = scalar(bool, values.to_bool, "a boolean")
INT = scalar(int, values.to_int, "an integer")
NUMBER = scalar(float, values.to_number, "a number")
ADDRESS = converted(values.to_address, "an address")
TIMESTAMP = converted(values.to_timestamp, "a timestamp")
UUID = converted(values.to_uuid_hex, "a UUID")


def clean_object(obj: dict[str, Any], table: Table, path: Path, meta: Meta, *, other: str | None = None) -> None:
    """Hold ``obj`` to ``table`` in place. Unknown attributes go, or into the object ``other``; nulls go.

    The fields that are as they should be cost one look-up; only the others are rewritten.
    """
    odd: list[str] | None = None
    get = table.get
    for key, value in obj.items():
        field = get(key)
        if field is not None and type(value) is field[0] and ((longest := field[1]) is None or len(value) <= longest):
            continue
        if odd is None:
            odd = [key]
        else:
            odd.append(key)
    if odd is not None:
        _rewrite(obj, odd, table, path, meta, other)


def _rewrite(obj: dict[str, Any], odd: list[str], table: Table, path: Path, meta: Meta, other: str | None) -> None:
    spilled: dict[str, Any] = {}
    for key in odd:
        value = obj[key]
        field = table.get(key)
        if value is None:
            del obj[key]
        elif field is None:
            del obj[key]
            spilled[key] = value
        else:
            cleaned = field[2](value, (*path, key), meta)
            if cleaned is None:
                del obj[key]
            elif cleaned is not value:
                obj[key] = cleaned
    if other is not None and spilled:
        existing = obj.get(other)
        merged = {**spilled, **existing} if type(existing) is dict else spilled
        obj[other] = table[other][2](merged, (*path, other), meta)


class FastList:
    """Checks a list of objects that all are as they should be, many times faster than ``clean_object`` can.

    ``kinds`` says what attributes are that have their own cleaning; an object with any other of those, or with
    anything else to mend, is left to the table.
    """

    def __init__(self, name: str, table: Table, kinds: Mapping[str, Any]) -> None:
        attributes = {key: kinds.get(key, _native_type(field)) for key, field in table.items()}
        self._kind: Any = TypedDict(name, attributes, total=False)  # pyright: ignore[reportArgumentType]
        self._list: Any = list[self._kind]

    def convert(self, items: list[Any]) -> list[Any]:
        """The elements, each either a checked copy without unknown attributes, or the very same object to clean."""
        try:
            return [_without_nulls(item) for item in msgspec.convert(items, self._list)]
        except msgspec.ValidationError:
            return [self._one(item) for item in items]

    def _one(self, item: Any) -> Any:
        try:
            return _without_nulls(msgspec.convert(item, self._kind))
        except msgspec.ValidationError:
            return item


def _native_type(field: Field) -> Any:
    if field.kind is str and field.longest is not None:
        return Optional[Annotated[str, msgspec.Meta(max_length=field.longest)]]  # noqa: UP045
    return field.kind | None if field.kind in (bool, int) else None


def _without_nulls(item: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if value is not None} if None in item.values() else item


def as_object(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    """``value`` when it is an object; otherwise None, after an error was recorded (except for null)."""
    if type(value) is dict:
        return value
    if value is not None:
        meta.invalid(path, value, "expected an object")
    return None


def as_list(value: Any, path: Path, meta: Meta) -> tuple[list[Any], Path] | None:
    """The elements of a list interface and the path they will have, from all accepted forms; None when absent."""
    inner: Path = (*path, "values")
    if type(value) is dict:
        if not value:
            return None
        if "values" not in value:
            return [value], inner
        value = value["values"]
    if value is None:
        return None
    if type(value) is list:
        return value, inner
    meta.invalid(path, value, "expected a list")
    return None
