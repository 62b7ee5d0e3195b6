"""Which attributes spans have, and which values: for completion, for choosing what to group by, for distributions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.search.columns import whole
from dictamesh_sentry.search.conditions import Binder, without_surrogates
from dictamesh_sentry.search.span_fields import FIELDS, NUMBERS, Kind, attribute_kind, read_value
from dictamesh_sentry.tracing.span_queries import SpanQuery

AttributeType = Literal["string", "number", "boolean"]
MAX_KEYS = 1000
#: So many spans are looked at for keys, and for distributions of all their values.
KEYS_FROM, DISTRIBUTIONS_FROM = 1_000_000, 200_000


@dataclass(frozen=True)
class Attribute:
    """A name that a query may use. ``key`` is its spelling there; ``count`` is 0 for columns, which all spans have."""

    key: str
    name: str
    type: AttributeType
    is_column: bool
    count: int = 0
    description: str = ""


@dataclass(frozen=True)
class AttributeValue:
    """How often a value occurred, extrapolated."""

    value: str
    count: int
    first_seen: datetime
    last_seen: datetime


def type_of(kind: Kind) -> AttributeType:
    """What clients distinguish."""
    return "number" if kind in NUMBERS else "boolean" if kind == "boolean" else "string"


def columns(dataset: str, text: str = "") -> list[Attribute]:
    """The fields that every span has, those whose name contains the text."""
    return [
        Attribute(field.name, field.name, type_of(field.kind), True, description=field.description)
        for field in FIELDS
        if field.dataset in ("", dataset) and field.kind not in ("contains", "date") and text.lower() in field.name
    ]


def attributes(query: SpanQuery, text: str = "", types: Sequence[AttributeType] = ()) -> list[Attribute]:
    """The attributes of the spans whose name contains the text, the most widespread first. One query."""
    if not query.projects:
        return []
    rows = get_store().rows(
        "SELECT pair.1 AS key, pair.2 AS is_number, count() AS n FROM (SELECT arrayJoin(arrayConcat("
        "arrayMap(k -> (toString(k), 0), mapKeys(attributes_string)), "
        "arrayMap(k -> (toString(k), 1), mapKeys(attributes_number)))) AS pair FROM ("
        f"SELECT attributes_string, attributes_number FROM spans WHERE {query.where} LIMIT {KEYS_FROM})) "
        "WHERE positionCaseInsensitiveUTF8(pair.1, {a_text:String}) > 0 "
        f"GROUP BY key, is_number ORDER BY n DESC, key LIMIT {MAX_KEYS}",
        {**query.parameters, "a_text": without_surrogates(text)},
    )
    found = [_attribute(str(key), bool(is_number), int(count)) for key, is_number, count in rows if key]
    return [attribute for attribute in found if not types or attribute.type in types]


def _attribute(key: str, is_number: bool, count: int) -> Attribute:
    known = type_of(attribute_kind(key))
    if not is_number:
        return Attribute(key, key, "boolean" if known == "boolean" else "string", False, count)
    return Attribute(key if known == "number" else f"tags[{key},number]", key, "number", False, count)


def attribute_values(
    query: SpanQuery, name: str, *, text: str = "", limit: int = 100, offset: int = 0
) -> list[AttributeValue]:
    """The values of a field or attribute that contain the text, most frequent first. Raises FieldError. One query."""
    binder = Binder("a")
    value = read_value(name, query.dataset, binder)
    if not query.projects:
        return []
    shown = {
        "hex": f"leftPad(lower(hex({value.sql})), 16, '0')", "uuid": f"replaceAll(toString({value.sql}), '-', '')",
    }.get(value.kind, f"toString({value.sql})")  # fmt: skip
    if value.kind == "boolean" and value.sql.startswith("("):
        shown = f"if({value.sql}, 'true', 'false')"
    found = binder.text(text)
    rows = get_store().rows(
        f"SELECT {shown} AS value, sum(sample_weight) AS n, min(timestamp), max(timestamp) FROM spans "
        f"WHERE {query.where} AND {value.condition} AND positionCaseInsensitiveUTF8({shown}, {found}) > 0 "
        "GROUP BY value HAVING value != '' ORDER BY n DESC, value LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
        {**query.parameters, **binder.parameters, "limit": limit, "offset": offset},
    )
    return [AttributeValue(str(shown), whole(count) or 0, first, last) for shown, count, first, last in rows]


def distributions(
    query: SpanQuery, text: str = "", *, keys: int = 100, values: int = 10
) -> dict[str, list[tuple[str, float]]]:
    """Attribute → its most frequent values with counts, the most widespread attributes first. One query.

    At most ``DISTRIBUTIONS_FROM`` spans are looked at.
    """
    if not query.projects:
        return {}
    fields = ("op", "category", "status", "environment", "release", "transaction", "platform", "sdk_name")
    names = ("span.op", "span.category", "span.status", "environment", "release", "transaction", "platform", "sdk.name")
    own = ", ".join(f"('{name}', toString({field}))" for name, field in zip(names, fields, strict=True))
    pairs = f"arrayConcat(CAST(attributes_string, 'Array(Tuple(String, String))'), [{own}])"
    rows = get_store().rows(
        "SELECT key, arraySlice(arraySort(x -> (-x.2, x.1), groupArray((value, n))), 1, {values:UInt32}), "
        "sum(n) AS all FROM (SELECT pair.1 AS key, pair.2 AS value, sum(weight) AS n FROM ("
        f"SELECT arrayJoin({pairs}) AS pair, sample_weight AS weight FROM ("
        f"SELECT attributes_string, sample_weight, {', '.join(fields)} FROM spans "
        f"WHERE {query.where} LIMIT {DISTRIBUTIONS_FROM})) "
        "WHERE pair.2 != '' AND positionCaseInsensitiveUTF8(pair.1, {a_text:String}) > 0 GROUP BY key, value) "
        "GROUP BY key ORDER BY all DESC, key LIMIT {keys:UInt32}",
        {**query.parameters, "a_text": without_surrogates(text), "keys": keys, "values": values},
    )
    return {str(key): [(str(value), float(count)) for value, count in top] for key, top, _ in rows}
