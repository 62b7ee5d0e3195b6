"""Attributes of spans: which there are, their values, and how the values are distributed."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

from dictamesh_sentry.api.core import Call, Page, operation
from dictamesh_sentry.api.errors import bad_request
from dictamesh_sentry.api.issues_common import period_param
from dictamesh_sentry.api.pagination import Cursor, cursor_of, limit_of
from dictamesh_sentry.api.serializers_issues import TagValueBody, serialize_tag_value
from dictamesh_sentry.search.conditions import Binder
from dictamesh_sentry.search.span_fields import read_value
from dictamesh_sentry.tracing.span_attributes import (
    Attribute,
    AttributeType,
    attribute_values,
    attributes,
    columns,
    distributions,
)
from dictamesh_sentry.tracing.span_queries import SpanQuery, span_query

READ = ("org:read",)
_TYPES: tuple[AttributeType, ...] = ("string", "number", "boolean")
_STATISTICS = "attributeDistributions"


class SourceBody(TypedDict):
    source_type: str


class AttributeBody(TypedDict):
    key: str
    name: str
    attributeType: str
    attributeSource: SourceBody


def _query(call: Call) -> SpanQuery:
    """The spans a request is about. Raises ApiError, SearchError, PeriodError (400)."""
    kind = call.request.GET.get("dataset") or call.request.GET.get("itemType", "")
    if not kind:
        raise bad_request("itemType: this parameter is required; write spans")
    if kind != "spans":
        raise bad_request(f"itemType: {kind[:40]!r} is not available on this server; write spans")
    return span_query(
        call.projects_param(),
        organization=call.organization,
        user=call.user,
        query=call.request.GET.get("query", ""),
        environments=call.environments_param(),
        period=period_param(call),
    )


def _text(call: Call) -> str:
    return call.request.GET.get("substringMatch", "")[:200]


@operation(
    "GET",
    "/organizations/{organization}/trace-items/attributes/",
    scopes=READ,
    response=list[AttributeBody],
    tag="Explore",
)
def list_attributes(call: Call) -> list[AttributeBody]:
    """List what spans can be searched, grouped and measured by: fields first, then attributes by how common they are.

    `itemType` is `spans`. `attributeType` (repeatable) is `string`, `number` or `boolean`, all unless given;
    `substringMatch` must occur in the name; `query` limits the spans that are looked at.
    """
    types = call.request.GET.getlist("attributeType")
    unknown = [kind for kind in types if kind not in _TYPES]
    if unknown:
        raise bad_request(f"attributeType: {unknown[0][:40]!r} must be one of {', '.join(_TYPES)}")
    wanted: list[AttributeType] = [kind for kind in _TYPES if kind in types]
    query, text = _query(call), _text(call)
    known = [column for column in columns(query.dataset, text) if not wanted or column.type in wanted]
    found: dict[tuple[str, str], Attribute] = {}
    for attribute in [*known, *attributes(query, text, wanted)]:
        found.setdefault((attribute.key, attribute.type), attribute)
    return [
        {
            "key": attribute.key,
            "name": attribute.name,
            "attributeType": attribute.type,
            "attributeSource": {"source_type": "sentry" if attribute.is_column else "user"},
        }
        for attribute in found.values()
    ]


@operation(
    "GET",
    "/organizations/{organization}/trace-items/attributes/{key}/values/",
    scopes=READ,
    response=list[TagValueBody],
    tag="Explore",
    paginated=True,
)
def list_attribute_values(call: Call, key: str) -> Page:
    """List the values of a field or attribute of spans, the most frequent first.

    Parameters as for the list of attributes; `substringMatch` must occur in the value.
    """
    query = _query(call)
    cursor, limit = cursor_of(call.request.GET) or Cursor(), limit_of(call.request.GET)
    start = max(0, cursor.offset - limit) if cursor.is_prev else cursor.offset
    if start > 1_000_000:
        raise bad_request("Invalid cursor parameter.")
    values = attribute_values(query, key, text=_text(call), limit=limit + 1, offset=start)
    items: list[Any] = [serialize_tag_value(key, value) for value in values[:limit]]
    if read_value(key, query.dataset, Binder()).kind == "project":
        slugs = {str(project.pk): project.slug for project in query.projects}
        items = [{**item, "name": slugs[item["value"]], "value": slugs[item["value"]]} for item in items]
    return Page(items, str(Cursor(0, start, True)), str(Cursor(0, start + limit)), start > 0, len(values) > limit)


class DistributionsBody(TypedDict):
    data: list[dict[str, Any]]


@operation(
    "GET", "/organizations/{organization}/trace-items/stats/", scopes=READ, response=DistributionsBody, tag="Explore"
)
def attribute_statistics(call: Call) -> DistributionsBody:
    """Retrieve the most frequent values of every attribute of the spans that match.

    `statsType` is `attributeDistributions`; `substringMatch` must occur in the attribute's name. At most 200,000 spans
    are looked at.
    """
    kinds = call.request.GET.getlist("statsType")
    if not kinds or any(kind != _STATISTICS for kind in kinds):
        raise bad_request(f"statsType: write {_STATISTICS}")
    found = distributions(_query(call), _text(call))
    data = {key: [{"label": value, "value": count} for value, count in values] for key, values in found.items()}
    return {"data": [{"attribute_distributions": {"data": data}}]}
