"""Whether a data folder was prepared by this very version, so that a later start needs no preparation."""

from __future__ import annotations

import contextlib
import sqlite3
from hashlib import blake2b
from pathlib import Path

from dictamesh_sentry import __version__
from dictamesh_sentry.config.schema import Settings

PACKAGE = Path(__file__).resolve().parent.parent


def fingerprint() -> str:
    """Changes whenever a migration of either store is added, removed or edited."""
    digest = blake2b(__version__.encode(), digest_size=16)
    for path in sorted([*PACKAGE.glob("*/migrations/0*.py"), *PACKAGE.glob("*/migrations/*.sql")]):
        digest.update(f"{path.relative_to(PACKAGE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _stamp(settings: Settings) -> Path:
    return settings.data_dir / "prepared"


def is_prepared(settings: Settings) -> bool:
    """True only for embedded stores that are there: a server elsewhere may have been emptied without us."""
    if settings.postgres_host or settings.clickhouse_host:
        return False
    stamp = _stamp(settings)
    present = (settings.data_dir / "metadata.sqlite3").is_file() and (settings.data_dir / "events").is_dir()
    return present and stamp.is_file() and stamp.read_text() == fingerprint()


def mark_prepared(settings: Settings) -> None:
    """Remember that both stores are at this version."""
    _stamp(settings).write_text(fingerprint())


def has_default_password(data_dir: Path) -> bool:
    """Whether somebody still has the well-known first password. Read without Django: the supervisor stays small."""
    path = data_dir / "metadata.sqlite3"
    if not path.is_file():
        return True
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=2)) as connection:
            query = "SELECT 1 FROM account_user WHERE has_default_password LIMIT 1"
            return connection.execute(query).fetchone() is not None
    except sqlite3.Error:
        return True
