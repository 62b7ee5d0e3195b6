"""The ``_meta`` tree: what was removed from or changed in an event, kept parallel to the payload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import orjson

Path = tuple[str | int, ...]

INVALID_DATA: Final = "invalid_data"
MISSING_ATTRIBUTE: Final = "missing_attribute"
INVALID_ATTRIBUTE: Final = "invalid_attribute"
VALUE_TOO_LONG: Final = "value_too_long"
CLOCK_DRIFT: Final = "clock_drift"
PAST_TIMESTAMP: Final = "past_timestamp"
FUTURE_TIMESTAMP: Final = "future_timestamp"

LIMIT_RULE: Final = "!limit"
_MAX_ORIGINAL_BYTES = 500
_MAX_CLIENT_NODES = 5_000
_MAX_CLIENT_DEPTH = 40
_ABSENT: Any = object()


class Meta:
    """Collects remarks and errors. Costs nothing while nothing is wrong."""

    __slots__ = ("tree",)

    def __init__(self, tree: dict[str, Any] | None = None) -> None:
        self.tree: dict[str, Any] = {} if tree is None else tree

    def node(self, path: Path) -> dict[str, Any]:
        """The metadata of the value at ``path``, created when absent."""
        tree = self.tree
        for part in path:
            child = tree.get(str(part))
            if type(child) is not dict:
                child = tree[str(part)] = {}
            tree = child
        own = tree.get("")
        if type(own) is not dict:
            own = tree[""] = {}
        return own

    def error(self, path: Path, kind: str, value: Any = _ABSENT, **details: Any) -> None:
        """Record an error; ``value`` is the original value, kept when it is small."""
        node = self.node(path)
        errors = node.get("err")
        if type(errors) is not list:
            errors = node["err"] = []
        errors.append([kind, details] if details else kind)
        if value is not _ABSENT and value is not None and is_small(value):
            node["val"] = value

    def invalid(self, path: Path, value: Any, reason: str) -> None:
        """A value of the wrong type or form was removed."""
        self.error(path, INVALID_DATA, value, reason=reason)

    def remark(self, path: Path, remark: list[Any], length: int | None = None) -> None:
        """Record ``[rule id, kind, start?, end?]``; ``length`` is the original length."""
        node = self.node(path)
        remarks = node.get("rem")
        if type(remarks) is not list:
            remarks = node["rem"] = []
        if remark not in remarks:
            remarks.append(remark)
        if length is not None and "len" not in node:
            node["len"] = length

    def drop(self, path: Path) -> None:
        """Forget the metadata of a value and of all below it."""
        tree = self.tree
        for part in path[:-1]:
            tree = tree.get(str(part))
            if type(tree) is not dict:
                return
        tree.pop(str(path[-1]), None)


def is_small(value: Any) -> bool:
    """Whether an original value is small enough to be kept beside its error."""
    if type(value) is str:
        return len(value) <= _MAX_ORIGINAL_BYTES
    return len(orjson.dumps(value)) <= _MAX_ORIGINAL_BYTES


def client_meta(raw: Any) -> Meta:
    """The ``_meta`` an SDK sent, reduced to its documented shape; empty when it has none of it."""
    if type(raw) is not dict or not raw:
        return Meta()
    budget = [_MAX_CLIENT_NODES]
    return Meta(_clean_node(raw, budget, _MAX_CLIENT_DEPTH))


def _clean_node(raw: dict[str, Any], budget: list[int], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    if depth == 0:
        return result
    for key, child in raw.items():
        budget[0] -= 1
        if budget[0] < 0:
            break
        if type(child) is not dict:
            continue
        cleaned = _clean_leaf(child) if key == "" else _clean_node(child, budget, depth - 1)
        if cleaned:
            result[key] = cleaned
    return result


def _clean_leaf(raw: dict[str, Any]) -> dict[str, Any]:
    leaf: dict[str, Any] = {}
    for key in ("rem", "err"):
        values = raw.get(key)
        if type(values) is list:
            kept = [value for value in values[:20] if is_small(value) and _is_entry(value)]
            if kept:
                leaf[key] = kept
    if type(raw.get("len")) is int:
        leaf["len"] = raw["len"]
    if raw.get("val") is not None and is_small(raw["val"]):
        leaf["val"] = raw["val"]
    return leaf


def _is_entry(value: Any) -> bool:
    return type(value) is str or (type(value) is list and bool(value) and type(value[0]) is str)


def walk(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every (path, metadata) of a ``_meta`` tree."""
    stack = [(path, tree)]
    while stack:
        here, node = stack.pop()
        for key, child in node.items():
            if key == "":
                yield here, child
            elif type(child) is dict:
                stack.append(((*here, key), child))


def event_errors(meta: Meta) -> list[dict[str, Any]]:
    """The entries of ``errors`` that tell a user what was wrong with the payload."""
    result: list[dict[str, Any]] = []
    for path, node in walk(meta.tree):
        for error in node.get("err", ()):
            kind, details = (error, None) if type(error) is str else (error[0], error[1] if len(error) > 1 else None)
            entry: dict[str, Any] = {"type": kind, "name": ".".join(path)}
            if type(details) is dict:
                entry.update({key: value for key, value in details.items() if key not in ("type", "name", "value")})
            if "val" in node:
                entry["value"] = node["val"]
            result.append(entry)
    result.sort(key=lambda entry: (entry["name"], entry["type"]))
    return result[:200]
