"""Files that are read and written: only their kind."""

from __future__ import annotations

import re

from dictamesh_sentry.processing.spans.descriptions.described import Described

_EXTENSION = re.compile(r"[^/\\\s.]\.([A-Za-z][A-Za-z0-9]{0,9})(?![\w./\\])")


def describe_file(op: str, description: str, path: str) -> Described:
    """``*.ext``, and as the action what the operation says is done."""
    found = _EXTENSION.findall(path or description)
    action = op.rpartition(".")[2].upper() if "." in op else ""
    return Described(f"*.{found[-1].lower()}" if found else "*", action)
