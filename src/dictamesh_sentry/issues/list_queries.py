"""The issue list: search, sort, page, and the numbers of a page's rows.

Two ways lead to a page. When only the issues themselves decide (metadata conditions, a window that reaches to now, no
environment, sorted by last seen, first seen or priority), the metadata store finds the page by key, whatever the
number of issues, and the event store is asked for that page's numbers only. Otherwise the event store ranks the issues
that have matching events in the window, at most ``RANKED``, and the metadata store sorts out those that do not fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import BigIntegerField, Case, Q, QuerySet, Value, When

from dictamesh_sentry.eventstore.client import get_store
from dictamesh_sentry.issues.cursors import Cursor, page_cursors, parse_cursor, slice_rows
from dictamesh_sentry.issues.event_queries import Conditions, scope
from dictamesh_sentry.issues.models import Issue
from dictamesh_sentry.issues.search_context import OrganizationSearchContext
from dictamesh_sentry.issues.statistics_queries import USERS, statistics
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.projects.queries import visible_to
from dictamesh_sentry.search.issues import IssueSearch, compile_issues
from dictamesh_sentry.search.period import Period

RANKED = 10_000
FEW_CANDIDATES = 2_000
MAX_LIMIT = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_PRIORITY_RANK = {"high": 3, "medium": 2, "low": 1}
_RANK_FACTOR = 10**17

SORTS = {"date": "date", "new": "new", "freq": "freq", "user": "user", "trends": "trends", "priority": "priority",
         "inbox": "date", "recommended": "date"}  # fmt: skip
_METADATA_SORTS = frozenset({"date", "new", "priority"})
_SCORES = {
    "date": "toUnixTimestamp64Milli(max(timestamp))",
    "freq": "toInt64(count())",
    "user": f"toInt64({USERS})",
    "trends": "toInt64(1000 * (countIf(timestamp >= {middle:DateTime64(3, 'UTC')}) + 1) "
    "/ (countIf(timestamp < {middle:DateTime64(3, 'UTC')}) + 1))",
}


class SortError(ValueError):
    """An unknown sort order; the message lists the known ones."""


@dataclass(frozen=True)
class IssueRow:
    """An issue in a list. Numbers, times and series count what the window, environments and query let through.

    ``first_seen`` and ``last_seen`` are the issue's own when no event is left inside the filters.
    """

    issue: Issue
    count: int
    user_count: int
    first_seen: datetime
    last_seen: datetime
    stats: list[tuple[int, int]]


@dataclass(frozen=True)
class IssueListPage:
    """A page of the list. ``hits`` counts matching issues, at most ``RANKED``."""

    rows: list[IssueRow]
    next_cursor: str | None
    previous_cursor: str | None
    hits: int


@dataclass(frozen=True)
class _Request:
    """Everything that defines the list."""

    project_ids: Sequence[int]
    environments: Sequence[str]
    period: Period
    search: IssueSearch
    sort: str
    cursor: Cursor | None
    limit: int

    @property
    def issues(self) -> QuerySet[Issue]:
        """Issues the metadata conditions let through."""
        found = Issue.objects.filter(project_id__in=self.project_ids, is_pending_deletion=False)
        if not self.search.has_metadata:
            return found
        # In a subquery: conditions over bookmarks or subscriptions may find an issue twice.
        return (
            found.filter(self.search.metadata).distinct()
            if _joins(self.search.metadata)
            else found.filter(self.search.metadata)
        )

    @property
    def extra(self) -> Conditions | None:
        condition = self.search.event_condition
        return Conditions([condition.sql], condition.parameters) if condition else None

    @property
    def metadata_decides(self) -> bool:
        """Whether the metadata store alone knows which issues are on the list, and in what order."""
        open_ended = self.period.end >= datetime.now(UTC) - timedelta(seconds=5)
        return (
            self.search.event_condition is None
            and not self.environments
            and open_ended
            and self.sort in _METADATA_SORTS
        )


def search_issues(
    user: object,
    organization: Organization,
    *,
    query: str,
    projects: Sequence[Project] | None = None,
    environments: Sequence[str] = (),
    period: Period,
    sort: str = "date",
    cursor: str | None = None,
    limit: int = 25,
) -> IssueListPage:
    """Issues of the projects (None: all visible ones) that match and have events in the window.

    Raises SearchError, SortError, ValueError for a cursor that is none, and what the event store raises. At most two
    queries of the event store, whatever the number of issues.
    """
    visible = list(visible_to(user, organization).values_list("pk", flat=True))
    wanted = visible if projects is None else [project.pk for project in projects if project.pk in set(visible)]
    if sort not in SORTS:
        raise SortError(f"Unknown sort {sort!r}; use one of {', '.join(SORTS)}.")
    context = OrganizationSearchContext(wanted, organization, user)
    request = _Request(
        project_ids=wanted,
        environments=environments,
        period=period,
        search=compile_issues(query, context),
        sort=SORTS[sort],
        cursor=parse_cursor(cursor),
        limit=max(1, min(limit, MAX_LIMIT)),
    )
    if not wanted:
        return IssueListPage([], None, None, 0)
    ids, next_cursor, previous_cursor, hits = (
        _page_by_key(request) if request.metadata_decides else _page_by_events(request)
    )
    return IssueListPage(_rows(request, ids), next_cursor, previous_cursor, hits)


_Page = tuple[list[int], str | None, str | None, int]


def _microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def _moment(value: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=value)
    except OverflowError:
        raise ValueError("Invalid cursor parameter.") from None


def _page_by_key(request: _Request) -> _Page:
    """A page straight from the metadata store, by the sort key and id of the row the cursor names."""
    inside = request.issues.filter(last_seen__gte=request.period.start, first_seen__lt=request.period.end)
    column = "first_seen" if request.sort == "new" else "last_seen"
    ordered = inside
    order = [column, "pk"]
    if request.sort == "priority":
        cases = [When(priority=name, then=Value(rank)) for name, rank in _PRIORITY_RANK.items()]
        ordered = ordered.annotate(rank=Case(*cases, default=Value(0), output_field=BigIntegerField()))
        order = ["rank", *order]
    cursor = request.cursor
    backwards = cursor is not None and cursor.is_previous
    if cursor is not None:
        ordered = ordered.filter(_beyond(cursor, column, ranked=request.sort == "priority"))
    ordered = ordered.order_by(*(name if backwards else f"-{name}" for name in order))
    fields = ["pk", column, *(["rank"] if request.sort == "priority" else [])]
    found = list(ordered.values_list(*fields)[: request.limit + 1])
    more = len(found) > request.limit
    found = found[: request.limit]
    if backwards:
        found.reverse()
    keys = [(_key(row), row[0]) for row in found]
    has_next, has_previous = (True, more) if backwards else (more, cursor is not None)
    hits = inside.values("pk")[:RANKED].count()
    return [row[0] for row in found], *page_cursors(keys, has_next=has_next, has_previous=has_previous), hits


def _key(row: Sequence[object]) -> int:
    moment, rank = row[1], row[2] if len(row) > 2 else 0
    assert isinstance(moment, datetime)
    assert isinstance(rank, int)
    return rank * _RANK_FACTOR + _microseconds(moment)


def _beyond(cursor: Cursor, column: str, *, ranked: bool) -> Q:
    """Rows after the cursor's in a descending list; before it when it points backwards."""
    operator = "gt" if cursor.is_previous else "lt"
    rank, value = divmod(cursor.value, _RANK_FACTOR) if ranked else (0, cursor.value)
    if cursor.identity > 2**62 or rank > 3:
        raise ValueError("Invalid cursor parameter.")
    moment = _moment(value)
    beyond = Q(**{f"{column}__{operator}": moment}) | Q(**{column: moment, f"pk__{operator}": cursor.identity})
    return Q(**{f"rank__{operator}": rank}) | (Q(rank=rank) & beyond) if ranked else beyond


def _joins(condition: Q) -> bool:
    """Whether a condition reaches over a relation to many."""
    return any(
        _joins(child) if isinstance(child, Q) else str(child[0]).startswith(("bookmarks__", "subscriptions__"))
        for child in condition.children
    )


def _page_by_events(request: _Request) -> _Page:
    """A page of the issues the event store ranks, less those the metadata store refuses."""
    candidates: list[int] | None = None
    if request.search.has_metadata:
        few = list(request.issues.values_list("pk", flat=True)[: FEW_CANDIDATES + 1])
        if not few:
            return [], None, None, 0
        candidates = few if len(few) <= FEW_CANDIDATES else None
    ranked = _ranked(request, candidates)
    if request.sort in ("new", "priority"):
        rows = _ranked_by_metadata(request, [issue for issue, _ in ranked])
    else:
        allowed = set(request.issues.filter(pk__in=[issue for issue, _ in ranked]).values_list("pk", flat=True))
        rows = [(score, issue) for issue, score in ranked if issue in allowed]
    page = slice_rows(rows, request.cursor, request.limit)
    return [issue for _, issue in page.rows], page.next_cursor, page.previous_cursor, len(rows)


def _ranked(request: _Request, candidates: list[int] | None) -> Sequence[tuple[int, int]]:
    """(issue, score) of issues with matching events, best first, at most ``RANKED``. One query."""
    where, parameters = scope(
        request.project_ids, environments=request.environments, period=request.period, extra=request.extra
    )
    score = _SCORES.get(request.sort, _SCORES["date"])
    if request.sort == "trends":
        parameters["middle"] = request.period.start + (request.period.end - request.period.start) / 2
    if candidates is not None:
        where += " AND issue_id IN {candidates:Array(UInt64)}"
        parameters["candidates"] = candidates
    return get_store().rows(  # type: ignore[return-value]
        f"SELECT issue_id, {score} AS score FROM events WHERE {where} GROUP BY issue_id "
        f"ORDER BY score DESC, issue_id DESC LIMIT {RANKED}",
        parameters,
    )


def _ranked_by_metadata(request: _Request, ids: Sequence[int]) -> list[tuple[int, int]]:
    """The issues by first seen, or by priority and last seen."""
    found = request.issues.filter(pk__in=ids).values_list("pk", "first_seen", "last_seen", "priority")
    if request.sort == "new":
        rows = [(_microseconds(first), pk) for pk, first, _, _ in found]
    else:
        rows = [
            (_PRIORITY_RANK.get(priority, 0) * _RANK_FACTOR + _microseconds(last), pk)
            for pk, _, last, priority in found
        ]
    return sorted(rows, reverse=True)


def _rows(request: _Request, ids: Sequence[int]) -> list[IssueRow]:
    """The rows of a page in the given order, with their numbers."""
    numbers = statistics(
        request.project_ids, ids, environments=request.environments, period=request.period, extra=request.extra
    )
    loaded = Issue.objects.select_related("project", "assigned_user", "assigned_team").in_bulk(ids)
    rows: list[IssueRow] = []
    for issue_id in ids:
        issue = loaded.get(issue_id)
        if issue is None:
            continue
        found = numbers.get(issue_id)
        rows.append(
            IssueRow(
                issue=issue,
                count=found.count if found else 0,
                user_count=found.user_count if found else 0,
                first_seen=(found and found.first_seen) or issue.first_seen,
                last_seen=(found and found.last_seen) or issue.last_seen,
                stats=found.series if found else [],
            )
        )
    return rows
