"""Why events are one issue, from the explanation kept with each fingerprint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dictamesh_sentry.issues.presentation.values import KeyValue, as_list, as_object, table, text


@dataclass(frozen=True, slots=True)
class GroupingComponent:
    """Something that was or was not part of the fingerprint. ``depth`` indents it under what it belongs to."""

    name: str
    value: str
    contributes: bool
    hint: str
    depth: int


@dataclass(frozen=True, slots=True)
class GroupingView:
    """The fingerprint of an event and what it was made of."""

    hash: str
    algorithm: str
    summary: str
    variant: str
    components: tuple[GroupingComponent, ...]
    details: tuple[KeyValue, ...]


_MAX_COMPONENTS = 400
_MAX_DEPTH = 20
_SHOWN_APART = ("components", "summary", "description", "variant", "type", "hash", "algorithm")


def present_grouping(hash_value: str, algorithm: str, explanation: object) -> GroupingView:
    """The view of one fingerprint's explanation. Unknown parts of the explanation are shown as they are."""
    raw = as_object(explanation)
    components: list[GroupingComponent] = []
    _flatten(raw.get("components"), 0, components)
    return GroupingView(
        hash=hash_value,
        algorithm=algorithm,
        summary=text(raw.get("summary") or raw.get("description"), 500),
        variant=text(raw.get("variant") or raw.get("type"), 64),
        components=tuple(components),
        details=table(raw, skip=_SHOWN_APART),
    )


def _flatten(raw: Any, depth: int, into: list[GroupingComponent]) -> None:
    for item in as_list(raw):
        if len(into) >= _MAX_COMPONENTS or depth > _MAX_DEPTH:
            return
        node = as_object(item)
        if not node:
            if item not in (None, {}):
                into.append(GroupingComponent("", text(item, 500), True, "", depth))
            continue
        into.append(
            GroupingComponent(
                name=text(node.get("name") or node.get("id") or node.get("type"), 128),
                value=text(node.get("value"), 500),
                contributes=node.get("contributes") is not False,
                hint=text(node.get("hint") or node.get("reason"), 300),
                depth=depth,
            )
        )
        _flatten(node.get("components") or node.get("values") or node.get("children"), depth + 1, into)
