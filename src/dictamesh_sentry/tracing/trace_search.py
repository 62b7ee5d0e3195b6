"""Searching in one trace: the language of span search, answered by the store, in the order of the tree."""

from __future__ import annotations

from dataclasses import replace

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.search.ast import Filter, FreeText, Node, Value
from dictamesh_sentry.search.context import SearchContext
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.matching import contains
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.spans import SpanCompiler
from dictamesh_sentry.tracing.trace_store import OF_TRACE, Trace

MAX_MATCHES = 10_000
# Not the transaction's name, as elsewhere: within a trace it would find all spans of the transaction.
_TEXTS = ("description", "op", "name")


class _TraceCompiler(SpanCompiler):
    def node(self, node: Node) -> str:
        if isinstance(node, FreeText):
            return contains(self.binder, _TEXTS, node.value, whole=False)
        if isinstance(node, Filter) and node.key.name in ("status", "span.status") and node.value.text == "error":
            statuses = tuple(Value((name,)) for name in ("", "ok", "cancelled", "unknown"))
            return super().node(replace(node, values=statuses, is_list=True, negated=not node.negated))
        return super().node(node)


def search_trace(trace: Trace, query: str, context: SearchContext) -> list[int]:
    """The spans that match, in the order they are shown; ``status:error`` is any failure. Raises SearchError."""
    node = parse_query(query)
    if node is None:
        return []
    compiler = _TraceCompiler(context)
    condition = compiler.node(node)
    rows = get_store().rows(
        f"SELECT span_id FROM spans WHERE {OF_TRACE} AND ({condition}) ORDER BY timestamp LIMIT {MAX_MATCHES}",
        {**compiler.binder.parameters, **trace.parameters},
    )
    nodes = trace.tree.find({row[0] for row in rows})
    place = trace.tree.place
    return sorted(nodes.values(), key=place.__getitem__)


__all__ = ["MAX_MATCHES", "SearchError", "search_trace"]
