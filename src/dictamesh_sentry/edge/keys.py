"""The client keys the edge knows: loaded in the background, answered from memory.

An entry younger than ``FRESH_SECONDS`` is used as it is; up to ``STALE_SECONDS`` it is used while a refresh runs;
older, the refresh is awaited. A change therefore acts within five seconds, and a key in use never waits.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from django.db import InterfaceError, OperationalError, connection

from dictamesh_sentry.projects.key_queries import ClientKey, client_keys
from dictamesh_sentry.protocol.ratelimits import SCOPE_KEY, SCOPE_PROJECT
from dictamesh_sentry.quotas.limiter import Rule
from dictamesh_sentry.quotas.queries import quota_rules

if TYPE_CHECKING:
    from dictamesh_sentry.edge.key_memory import KeyMemory

FRESH_SECONDS = 2.0
STALE_SECONDS = 4.0
# When the metadata store is down, a known key is good for this long.
OUTAGE_SECONDS = 3600.0
# How long a known key waits for the metadata store before that counts as down.
PATIENCE_SECONDS = 1.0
SAVE_SECONDS = 20.0
_MAX_KNOWN = 50_000
_MAX_UNKNOWN = 10_000
_MAX_PENDING = 2_000


class EdgeKey(NamedTuple):
    """A key with every limit that applies to it. ``blanket`` are the rules that cover all categories."""

    key: ClientKey
    rules: tuple[Rule, ...]
    blanket: tuple[Rule, ...]


class KeysUnavailableError(Exception):
    """The metadata store does not answer and the key is not known."""


class _Entry(NamedTuple):
    value: EdgeKey | None
    loaded: float


Loader = Callable[[Collection[str]], dict[str, EdgeKey]]


def load_edge_keys(public_keys: Collection[str]) -> dict[str, EdgeKey]:
    """Keys and their rules from the metadata store, in two queries, once more over a new connection if it broke."""
    try:
        return _load_edge_keys(public_keys)
    except (OperationalError, InterfaceError):
        connection.close()
        return _load_edge_keys(public_keys)


def _load_edge_keys(public_keys: Collection[str]) -> dict[str, EdgeKey]:
    keys = client_keys(public_keys)
    quotas = quota_rules({key.organization_id for key in keys.values()}, {key.project_id for key in keys.values()})
    found = {}
    for public_key, key in keys.items():
        rules = [*_own_rules(key)]
        rules += quotas.get((key.organization_id, key.project_id), [])
        rules += quotas.get((key.organization_id, 0), [])
        found[public_key] = EdgeKey(key, tuple(rules), tuple(rule for rule in rules if not rule.categories))
    return found


def _own_rules(key: ClientKey) -> list[Rule]:
    rules = []
    if key.key_limit is not None:
        count, window = key.key_limit
        rules.append(Rule(f"k{key.key_id}", count, window, SCOPE_KEY, "key_limit"))
    if key.project_limit is not None:
        count, window = key.project_limit
        rules.append(Rule(f"p{key.project_id}", count, window, SCOPE_PROJECT, "project_limit"))
    return rules


class KeyDirectory:
    """Looks keys up. Belongs to one event loop."""

    def __init__(
        self,
        loader: Loader = load_edge_keys,
        clock: Callable[[], float] = time.monotonic,
        memory: KeyMemory | None = None,
    ) -> None:
        self._loader = loader
        self._clock = clock
        self._memory = memory
        self._saved = -SAVE_SECONDS
        self._known: OrderedDict[str, _Entry] = OrderedDict()
        self._unknown: OrderedDict[str, _Entry] = OrderedDict()
        self._pending: dict[str, asyncio.Future[EdgeKey | None]] = {}
        self._loading: asyncio.Task[None] | None = None
        self._failing = False
        # One thread: it keeps one database connection, and keys asked for together are loaded together.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="edge-keys")
        for public_key, (value, age) in (memory.load() if memory else {}).items():
            self._known[public_key] = _Entry(value, clock() - max(age, STALE_SECONDS + 1))

    def peek(self, public_key: str) -> EdgeKey | None:
        """The key when it can be answered from memory at once; a refresh is started when it is due."""
        entry = self._known.get(public_key)
        if entry is None:
            return None
        age = self._clock() - entry.loaded
        if age > STALE_SECONDS:
            return None
        if age > FRESH_SECONDS and public_key not in self._pending:
            self._ask(public_key).add_done_callback(_forget_failure)
        return entry.value

    async def get(self, public_key: str) -> EdgeKey | None:
        """The key, or None when there is none. Raises KeysUnavailableError."""
        found = self.peek(public_key)
        if found is not None:
            return found
        unknown = self._unknown.get(public_key)
        if unknown is not None and self._clock() - unknown.loaded < STALE_SECONDS:
            return None
        if len(self._pending) >= _MAX_PENDING and public_key not in self._pending:
            raise KeysUnavailableError("too many keys are being looked up")
        entry = self._known.get(public_key)
        if entry is None or self._clock() - entry.loaded >= OUTAGE_SECONDS:
            return await asyncio.shield(self._ask(public_key))
        asked = self._ask(public_key)
        asked.add_done_callback(_forget_failure)
        try:
            return await asyncio.wait_for(asyncio.shield(asked), 0.0 if self._failing else PATIENCE_SECONDS)
        except (KeysUnavailableError, TimeoutError):
            self._failing = True  # until a load succeeds, known keys do not wait at all
            return entry.value

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _ask(self, public_key: str) -> asyncio.Future[EdgeKey | None]:
        future = self._pending.get(public_key)
        if future is None:
            future = self._pending[public_key] = asyncio.get_running_loop().create_future()
            if self._loading is None or self._loading.done():
                self._loading = asyncio.create_task(self._load())
        return future

    async def _load(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            wanted = dict(self._pending)
            error: Exception | None = None
            found: dict[str, EdgeKey] = {}
            try:
                found = await loop.run_in_executor(self._executor, self._loader, list(wanted))
            except Exception as caught:  # whatever the database raises, the waiters must hear of it
                error = caught
            self._failing = error is not None
            for public_key, future in wanted.items():
                del self._pending[public_key]
                if error is None:
                    self._remember(public_key, found.get(public_key))
                if future.done():
                    continue
                if error is None:
                    future.set_result(found.get(public_key))
                else:
                    future.set_exception(KeysUnavailableError(str(error)))
            if error is None:
                self._save(loop)

    def _save(self, loop: asyncio.AbstractEventLoop) -> None:
        now = self._clock()
        if self._memory is None or now - self._saved < SAVE_SECONDS:
            return
        self._saved = now
        known = {name: (entry.value, now - entry.loaded) for name, entry in self._known.items() if entry.value}
        loop.run_in_executor(self._executor, self._memory.save, known)

    def _remember(self, public_key: str, value: EdgeKey | None) -> None:
        entry = _Entry(value, self._clock())
        into, out, bound = (
            (self._unknown, self._known, _MAX_UNKNOWN) if value is None else (self._known, self._unknown, _MAX_KNOWN)
        )
        out.pop(public_key, None)
        into[public_key] = entry
        into.move_to_end(public_key)
        while len(into) > bound:
            into.popitem(last=False)


def _forget_failure(future: asyncio.Future[EdgeKey | None]) -> None:
    """A background refresh that failed is tried again by the next request; nobody waits for this one."""
    if not future.cancelled():
        future.exception()
