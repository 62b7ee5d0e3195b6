"""What ``_meta`` says about a value: filtered, cut, invalid, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_LIMIT = 300
_MAX_DEPTH = 60
_KINDS = {
    "x": "Removed",
    "s": "Replaced",
    "m": "Masked",
    "p": "Replaced by a pseudonym",
    "e": "Encrypted",
    "a": "Annotated",
}
_ERRORS = {
    "invalid_data": "Invalid value",
    "missing_attribute": "Missing value",
    "invalid_attribute": "Unknown attribute",
    "value_too_long": "Value too long",
    "clock_drift": "The client's clock was wrong",
    "past_timestamp": "The time was too far in the past",
    "future_timestamp": "The time was in the future",
}


@dataclass(frozen=True, slots=True)
class Annotation:
    """One remark about the payload: the dotted path of the value and a sentence for people."""

    path: str
    text: str


class Meta:
    """A place in the ``_meta`` tree. Any shape of tree is tolerated."""

    __slots__ = ("node",)

    def __init__(self, node: object = None) -> None:
        self.node: dict[str, Any] = node if isinstance(node, dict) else {}

    def at(self, *path: str | int) -> Meta:
        """The place of a value below."""
        node: Any = self.node
        for part in path:
            node = node.get(str(part)) if isinstance(node, dict) else None
        return Meta(node)

    def note(self) -> str:
        """What happened to this very value; empty when nothing did."""
        own = self.node.get("")
        return "; ".join(_sentences(own)) if isinstance(own, dict) else ""

    def deep_note(self) -> str:
        """What happened to this value or anything in it."""
        if not self.node:
            return ""
        return self.note() or next((entry.text for entry in self.walk()), "")

    def walk(self) -> Iterator[Annotation]:
        """Every remark at and below this place, at most ``_LIMIT``."""
        stack: list[tuple[tuple[str, ...], dict[str, Any]]] = [((), self.node)]
        left = _LIMIT
        while stack and left:
            path, node = stack.pop()
            for key, child in node.items():
                if not isinstance(child, dict):
                    continue
                if key != "":
                    if len(path) < _MAX_DEPTH:
                        stack.append(((*path, str(key)), child))
                    continue
                sentence = "; ".join(_sentences(child))
                if sentence:
                    left -= 1
                    yield Annotation(".".join(path) or "event", sentence)


def _sentences(own: dict[str, Any]) -> list[str]:
    result = [_remark(item, own.get("len")) for item in _items(own.get("rem"))]
    result += [_error(item) for item in _items(own.get("err"))]
    return [item for item in dict.fromkeys(result) if item]


def _items(value: object) -> list[Any]:
    return value[:10] if isinstance(value, list) else []


def _remark(item: object, length: object) -> str:
    if not isinstance(item, list) or len(item) < 2:
        return ""
    rule, kind = str(item[0])[:120], str(item[1])[:10]
    if rule == "!limit":
        size = f" (it had {length})" if isinstance(length, int) else ""
        return ("Removed" if kind == "x" else "Cut") + f" because of size limits{size}"
    what = _KINDS.get(kind, "Changed")
    if rule.startswith("!"):
        return f"{what} by normalization"
    return f"{what} because of the data scrubbing rule {rule}"


def _error(item: object) -> str:
    name, details = item, None
    if isinstance(item, list) and item:
        name, details = item[0], item[1] if len(item) > 1 else None
    if not isinstance(name, str):
        return ""
    reason = details.get("reason") if isinstance(details, dict) else None
    label = _ERRORS.get(name, name[:120].replace("_", " "))
    return f"{label}: {str(reason)[:200]}" if reason else label
