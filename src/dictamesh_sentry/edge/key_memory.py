"""The keys in use, on the web role's own disk: it may have to start while the metadata store is down."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import structlog

from dictamesh_sentry.edge.keys import EdgeKey

log = structlog.get_logger(__name__)
_decode = msgspec.msgpack.Decoder(dict[str, tuple[EdgeKey, float]]).decode
_encode = msgspec.msgpack.Encoder().encode


class KeyMemory:
    """A file of keys, each with the time it was last seen in the metadata store. Losing it costs nothing but an
    outage's first minutes, so nothing about it is ever an error."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock

    def load(self) -> dict[str, tuple[EdgeKey, float]]:
        """Public key → (key, seconds since it was loaded)."""
        try:
            stored = _decode(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, msgspec.MsgspecError) as error:
            log.info("the remembered keys cannot be read; another version wrote them", error=str(error))
            return {}
        now = self._clock()
        return {name: (key, max(0.0, now - loaded)) for name, (key, loaded) in stored.items()}

    def save(self, keys: Mapping[str, tuple[EdgeKey, float]]) -> None:
        """Replace the file; ``keys`` as ``load`` gives them."""
        now = self._clock()
        stored = {name: (key, now - age) for name, (key, age) in keys.items()}
        temporary = self._path.with_suffix(f".{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(_encode(stored))
            temporary.replace(self._path)
        except OSError as error:
            log.info("the keys in use cannot be remembered", error=str(error))
