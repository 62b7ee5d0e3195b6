"""Brings the event store's tables to the version of this code: numbered SQL files, each run once."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.eventstore.interface import EventStore

_FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql\Z")
_LEDGER = """CREATE TABLE IF NOT EXISTS schema_migrations
(
    name String,
    checksum String,
    applied DateTime('UTC')
)
ENGINE = MergeTree
ORDER BY name"""


class MigrationError(Exception):
    """The tables were made by a newer or a changed version of the code."""


@dataclass(frozen=True)
class Migration:
    """One numbered file."""

    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def known_migrations() -> list[Migration]:
    """The files of this version, in order."""
    folder = files("dictamesh_sentry.eventstore") / "migrations"
    found = [
        Migration(entry.name.removesuffix(".sql"), entry.read_text())
        for entry in folder.iterdir()
        if _FILE_NAME.match(entry.name)
    ]
    return sorted(found, key=lambda migration: migration.name)


def statements(text: str, cluster: str = "") -> list[str]:
    """The statements of a file, for one server or, with ``cluster``, for every replica of a cluster.

    Files are written for one server, ``CREATE TABLE IF NOT EXISTS name`` on one line; comments are dropped.
    """
    text = re.sub(r"^\s*--.*$", "", text, flags=re.MULTILINE)
    found = [part.strip() for part in re.split(r";\s*(?:\n|\Z)", text) if part.strip()]
    return [for_cluster(statement, cluster) for statement in found] if cluster else found


def for_cluster(statement: str, cluster: str) -> str:
    """A statement as every node of a cluster runs it, on replicated tables."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", cluster):
        raise ValueError(f"not a cluster name: {cluster!r}")
    statement = re.sub(
        r"\A((?:CREATE|DROP|ALTER) TABLE (?:IF (?:NOT )?EXISTS )?\w+)", rf"\1 ON CLUSTER '{cluster}'", statement
    )
    return re.sub(r"\bENGINE = (\w*MergeTree)\b", r"ENGINE = Replicated\1", statement)


def migrate(store: EventStore | None = None, *, cluster: str = "") -> list[str]:
    """Run the files that have not run yet; returns their names. Safe to repeat, and after a half-run file.

    Raises MigrationError when a file that ran has changed since: tables would differ from installation to installation.
    """
    store = store or get_store()
    store.command(for_cluster(_LEDGER, cluster) if cluster else _LEDGER)
    applied = {row["name"]: row["checksum"] for row in store.query("SELECT name, checksum FROM schema_migrations")}
    ran: list[str] = []
    for migration in known_migrations():
        if migration.name in applied:
            if applied[migration.name] != migration.checksum:
                raise MigrationError(
                    f"Event store migration {migration.name} was changed after it ran. Start with a new data folder, "
                    "or restore the version of the product that made this one."
                )
            continue
        for statement in statements(migration.text, cluster):
            store.command(statement)
        now = datetime.now(UTC).replace(microsecond=0)
        store.insert("schema_migrations", ["name", "checksum", "applied"], [[migration.name, migration.checksum, now]])
        ran.append(migration.name)
    return ran


def pending(store: EventStore | None = None) -> list[str]:
    """Names of the files that have not run, for health checks."""
    store = store or get_store()
    if not store.rows("SELECT 1 FROM system.tables WHERE database = currentDatabase() AND name = 'schema_migrations'"):
        return [migration.name for migration in known_migrations()]
    applied = {row[0] for row in store.rows("SELECT name FROM schema_migrations")}
    return [migration.name for migration in known_migrations() if migration.name not in applied]
