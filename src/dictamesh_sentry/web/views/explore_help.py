"""What the fields of the spans explorer suggest: names of fields and attributes, and values for a name."""

from __future__ import annotations

from collections.abc import Sequence

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.search.errors import FieldError
from dictamesh_sentry.search.span_fields import FIELDS
from dictamesh_sentry.tracing.span_attributes import (
    AttributeType,
    attribute_values,
    attributes,
    columns,
)
from dictamesh_sentry.tracing.span_queries import SpanQuery, span_query
from dictamesh_sentry.web.pages import PageRequest
from dictamesh_sentry.web.search_help import MOST, Suggestion, token_at
from dictamesh_sentry.web.views.explore_scope import ExploreScope

_HINTS = {field.name: field.description for field in FIELDS}
_EXAMPLES = {
    name: [example for example in field.examples if example.startswith((">", "<", "-", "+"))]
    for field in FIELDS
    for name in (field.name, *field.aliases)
}


def suggest(request: PageRequest, scope: ExploreScope, text: str, cursor: int, kind: str) -> list[Suggestion]:
    """At most ``MOST``. ``kind``: ``field`` and ``number`` complete a whole field; otherwise it is a search."""
    if kind in ("field", "number"):
        types: tuple[AttributeType, ...] = ("number",) if kind == "number" else ()
        found = _names(_query(request, scope), text.strip(), types)
        return [Suggestion(key, key, 0, len(text), hint) for key, hint in found]
    start, word = token_at(text, cursor)
    negation = "!" if word.startswith("!") else ""
    key, colon, value = word.removeprefix("!").partition(":")
    if not colon:
        found = _names(_query(request, scope), key, ())
        return [Suggestion(f"{negation}{name}:", f"{negation}{name}:", start, cursor, hint) for name, hint in found]
    if key == "has":
        found = _names(_query(request, scope), value, ())
        return [Suggestion(name, f"{negation}has:{name} ", start, cursor, hint) for name, hint in found]
    values = _values(request, scope, key, value.lstrip('"'))
    return [Suggestion(one, f"{negation}{key}:{_quoted(one)} ", start, cursor) for one in values][:MOST]


def _query(request: PageRequest, scope: ExploreScope) -> SpanQuery:
    """The spans of the filter bar, whatever the search says: it is being written."""
    return span_query(
        scope.filters.searched,
        organization=request.organization,
        environments=scope.filters.environments,
        period=scope.filters.period,
    )


def _names(query: SpanQuery, text: str, types: tuple[AttributeType, ...]) -> list[tuple[str, str]]:
    """Names that contain the text with a word about each; those that begin with it come first."""
    found = [(one.key, one.description) for one in columns("spans", text) if not types or one.type in types]
    found.sort(key=lambda pair: not pair[0].startswith(text))
    if len(found) < MOST:
        try:
            known = {name for name, _ in found}
            found += [(one.key, "attribute") for one in attributes(query, text, types) if one.key not in known]
        except (StoreUnavailableError, QueryTimeoutError):
            pass
    return found[:MOST]


def _values(request: PageRequest, scope: ExploreScope, key: str, text: str) -> Sequence[str]:
    if key in ("project", "project.name"):
        return [project.slug for project in scope.filters.visible if text.lower() in project.slug]
    if _EXAMPLES.get(key):
        return [example for example in _EXAMPLES[key] if text in example]
    try:
        return [one.value for one in attribute_values(_query(request, scope), key, text=text, limit=MOST)]
    except (FieldError, StoreUnavailableError, QueryTimeoutError):
        return []


def _quoted(text: str) -> str:
    """As a value of the search: quoted when it would otherwise end early."""
    if not any(character in ' "()*,[]\\' for character in text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    return f'"{escaped}"'
