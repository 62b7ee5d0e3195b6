"""What the edge dropped, aggregated for a second and then appended to the stream."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable

import msgspec
import structlog

from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.messages import TOPIC_OUTCOMES, OutcomeEntry, OutcomesMessage
from dictamesh_sentry.streams.interface import Producer, StreamUnavailableError
from dictamesh_sentry.telemetry import EDGE_OUTCOMES

INTERVAL_SECONDS = 1.0
_MAX_GROUPS = 10_000
_ENTRIES_PER_MESSAGE = 1_000
_encode = msgspec.msgpack.Encoder().encode
_log = structlog.get_logger(__name__)

_Key = tuple[int, int, int, int, str]


class OutcomeAggregator:
    """Sums of dropped items. Belongs to one event loop."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._sums: dict[_Key, int] = {}

    def add(
        self,
        project_id: int,
        key_id: int,
        outcome: Outcome,
        reason: str,
        quantities: Iterable[tuple[DataCategory, int]],
    ) -> None:
        """Count a drop. Without quantities (internal items) there is nothing to count."""
        for category, quantity in quantities:
            key = (project_id, key_id, int(category), int(outcome), reason)
            if key in self._sums or len(self._sums) < _MAX_GROUPS:
                self._sums[key] = self._sums.get(key, 0) + quantity
            EDGE_OUTCOMES.labels(outcome.api_name, category.api_name).inc(quantity)

    def flush(self) -> None:
        """Append what was counted (blocking; for shutdown, on the thread of the event loop)."""
        sums = self._drain()
        if sums and not self._append(sums):
            self._put_back(sums)

    async def run(self) -> None:
        """Flush every second until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_SECONDS)
            sums = self._drain()
            if sums and not await asyncio.to_thread(self._append, sums):
                self._put_back(sums)

    def _drain(self) -> dict[_Key, int]:
        sums, self._sums = self._sums, {}
        return sums

    def _put_back(self, sums: dict[_Key, int]) -> None:
        """The stream is full: keep the sums for the next time."""
        for key, quantity in sums.items():
            self._sums[key] = self._sums.get(key, 0) + quantity

    def _append(self, sums: dict[_Key, int]) -> bool:
        now = time.time()
        entries = [
            OutcomeEntry(project, key, category, outcome, reason, quantity, now)
            for (project, key, category, outcome, reason), quantity in sums.items()
        ]
        messages = [
            (uuid.uuid4().bytes, _encode(OutcomesMessage(entries[start : start + _ENTRIES_PER_MESSAGE])))
            for start in range(0, len(entries), _ENTRIES_PER_MESSAGE)
        ]
        try:
            self._producer.append(TOPIC_OUTCOMES, messages)
        except StreamUnavailableError as error:
            _log.warning("outcomes are kept back: the stream is unavailable", error=str(error))
            return False
        return True
