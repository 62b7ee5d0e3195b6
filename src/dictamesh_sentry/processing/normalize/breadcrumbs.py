"""Breadcrumbs: what happened before, newest last."""

from __future__ import annotations

from typing import Any

from dictamesh_sentry.processing.normalize.fields import (
    TIMESTAMP,
    Field,
    as_list,
    clean_object,
    converted,
    text,
)
from dictamesh_sentry.processing.normalize.meta import LIMIT_RULE, Meta, Path
from dictamesh_sentry.processing.normalize.trimming import trim_container
from dictamesh_sentry.processing.normalize.values import LEVELS, to_level

MAX_BREADCRUMBS = 1000
_DATA_BYTES = 2048
_DATA_DEPTH = 5


def _read_data(value: Any, path: Path, meta: Meta) -> dict[str, Any] | None:
    if type(value) is not dict:
        if value is not None and value != "" and value != []:
            meta.invalid(path, value, "expected an object")
        return None
    return trim_container(value, _DATA_BYTES, _DATA_DEPTH, path, meta) if value else None


_BREADCRUMB: dict[str, Field] = {
    "timestamp": TIMESTAMP,
    "type": text(128),
    "category": text(128),
    "level": converted(to_level, "a level"),
    "message": text(8192, lenient=True),
    "data": Field(None, None, _read_data),
    "event_id": text(64),
    "origin": text(128),
}


def normalize_breadcrumbs(event: dict[str, Any], meta: Meta) -> None:
    """Bring ``breadcrumbs`` into form; more than 1000 lose the oldest."""
    found = as_list(event.pop("breadcrumbs", None), ("breadcrumbs",), meta)
    if found is None:
        return
    raw, path = found
    if len(raw) > MAX_BREADCRUMBS:
        meta.drop(path)
        meta.remark(path, [LIMIT_RULE, "x"], len(raw))
        raw = raw[-MAX_BREADCRUMBS:]
    values: list[dict[str, Any]] = []
    for index, item in enumerate(raw):
        if type(item) is dict:
            if item:
                values.append(_breadcrumb(item, (*path, index), meta))
        elif item is not None:
            meta.invalid((*path, index), item, "expected an object")
    if values:
        event["breadcrumbs"] = {"values": values}


def _breadcrumb(crumb: dict[str, Any], path: Path, meta: Meta) -> dict[str, Any]:
    clean_object(crumb, _BREADCRUMB, path, meta)
    if not crumb.get("type"):
        crumb["type"] = "default"
    if crumb.get("level") not in LEVELS:
        crumb["level"] = "info"
    return crumb
