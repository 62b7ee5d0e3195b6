"""The users a project's events came from, read from the event store."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.projects.models import Project

WINDOW = timedelta(days=90)
_COLUMNS = {"id": "user_id", "email": "user_email", "username": "user_username", "ip": "user_ip"}


@dataclass(frozen=True)
class AffectedUser:
    """What events said of one user. ``value`` is the ``user`` tag (``id:7``); the others may be empty."""

    value: str
    id: str
    email: str
    username: str
    ip: str
    last_seen: datetime


class AffectedUsers:
    """The users of a project's events of the last 90 days, most recent first; a slice of it is one query.

    ``query`` is ``id:``, ``email:``, ``username:`` or ``ip:`` and an exact value, or a part of any of them.
    """

    def __init__(self, project: Project, query: str = "", now: datetime | None = None) -> None:
        self._parameters: dict[str, Any] = {
            "project": project.pk,
            "start": ((now or datetime.now(UTC)) - WINDOW).strftime("%Y-%m-%d %H:%M:%S"),
        }
        self._where = "project_id = {project:UInt64} AND timestamp >= {start:DateTime64(3, 'UTC')} AND user != ''"
        key, separator, value = query.partition(":")
        if separator and key in _COLUMNS:
            self._where += f" AND {_COLUMNS[key]} = {{wanted:String}}"
            self._parameters["wanted"] = value
        elif query:
            parts = [f"positionCaseInsensitiveUTF8({column}, {{wanted:String}}) > 0" for column in _COLUMNS.values()]
            self._where += f" AND ({' OR '.join(parts)})"
            self._parameters["wanted"] = query

    def __getitem__(self, wanted: slice) -> list[AffectedUser]:
        start = wanted.start or 0
        # Only names of columns and placeholders are put together here; values are bound by the store.
        rows = get_store().query(
            "SELECT user AS value, argMax(user_id, timestamp) AS id, argMax(user_email, timestamp) AS email, "  # noqa: S608
            "argMax(user_username, timestamp) AS username, argMax(user_ip, timestamp) AS ip, "
            f"max(timestamp) AS last_seen FROM events WHERE {self._where} GROUP BY value "
            "ORDER BY last_seen DESC, value LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
            {**self._parameters, "limit": wanted.stop - start, "offset": start},
        )
        return [AffectedUser(**{**row, "last_seen": _aware(row["last_seen"])}) for row in rows]


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
