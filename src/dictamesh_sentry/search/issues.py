"""Terms of an issue search → a condition on issues (Django Q) and one on their events.

An issue matches when its own attributes fit and, if the query asks anything of events, at least one of its events in
the window fits all of that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.db.models import Q

from dictamesh_sentry.search.ast import Filter, FreeText, Has, Term, Value
from dictamesh_sentry.search.conditions import Condition
from dictamesh_sentry.search.context import SearchContext
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.events import EventCompiler, issue_of, project_of
from dictamesh_sentry.search.fields import (
    IS_VALUES,
    PRIORITIES,
    STATUSES,
    SUBSTATUSES,
    Field,
    find_field,
)
from dictamesh_sentry.search.parser import parse_issue_query
from dictamesh_sentry.search.releases import ids, named_releases
from dictamesh_sentry.search.values import DateRange, parse_date, parse_number

_NOTHING = Q(pk__in=())
_ARCHIVED = frozenset({"archived", "ignored", "muted"})
_STATUS_OF = {name: "ignored" if name.startswith("archived_") else "unresolved" for name in SUBSTATUSES}
_LOOKUPS = {"=": "exact", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}


@dataclass(frozen=True)
class IssueSearch:
    """What a query asks of issues and of their events. ``event_condition`` is None when it asks nothing of events."""

    metadata: Q
    event_condition: Condition | None
    has_metadata: bool


def compile_issues(text: str, context: SearchContext) -> IssueSearch:
    """Parse and compile an issue search. Raises SearchError."""
    found = parse_issue_query(text)
    compiler = _IssueCompiler(context, found)
    metadata = Q()
    has_metadata = False
    event_terms: list[Term] = []
    for term in found:
        condition = compiler.term(term)
        if condition is None:
            event_terms.append(term)
        else:
            metadata &= condition
            has_metadata = True
    if not event_terms:
        return IssueSearch(metadata, None, has_metadata)
    events = EventCompiler(context)
    sql = " AND ".join(events.term(term) for term in event_terms)
    return IssueSearch(metadata, Condition(f"({sql})", events.binder.parameters), has_metadata)


class _IssueCompiler:
    """Turns terms about issues into Q; None for terms about events."""

    def __init__(self, context: SearchContext, all_terms: Sequence[Term]) -> None:
        self._context = context
        self._has_status = any(
            isinstance(term, Filter) and term.key.name == "is" and any(value.text in STATUSES for value in term.values)
            for term in all_terms
        )
        self._keys: dict[str, Callable[[Filter], Q]] = {
            "is": self._is,
            "assigned": self._assigned,
            "assigned_or_suggested": self._assigned,
            "bookmarks": lambda term: self._person(term, "bookmarks__user__in"),
            "subscribed": self._subscribed,
            "team": self._team,
            "age": lambda term: self._date(term, "first_seen"),
            "firstSeen": lambda term: self._date(term, "first_seen"),
            "lastSeen": lambda term: self._date(term, "last_seen"),
            "timesSeen": lambda term: self._number(term, "times_seen"),
            "firstRelease": lambda term: self._release(term, "first_release"),
            "regressed_in_release": lambda term: self._release(term, "regressed_in_release"),
            "issue": self._issue,
            "issue.id": self._issue,
            "issue.category": lambda term: self._text(term, "category"),
            "issue.type": lambda term: self._text(term, "type"),
            "issue.priority": self._priority,
            "project": self._project,
            "project.id": lambda term: self._number(term, "project_id"),
        }

    def term(self, term: Term) -> Q | None:
        """The condition of a term about issues, or None."""
        if isinstance(term, FreeText):
            return None
        if term.key.kind == "aggregate":
            raise SearchError("Aggregates are not supported in this search.", term.span.position, term.span.length)
        field = find_field(term.key.name) if term.key.kind == "field" else None
        if field is None or (field.target == "event" and field.key not in ("project", "project.id")):
            return None
        if isinstance(term, Has):
            return self._has(term, field)
        return self._keys[field.key](term)

    def _has(self, term: Has, field: Field) -> Q | None:
        presence = {
            "assigned": Q(assigned_user__isnull=False) | Q(assigned_team__isnull=False),
            "firstRelease": Q(first_release__isnull=False),
            "regressed_in_release": Q(regressed_in_release__isnull=False),
        }
        if field.target == "event":
            return None
        condition = presence.get(field.key, ~_NOTHING)
        return ~condition if term.negated else condition

    # Status

    def _is(self, term: Filter) -> Q:
        _equality(term)
        condition = _NOTHING
        for value in term.values:
            condition |= self._one_is(value)
        return _negate(term, condition)

    def _one_is(self, value: Value) -> Q:
        name = value.text
        if name in _ARCHIVED:
            return Q(status="ignored")
        if name in STATUSES:
            return Q(status=name)
        if name in SUBSTATUSES:
            return Q(substatus=name) if self._has_status else Q(substatus=name, status=_STATUS_OF[name])
        if name in ("assigned", "unassigned"):
            condition = Q(assigned_user__isnull=False) | Q(assigned_team__isnull=False)
            return condition if name == "assigned" else ~condition
        if name == "for_review":
            return Q(status="unresolved", substatus__in=("new", "regressed", "escalating"))
        if name in ("linked", "unlinked"):  # no issue of this installation has an external one
            return _NOTHING if name == "linked" else ~_NOTHING
        raise SearchError(
            f"is: Invalid value {name!r}.",
            value.span.position,
            value.span.length,
            f"Use one of {', '.join(IS_VALUES)}.",
        )

    def _priority(self, term: Filter) -> Q:
        _equality(term)
        for value in term.values:
            if value.text not in PRIORITIES:
                raise SearchError(
                    f"issue.priority: Invalid value {value.text!r}.",
                    value.span.position,
                    value.span.length,
                    f"Use one of {', '.join(PRIORITIES)}.",
                )
        return _negate(term, Q(priority__in=[value.text for value in term.values]))

    # People

    def _user_ids(self, value: Value) -> Sequence[int]:
        if value.text == "me":
            return [self._context.user_id] if self._context.user_id is not None else []
        return self._context.member_ids(value.text)

    def _person(self, term: Filter, lookup: str) -> Q:
        _equality(term)
        users = [user for value in term.values for user in self._user_ids(value)]
        return _negate(term, Q(**{lookup: users}))

    def _subscribed(self, term: Filter) -> Q:
        _equality(term)
        users = [user for value in term.values for user in self._user_ids(value)]
        return _negate(term, Q(subscriptions__user__in=users, subscriptions__is_active=True))

    def _assigned(self, term: Filter) -> Q:
        _equality(term)
        condition = _NOTHING
        for value in term.values:
            condition |= self._one_assigned(value)
        return _negate(term, condition)

    def _one_assigned(self, value: Value) -> Q:
        text = value.text
        if text in ("none", ""):
            return Q(assigned_user__isnull=True, assigned_team__isnull=True)
        if text == "my_teams":
            return Q(assigned_team__in=list(self._context.team_ids))
        if text.startswith("#"):
            return Q(assigned_team=self._team_id(text[1:], value))
        return Q(assigned_user__in=list(self._user_ids(value)))

    def _team_id(self, slug: str, value: Value) -> int:
        found = self._context.team_id(slug)
        if found is None:
            raise SearchError(f"Team {slug!r} does not exist.", value.span.position, value.span.length)
        return found

    def _team(self, term: Filter) -> Q:
        _equality(term)
        projects: list[int] = []
        for value in term.values:
            found = self._context.team_project_ids(value.text.removeprefix("#"))
            if found is None:
                raise SearchError(f"Team {value.text!r} does not exist.", value.span.position, value.span.length)
            projects += found
        return _negate(term, Q(project_id__in=projects))

    # Attributes

    def _date(self, term: Filter, column: str) -> Q:
        if term.is_list:
            raise SearchError(f"{term.key.name}: takes one date.", term.span.position, term.span.length)
        if term.operator in ("=", "!="):
            window = parse_date(term.key.name, term.operator, term.value, self._context.now)
            return _negate(term, _window(column, window))
        return _window(column, parse_date(term.key.name, term.effective_operator, term.value, self._context.now))

    def _number(self, term: Filter, column: str) -> Q:
        numbers = [parse_number(term.key.name, value) for value in term.values]
        if term.is_list or term.operator in ("=", "!="):
            return _negate(term, Q(**{f"{column}__in": [int(n) for n in numbers if n == int(n) and abs(n) < 2**63]}))
        bounded = max(min(numbers[0], 2.0**62), -(2.0**62))
        return Q(**{f"{column}__{_LOOKUPS[term.effective_operator]}": bounded})

    def _text(self, term: Filter, column: str) -> Q:
        _equality(term)
        condition = _NOTHING
        for value in term.values:
            condition |= _like(column, value)
        return _negate(term, condition)

    def _release(self, term: Filter, column: str) -> Q:
        _equality(term)
        chosen = named_releases(term, self._context)
        if chosen is not None:
            return _negate(term, Q(**{f"{column}__in": ids(chosen)}))
        names = [value.text for value in term.values]
        condition = Q(**{f"{column}__version__in": [name for name in names if name]})
        if "" in names:
            condition |= Q(**{f"{column}__isnull": True})
        return _negate(term, condition)

    def _issue(self, term: Filter) -> Q:
        _equality(term)
        found = [issue_of(find_key(term), value, self._context) for value in term.values]
        return _negate(term, Q(pk__in=found))

    def _project(self, term: Filter) -> Q:
        _equality(term)
        return _negate(term, Q(project_id__in=[project_of(value, self._context) for value in term.values]))


def find_key(term: Filter) -> str:
    """The canonical name of a filter's key."""
    field = find_field(term.key.name)
    return field.key if field else term.key.name


def _like(column: str, value: Value) -> Q:
    """Equality, or a wildcard at the ends. Values of these columns are short slugs."""
    if not value.is_pattern:
        return Q(**{column: value.text})
    first, last = value.pieces[0], value.pieces[-1]
    condition = Q(**{f"{column}__istartswith": first}, **{f"{column}__iendswith": last})
    for piece in value.pieces[1:-1]:
        condition &= Q(**{f"{column}__icontains": piece})
    return condition


def _window(column: str, window: DateRange) -> Q:
    condition = Q()
    if window.lower is not None:
        condition &= Q(**{f"{column}__{'gte' if window.lower_inclusive else 'gt'}": window.lower})
    if window.upper is not None:
        condition &= Q(**{f"{column}__{'lte' if window.upper_inclusive else 'lt'}": window.upper})
    return condition


def _negate(term: Filter, condition: Q) -> Q:
    return ~condition if term.effective_operator == "!=" else condition


def _equality(term: Filter) -> None:
    if term.operator not in ("=", "!="):
        raise SearchError(
            f"{term.key.name}: cannot be compared with {term.operator}.", term.span.position, term.span.length
        )
