"""What a span says of itself, made comparable: category, normalized description, action, domain, system.

Every span passes here, and most repeat what others said: the work is done once for each distinct input.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from dictamesh_sentry.processing.spans import conventions as names
from dictamesh_sentry.processing.spans.categories import category_of
from dictamesh_sentry.processing.spans.conventions import first_text, infer_op, is_server, system_of
from dictamesh_sentry.processing.spans.descriptions import Described, describe
from dictamesh_sentry.processing.spans.descriptions.describe import Facts
from dictamesh_sentry.processing.spans.span import Span
from dictamesh_sentry.processing.spans.values import MAX_VALUE

__all__ = ["derive_span", "infer_op"]

MAX_TEXT = 10_000
MAX_NORMALIZED = 4_000
_SHORT = 2_000


class _Derived(NamedTuple):
    normalized: str
    group_hash: str
    action: str
    domain: str


def derive_span(span: Span) -> None:
    """Fill in the derived fields, and the operation where it is missing. The same span always gives the same."""
    op = span.op
    if not op or op == "default":
        op = span.op = infer_op(span)
    span.category = category = category_of(op)
    span.system = system = system_of(span) if span.attributes or span.origin else system_of_op(op)
    read = _READERS.get(category.partition(".")[0])
    facts = read(span, system) if read else Facts("verbatim" if category in _VERBATIM else "name", op, span.description)
    found = _derive(facts) if len(facts.description) <= _SHORT else _derive_long(facts)
    span.normalized_description, span.group_hash, span.action, span.domain = found


@lru_cache(maxsize=1024)
def system_of_op(op: str) -> str:
    """The system of a span of which only the operation is known."""
    return system_of(Span("", "", "", 0.0, 0.0, op=op))


def _compute(facts: Facts) -> _Derived:
    described: Described = describe(facts._replace(description=facts.description[:MAX_TEXT]))
    normalized = described.normalized.replace("\x00", "")[:MAX_NORMALIZED]
    digest = ""
    if normalized.strip("*?%s (){}[].,;:/\"'"):
        text = f"{facts.kind}\0{described.normalized}".encode(errors="replace")
        digest = hashlib.md5(text, usedforsecurity=False).hexdigest()[:16]
    return _Derived(normalized, digest, described.action[:64], described.domain[:255])


_derive = lru_cache(maxsize=4096)(_compute)
# Long texts take memory: a megabyte or two of them must do.
_derive_long = lru_cache(maxsize=128)(_compute)


def _database(span: Span, system: str) -> Facts:
    attributes = span.attributes
    text = first_text(attributes, names.STATEMENT)
    # An attribute is cut earlier than a description.
    if not text or (len(text) >= MAX_VALUE and len(span.description) > len(text)):
        text = span.description
    operation = first_text(attributes, names.OPERATION)
    return Facts("db", span.op, text, system, operation, first_text(attributes, names.COLLECTION))


def _http(span: Span, _: str) -> Facts:
    attributes = span.attributes
    method = first_text(attributes, names.METHOD)[:16]
    if is_server(span):
        return Facts("route", span.op, span.description, operation=method)
    url = first_text(attributes, names.URL)
    if url.startswith("/") or not url:
        url = span.description if "://" in span.description else url
    return Facts("http", span.op, span.description, "", method, url, first_text(attributes, names.ADDRESS))


def _route(span: Span, _: str) -> Facts:
    return Facts("route", span.op, span.description)


def _resource(span: Span, _: str) -> Facts:
    return Facts("resource", span.op, span.description, target=first_text(span.attributes, names.URL))


def _cache(span: Span, system: str) -> Facts:
    key = span.attributes.get("cache.key")
    first = key[0] if type(key) is list and key else key
    operation = first_text(span.attributes, names.CACHE_OPERATION)
    return Facts("cache", span.op, span.description, system, operation, first if type(first) is str else "")


def _queue(span: Span, system: str) -> Facts:
    operation = first_text(span.attributes, names.MESSAGE_OPERATION)
    return Facts("queue", span.op, span.description, system, operation, first_text(span.attributes, names.DESTINATION))


def _file(span: Span, _: str) -> Facts:
    return Facts("file", span.op, span.description, target=first_text(span.attributes, names.FILE_PATH))


def _rpc(span: Span, system: str) -> Facts:
    return Facts("rpc", span.op, span.description, system, target=first_text(span.attributes, names.RPC_SERVICE))


_READERS: dict[str, Callable[[Span, str], Facts]] = {
    "db": _database,
    "http": _http,
    "pageload": _route,
    "navigation": _route,
    "resource": _resource,
    "cache": _cache,
    "queue": _queue,
    "file": _file,
    "rpc": _rpc,
    "grpc": _rpc,
}
#: Their descriptions are names of components, screens and models, few as they are.
_VERBATIM = frozenset(("ai", "ai.pipeline", "gen_ai", "app", "ui")) | {
    f"ui.{name}" for name in ("angular", "ember", "react", "svelte", "vue")
}
