"""Writing a backup: metadata as of one moment, then the events that moment has counted, then blobs."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from django.db import connection

from dictamesh_sentry import __version__
from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.blobs.filesystem import BlobNotFoundError, check_key
from dictamesh_sentry.config.load import get_settings, secret_key
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.eventstore.interface import QueryError, QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.ops.backup import events, metadata
from dictamesh_sentry.ops.backup.archive import (
    BLOBS,
    MANIFEST,
    SECRET_KEY,
    SUMMARY,
    ArchiveWriter,
    BackupError,
)
from dictamesh_sentry.processing.consumer import GROUP
from dictamesh_sentry.processing.models import StreamOffset
from dictamesh_sentry.protocol.messages import TOPIC_INGEST, TOPICS
from dictamesh_sentry.streams.factory import stream_lags
from dictamesh_sentry.streams.interface import StreamUnavailableError

FORMAT = 1
PRODUCT = "dictamesh-sentry"
# Bodies of requests that wait in the stream: they go when their message is processed.
TRANSIENT_BLOBS = "ingest/"
_WHOLE_BLOB = 8 << 20
_CLOCK_MARGIN = 600.0
_POLL_SECONDS = 0.5

Progress = Callable[[str, int, int], None]
"""Told (stage, done, total): rows of metadata and events, bytes of blobs and files."""


def quiet(_stage: str, _done: int, _total: int) -> None:
    """Nobody watches."""


@contextlib.contextmanager
def target(path: Path) -> Iterator[BinaryIO]:
    """A new file only its owner may read, that gets its name when it is whole. Raises BackupError."""
    if path.exists():
        raise BackupError(f"{path} exists; name another file")
    partial = path.with_name(f"{path.name}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(descriptor, 0o600)
        with os.fdopen(descriptor, "wb", buffering=1 << 20) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise BackupError(f"cannot write {path}: {error}") from error
        raise


def create(
    raw: BinaryIO, *, blobs: bool = True, wait: float | None = None, progress: Progress = quiet
) -> dict[str, Any]:
    """Write the archive; what is in it. ``wait``: seconds the streams may take to be processed to their end first.

    Raises BackupError; what was written is useless then.
    """
    began = time.monotonic()
    try:
        if wait is not None:
            drain(wait)
        backup = _Backup(raw, blobs, progress)
        try:
            facts = backup.run()
        finally:
            backup.writer.close()
    except (StoreUnavailableError, QueryError, QueryTimeoutError) as error:
        raise BackupError(f"the event store failed: {error}") from error
    return {**facts, "seconds": round(time.monotonic() - began, 1)}


def lags() -> dict[str, dict[str, dict[str, float]]]:
    """Topic → group → what it has not processed. Raises StreamUnavailableError."""
    return {
        topic: {
            group: {"messages": count, "oldest_seconds": round(seconds, 1)}
            for group, (count, seconds) in stream_lags(topic).items()
        }
        for topic in TOPICS
    }


def waiting_messages(found: dict[str, dict[str, dict[str, float]]]) -> int:
    """Messages that some group has not processed."""
    return int(sum(lag["messages"] for groups in found.values() for lag in groups.values()))


def drain(seconds: float) -> None:
    """Wait until the streams are processed to their end. Raises BackupError after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            left = waiting_messages(lags())
        except StreamUnavailableError as error:
            raise BackupError(f"cannot wait for the streams: {error}") from error
        if not left:
            return
        if time.monotonic() >= deadline:
            raise BackupError(
                f"{left} messages are still unprocessed after {seconds:.0f} s: is a worker running, is nothing sent? "
                "Without --wait the backup leaves them out."
            )
        time.sleep(_POLL_SECONDS)


class _Backup:
    def __init__(self, raw: BinaryIO, blobs: bool, progress: Progress) -> None:
        self.writer = ArchiveWriter(raw)
        self.progress = progress
        self.with_blobs = blobs
        self.warnings: list[str] = []
        self.done = {"metadata": 0, "events": 0, "blobs": 0}

    def run(self) -> dict[str, Any]:
        found, since = self._stream()
        tables = events.describe()
        with metadata.snapshot() as alias:
            ingest = StreamOffset.objects.using(alias).filter(consumer_group=GROUP, topic=TOPIC_INGEST)
            cut = events.Cut(dict(ingest.values_list("partition", "next_offset")), since)
            manifest = self._manifest(alias, tables, cut, found)
            self._add_json(MANIFEST, manifest)
            self.writer.add(SECRET_KEY, secret_key(get_settings()).encode())
            total = sum(manifest["metadata"]["tables"].values())
            for name, content in metadata.dump(alias, lambda rows: self._count("metadata", rows, total)):
                self.writer.add(name, content)
        stored = self._events(tables, cut, sum(table["rows"] for table in manifest["events"]["tables"].values()))
        files = self._blobs() if self.with_blobs else {"count": 0, "bytes": 0, "missing": 0}
        summary = {
            "metadata_rows": self.done["metadata"],
            "events": stored,
            "blobs": files,
            "members": self.writer.members + 1,
            "finished_at": datetime.now(UTC).isoformat(),
        }
        self._add_json(SUMMARY, summary)
        self.writer.finish()
        return {
            "created_at": manifest["created_at"],
            "metadata": {"rows": self.done["metadata"], "tables": manifest["metadata"]["tables"]},
            "events": {"rows": self.done["events"], "tables": stored},
            "blobs": files,
            "unprocessed_messages": manifest["stream"]["unprocessed_messages"],
            "warnings": self.warnings,
        }

    def _stream(self) -> tuple[dict[str, Any], float]:
        """What is unprocessed, and the time before which every event received is counted."""
        settings = get_settings()
        now = time.time()
        try:
            found = lags()
        except StreamUnavailableError as error:
            self.warnings.append(f"The stream does not answer, so its unprocessed messages are unknown: {error}")
            return {}, now - settings.kafka_retention_hours * 3600
        oldest = max((lag["oldest_seconds"] for lag in found.get(TOPIC_INGEST, {}).values()), default=0.0)
        left = waiting_messages(found)
        if left:
            self.warnings.append(
                f"{left} messages were accepted but not processed yet and are not in this backup. "
                "Use --wait to let the workers finish first."
            )
        return found, now - oldest - _CLOCK_MARGIN

    def _manifest(self, alias: str, tables: list[events.Table], cut: events.Cut, found: Any) -> dict[str, Any]:
        settings = get_settings()
        applied = get_store().rows("SELECT name FROM schema_migrations ORDER BY name")
        if not self.with_blobs:
            self.warnings.append("Attachments are not in this backup (--no-blobs).")
        return {
            "format": FORMAT,
            "product": PRODUCT,
            "version": __version__,
            "created_at": datetime.now(UTC).isoformat(),
            "source": {
                "url": settings.public_url,
                "metadata": connection.vendor,
                "events": "clickhouse" if settings.clickhouse_host else "embedded",
                "stream": "kafka" if settings.kafka_hosts else "local",
                "blobs": settings.filestore_backend,
            },
            "metadata": {
                "tables": metadata.count_rows(alias),
                "sequences": metadata.read_sequences(alias),
                "migrations": metadata.applied_migrations(alias),
            },
            "events": {
                "tables": {
                    table.name: {"columns": list(table.columns), "rows": events.count(table, cut)} for table in tables
                },
                "migrations": [row[0] for row in applied],
            },
            "blobs": {"included": self.with_blobs},
            "stream": {
                "offsets": {str(partition): offset for partition, offset in sorted(cut.offsets.items())},
                "unprocessed": found,
                "unprocessed_messages": waiting_messages(found),
            },
            "warnings": self.warnings,
        }

    def _events(self, tables: list[events.Table], cut: events.Cut, total: int) -> dict[str, int]:
        stored = {}
        for table in tables:
            stored[table.name] = 0
            for name, content, rows in events.export(table, cut, lambda rows: self._count("events", rows, total)):
                self.writer.add(name, content)
                stored[table.name] += rows
        return stored

    def _blobs(self) -> dict[str, int]:
        store = get_blob_store()
        total = sum(size for _, size in store.keys(""))
        written = {"count": 0, "bytes": 0, "missing": 0}
        for key, size in store.keys(""):
            try:
                name = BLOBS + check_key(key)
                with store.open(key) as file:
                    if size <= _WHOLE_BLOB:
                        content = file.read()
                        size = len(content)
                        self.writer.add(name, content)
                    else:
                        self.writer.add_stream(name, file, size)
            except ValueError:
                self.warnings.append(f"The blob store has a file that is none of ours, left out: {key[:100]!r}")
                continue
            except BlobNotFoundError:
                written["missing"] += not key.startswith(TRANSIENT_BLOBS)  # deleted meanwhile
                continue
            except OSError as error:
                raise BackupError(f"the blob {key} cannot be read: {error}") from error
            written["count"] += 1
            written["bytes"] += size
            self._count("blobs", size, total)
        return written

    def _count(self, stage: str, more: int, total: int) -> None:
        self.done[stage] += more
        self.progress(stage, self.done[stage], total)

    def _add_json(self, name: str, value: Any) -> None:
        self.writer.add(name, json.dumps(value, indent=1).encode() + b"\n")
