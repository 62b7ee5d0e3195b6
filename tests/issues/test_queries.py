"""The issue list and the numbers of issues, against values computed here from the same events."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import AnonymousUser

from dictamesh_sentry.accounts.models import User
from dictamesh_sentry.eventstore.client import log_queries
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.issues.models import Issue, IssueBookmark, IssueRedirect, IssueSubscription
from dictamesh_sentry.issues.queries import (
    IssueListPage,
    SortError,
    get_issue,
    issue_series,
    issue_totals,
    search_issues,
    short_id,
    user_counts,
    visible_issues,
)
from dictamesh_sentry.organizations.access import NotVisibleError
from dictamesh_sentry.organizations.models import Organization
from dictamesh_sentry.projects.models import Project
from dictamesh_sentry.search.errors import SearchError
from dictamesh_sentry.search.period import Period, parse_period
from tests.support.events import EventRow, insert_events
from tests.support.factories import make_issue, make_member, make_organization, make_project, make_release, make_team

pytestmark = pytest.mark.django_db


@dataclass
class Shop:
    """Two projects with issues and events, a third project in another organization with the same issue numbers."""

    organization: Organization
    user: User
    projects: list[Project]
    issues: list[Issue]
    events: list[EventRow]
    now: datetime

    def search(self, query: str = "", **options: object) -> IssueListPage:
        defaults = {"period": parse_period("14d"), "projects": None}
        return search_issues(self.user, self.organization, query=query, **{**defaults, **options})  # type: ignore[arg-type]

    def ids(self, query: str = "", **options: object) -> list[int]:
        return [row.issue.pk for row in self.search(query, **options).rows]

    def matching(
        self, test: Callable[[EventRow], bool] = lambda event: True, days: float = 14
    ) -> dict[int, list[EventRow]]:
        """Events inside, by issue."""
        found: dict[int, list[EventRow]] = {}
        for event in self.events:
            if event.timestamp >= self.now - timedelta(days=days) and test(event):
                found.setdefault(event.issue_id, []).append(event)
        return found


@pytest.fixture
def shop(event_store: EventStore) -> Shop:
    rng = random.Random(11)
    now = datetime.now(UTC).replace(microsecond=0)
    organization = make_organization()
    team = make_team(organization, slug="backend")
    user = make_member(organization, teams=(team,))
    projects = [make_project(organization, teams=(team,), slug="shop"), make_project(organization, slug="blog")]
    issues: list[Issue] = []
    events: list[EventRow] = []
    for number in range(40):
        project = projects[number % 2]
        times = sorted(now - timedelta(seconds=rng.randrange(1, 86400 * 20)) for _ in range(rng.randrange(1, 12)))
        issue = make_issue(
            project,
            title=f"Error {number}",
            status=("unresolved", "unresolved", "resolved", "ignored")[number % 4],
            substatus=("new", "ongoing", "", "archived_forever")[number % 4],
            priority=("high", "medium", "low")[number % 3],
            first_seen=times[0],
            last_seen=times[-1],
            times_seen=len(times),
        )
        issues.append(issue)
        events += [
            EventRow(
                project_id=project.pk,
                issue_id=issue.pk,
                timestamp=moment,
                title=issue.title,
                environment=rng.choice(["production", "staging", ""]),
                user=rng.choice(["", "id:1", "id:2", "id:3", "email:x"]),
                release=rng.choice(["shop@1.0.0", "shop@2.0.0"]),
                tags={"browser": rng.choice(["Chrome", "Firefox"])},
            )
            for moment in times
        ]
    foreign = make_project(make_organization(), slug="shop")
    stranger = make_issue(foreign, title="Error foreign", last_seen=now, first_seen=now)
    foreign_events = [EventRow(project_id=foreign.pk, issue_id=stranger.pk, timestamp=now, title="Error foreign")]
    # A foreign project's row that claims one of our issues must not count either.
    foreign_events.append(EventRow(project_id=foreign.pk, issue_id=issues[0].pk, timestamp=now, title="Error 0"))
    insert_events(event_store, [*events, *foreign_events])
    return Shop(organization, user, projects, issues, events, now)


def test_rows_count_what_the_filters_let_through(shop: Shop) -> None:
    """Counts, users, times and series, with environment, period and search, for every sort order."""
    cases: list[tuple[str, dict[str, object], Callable[[EventRow], bool], float]] = [
        ("", {}, lambda e: True, 14),
        ("", {"environments": ["production"]}, lambda e: e.environment == "production", 14),
        ("", {"environments": ["", "staging"]}, lambda e: e.environment in ("", "staging"), 14),
        ("browser:Chrome", {}, lambda e: e.tags["browser"] == "Chrome", 14),
        (
            "browser:Chrome release:shop@2.0.0",
            {"environments": ["staging"], "period": parse_period("3d")},
            lambda e: e.tags["browser"] == "Chrome" and e.release == "shop@2.0.0" and e.environment == "staging",
            3,
        ),
        ("", {"period": parse_period("24h")}, lambda e: True, 1),
    ]
    for query, options, test, days in cases:
        expected = shop.matching(test, days)
        assert expected
        for sort in ("date", "new", "freq", "user", "trends", "priority"):
            page = shop.search(query, sort=sort, limit=100, **options)
            assert {row.issue.pk for row in page.rows} == set(expected), (query, sort)
            assert page.hits == len(expected)
            assert page.next_cursor is None
            assert page.previous_cursor is None
            for row in page.rows:
                inside = expected[row.issue.pk]
                assert row.count == len(inside)
                assert row.user_count == len({event.user for event in inside} - {""})
                assert row.first_seen == min(event.timestamp for event in inside)
                assert row.last_seen == max(event.timestamp for event in inside)
                width = row.stats[1][0] - row.stats[0][0]
                buckets = Counter(int(event.timestamp.timestamp()) // width * width for event in inside)
                assert {start: n for start, n in row.stats if n} == buckets
                assert len(row.stats) >= 24


def test_sorts_put_rows_in_order(shop: Shop) -> None:
    inside = shop.matching()
    rank = {"high": 3, "medium": 2, "low": 1}
    keys: dict[str, Callable[[Issue], object]] = {
        "date": lambda issue: issue.last_seen,
        "inbox": lambda issue: issue.last_seen,
        "new": lambda issue: issue.first_seen,
        "freq": lambda issue: len(inside[issue.pk]),
        "user": lambda issue: len({event.user for event in inside[issue.pk]} - {""}),
        "priority": lambda issue: (rank[issue.priority], issue.last_seen),
    }
    for query in ("", "browser:[Chrome, Firefox]"):
        for sort, key in keys.items():
            issues = [row.issue for row in shop.search(query, sort=sort, limit=100).rows]
            values = [key(issue) for issue in issues]
            assert values == sorted(values, reverse=True), (query, sort)  # type: ignore[type-var]
    with pytest.raises(SortError):
        shop.search(sort="nonsense")


def test_trends_put_what_grows_first(shop: Shop, event_store: EventStore) -> None:
    growing, fading = shop.issues[0], shop.issues[2]
    insert_events(
        event_store,
        [
            EventRow(
                project_id=issue.project_id, issue_id=issue.pk, timestamp=shop.now - timedelta(hours=hours + n / 60)
            )
            for issue, hours in ((growing, 1), (fading, 24 * 12))
            for n in range(50)
        ],
    )
    order = shop.ids(sort="trends", limit=100)
    assert order[0] == growing.pk
    assert order[-1] == fading.pk


@pytest.mark.parametrize("sort", ["date", "new", "freq", "user", "trends", "priority"])
@pytest.mark.parametrize("options", [{}, {"environments": ["production"]}], ids=["all", "production"])
def test_pages_cover_the_list_once_in_both_directions(shop: Shop, sort: str, options: dict[str, Sequence[str]]) -> None:
    whole = shop.ids(sort=sort, limit=100, **options)
    assert len(whole) > 20
    forwards: list[int] = []
    cursor: str | None = None
    pages = 0
    while True:
        page = shop.search(sort=sort, limit=7, cursor=cursor, **options)
        assert page.hits == len(whole)
        assert (page.previous_cursor is None) == (pages == 0)
        forwards += [row.issue.pk for row in page.rows]
        pages += 1
        if page.next_cursor is None:
            break
        cursor = page.next_cursor
    assert forwards == whole
    backwards = [row.issue.pk for row in page.rows]
    cursor = page.previous_cursor
    while cursor is not None:
        page = shop.search(sort=sort, limit=7, cursor=cursor, **options)
        assert page.next_cursor is not None
        backwards = [row.issue.pk for row in page.rows] + backwards
        cursor = page.previous_cursor
    assert backwards == whole


def test_a_page_is_not_shifted_by_what_arrives_meanwhile(shop: Shop) -> None:
    first = shop.search(limit=5)
    rest = shop.ids(limit=100)[5:]
    newest = shop.issues[0]
    newest.last_seen = shop.now
    newest.save()
    second = shop.ids(limit=100, cursor=first.next_cursor)
    assert second == [pk for pk in rest if pk != newest.pk]


def test_a_cursor_that_is_none_is_refused(shop: Shop) -> None:
    for cursor in ("x", "1:2", "1:2:3", "a:b:c", "1:-2:0", "9" * 30 + ":1:0", "1:" + "9" * 30 + ":0"):
        for sort in ("date", "priority"):
            with pytest.raises(ValueError, match="cursor"):
                shop.search(cursor=cursor, sort=sort)


def test_the_first_cursor_is_the_first_page(shop: Shop) -> None:
    assert shop.ids(cursor="0:0:0") == shop.ids()


def test_metadata_filters(shop: Shop) -> None:
    """Every filter about issues, against the issues' own attributes."""
    user, team = shop.user, shop.projects[0].teams.get()
    other = make_member(shop.organization)
    release = make_release(shop.projects[0], "shop@1.0.0", date_added=shop.now - timedelta(days=3))
    latest = make_release(shop.projects[0], "shop@2.0.0", date_added=shop.now)
    active = [issue for issue in shop.issues if issue.pk in shop.matching()]
    mine, teams, others, marked, followed = active[:5]
    Issue.objects.filter(pk=mine.pk).update(assigned_user=user, first_release=release)
    Issue.objects.filter(pk=teams.pk).update(assigned_team=team, first_release=latest)
    Issue.objects.filter(pk=others.pk).update(assigned_user=other, regressed_in_release=latest, substatus="regressed")
    IssueBookmark.objects.create(issue=marked, user=user)
    IssueBookmark.objects.create(issue=marked, user=other)
    IssueSubscription.objects.create(issue=followed, user=user)
    IssueSubscription.objects.create(issue=marked, user=user, is_active=False)
    for issue in active:
        issue.refresh_from_db()
    day = timedelta(days=1)
    cases: dict[str, Callable[[Issue], bool]] = {
        "is:unresolved": lambda i: i.status == "unresolved",
        "!is:unresolved": lambda i: i.status != "unresolved",
        "is:resolved": lambda i: i.status == "resolved",
        "is:archived": lambda i: i.status == "ignored",
        "is:ignored": lambda i: i.status == "ignored",
        "is:muted": lambda i: i.status == "ignored",
        "is:new": lambda i: i.substatus == "new" and i.status == "unresolved",
        "is:regressed": lambda i: i.substatus == "regressed" and i.status == "unresolved",
        "is:ongoing is:unresolved": lambda i: i.substatus == "ongoing" and i.status == "unresolved",
        "is:archived_forever": lambda i: i.substatus == "archived_forever",
        "is:[resolved, archived]": lambda i: i.status in ("resolved", "ignored"),
        "is:assigned": lambda i: bool(i.assigned_user_id or i.assigned_team_id),
        "is:unassigned": lambda i: not (i.assigned_user_id or i.assigned_team_id),
        "is:for_review": lambda i: i.status == "unresolved" and i.substatus in ("new", "regressed"),
        "is:linked": lambda i: False,
        "is:unlinked": lambda i: True,
        "assigned:me": lambda i: i == mine,
        "!assigned:me": lambda i: i != mine,
        "assigned_to:my_teams": lambda i: i == teams,
        "assigned:[me, my_teams]": lambda i: i in (mine, teams),
        "assigned:none": lambda i: i not in (mine, teams, others),
        "assigned:#backend": lambda i: i == teams,
        f"assigned:{other.email.upper()}": lambda i: i == others,
        f'assigned_or_suggested:"{other.name}"': lambda i: i == others,
        "assigned:nobody@example.com": lambda i: False,
        "bookmarks:me": lambda i: i == marked,
        f"bookmarked_by:[me, {other.email}]": lambda i: i == marked,
        "!bookmarks:me": lambda i: i != marked,
        "subscribed:me": lambda i: i == followed,
        "!subscribed:me": lambda i: i != followed,
        "team:backend": lambda i: i.project_id == shop.projects[0].pk,
        "team:#backend": lambda i: i.project_id == shop.projects[0].pk,
        "!team:backend": lambda i: i.project_id != shop.projects[0].pk,
        "age:-10d": lambda i: i.first_seen >= shop.now - 10 * day,
        "firstSeen:+10d": lambda i: i.first_seen <= shop.now - 10 * day,
        "last_seen:-2d": lambda i: i.last_seen >= shop.now - 2 * day,
        f"lastSeen:>{shop.now - 2 * day:%Y-%m-%dT%H:%M:%S}": lambda i: i.last_seen > shop.now - 2 * day,
        f"!lastSeen:>{shop.now - 2 * day:%Y-%m-%dT%H:%M:%S}": lambda i: i.last_seen <= shop.now - 2 * day,
        f"firstSeen:{shop.now - 8 * day:%Y-%m-%d}": lambda i: i.first_seen.date() == (shop.now - 8 * day).date(),
        "timesSeen:>5": lambda i: i.times_seen > 5,
        "!timesSeen:>5": lambda i: i.times_seen <= 5,
        "times_seen:[1, 2]": lambda i: i.times_seen in (1, 2),
        "firstRelease:shop@1.0.0": lambda i: i == mine,
        "first-release:latest": lambda i: i == teams,
        "firstRelease:shop@*": lambda i: i in (mine, teams),
        '!firstRelease:""': lambda i: i in (mine, teams),
        "!firstRelease:shop@1.0.0": lambda i: i != mine,
        "has:firstRelease": lambda i: i in (mine, teams),
        "regressed_in_release:latest": lambda i: i == others,
        f"issue:{short_id(mine)}": lambda i: i == mine,
        f"issue:[{short_id(mine)}, {short_id(teams).lower()}]": lambda i: i in (mine, teams),
        f"!issue.id:{mine.pk}": lambda i: i != mine,
        "issue.category:error": lambda i: True,
        "!issue.type:err*": lambda i: False,
        "issue.priority:high": lambda i: i.priority == "high",
        "priority:[high, medium]": lambda i: i.priority in ("high", "medium"),
        "project:shop": lambda i: i.project_id == shop.projects[0].pk,
        f"!project.id:{shop.projects[0].pk}": lambda i: i.project_id == shop.projects[1].pk,
        "is:unresolved issue.priority:[high, medium] project:blog": lambda i: (
            i.status == "unresolved" and i.priority != "low" and i.project_id == shop.projects[1].pk
        ),
    }
    for query, test in cases.items():
        expected = {issue.pk for issue in active if test(issue)}
        for options in ({}, {"sort": "freq"}):
            found = shop.ids(query, limit=100, **options)
            assert len(found) == len(set(found)), query
            assert set(found) == expected, (query, options)


def test_metadata_and_event_filters_together(shop: Shop) -> None:
    found = shop.ids("is:unresolved browser:Chrome 'Error", limit=100)
    assert found == []
    events = shop.matching(lambda e: e.tags["browser"] == "Chrome" and "error 1" in e.title.lower())
    expected = {i.pk for i in shop.issues if i.status == "unresolved" and i.pk in events}
    assert set(shop.ids('is:unresolved browser:Chrome "error 1"', limit=100)) == expected != set()


def test_absolute_period_counts_only_what_is_inside(shop: Shop) -> None:
    period = Period(shop.now - timedelta(days=9), shop.now - timedelta(days=5))
    inside: dict[int, int] = {}
    for event in shop.events:
        if period.start <= event.timestamp < period.end:
            inside[event.issue_id] = inside.get(event.issue_id, 0) + 1
    for sort in ("date", "new", "freq"):
        page = shop.search(period=period, sort=sort, limit=100)
        assert {row.issue.pk: row.count for row in page.rows} == inside


def test_an_empty_period_and_no_projects_are_empty_pages(shop: Shop) -> None:
    before = Period(shop.now - timedelta(days=80), shop.now - timedelta(days=70))
    assert shop.search(period=before) == IssueListPage([], None, None, 0)
    assert shop.search(projects=[]) == IssueListPage([], None, None, 0)
    assert shop.search("is:reprocessing", sort="freq") == IssueListPage([], None, None, 0)


def test_deleted_issues_are_gone_and_merged_ones_count_together(shop: Shop, event_store: EventStore) -> None:
    first, second, gone = shop.issues[0], shop.issues[2], shop.issues[4]
    Issue.objects.filter(pk=gone.pk).update(is_pending_deletion=True)
    event_store.command(
        "ALTER TABLE events UPDATE issue_id = {to:UInt64} WHERE issue_id = {old:UInt64} AND project_id = {p:UInt64}",
        {"to": first.pk, "old": second.pk, "p": first.project_id},
    )
    IssueRedirect.objects.create(
        previous_id=second.pk, project=second.project, previous_short_number=second.short_number, issue=first
    )
    code, old = short_id(second), second.pk
    second.delete()
    inside = shop.matching()
    rows = {row.issue.pk: row for row in shop.search(limit=100, sort="freq").rows}
    assert gone.pk not in rows
    assert rows[first.pk].count == len(inside.get(first.pk, [])) + len(inside.get(old, []))
    assert get_issue(shop.user, shop.organization, code) == first
    assert get_issue(shop.user, shop.organization, old) == first


def test_few_queries_however_many_rows(shop: Shop, django_assert_max_num_queries: Callable[..., object]) -> None:
    for options in ({}, {"sort": "freq"}, {"environments": ["production"]}, {"query": "browser:Chrome is:unresolved"}):
        with log_queries() as log, django_assert_max_num_queries(10):
            page = shop.search(limit=100, **options)
        assert len(page.rows) > 3
        assert 1 <= len(log) <= 2


def test_nothing_of_another_organization_is_seen(shop: Shop) -> None:
    stranger = make_member(make_organization())
    for user in (stranger, AnonymousUser(), None):
        assert search_issues(user, shop.organization, query="", period=parse_period("14d")).rows == []
        assert (
            search_issues(user, shop.organization, query="", period=parse_period("14d"), projects=shop.projects).rows
            == []
        )
        assert not visible_issues(user, shop.organization).exists()
        with pytest.raises(NotVisibleError):
            get_issue(user, shop.organization, shop.issues[0].pk)
    foreign = Issue.objects.exclude(project__organization=shop.organization).get()
    assert foreign.pk not in shop.ids(limit=100)
    assert shop.ids(limit=100, projects=[foreign.project]) == []
    for name in (foreign.pk, short_id(foreign)):
        with pytest.raises(NotVisibleError):
            get_issue(shop.user, shop.organization, name)


def test_an_issue_that_is_none_is_not_found(shop: Shop) -> None:
    for name in ("", "0", "-1", "9" * 40, "SHOP", "SHOP-", "NOPE-1", "SHOP-ZZZZZZZZZZZZZZ", "'; --", "é-1", "٣"):
        with pytest.raises(NotVisibleError):
            get_issue(shop.user, shop.organization, name)


def test_an_issue_is_found_by_id_and_short_id(shop: Shop) -> None:
    for issue in shop.issues[:3]:
        for name in (issue.pk, str(issue.pk), short_id(issue), short_id(issue).lower()):
            assert get_issue(shop.user, shop.organization, name) == issue


def test_totals_and_series_of_one_issue(shop: Shop) -> None:
    issue = max(shop.issues, key=lambda i: len(shop.matching().get(i.pk, [])))
    everything = [event for event in shop.events if event.issue_id == issue.pk]
    totals = issue_totals(issue, (), None)
    assert totals.count == len(everything)
    assert totals.user_count == len({event.user for event in everything} - {""})
    assert (totals.first_seen, totals.last_seen) == (everything[0].timestamp, everything[-1].timestamp)
    period = parse_period("14d")
    inside = [e for e in shop.matching()[issue.pk] if e.environment == "production"]
    assert issue_totals(issue, ["production"], period).count == len(inside)
    assert sum(n for _, n in issue_series(issue, ["production"], period)) == len(inside)
    assert issue_totals(issue, ["nowhere"], period).count == 0
    series = issue_series(issue, ["nowhere"], period)
    assert len(series) > 24
    assert not any(n for _, n in series)
    assert user_counts([issue.project_id], [issue.pk]) == {issue.pk: totals.user_count}


def test_events_past_the_retention_do_not_count(
    shop: Shop, event_store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dictamesh_sentry.issues import event_queries

    issue = shop.issues[0]
    before = issue_totals(issue).count
    settings = event_queries.get_settings().model_copy(update={"event_retention_days": 3})
    monkeypatch.setattr(event_queries, "get_settings", lambda: settings)
    kept = [e for e in shop.events if e.issue_id == issue.pk and e.timestamp >= shop.now - timedelta(days=3)]
    assert issue_totals(issue).count == len(kept) < before


def test_boolean_issue_searches_are_refused_with_a_place(shop: Shop) -> None:
    for query in ("level:error OR level:fatal", "a and b"):
        with pytest.raises(SearchError) as caught:
            shop.search(query)
        assert "not supported in this search" in caught.value.message
        assert query[caught.value.position :].lower().startswith(("or", "and"))
