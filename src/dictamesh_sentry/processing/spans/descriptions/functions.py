"""Everything that is described by a name: functions, views, tasks, templates, remote procedures."""

from __future__ import annotations

import re

from dictamesh_sentry.processing.spans.descriptions.described import Described
from dictamesh_sentry.processing.spans.identifiers import generic_path, without_identifiers

_SPACES = re.compile(r"\s+")
_IS_PATH = re.compile(r"(?:[A-Z]{3,10} )?/\S*\Z|[a-z]{2,10}://\S+\Z")


def describe_name(description: str) -> Described:
    """A name without ids; a path without identifiers."""
    text = _SPACES.sub(" ", description).strip()
    return Described(generic_path(text) if _IS_PATH.match(text) else without_identifiers(text))


def describe_verbatim(description: str) -> Described:
    """A description that is one of few anyway."""
    return Described(_SPACES.sub(" ", description).strip())
