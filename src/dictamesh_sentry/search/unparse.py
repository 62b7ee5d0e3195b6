"""AST → text that parses to the same AST. The search bar uses it to rewrite a query without losing anything."""

from __future__ import annotations

import re

from dictamesh_sentry.search.ast import And, Filter, FreeText, Has, Key, Node, Or, Value

_BARE = re.compile(r'[^,\s()"\[\]\\*!:><=\uf00d]+\Z')
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_.\-]+\Z")
_PLAIN_TAG = re.compile(r"[A-Za-z0-9_.\-:]+\Z")


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")


def unparse_value(value: Value) -> str:
    """A value, quoted only when it has to be."""
    if value.regex:
        return f"//{value.regex}//"
    if not value.is_pattern and _BARE.match(value.text) and not value.text.startswith("//"):
        return value.text
    return '"' + "*".join(_escaped(piece) for piece in value.pieces) + '"'


def unparse_key(key: Key) -> str:
    """A key in the spelling that names its kind."""
    if key.kind == "aggregate":
        return f"{key.name}({', '.join(key.arguments)})"
    if key.kind in ("tag", "flag"):
        name = key.name if _PLAIN_TAG.match(key.name) else f'"{_escaped(key.name)}"'
        typed = f",{key.value_type}" if key.value_type else ""
        return f"{key.kind}s[{name}{typed}]"
    if _PLAIN_KEY.match(key.name) and not key.quoted:
        return key.name
    return f'"{_escaped(key.name)}"'


def unparse(node: Node | None, nested: bool = False) -> str:
    """The whole query; empty for None."""
    if node is None:
        return ""
    if isinstance(node, And):
        text = " ".join(unparse(child, True) for child in node.children)
    elif isinstance(node, Or):
        text = " OR ".join(unparse(child, True) for child in node.children)
    else:
        return _term(node)
    return f"({text})" if nested else text


def _term(term: Filter | Has | FreeText) -> str:
    if isinstance(term, FreeText):
        text = unparse_value(term.value)
        return f'"{_escaped(term.value.text)}"' if term.quoted and not term.value.is_pattern else text
    mark = "!" if term.negated else ""
    if isinstance(term, Has):
        return f"{mark}has:{unparse_key(term.key)}"
    operator = "" if term.operator == "=" else term.operator
    if term.is_list:
        values = "[" + ", ".join(unparse_value(value) for value in term.values) + "]"
    else:
        values = unparse_value(term.value)
    return f"{mark}{unparse_key(term.key)}:{operator}{values}"
