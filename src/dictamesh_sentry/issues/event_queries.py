"""Reads of single events and of an issue's events, from the event store.

Columns answer lists, counts and distributions; only a single event's page decodes its payload.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import orjson

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.cursors import Cursor, parse_cursor
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.issues.search_context import OrganizationSearchContext
from dictamesh_sentry.search.events import compile_events
from dictamesh_sentry.search.fields import find_field
from dictamesh_sentry.search.parser import parse_query
from dictamesh_sentry.search.period import Period

_LIST_COLUMNS = (
    "project_id, event_id, issue_id, timestamp, received, title, message, culprit, location, level, type, platform, "
    "environment, release, dist, transaction, user, user_id, user_email, user_username, user_ip, trace_id, replay_id, "
    "tags, size, primary_hash"
)
LATEST, OLDEST, RECOMMENDED = "latest", "oldest", "recommended"
_TOP_VALUES = 10
_MAX_KEYS = 100
# Columns that are shown and searched like tags.
_COLUMN_TAGS = ("level", "environment", "release", "dist", "transaction", "logger", "user")
_ALL_TAGS = (
    "arrayConcat(arrayFilter(tag -> NOT has({column_tags:Array(String)}, tag.1), "
    "CAST(tags, 'Array(Tuple(String, String))')), arrayFilter(tag -> tag.2 != '', ["
    + ", ".join(f"('{name}', toString({name}))" for name in _COLUMN_TAGS)
    + "]))"
)
_TIME = "DateTime64(3, 'UTC')"


@dataclass(frozen=True)
class Event:
    """A stored event. ``data`` is the normalized payload, decoded when first asked for."""

    project_id: int
    id: str
    issue_id: int
    timestamp: datetime
    received: datetime
    title: str
    message: str
    culprit: str
    location: str
    level: str
    type: str
    platform: str
    environment: str
    release: str
    dist: str
    transaction: str
    user: str
    user_fields: Mapping[str, str]
    trace_id: str
    replay_id: str
    tags: Mapping[str, str]
    size: int
    primary_hash: str = ""
    """The fingerprint it was grouped by, 32 hex digits."""
    payload: str | bytes | None = field(default=None, repr=False)

    @cached_property
    def data(self) -> dict[str, Any]:
        """The normalized event as JSON, ``_meta`` included. Reads the payload when the event came from a list."""
        payload = self.payload
        if payload is None:
            rows = get_store().rows(
                "SELECT payload FROM events WHERE project_id = {project:UInt64} AND event_id = {event:UUID} LIMIT 1",
                {"project": self.project_id, "event": uuid.UUID(self.id)},
            )
            payload = rows[0][0] if rows else "{}"
        return orjson.loads(payload)


@dataclass(frozen=True)
class Neighbours:
    """Ids of the events around one, in time; None at the ends."""

    older: str | None
    newer: str | None
    oldest: str | None
    latest: str | None


@dataclass(frozen=True)
class EventListPage:
    """Events, newest first, and the cursors of the pages around."""

    events: list[Event]
    next_cursor: str | None
    previous_cursor: str | None


@dataclass(frozen=True)
class TagValue:
    """How often a value of a tag occurred."""

    value: str
    count: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True)
class TagKey:
    """A tag's distribution. ``total`` counts events that have it, ``unique`` its distinct values."""

    key: str
    total: int
    unique: int
    top_values: list[TagValue]


@dataclass(frozen=True)
class Conditions:
    """SQL conditions over the events table with their bound parameters."""

    sql: Sequence[str] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)


def scope(
    project_ids: Sequence[int],
    *,
    issue: Issue | None = None,
    environments: Sequence[str] = (),
    period: Period | None = None,
    extra: Conditions | None = None,
) -> tuple[str, dict[str, Any]]:
    """The WHERE clause every query of events starts from, and its parameters.

    What is older than the retention is out even before the event store has deleted it.
    """
    sql = ["project_id IN {projects:Array(UInt64)}", f"timestamp >= {{kept_since:{_TIME}}}"]
    kept_since = datetime.now(UTC) - timedelta(days=get_settings().event_retention_days)
    parameters: dict[str, Any] = {"projects": list(project_ids), "kept_since": kept_since}
    if issue is not None:
        sql.append("issue_id = {issue:UInt64}")
        parameters["issue"] = issue.pk
    if environments:
        sql.append("environment IN {environments:Array(String)}")
        parameters["environments"] = list(environments)
    if period is not None:
        sql.append("timestamp >= {start:DateTime64(3, 'UTC')} AND timestamp < {end:DateTime64(3, 'UTC')}")
        parameters |= {"start": period.start, "end": period.end}
    if extra is not None:
        sql += extra.sql
        parameters |= extra.parameters
    return " AND ".join(sql), parameters


def _event(row: Mapping[str, Any]) -> Event:
    return Event(
        project_id=row["project_id"],
        id=row["event_id"].hex,
        issue_id=row["issue_id"],
        timestamp=_aware(row["timestamp"]),
        received=_aware(row["received"]),
        title=row["title"],
        message=row["message"],
        culprit=row["culprit"],
        location=row["location"],
        level=row["level"],
        type=row["type"],
        platform=row["platform"],
        environment=row["environment"],
        release=row["release"],
        dist=row["dist"],
        transaction=row["transaction"],
        user=row["user"],
        user_fields={
            name: row[column]
            for name, column in (
                ("id", "user_id"),
                ("email", "user_email"),
                ("username", "user_username"),
                ("ip_address", "user_ip"),
            )
            if row[column]
        },
        trace_id=row["trace_id"],
        replay_id=row["replay_id"],
        tags=row["tags"],
        size=row["size"],
        primary_hash=row["primary_hash"].hex,
        payload=row.get("payload"),
    )


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _first(sql: str, parameters: Mapping[str, Any]) -> Event | None:
    rows = get_store().query(f"SELECT {_LIST_COLUMNS}, payload FROM events {sql} LIMIT 1", parameters)
    return _event(rows[0]) if rows else None


def parse_event_id(text: str) -> uuid.UUID | None:
    """32 hex digits, with or without dashes; None for anything else."""
    try:
        return uuid.UUID(text) if len(text) in (32, 36) else None
    except ValueError:
        return None


def get_event(project_ids: Sequence[int], event_id: str) -> Event | None:
    """An event of one of the projects by its id."""
    parsed = parse_event_id(event_id)
    if parsed is None or not project_ids:
        return None
    where, parameters = scope(project_ids)
    return _first(f"WHERE {where} AND event_id = {{event:UUID}}", {**parameters, "event": parsed})


def issue_event(
    issue: Issue,
    which: str,
    environments: Sequence[str] = (),
    period: Period | None = None,
    extra: Conditions | None = None,
) -> Event | None:
    """The latest, oldest or recommended event of an issue, or the one with an id.

    Recommended is, among the thousand newest, the one that tells most: a replay, then a trace, then a release and a
    user, then the largest payload's newest.
    """
    if which not in (LATEST, OLDEST, RECOMMENDED):
        event = get_event([issue.project_id], which)
        return event if event is not None and event.issue_id == issue.pk else None
    where, parameters = scope([issue.project_id], issue=issue, environments=environments, period=period, extra=extra)
    if which == RECOMMENDED:
        ranked = (
            f"WHERE event_id = (SELECT event_id FROM (SELECT event_id, timestamp, replay_id, trace_id, release, user "
            f"FROM events WHERE {where} ORDER BY timestamp DESC LIMIT 1000) "
            "ORDER BY replay_id != '' DESC, trace_id != '' DESC, (release != '') + (user != '') DESC, timestamp DESC "
            "LIMIT 1) AND project_id IN {projects:Array(UInt64)}"
        )
        return _first(ranked, parameters)
    direction = "DESC" if which == LATEST else "ASC"
    return _first(f"WHERE {where} ORDER BY timestamp {direction}, event_id {direction}", parameters)


def neighbours(
    issue: Issue, event: Event, environments: Sequence[str] = (), period: Period | None = None
) -> Neighbours:
    """The events before and after one within the filters, and the ends. One query."""
    where, parameters = scope([issue.project_id], issue=issue, environments=environments, period=period)
    here = "({at:DateTime64(3, 'UTC')}, {event:UUID})"
    row = get_store().rows(
        "SELECT argMaxIf(event_id, (timestamp, event_id), (timestamp, event_id) < " + here + "), "
        "countIf((timestamp, event_id) < " + here + "), "
        "argMinIf(event_id, (timestamp, event_id), (timestamp, event_id) > " + here + "), "
        "countIf((timestamp, event_id) > " + here + "), "
        "argMin(event_id, (timestamp, event_id)), argMax(event_id, (timestamp, event_id)), count() "
        f"FROM events WHERE {where}",
        {**parameters, "at": event.timestamp, "event": uuid.UUID(event.id)},
    )[0]
    older, before, newer, after, oldest, latest, total = row
    return Neighbours(
        older.hex if before else None,
        newer.hex if after else None,
        oldest.hex if total else None,
        latest.hex if total else None,
    )


def search_conditions(project_ids: Sequence[int], query: str) -> Conditions:
    """The conditions of a search over events (AND, OR and parentheses allowed). Raises SearchError."""
    condition = compile_events(parse_query(query), OrganizationSearchContext(project_ids))
    return Conditions([condition.sql], condition.parameters)


def list_events(
    project_ids: Sequence[int],
    *,
    issue: Issue | None = None,
    query: str = "",
    extra: Conditions | None = None,
    environments: Sequence[str] = (),
    period: Period | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> EventListPage:
    """Events that match, newest first. Raises SearchError, and ValueError for a cursor that is none. One query."""
    if not project_ids:
        return EventListPage([], None, None)
    if query:
        extra = merged(extra, search_conditions(project_ids, query))
    where, parameters = scope(project_ids, issue=issue, environments=environments, period=period, extra=extra)
    place = parse_cursor(cursor)
    backwards = place is not None and place.is_previous
    if place is not None:
        where += f" AND (timestamp, event_id) {'>' if backwards else '<'} ({{at:{_TIME}}}, {{event:UUID}})"
        parameters |= _place_parameters(place)
    direction = "ASC" if backwards else "DESC"
    rows = get_store().query(
        f"SELECT {_LIST_COLUMNS} FROM events WHERE {where} ORDER BY timestamp {direction}, event_id {direction} "
        "LIMIT {limit:UInt32}",
        {**parameters, "limit": limit + 1},
    )
    more = len(rows) > limit
    events = [_event(row) for row in rows[:limit]]
    if backwards:
        events.reverse()
    has_next, has_previous = (True, more) if backwards else (more, place is not None)
    return EventListPage(
        events,
        str(_place(events[-1])) if events and has_next else None,
        str(_place(events[0], is_previous=True)) if events and has_previous else None,
    )


def _place(event: Event, *, is_previous: bool = False) -> Cursor:
    milliseconds = (event.timestamp - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    return Cursor(milliseconds, int(event.id, 16), is_previous)


def _place_parameters(place: Cursor) -> dict[str, Any]:
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=place.value)
        return {"at": moment, "event": uuid.UUID(int=place.identity)}
    except (OverflowError, ValueError):
        raise ValueError("Invalid cursor parameter.") from None


def merged(first: Conditions | None, second: Conditions) -> Conditions:
    """Both conditions. Their parameters must have different names."""
    if first is None:
        return second
    return Conditions([*first.sql, *second.sql], {**first.parameters, **second.parameters})


def parse_offset(cursor: str | None) -> int:
    """The offset of a cursor. Raises ValueError for a text that is none."""
    if not cursor:
        return 0
    place = parse_cursor(cursor)
    if place is None:
        return 0
    if place.identity > 1_000_000:
        raise ValueError("Invalid cursor parameter.")
    return place.identity


def tag_keys(
    project_ids: Sequence[int],
    *,
    issue: Issue | None = None,
    environments: Sequence[str] = (),
    period: Period | None = None,
    extra: Conditions | None = None,
    key: str | None = None,
) -> list[TagKey]:
    """The tags of the events with their most frequent values, the most widespread first. One query."""
    where, parameters = scope(project_ids, issue=issue, environments=environments, period=period, extra=extra)
    if not project_ids:
        return []
    only = "AND tag.1 = {key:String} " if key is not None else ""
    rows = get_store().query(
        "SELECT key, sum(n) AS total, count() AS uniques, "
        f"arraySlice(arraySort(x -> -x.2, groupArray((value, n, first, last))), 1, {_TOP_VALUES}) AS top FROM ("
        "SELECT tag.1 AS key, tag.2 AS value, count() AS n, min(timestamp) AS first, max(timestamp) AS last "
        f"FROM events ARRAY JOIN {_ALL_TAGS} AS tag WHERE {where} {only}"
        f"GROUP BY key, value) GROUP BY key ORDER BY total DESC, key LIMIT {_MAX_KEYS}",
        {**parameters, "column_tags": list(_COLUMN_TAGS), **({"key": key} if key is not None else {})},
    )
    return [
        TagKey(
            row["key"],
            row["total"],
            row["uniques"],
            [TagValue(value, n, _aware(first), _aware(last)) for value, n, first, last in row["top"]],
        )
        for row in rows
    ]


def _value_expression(key: str) -> str:
    """The SQL of a field's or tag's value; array fields give a row an element."""
    field_ = find_field(key)
    if field_ is None or field_.kind not in ("text", "release", "user") or not field_.column:
        return "tags[{key:String}]"
    return f"arrayJoin({field_.column})" if field_.array else field_.column


def tag_values(
    project_ids: Sequence[int],
    key: str,
    *,
    issue: Issue | None = None,
    environments: Sequence[str] = (),
    period: Period | None = None,
    query: str = "",
    cursor: str | None = None,
    limit: int = 100,
) -> tuple[list[TagValue], str | None, str | None]:
    """Values of one tag or text field, most frequent first, with next and previous cursor.

    ``query`` must occur in the value, whatever the case. Raises ValueError for a cursor that is none.
    """
    if not project_ids:
        return [], None, None
    where, parameters = scope(project_ids, issue=issue, environments=environments, period=period)
    offset = parse_offset(cursor)
    expression = _value_expression(key)
    rows = get_store().rows(
        "SELECT value, count() AS n, min(timestamp), max(timestamp) FROM ("
        f"SELECT toString({expression}) AS value, timestamp FROM events WHERE {where}) "
        "WHERE value != '' AND positionCaseInsensitiveUTF8(value, {query:String}) > 0 "
        "GROUP BY value ORDER BY n DESC, value LIMIT {limit:UInt32} OFFSET {offset:UInt32}",
        {**parameters, "key": key, "query": query, "limit": limit + 1, "offset": offset},
    )
    values = [TagValue(value, n, _aware(first), _aware(last)) for value, n, first, last in rows[:limit]]
    return (
        values,
        f"0:{offset + limit}:0" if len(rows) > limit else None,
        f"0:{max(0, offset - limit)}:1" if offset else None,
    )
