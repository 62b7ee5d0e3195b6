"""Breadcrumbs: what happened before, newest last."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from dictamesh_sentry.processing.normalize.fields import (
    TIMESTAMP,
    FastList,
    Field,
    as_list,
    clean_object,
    converted,
    text,
)
from dictamesh_sentry.processing.normalize.meta import LIMIT_RULE, Meta, Path
from dictamesh_sentry.processing.normalize.trimming import trim_container
from dictamesh_sentry.processing.normalize.values import LEVELS, to_level, to_timestamp

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
    "level": Field(str, None, converted(to_level, "a level").read),
    "message": text(8192, lenient=True),
    "data": Field(None, None, _read_data),
    "event_id": text(64),
    "origin": text(128),
}


_FAST_CRUMBS = FastList(
    "Breadcrumb",
    _BREADCRUMB,
    {
        "timestamp": float | datetime | None,
        "level": Literal["fatal", "error", "warning", "info", "debug"] | None,
        "data": dict[str, Any] | None,
    },
)


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
    for index, (original, item) in enumerate(zip(raw, _FAST_CRUMBS.convert(raw), strict=True)):
        if type(item) is dict:
            if item and item is original:
                values.append(_breadcrumb(item, (*path, index), meta))
            elif item:
                values.append(_complete(item, (*path, index), meta))
        elif item is not None:
            meta.invalid((*path, index), item, "expected an object")
    if values:
        event["breadcrumbs"] = {"values": values}


def _complete(crumb: dict[str, Any], path: Path, meta: Meta) -> dict[str, Any]:
    """Finish a breadcrumb whose attributes have the right types."""
    moment = crumb.get("timestamp")
    if moment is not None:
        if type(moment) is not float:
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        seconds = to_timestamp(moment)
        if seconds is None:
            meta.invalid((*path, "timestamp"), moment, "expected a timestamp")
            del crumb["timestamp"]
        else:
            crumb["timestamp"] = seconds
    data = crumb.get("data")
    if data:
        trimmed = trim_container(data, _DATA_BYTES, _DATA_DEPTH, (*path, "data"), meta)
        if trimmed is not data:
            crumb["data"] = trimmed
    elif data is not None:
        del crumb["data"]
    if not crumb.get("type"):
        crumb["type"] = "default"
    if "level" not in crumb:
        crumb["level"] = "info"
    return crumb


def _breadcrumb(crumb: dict[str, Any], path: Path, meta: Meta) -> dict[str, Any]:
    clean_object(crumb, _BREADCRUMB, path, meta)
    if not crumb.get("type"):
        crumb["type"] = "default"
    level = crumb.get("level")
    if level not in LEVELS:
        known = to_level(level)
        if known is None and level is not None:
            meta.invalid((*path, "level"), level, "expected a level")
        crumb["level"] = known or "info"
    return crumb
