"""The SQLite file behind one topic of the local log: opening it, and what its errors mean."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

_BUSY_SECONDS = 10.0
_JOURNAL_BYTES = 64 * 1024 * 1024
# 16 MB: under load most messages are forgotten before they are ever copied into the main file.
_CHECKPOINT_PAGES = 4000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (
    offset INTEGER PRIMARY KEY AUTOINCREMENT,
    timestamp REAL NOT NULL,
    key BLOB NOT NULL,
    value BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS consumer_group (name TEXT PRIMARY KEY, next_offset INTEGER NOT NULL) WITHOUT ROWID;
"""


def topic_path(folder: Path, topic: str) -> Path:
    """The file of a topic. Raises ValueError for a name that is not one."""
    if not topic or not all(char.isalnum() or char in "-_" for char in topic):
        raise ValueError(f"invalid topic {topic!r}")
    return folder / f"{topic}.sqlite3"


def open_log(path: Path, *, durable: bool) -> sqlite3.Connection:
    """Open the file, creating it when missing. ``durable``: every commit is fsync'd.

    Only appends need that. A consumer that loses its last deletion in a power cut deletes once more.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    try:
        _prepare(connection, durable)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, durable: bool) -> None:
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            # Two processes that create the file at once: switching to WAL does not wait for the busy timeout.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    connection.execute(f"PRAGMA journal_size_limit={_JOURNAL_BYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
    connection.execute("PRAGMA cache_size=-2000")
    tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name IN ('message', 'consumer_group')")
    if tables.fetchone()[0] < 2:
        connection.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}COMMIT;")


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file that hold data; pages of forgotten messages are free to be used again."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    return (pages - free) * size


def group_lags(connection: sqlite3.Connection) -> dict[str, tuple[int, float]]:
    """Registered group → (messages it has not committed, age in seconds of the oldest of them)."""
    lags = {}
    now = time.time()
    last = connection.execute("SELECT max(offset) FROM message").fetchone()[0] or 0
    for name, next_offset in connection.execute("SELECT name, next_offset FROM consumer_group").fetchall():
        row = connection.execute(
            "SELECT offset, timestamp FROM message WHERE offset >= ? ORDER BY offset LIMIT 1", (next_offset,)
        ).fetchone()
        # Offsets have no gaps (a rolled-back append gives its offsets back), so the distance is the count.
        lags[name] = (last - row[0] + 1, max(0.0, now - row[1])) if row else (0, 0.0)
    return lags
