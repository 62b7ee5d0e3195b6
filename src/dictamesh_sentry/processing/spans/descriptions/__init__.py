"""What a span's description looks like once everything that varies from call to call is taken out of it. Pure."""

from __future__ import annotations

from dictamesh_sentry.processing.spans.descriptions.described import NOTHING, Described
from dictamesh_sentry.processing.spans.descriptions.others import (
    cache_prefix,
    describe_command,
    describe_document,
    describe_file,
    describe_name,
)
from dictamesh_sentry.processing.spans.descriptions.sql import describe_sql
from dictamesh_sentry.processing.spans.descriptions.urls import describe_http, describe_resource

__all__ = ["NOTHING", "Described", "describe"]

_DOCUMENTS = frozenset(("mongodb", "elasticsearch", "dynamodb", "couchdb"))


def describe(op: str, category: str, description: str, system: str, url: str, method: str, target: str) -> Described:
    """Reduce a description by the kind of its span. ``method`` and ``target`` are what attributes say of them."""
    if not description and not url:
        return NOTHING
    if category == "db":
        return _database(op, description, system, method, target)
    if category == "http":
        return describe_http(description, url, method)
    if category == "resource":
        return describe_resource(description, url)
    if category == "cache":
        verb = op.partition(".")[2].upper() or "GET"
        prefix = cache_prefix(description)
        return Described(f"{verb} {prefix}:*" if prefix else f"{verb} *", verb, prefix)
    if category == "file":
        return describe_file(description)
    if category == "queue":
        return Described(target or description[:400], op.partition(".")[2].upper(), (target or description)[:200])
    return describe_name(description)


def _database(op: str, description: str, system: str, method: str, target: str) -> Described:
    if system in ("redis", "valkey", "memcached") or op.startswith("db.redis"):
        return describe_command(description)
    if system in _DOCUMENTS:
        return describe_document(description, method, target)
    found = describe_sql(description, system)
    if found == NOTHING:
        return describe_name(description)
    return found._replace(domain=found.domain or target[:200])
