"""Reads of one trace: its structure, what rows of it are called, and what is pinned to spans.

The structure is read as columns of numbers, built once and kept; texts are read for the rows that are shown.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import repeat
from operator import and_
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.tracing.logs import logs_per_span
from dictamesh_sentry.tracing.trace_clocks import correct_clocks
from dictamesh_sentry.tracing.trace_critical import CriticalPath
from dictamesh_sentry.tracing.trace_tree import FAILED, SEGMENT, WAITS, Spans, Tree, build_tree
from dictamesh_sentry.tracing.trace_view import Folding, View, build_view

#: More spans than this are not laid out: the earliest are.
MAX_SPANS = 250_000
MAX_PINS = 1_000
OF_TRACE = "is_segment IN (0, 1) AND project_id IN {projects:Array(UInt64)} AND trace_id = {trace:UUID}"
_MAX_ORPHANS = 5_000
_KEPT_TRACES = 8
_KEPT_SPANS = 500_000
_KEPT_VIEWS = 4
_FRESH_SECONDS = 5.0
_LABEL = 200
_FAILED_STATUS = "status NOT IN ('', 'ok', 'cancelled', 'unknown')"
#: A client waits for the answer; whoever publishes a message does not wait for its consumer.
_WAITS = "category = 'http' OR op IN ('rpc', 'grpc', 'rpc.client', 'grpc.client')"


@dataclass(frozen=True)
class Label:
    """What a span is called, and what hangs on it."""

    op: str = ""
    text: str = ""
    category: str = ""
    status: str = ""
    transaction: str = ""
    platform: str = ""
    profile_id: str = ""
    replay_id: str = ""


@dataclass(frozen=True)
class Pin:
    """An error, or a problem of performance, that happened during a span. Ids as hex; ``span_id`` 0 for none."""

    event_id: str
    issue_id: int
    project_id: int
    span_id: int
    timestamp: datetime
    title: str
    level: str
    type: str
    culprit: str = ""

    @property
    def is_performance(self) -> bool:
        """Whether it is a problem found in the spans rather than an error."""
        return self.type == "transaction"


class Structure:
    """What is kept of a trace between requests: its tree and what was computed from it lately."""

    def __init__(self, tree: Tree, *, truncated: bool) -> None:
        self.tree = tree
        self.truncated = truncated
        self._views: OrderedDict[Folding, View] = OrderedDict()
        self._nodes: dict[int, int] = {}
        self._lock = threading.Lock()

    @cached_property
    def critical(self) -> CriticalPath:
        """The critical path."""
        return CriticalPath(self.tree)

    @cached_property
    def services(self) -> dict[int, int]:
        """Project id → number of spans, most first."""
        return dict(Counter(self.tree.projects()).most_common())

    @cached_property
    def failures(self) -> int:
        """How many spans failed."""
        return sum(map(and_, self.tree.marks, repeat(FAILED))) // FAILED

    def find(self, span_ids: set[int]) -> dict[int, int]:
        """Span id → node, of those that are there. What was asked for before costs nothing."""
        unknown = span_ids - self._nodes.keys()
        if unknown:
            found = self.tree.find(unknown)
            self._nodes.update((span_id, found.get(span_id, -1)) for span_id in unknown)
        return {span_id: node for span_id in span_ids if (node := self._nodes[span_id]) >= 0}

    def view(self, folding: Folding) -> View:
        """The rows of a state of folding; those of the last few states are kept."""
        with self._lock:
            found = self._views.get(folding)
            if found is not None:
                self._views.move_to_end(folding)
                return found
        found = build_view(self.tree, folding)
        with self._lock:
            self._views[folding] = found
            while len(self._views) > _KEPT_VIEWS:
                self._views.popitem(last=False)
        return found


@dataclass
class Trace:
    """A trace as far as it is in the given projects, with what is pinned to it at the moment."""

    id: str
    project_ids: Sequence[int]
    structure: Structure
    pins: Mapping[int, list[Pin]] = field(default_factory=dict)
    """By span id; those of no span under 0."""
    logs: Mapping[int, int] = field(default_factory=dict)
    """How many, by span id."""

    @property
    def tree(self) -> Tree:
        return self.structure.tree

    @property
    def span_count(self) -> int:
        return self.tree.count

    @property
    def all_pins(self) -> list[Pin]:
        """In the order of time."""
        return sorted((pin for pins in self.pins.values() for pin in pins), key=lambda pin: pin.timestamp)

    @cached_property
    def pinned(self) -> dict[int, list[Pin]]:
        """Node → what happened in it; what belongs to no span here is under -1."""
        nodes = self.structure.find({span_id for span_id in self.pins if span_id})
        found: dict[int, list[Pin]] = {}
        for span_id, pins in self.pins.items():
            found.setdefault(nodes.get(span_id, -1), []).extend(pins)
        return found

    @property
    def parameters(self) -> dict[str, Any]:
        """Of ``OF_TRACE``."""
        return {"projects": list(self.project_ids), "trace": uuid.UUID(self.id)}


def parse_trace_id(text: str) -> uuid.UUID | None:
    """The id of 32 hex digits, dashes allowed; None for anything else."""
    try:
        return uuid.UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None


def load_trace(project_ids: Iterable[int], trace_id: str) -> Trace | None:
    """The trace with what is pinned to it; None when these projects have nothing of it.

    The tree is built once and kept for the next window, until a span of the trace arrives; whether one has is not asked
    again for a few seconds.
    """
    identifier, projects = parse_trace_id(trace_id), sorted(project_ids)
    if identifier is None or not projects:
        return None
    return _cache.fresh((identifier, *projects), lambda: _load(identifier, projects))


def _load(identifier: uuid.UUID, projects: Sequence[int]) -> Trace | None:
    parameters = {"projects": projects, "trace": identifier}
    pins = _pins(projects, identifier)
    logs = {int(span_id or "0", 16): n for span_id, n in logs_per_span(projects, identifier.hex).items()}
    (count, newest) = get_store().rows(f"SELECT count(), max(received) FROM spans WHERE {OF_TRACE}", parameters)[0]
    if not count and not pins and not logs:
        return None
    key = (identifier, *projects, int(count), newest)
    structure = _cache.get(key, lambda: _read(parameters, int(count)))
    return Trace(identifier.hex, projects, structure, pins, logs)


def _read(parameters: Mapping[str, Any], count: int) -> Structure:
    truncated = count > MAX_SPANS
    order = f" ORDER BY start LIMIT {MAX_SPANS}" if truncated else ""
    columns = get_store().columns(
        # What is alike may become one row, which segments never do. Unsorted: sorting would take as long as the rest.
        "SELECT span_id, parent_span_id, toUnixTimestamp64Micro(timestamp) AS start,"
        " toInt64(round(duration * 1000)) AS lasted,"
        f" project_id * 8 + is_segment * {SEGMENT} + ({_FAILED_STATUS}) * {FAILED} + ({_WAITS}) * {WAITS} AS marks,"
        " multiIf(is_segment = 1, span_id, group_hash != 0, cityHash64(op, group_hash), cityHash64(op, description))"
        f" AS likeness FROM spans WHERE {OF_TRACE}{order}",
        parameters,
    )
    spans = Spans(*columns)
    tree = build_tree(spans)
    lost = [node for node in _lost(tree) if not tree.has(node, SEGMENT)]
    if lost and len(lost) <= _MAX_ORPHANS:
        rows = get_store().rows(
            f"SELECT span_id, segment_id FROM spans WHERE {OF_TRACE} AND span_id IN {{spans:Array(UInt64)}}",
            {**parameters, "spans": [tree.span_id[node] for node in lost]},
        )
        tree = build_tree(spans, {row[0]: row[1] for row in rows})
    correct_clocks(tree)
    return Structure(tree, truncated=truncated)


def _lost(tree: Tree) -> list[int]:
    return [child for node in range(tree.count, len(tree)) for child in tree.below(node)]


def _pins(projects: Sequence[int], trace: uuid.UUID) -> dict[int, list[Pin]]:
    rows = get_store().rows(
        "SELECT event_id, issue_id, project_id, span_id, timestamp, title, level, type, culprit FROM events"
        " WHERE project_id IN {projects:Array(UInt64)} AND trace_id = {trace:String}"
        f" ORDER BY timestamp LIMIT {MAX_PINS}",
        {"projects": projects, "trace": trace.hex},
    )
    found: dict[int, list[Pin]] = {}
    for event_id, issue_id, project_id, span_id, *rest in rows:
        number = _number(span_id)
        found.setdefault(number, []).append(Pin(event_id.hex, issue_id, project_id, number, *rest))
    return found


def _number(text: str) -> int:
    """A span id written in hex; 0 for anything else."""
    try:
        return int(text, 16) if len(text) == 16 else 0
    except ValueError:
        return 0


def labels(trace: Trace, nodes: Sequence[int]) -> dict[int, Label]:
    """What some spans are called."""
    tree = trace.tree
    wanted = [node for node in nodes if node < tree.count]
    if not wanted:
        return {}
    rows = get_store().rows(
        "SELECT span_id, toUnixTimestamp64Micro(timestamp), op,"
        f" substringUTF8(multiIf(description != '', description, is_segment = 1, transaction, name), 1, {_LABEL}),"
        " category, status, if(is_segment = 1, transaction, ''), platform, profile_id, replay_id"
        # Texts are only read where the ids are; left to itself the store would read them for the whole trace.
        f" FROM spans PREWHERE span_id IN {{spans:Array(UInt64)}} WHERE {OF_TRACE}",
        {**trace.parameters, "spans": [tree.span_id[node] for node in wanted]},
    )
    found = {(row[0], row[1]): Label(*row[2:]) for row in rows}
    return {node: found.get((tree.span_id[node], tree.start[node]), Label()) for node in wanted}


class _Cache:
    """The traces looked at last: a bounded number of them, and of their spans."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fresh: dict[Any, tuple[float, Trace]] = {}
        self._kept: OrderedDict[Any, Structure] = OrderedDict()

    def fresh(self, key: Any, load: Callable[[], Trace | None]) -> Trace | None:
        """What was loaded a moment ago, else what is loaded now."""
        now = time.monotonic()
        with self._lock:
            self._fresh = {one: kept for one, kept in self._fresh.items() if now - kept[0] < _FRESH_SECONDS}
            if key in self._fresh:
                return self._fresh[key][1]
        found = load()
        if found is not None:
            with self._lock:
                self._fresh[key] = (now, found)
        return found

    def get(self, key: Any, build: Callable[[], Structure]) -> Structure:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
                return found
        found = build()
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > 1 and (len(self._kept) > _KEPT_TRACES or self._spans() > _KEPT_SPANS):
                self._kept.popitem(last=False)
        return found

    def _spans(self) -> int:
        return sum(len(structure.tree) for structure in self._kept.values())

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._fresh.clear()


_cache = _Cache()


def forget_traces() -> None:
    """Empty the cache; for tests."""
    _cache.clear()


def failed_among(tree: Tree, nodes: Iterable[int]) -> int:
    """How many of some spans failed."""
    return sum(1 for node in nodes if tree.has(node, FAILED))
