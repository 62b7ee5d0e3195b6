"""Reading a backup into an empty installation.

Order: the whole archive is verified; then schemas, events and blobs; then the metadata in one transaction, last. An
installation without metadata shows nothing, so a restore that is interrupted leaves nothing half done that could be
taken for whole.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import structlog
from django.core.management import call_command

from dictamesh_sentry import __version__
from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.eventstore.interface import QueryError, QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.eventstore.migrate import MigrationError, known_migrations, migrate
from dictamesh_sentry.issues.models import IssueHash
from dictamesh_sentry.issues.tasks import repoint_events
from dictamesh_sentry.ops.backup import events, metadata
from dictamesh_sentry.ops.backup.archive import (
    BLOBS,
    EVENTS,
    MANIFEST,
    METADATA,
    SECRET_KEY,
    SUMMARY,
    ArchiveError,
    BackupError,
    Member,
    check,
    read_members,
)
from dictamesh_sentry.ops.backup.create import FORMAT, PRODUCT, TRANSIENT_BLOBS, Progress, lags, quiet, waiting_messages
from dictamesh_sentry.processing.locks import new_locks
from dictamesh_sentry.streams.factory import stream_folder
from dictamesh_sentry.streams.interface import StreamUnavailableError

log = structlog.get_logger(__name__)
ERASE = "erase everything"
_WHOLE_BLOB = 8 << 20
# Added to the partition of dead letters: a new stream's messages must not meet those of the old one.
_PARTITION_SHIFT = 1 << 16
_HASHES = 1000


@dataclass(frozen=True)
class Contents:
    """A verified archive."""

    path: Path
    manifest: dict[str, Any]
    summary: dict[str, Any]
    secret_key: str = field(repr=False)

    def describe(self) -> dict[str, Any]:
        """What a person wants to know of it."""
        return {
            "created_at": self.manifest["created_at"],
            "version": self.manifest["version"],
            "source": self.manifest["source"],
            "bytes": self.path.stat().st_size,
            "metadata_rows": self.summary["metadata_rows"],
            "events": self.summary["events"],
            "blobs": self.summary["blobs"],
            "unprocessed_messages": self.manifest["stream"]["unprocessed_messages"],
            "warnings": self.manifest["warnings"],
        }


def verify(path: Path, progress: Progress = quiet) -> Contents:
    """Read the whole archive and compare every checksum. Raises ArchiveError, or BackupError for a newer format."""
    kept: dict[str, io.BytesIO] = {}

    def keep(member: Member) -> IO[bytes] | None:
        if member.name in (MANIFEST, SUMMARY, SECRET_KEY):
            kept[member.name] = _Kept()
            return kept[member.name]
        return None

    size = path.stat().st_size
    check(path, keep, lambda done: progress("verify", done, size))
    try:
        manifest, summary = (json.loads(kept[name].getvalue()) for name in (MANIFEST, SUMMARY))
        key = kept[SECRET_KEY].getvalue().decode()
        product, number = manifest["product"], int(manifest["format"])
    except (KeyError, ValueError, TypeError) as error:
        raise ArchiveError(f"{path} is not a backup of this product: {error!r}") from None
    if product != PRODUCT:
        raise ArchiveError(f"{path} is a backup of {product!r}")
    if number > FORMAT:
        raise BackupError(
            f"{path} has format {number}, made by version {manifest.get('version')}; "
            f"version {__version__} reads up to {FORMAT}"
        )
    return Contents(path, manifest, summary, key)


class _Kept(io.BytesIO):
    """Its content outlives ``with``."""

    def close(self) -> None:
        return


@contextlib.contextmanager
def spooled(file: IO[bytes]) -> Iterator[Path]:
    """A pipe as a file, so that it can be verified before it is used."""
    folder = get_settings().data_dir
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="restore-") as copy:
        shutil.copyfileobj(file, copy, 1 << 20)
        copy.flush()
        yield Path(copy.name)


def restore(
    contents: Contents, *, force: bool = False, continue_stream: bool = False, progress: Progress = quiet
) -> dict[str, Any]:
    """Fill this installation. ``force`` erases what it has; without, it must be empty.

    ``continue_stream``: the stream this backup's installation read is the one configured here; go on where it was.
    Raises BackupError, and this installation is empty (or as it was) then.
    """
    locks = new_locks()
    if not (locks.try_acquire("cron") and locks.try_acquire("restore")):
        locks.release()
        raise BackupError("the product is running (its cron role holds the lock): stop every role first")
    try:
        return _Restore(contents, force, continue_stream, progress).run()
    except (StoreUnavailableError, QueryError, QueryTimeoutError, MigrationError) as error:
        raise BackupError(f"the event store failed: {error}") from error
    finally:
        locks.release()


class _Restore:
    def __init__(self, contents: Contents, force: bool, continue_stream: bool, progress: Progress) -> None:
        self.contents = contents
        self.force = force
        self.continue_stream = continue_stream
        self.progress = progress
        self.notes: list[str] = []
        self.done = {"metadata": 0, "events": 0, "blobs": 0}

    def run(self) -> dict[str, Any]:
        manifest = self.contents.manifest
        targets = metadata.schema_targets(manifest["metadata"]["migrations"])
        known = {migration.name for migration in known_migrations()}
        newer = sorted(set(manifest["events"]["migrations"]) - known)
        if newer:
            raise BackupError(f"this backup was made by a newer version of the product ({newer[0]}): use that one")
        self._check_empty()
        metadata.prepare_schema(targets)
        migrate(cluster=get_settings().clickhouse_cluster)
        try:
            self._fill()
            counts = self._metadata(targets)
        except BaseException:
            self._undo()
            raise
        self._secret_key()
        try:
            call_command("migrate", verbosity=0, interactive=False)
            repaired = repair_issue_ids()
        except Exception as error:
            raise BackupError(f"everything was restored, but then: {error}. Run `dictamesh-sentry upgrade`.") from error
        return {
            "metadata_rows": sum(counts.values()),
            "events": self.done["events"],
            "blobs": self.done["blobs"],
            "events_moved_to_their_issue": repaired,
            "notes": self.notes,
        }

    # Before

    def _check_empty(self) -> None:
        if self.force:
            self._erase()
            return
        full = [] if metadata.is_empty() else ["metadata"]
        full += [] if events.is_empty() else ["events"]
        if full:
            raise BackupError(
                f"this installation is not empty: it has {' and '.join(full)}. Restore into a new one "
                f"(before `init` or `up`), or erase this one with --force '{ERASE}'."
            )
        if not self.continue_stream and self._unread():
            raise BackupError(
                "the stream here has unprocessed messages of another installation. Delete them (streams/ in the data "
                "folder, or the topics), choose another SENTRY_KAFKA_TOPIC_PREFIX, or, when it is the very stream the "
                "backup's installation read, pass --continue-stream."
            )

    def _unread(self) -> int:
        try:
            return waiting_messages(lags())
        except StreamUnavailableError as error:
            self.notes.append(f"The stream could not be asked for messages: {error}")
            return 0

    def _erase(self) -> None:
        log.warning("erasing this installation")
        metadata.erase()
        events.erase()
        blobs = get_blob_store()
        for key, _ in list(blobs.keys("")):
            blobs.delete(key)
        if not get_settings().kafka_hosts and not self.continue_stream:
            for path in stream_folder().glob("*.sqlite3*"):
                path.unlink()

    # During

    def _fill(self) -> None:
        """Events and blobs, in the order of the archive."""
        tables = self.contents.manifest["events"]["tables"]
        rows = sum(self.contents.summary["events"].values())
        size = self.contents.summary["blobs"]["bytes"]
        restored = 0
        with events.loader({name: table["columns"] for name, table in tables.items()}) as loader:
            for member in read_members(self.contents.path):
                if member.name.startswith(EVENTS):
                    restored += loader.insert(member.name.split("/")[1], member.read())
                    self._count("events", restored - self.done["events"], rows)
                elif member.name.startswith(BLOBS) and self._wanted(member.name):
                    _put_blob(member)
                    self.done["blobs"] += 1
                    size_done = self.done.get("blob_bytes", 0) + member.size
                    self.done["blob_bytes"] = size_done
                    self.progress("blobs", size_done, size)
        if restored != rows:
            self.notes.append(f"{restored} of {rows} events were stored; the others had expired while it was written.")

    def _wanted(self, name: str) -> bool:
        return self.continue_stream or not name.startswith(BLOBS + TRANSIENT_BLOBS)

    def _metadata(self, targets: list[tuple[str, str]]) -> dict[str, int]:
        described = self.contents.manifest["metadata"]
        total = self.contents.summary["metadata_rows"]
        return metadata.load(
            self._metadata_members(),
            targets,
            described["sequences"],
            adapt=self._adapt,
            on_rows=lambda rows: self._count("metadata", rows, total),
        )

    def _metadata_members(self) -> Iterator[bytes]:
        seen = False
        for member in read_members(self.contents.path):
            if member.name.startswith(METADATA):
                seen = True
                yield member.read()
            elif seen:
                return  # metadata comes first; the rest need not be read again

    def _adapt(self, table: str, row: dict[str, Any]) -> dict[str, Any] | None:
        """A new stream begins at its start, and its messages are none of the old one's."""
        if not self.continue_stream:
            if table == "stream_offset":
                return None
            if table == "dead_letter":
                row["partition"] += _PARTITION_SHIFT
        return row

    def _count(self, stage: str, more: int, total: int) -> None:
        self.done[stage] += more
        self.progress(stage, self.done[stage], total)

    def _undo(self) -> None:
        """Make the installation empty again. Metadata was written in a transaction, which is gone."""
        try:
            events.erase()
            blobs = get_blob_store()
            for member in read_members(self.contents.path):
                if member.name.startswith(BLOBS):
                    blobs.delete(member.name.removeprefix(BLOBS))
        except Exception as error:
            log.warning("could not clean up after a failed restore", error=str(error))

    # After

    def _secret_key(self) -> None:
        """What was signed stays valid only with the key it was signed with."""
        settings = get_settings()
        if settings.secret_key:
            if settings.secret_key != self.contents.secret_key:
                self.notes.append(
                    "SENTRY_SECRET_KEY is not the backup's: links in mails sent before are void. To keep them, set it "
                    f"to the content of `tar --zstd -xOf {self.contents.path.name} secret_key`."
                )
            return
        path = settings.data_dir / "secret_key"
        descriptor, temporary = tempfile.mkstemp(dir=settings.data_dir)  # mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(self.contents.secret_key)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


def _put_blob(member: Member) -> None:
    key = member.name.removeprefix(BLOBS)
    try:
        if member.size <= _WHOLE_BLOB:
            get_blob_store().put(key, member.read())
            return
        with tempfile.TemporaryFile(dir=get_settings().data_dir) as copy:
            shutil.copyfileobj(member.file, copy, 1 << 20)
            copy.seek(0)
            get_blob_store().put(key, copy)
    except OSError as error:
        raise BackupError(f"the blob {key} cannot be stored: {error}") from error


def repair_issue_ids() -> int:
    """Make events belong to the issue their fingerprint belongs to; how many fingerprints were wrong.

    Merging moves fingerprints at once and events a little later, by a task that is in no backup.
    """
    wrong: dict[tuple[int, int], list[str]] = {}
    last = 0
    while True:
        rows = list(
            IssueHash.objects.filter(pk__gt=last, issue__isnull=False)
            .order_by("pk")
            .values_list("pk", "project_id", "hash", "issue_id")[:_HASHES]
        )
        if not rows:
            break
        last = rows[-1][0]
        expected = {(project, UUID(value)): issue for _, project, value, issue in rows}
        stored = get_store().rows(
            "SELECT DISTINCT project_id, primary_hash, issue_id FROM events"
            " WHERE project_id IN {projects:Array(UInt64)} AND primary_hash IN {hashes:Array(UUID)}",
            {"projects": sorted({project for project, _ in expected}), "hashes": [value for _, value in expected]},
            timeout=600,
        )
        for project, value, issue in stored:
            right = expected.get((project, value))
            if right is not None and right != issue:
                wrong.setdefault((project, right), []).append(value.hex)
    for (project, issue), hashes in wrong.items():
        repoint_events.run(project, hashes, issue, again=False)
    return sum(map(len, wrong.values()))
