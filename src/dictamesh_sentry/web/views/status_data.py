"""What the status page shows besides the health report: roles, storage, versions, warnings about the configuration."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from django.db import DatabaseError, connection

from dictamesh_sentry import __version__
from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.blobs.factory import blob_folder
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.eventstore.interface import QueryError, QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.streams.factory import stream_folder

_STORAGE_TTL = 60.0
_MOST_FILES = 50_000
TOPIC_LABELS = {
    "ingest-events": "Accepted, waiting to be processed",
    "outcomes": "Outcomes, waiting to be counted",
    "events": "Stored, waiting for post-processing",
}


@dataclass(frozen=True)
class Size:
    """How much something takes. ``bytes`` is None when it cannot be told; ``at_least`` when not all was counted."""

    label: str
    bytes: int | None
    note: str = ""
    at_least: bool = False


@dataclass(frozen=True)
class RoleState:
    """A role the supervisor started."""

    name: str
    pid: int
    alive: bool


@dataclass(frozen=True)
class Warning:
    """Something about the configuration that should be changed, and how."""

    text: str
    fix: str


def roles() -> list[RoleState]:
    """The supervisor's children, from its file; empty where roles are run one by one."""
    path = get_settings().data_dir / "run" / "pids.json"
    try:
        pids: dict[str, int] = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return [RoleState(name, pid, _is_alive(pid)) for name, pid in sorted(pids.items())]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


_sizes: tuple[float, list[Size]] = (0.0, [])


def storage() -> list[Size]:
    """Sizes of every store, measured at most once a minute: counting files is work."""
    global _sizes
    if not _sizes[1] or time.monotonic() - _sizes[0] > _STORAGE_TTL:
        settings = get_settings()
        in_bucket = settings.filestore_backend == "s3"  # counting a bucket is slow, and costs money
        _sizes = (
            time.monotonic(),
            [
                _safely("Metadata", _metadata_size),
                _safely("Events", _events_size),
                _folder("Stream", stream_folder()),
                *([] if in_bucket else [_folder("Attachments and large bodies", blob_folder())]),
            ],
        )
    return _sizes[1]


def _safely(label: str, measure: Callable[[], Size]) -> Size:
    try:
        return measure()
    except (DatabaseError, StoreUnavailableError, QueryError, QueryTimeoutError, OSError) as error:
        return Size(label, None, str(error)[:200])


def _metadata_size() -> Size:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            row = cursor.fetchone()
            return Size("Metadata", int(row[0]) if row else None, "PostgreSQL")
    path = Path(connection.settings_dict["NAME"])
    files = [path, path.with_name(path.name + "-wal")]
    return Size("Metadata", sum(file.stat().st_size for file in files if file.exists()), "SQLite")


def _events_size() -> Size:
    row = get_store().rows(
        "SELECT sum(bytes_on_disk), sumIf(rows, table = 'events') FROM system.parts "
        "WHERE active AND database = currentDatabase()",
        timeout=3,
    )[0]
    return Size("Events", int(row[0] or 0), f"{int(row[1] or 0):,} events")


def _folder(label: str, folder: Path) -> Size:
    """Bytes in a folder; counting stops after many files."""
    total = files = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except OSError:
                continue
            files += 1
            if files >= _MOST_FILES:
                return Size(label, total, f"more than {files:,} files", at_least=True)
    return Size(label, total, f"{files:,} file{'s' if files != 1 else ''}")


def versions(report: dict[str, Any]) -> list[tuple[str, str]]:
    """What runs here."""
    found = [
        ("DictaMesh Sentry", __version__),
        ("Python", platform.python_version()),
        ("Django", django.get_version()),
        ("Metadata", _database_version()),
    ]
    store = report["checks"]["event_store"]
    if store.get("version"):
        found.append(("ClickHouse engine", f"{store['version']} ({store['backend']})"))
    return found


def _database_version() -> str:
    if connection.vendor == "sqlite":
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version}"
    major, minor = divmod(getattr(connection, "pg_version", 0), 10000)
    return f"PostgreSQL {major}.{minor}"


def warnings() -> list[Warning]:
    """What an operator should mend before this installation matters."""
    settings = get_settings()
    public = urlsplit(settings.public_url)
    is_local = public.hostname in ("localhost", "127.0.0.1", "::1")
    found = []
    if User.objects.filter(has_default_password=True, is_active=True).exists():
        found.append(
            Warning("An account still has the well-known first password.", "Sign in with it and set another password.")
        )
    if settings.postgres_host and not settings.secret_key:
        found.append(
            Warning(
                "The secret key is generated per data folder, but several servers share one database.",
                "Set SENTRY_SECRET_KEY to the same value everywhere.",
            )
        )
    if settings.mail_backend != "smtp":
        where = "is only written to the log" if settings.mail_backend == "console" else "is dropped"
        found.append(
            Warning(f"Mail {where}: invitations and alerts reach nobody.", "Set mail.backend to smtp, and mail.host.")
        )
    if is_local and settings.host not in ("127.0.0.1", "localhost", "::1"):
        found.append(
            Warning(
                f"DSNs and links say {settings.public_url}, which other machines cannot reach.",
                "Set SENTRY_URL_PREFIX to the address people use.",
            )
        )
    if not is_local and public.scheme != "https":
        found.append(
            Warning(
                "Passwords and events travel unencrypted.",
                "Put a TLS proxy in front and use https in SENTRY_URL_PREFIX.",
            )
        )
    return found


def stages(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The consumers of every stream: how many messages wait and how old the oldest is."""
    topics = report["checks"]["stream"].get("topics", {})
    lines = []
    for topic, groups in topics.items():
        for group, state in (groups or {"": {"lag": 0, "oldest_seconds": 0.0}}).items():
            lines.append(
                {
                    "label": TOPIC_LABELS.get(topic, topic),
                    "topic": topic,
                    "group": group,
                    "lag": state["lag"],
                    "seconds": state["oldest_seconds"] if state["lag"] else 0,
                }
            )
    return lines
