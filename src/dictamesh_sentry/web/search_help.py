"""What the search field suggests: keys with a word about each, and values for the key before the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dictamesh_sentry.eventstore.interface import QueryTimeoutError, StoreUnavailableError
from dictamesh_sentry.issues.event_queries import tag_keys, tag_values
from dictamesh_sentry.organizations.queries import members, teams
from dictamesh_sentry.releases.models import Release
from dictamesh_sentry.web.pages import PageRequest
from dictamesh_sentry.web.views.issues_scope import Scope

MOST = 12

KEYS: tuple[tuple[str, str], ...] = (
    ("is", "status: unresolved, resolved, archived, assigned, for_review …"),
    ("assigned", "me, none, my_teams, an address or #team"),
    ("level", "fatal, error, warning, info, debug"),
    ("release", "version, latest, or with *"),
    ("environment", "name of an environment"),
    ("error.type", "class of the exception"),
    ("error.value", "message of the exception"),
    ("error.unhandled", "true when nobody caught it"),
    ("message", "text in title or message"),
    ("transaction", "route or job"),
    ("user.email", "address of an affected user"),
    ("user.id", "id of an affected user"),
    ("user.username", "name of an affected user"),
    ("user.ip", "address of an affected client"),
    ("timesSeen", "number of events, e.g. >100"),
    ("firstSeen", "e.g. -24h for the last day"),
    ("lastSeen", "e.g. +7d for quiet since a week"),
    ("age", "as firstSeen"),
    ("firstRelease", "release the issue appeared in"),
    ("issue.priority", "high, medium, low"),
    ("issue.category", "error, feedback, …"),
    ("issue", "short id"),
    ("project", "slug of a project"),
    ("bookmarks", "me"),
    ("subscribed", "me"),
    ("has", "a tag that must be there"),
    ("stack.filename", "file of any frame"),
    ("stack.function", "function of any frame"),
    ("stack.module", "module of any frame"),
    ("http.method", "GET, POST, …"),
    ("http.url", "address, with *"),
    ("platform.name", "platform of the SDK"),
    ("sdk.name", "name of the SDK"),
    ("logger", "name of the logger"),
    ("trace", "trace id"),
    ("id", "event id"),
)

_FIXED: dict[str, Sequence[str]] = {
    "is": ("unresolved", "resolved", "archived", "for_review", "new", "ongoing", "regressed", "escalating", "assigned",
           "unassigned", "archived_until_escalating", "archived_until_condition_met", "archived_forever"),
    "level": ("fatal", "error", "warning", "info", "debug"),
    "issue.priority": ("high", "medium", "low", "[high, medium]"),
    "issue.category": ("error", "feedback"),
    "error.unhandled": ("true", "false"),
    "error.handled": ("true", "false"),
    "error.main_thread": ("true", "false"),
    "bookmarks": ("me",),
    "subscribed": ("me",),
    "firstSeen": ("-1h", "-24h", "-7d", "-30d", "+30d"),
    "lastSeen": ("-1h", "-24h", "-7d", "+7d", "+30d"),
    "age": ("-1h", "-24h", "-7d", "-30d", "+30d"),
    "timesSeen": (">10", ">100", ">1000", "1"),
    "http.method": ("GET", "POST", "PUT", "PATCH", "DELETE"),
}  # fmt: skip
_FIXED = {
    **_FIXED,
    "first_seen": _FIXED["firstSeen"],
    "last_seen": _FIXED["lastSeen"],
    "times_seen": _FIXED["timesSeen"],
}


@dataclass(frozen=True)
class Suggestion:
    """Replaces the characters from ``start`` to ``end`` of the query by ``insert``."""

    label: str
    insert: str
    start: int
    end: int
    hint: str = ""


def token_at(query: str, cursor: int) -> tuple[int, str]:
    """(start, text up to the cursor) of the word the cursor is in; spaces inside quotes and brackets do not end it."""
    cursor = max(0, min(cursor, len(query)))
    start, quoted, depth = 0, False, 0
    for position, character in enumerate(query[:cursor]):
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "[]":
            depth = max(0, depth + (1 if character == "[" else -1))
        elif character == " " and not quoted and not depth:
            start = position + 1
    return start, query[start:cursor]


def suggest(request: PageRequest, scope: Scope, query: str, cursor: int) -> list[Suggestion]:
    """At most ``MOST`` suggestions for the word at the cursor."""
    start, word = token_at(query, cursor)
    negation = "!" if word.startswith("!") else ""
    word = word.removeprefix("!")
    key, colon, value = word.partition(":")
    if not colon:
        return _keys(scope, key, negation, start, cursor)
    prefix = value.lstrip('"').lower()
    found = [text for text in _values(request, scope, key, prefix) if prefix in text.lower()]
    return [Suggestion(text, f"{negation}{key}:{_quoted(text)} ", start, cursor) for text in dict.fromkeys(found)][
        :MOST
    ]


def _keys(scope: Scope, prefix: str, negation: str, start: int, cursor: int) -> list[Suggestion]:
    wanted = prefix.lower()
    known = [(name, hint) for name, hint in KEYS if wanted in name.lower()]
    known.sort(key=lambda pair: not pair[0].lower().startswith(wanted))
    if wanted and len(known) < MOST:
        names = {name for name, _ in known}
        known += [(name, "tag") for name in _tag_names(scope) if wanted in name.lower() and name not in names]
    return [Suggestion(f"{negation}{name}:", f"{negation}{name}:", start, cursor, hint) for name, hint in known[:MOST]]


def _values(request: PageRequest, scope: Scope, key: str, prefix: str) -> Sequence[str]:
    if key in _FIXED:
        return _FIXED[key]
    if key in {"assigned", "assigned_to", "assigned_or_suggested"}:
        people = [member.user.email for member in members(request.organization)[:200] if member.user]
        return ["me", "none", "my_teams", *people, *(f"#{team.slug}" for team in teams(request.organization)[:100])]
    if key == "environment":
        return scope.known_environments
    if key in {"project", "project.name"}:
        return [project.slug for project in scope.visible]
    if key in {"release", "firstRelease", "first-release"}:
        return ["latest", *_releases(request, scope, prefix)]
    if key == "has":
        return _tag_names(scope)
    return _tag_value_texts(scope, key, prefix)


def _releases(request: PageRequest, scope: Scope, prefix: str) -> Sequence[str]:
    ids = [project.pk for project in scope.searched]
    found = Release.objects.filter(organization=request.organization, release_projects__project__in=ids)
    if prefix:
        found = found.filter(version__icontains=prefix)
    return list(found.order_by("-date_added").values_list("version", flat=True).distinct()[:MOST])


def _tag_names(scope: Scope) -> Sequence[str]:
    ids = [project.pk for project in scope.searched]
    try:
        return [tag.key for tag in tag_keys(ids, period=scope.period)] if ids else []
    except (StoreUnavailableError, QueryTimeoutError):
        return []


def _tag_value_texts(scope: Scope, key: str, prefix: str) -> Sequence[str]:
    ids = [project.pk for project in scope.searched]
    if not ids:
        return []
    try:
        values, _, _ = tag_values(
            ids, key, environments=scope.environments, period=scope.period, query=prefix, limit=MOST
        )
    except (StoreUnavailableError, QueryTimeoutError):
        return []
    return [value.value for value in values]


def _quoted(text: str) -> str:
    """As a value of the search: quoted when it would otherwise end early."""
    if text.startswith("[") or not any(character in ' "()*,' for character in text):
        return text
    escaped = text.replace('"', '\\"')
    return f'"{escaped}"'
