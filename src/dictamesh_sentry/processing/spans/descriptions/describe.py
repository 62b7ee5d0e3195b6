"""Which rules a description goes by."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dictamesh_sentry.processing.spans.descriptions.commands import describe_cache, describe_command
from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described
from dictamesh_sentry.processing.spans.descriptions.files import describe_file
from dictamesh_sentry.processing.spans.descriptions.functions import describe_name, describe_verbatim
from dictamesh_sentry.processing.spans.descriptions.http import describe_request, describe_route
from dictamesh_sentry.processing.spans.descriptions.mongo import describe_document
from dictamesh_sentry.processing.spans.descriptions.queues import describe_message
from dictamesh_sentry.processing.spans.descriptions.resource import describe_resource
from dictamesh_sentry.processing.spans.descriptions.sql import describe_sql
from dictamesh_sentry.processing.spans.identifiers import without_identifiers

_KEY_VALUE = frozenset(("redis", "memcached"))
_DOCUMENTS = frozenset(("mongodb", "couchdb", "couchbase", "cosmosdb", "elasticsearch", "opensearch", "dynamodb"))


class Facts(NamedTuple):
    """What the rules of a ``kind`` look at. ``target`` is a URL, a key, a collection, a destination …"""

    kind: str
    op: str
    description: str
    system: str = ""
    operation: str = ""
    target: str = ""
    address: str = ""


def describe(facts: Facts) -> Described:
    """Reduce a description by the rules of its kind."""
    return _RULES[facts.kind](facts)


def _database(facts: Facts) -> Described:
    text, operation = facts.description, facts.operation
    if facts.system in _KEY_VALUE:
        return describe_command(text, operation)
    if facts.system in _DOCUMENTS or text.lstrip()[:2] in ('{"', "{'"):
        return describe_document(text, operation, facts.target)
    found = describe_sql(text, facts.system)
    if found == NOTHING:
        found = describe_name(text)
    domain = found.domain or without_identifiers(facts.target)
    return Described(found.normalized, found.action or operation.upper(), domain)


_RULES: dict[str, Callable[[Facts], Described]] = {
    "db": _database,
    "http": lambda facts: describe_request(facts.description, facts.target, facts.operation, facts.address),
    "route": lambda facts: describe_route(facts.description, facts.operation),
    "resource": lambda facts: describe_resource(facts.description, facts.target),
    "cache": lambda facts: describe_cache(facts.op, facts.description, facts.target, facts.operation),
    "queue": lambda facts: describe_message(facts.op, facts.description, facts.target, facts.operation),
    "file": lambda facts: describe_file(facts.op, facts.description, facts.target),
    "rpc": lambda facts: describe_name(facts.description)._replace(domain=facts.target),
    "verbatim": lambda facts: describe_verbatim(facts.description),
    "name": lambda facts: describe_name(facts.description),
}
