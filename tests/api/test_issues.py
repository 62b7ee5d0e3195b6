"""Issue operations: shapes clients depend on, filters, bulk changes, one issue's parts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from dictamesh_sentry.eventstore.client import log_queries
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.models import Activity, Issue, IssueHash
from tests.api.conftest import World, api_of
from tests.api.issue_world import IssueWorld, enqueued_fixture, issues_fixture, store_event  # noqa: F401 - fixtures
from tests.support import factories
from tests.support.events import insert_events

ISO = "%Y-%m-%dT%H:%M:%S.%fZ"


def _ids(found: Any) -> list[str]:
    return [body["id"] for body in found]


class TestShape:
    def test_a_list_item_has_what_clients_require(self, issues: IssueWorld):
        found = issues.api.get(f"{issues.organization}/issues/?query=&sort=date")
        assert _ids(found) == [str(issues.second.pk), str(issues.first.pk)]
        body = found[1]
        assert body["count"] == "3"
        assert body["userCount"] == 2
        assert body["shortId"].startswith("SHOP-")
        assert body["permalink"].endswith(f"/organizations/acme/issues/{issues.first.pk}/")
        assert body["project"] == {
            "id": str(issues.world.project.pk),
            "name": "Shop",
            "slug": "shop",
            "platform": "python",
        }
        assert isinstance(body["metadata"], dict)
        assert body["assignedTo"] is None
        assert body["statusDetails"] == {}
        assert (body["status"], body["substatus"], body["level"]) == ("unresolved", "new", "error")
        for key in ("firstSeen", "lastSeen"):
            datetime.strptime(body[key], ISO)
        assert body["lifetime"]["count"] == "3"
        assert sum(count for _, count in body["stats"]["24h"]) == 2
        assert body["filtered"] is None

    def test_the_chosen_window_of_the_series(self, issues: IssueWorld):
        found = issues.api.get(f"{issues.organization}/issues/?query=&groupStatsPeriod=14d")
        assert len(found[1]["stats"]["14d"]) == 14
        assert sum(count for _, count in found[1]["stats"]["14d"]) == 3
        found = issues.api.get(f"{issues.organization}/issues/?query=&groupStatsPeriod=auto&statsPeriod=24h")
        assert sum(count for _, count in found[1]["stats"]["auto"]) == 2
        assert "stats" not in issues.api.get(f"{issues.organization}/issues/?query=&groupStatsPeriod=")[0]

    def test_parts_can_be_left_out(self, issues: IssueWorld):
        found = issues.api.get(f"{issues.organization}/issues/?query=&collapse=stats&collapse=lifetime,unhandled")
        assert not {"stats", "count", "lifetime", "isUnhandled"} & set(found[0])
        assert {"id", "title", "filtered", "firstSeen"} <= set(found[0])
        assert set(issues.api.get(f"{issues.organization}/issues/?query=&collapse=base")[0]) >= {"id", "count"}

    def test_numbers_follow_environment_window_and_query(self, issues: IssueWorld):
        base = f"{issues.organization}/issues/"
        staging = issues.api.get(f"{base}?query=&environment=staging")
        assert [(body["id"], body["count"]) for body in staging] == [(str(issues.first.pk), "1")]
        assert issues.api.get(f"{base}?query=&statsPeriod=24h")[1]["count"] == "2"
        chrome = issues.api.get(f"{base}?query=browser:Chrome")
        assert (chrome[0]["count"], chrome[0]["filtered"]["count"], chrome[0]["lifetime"]["count"]) == ("1", "1", "3")

    def test_the_detail_adds_history_followers_and_tags(self, issues: IssueWorld):
        actions.assign(issues.world.owner, [issues.first], user=issues.world.member)
        actions.mark_seen(issues.world.owner, [issues.first])
        body = issues.api.get(issues.of(issues.first))
        assert [entry["type"] for entry in body["activity"]] == ["assigned"]
        assert body["assignedTo"]["id"] == str(issues.world.member.pk)
        assert {user["id"] for user in body["participants"]} == {
            str(issues.world.owner.pk),
            str(issues.world.member.pk),
        }
        assert [user["id"] for user in body["seenBy"]] == [str(issues.world.owner.pk)]
        assert body["hasSeen"] is True
        assert (body["count"], body["userCount"]) == ("3", 2)
        assert {"key": "browser", "name": "browser", "totalValues": 3, "uniqueValues": 2} in body["tags"]
        assert sum(count for _, count in body["stats"]["30d"]) == 3
        assert body["userReportCount"] == 0

    @pytest.mark.parametrize(
        ("act", "details"),
        [
            (lambda w: actions.resolve(w.world.owner, [w.first], in_commit="abc"), {"inCommit"}),
            (lambda w: actions.resolve(w.world.owner, [w.first], in_next_release=True), {"inNextRelease"}),
            (lambda w: actions.archive(w.world.owner, [w.first], count=5, window=60), {"ignoreCount", "ignoreWindow"}),
        ],
    )
    def test_status_details_say_how(self, issues: IssueWorld, act: Any, details: set[str]):
        act(issues)
        assert set(issues.api.get(issues.of(issues.first))["statusDetails"]) == details


class TestFinding:
    def test_by_id_short_id_and_former_id(self, issues: IssueWorld):
        short = issues.api.get(issues.of(issues.first))["shortId"]
        for path in (
            f"{issues.organization}/issues/{short}/",
            f"/issues/{issues.first.pk}/",
            f"/issues/{short}/",
            f"{issues.organization}/issues/{short.lower()}/",
        ):
            assert issues.api.get(path)["id"] == str(issues.first.pk), path
        target = actions.merge(issues.world.owner, [issues.first, issues.second])
        other = issues.second if target == issues.first else issues.first
        assert issues.api.get(issues.of(other))["id"] == str(target.pk)
        assert issues.api.get(f"/issues/{other.pk}/")["id"] == str(target.pk)

    def test_strangers_find_nothing_without_naming_the_organization(self, issues: IssueWorld):
        stranger = api_of(issues.world.stranger)
        for path in (f"/issues/{issues.first.pk}/", "/issues/SHOP-1/", f"/issues/{issues.first.pk}/events/latest/"):
            assert stranger("GET", path).status_code == 404
        assert stranger("PUT", f"/issues/{issues.first.pk}/", {"status": "resolved"}).status_code == 404
        assert stranger("DELETE", f"/issues/{issues.first.pk}/").status_code == 404
        issues.first.refresh_from_db()
        assert issues.first.status == "unresolved"

    def test_short_id_lookup(self, issues: IssueWorld):
        short = issues.api.get(issues.of(issues.first))["shortId"]
        response = issues.api("GET", f"{issues.organization}/issues/?query={short}&shortIdLookup=1")
        assert response.headers["X-Sentry-Direct-Hit"] == "1"
        assert _ids(orjson.loads(response.content)) == [str(issues.first.pk)]
        body = issues.api.get(f"{issues.organization}/shortids/{short}/")
        assert (body["groupId"], body["group"]["id"], body["projectSlug"]) == (
            str(issues.first.pk),
            str(issues.first.pk),
            "shop",
        )
        assert issues.api("GET", f"{issues.organization}/shortids/SHOP-ZZZZ/").status_code == 404

    def test_search_errors_point_at_the_character(self, issues: IssueWorld):
        response = issues.api("GET", f"{issues.organization}/issues/?query=is:unresolved%20OR%20level:error")
        body = orjson.loads(response.content)
        assert response.status_code == 400
        assert (body["position"], body["length"]) == (14, 2)
        assert "character 15" in body["detail"]

    @pytest.mark.parametrize(
        "query", ["sort=bogus", "statsPeriod=9x", "start=2026-01-02T00:00:00&end=2026-01-01T00:00:00", "cursor=1:2",
                  "cursor=a:b:c", "groupStatsPeriod=3y", "query=timesSeen:x"],
    )  # fmt: skip
    def test_bad_parameters_are_400_with_a_reason(self, issues: IssueWorld, query: str):
        response = issues.api("GET", f"{issues.organization}/issues/?{query}")
        assert response.status_code == 400
        assert isinstance(orjson.loads(response.content)["detail"], str)

    def test_pages_follow_the_link_header(self, issues: IssueWorld):
        path, seen = f"{issues.organization}/issues/?query=&limit=1", []
        for _ in range(3):
            response = issues.api("GET", path)
            seen += _ids(orjson.loads(response.content))
            following = response.headers["Link"].split(", ")[1]
            assert response.headers["X-Hits"] == "2"
            if 'results="true"' not in following:
                break
            path = following[following.index("/api/0") + 6 : following.index(">")]
        assert seen == [str(issues.second.pk), str(issues.first.pk)]

    def test_default_is_unresolved_and_an_empty_query_is_everything(self, issues: IssueWorld):
        actions.resolve(issues.world.owner, [issues.first])
        assert _ids(issues.api.get(f"{issues.project}/issues/")) == [str(issues.second.pk)]
        assert len(issues.api.get(f"{issues.project}/issues/?query=")) == 2

    def test_the_list_needs_a_fixed_number_of_queries(self, issues: IssueWorld, event_store: Any):
        def cost() -> tuple[int, int]:
            with CaptureQueriesContext(connection) as sql, log_queries() as store:
                issues.api.get(f"{issues.organization}/issues/?query=")
            return len(sql), len(store)

        cost()
        few = cost()
        more = [factories.make_issue(issues.world.project, last_seen=issues.second.last_seen) for _ in range(20)]
        actions.assign(issues.world.owner, more, user=issues.world.member)
        insert_events(event_store, [store_event(issue, hours=1) for issue in more])
        many = cost()
        assert len(issues.api.get(f"{issues.organization}/issues/?query=")) == 22
        assert many[0] <= few[0] + 1  # assignees are loaded once there are any
        assert many[1] == few[1] <= 3
        assert many[0] <= 20

    def test_counts_and_stats_of_named_issues(self, issues: IssueWorld):
        counts = issues.api.get(f"{issues.organization}/issues-count/?query=is:unresolved&query=level:fatal")
        assert counts == {"is:unresolved": 2, "level:fatal": 1}
        found = issues.api.get(f"{issues.organization}/issues-stats/?groups={issues.first.pk}")
        assert [(body["id"], body["count"]) for body in found] == [(str(issues.first.pk), "3")]
        assert issues.api("GET", f"{issues.organization}/issues-stats/").status_code == 400


class TestUpdate:
    @pytest.mark.parametrize(
        ("body", "expected"),
        [
            ({"status": "resolved"}, {"status": "resolved"}),
            ({"status": "resolvedInNextRelease"}, {"status": "resolved", "resolved_in_next_release": True}),
            ({"status": "resolved", "statusDetails": {"inNextRelease": True}}, {"resolved_in_next_release": True}),
            ({"status": "resolved", "statusDetails": {"inCommit": {"commit": "abc"}}}, {"resolved_in_commit": "abc"}),
            ({"status": "ignored"}, {"status": "ignored", "substatus": "archived_forever"}),
            (
                {"status": "ignored", "substatus": "archived_until_escalating"},
                {"substatus": "archived_until_escalating"},
            ),
            ({"status": "ignored", "statusDetails": {"ignoreDuration": 30}}, {"status": "ignored"}),
            ({"status": "ignored", "snoozeDuration": 30}, {"substatus": "archived_until_condition_met"}),
            ({"status": "ignored", "statusDetails": {"ignoreUserCount": 3}}, {"status": "ignored"}),
            ({"status": "unresolved", "substatus": "escalating"}, {"substatus": "escalating"}),
            ({"priority": "high"}, {"priority": "high"}),
        ],
    )
    def test_status_and_priority(self, issues: IssueWorld, body: Any, expected: dict[str, Any]):
        answer = issues.api.send("PUT", issues.of(issues.first), body)
        assert answer["id"] == str(issues.first.pk)
        stored = Issue.objects.get(pk=issues.first.pk)
        assert {name: getattr(stored, name) for name in expected} == expected
        assert Activity.objects.filter(issue=stored).exists()

    def test_archiving_until_more_users_remembers_how_many_there_were(self, issues: IssueWorld):
        issues.api.send("PUT", issues.of(issues.first), {"status": "ignored", "statusDetails": {"ignoreUserCount": 3}})
        snooze = Issue.objects.get(pk=issues.first.pk).snooze
        assert (snooze["user_count"], snooze["base_users"]) == (3, 2)

    def test_resolve_in_a_named_or_the_latest_release(self, issues: IssueWorld):
        for version in ("shop@1.0.0", "latest"):
            details = {"status": "resolved", "statusDetails": {"inRelease": version}}
            body = issues.api.send("PUT", issues.of(issues.first), details)
            assert body["statusDetails"] == {"inRelease": "shop@1.0.0"}
            issues.api.send("PUT", issues.of(issues.first), {"status": "unresolved"})
        missing = {"status": "resolved", "statusDetails": {"inRelease": "shop@9"}}
        assert issues.api("PUT", issues.of(issues.first), missing).status_code == 400

    def test_assignees_in_every_spelling(self, issues: IssueWorld):
        member, team = issues.world.member, issues.world.team
        for text, kind in (
            (f"user:{member.pk}", "user"),
            (str(member.pk), "user"),
            (member.email.upper(), "user"),
            (f"team:{team.pk}", "team"),
            ("#backend", "team"),
            ({"type": "team", "id": str(team.pk)}, "team"),
        ):
            body = issues.api.send("PUT", issues.of(issues.first), {"assignedTo": text})
            assert body["assignedTo"]["type"] == kind, text
        assert issues.api.send("PUT", issues.of(issues.first), {"assignedTo": ""})["assignedTo"] is None
        for text in ("nobody@example.com", f"user:{issues.world.stranger.pk}", "team:999999", "user:", "#nope"):
            response = issues.api("PUT", issues.of(issues.first), {"assignedTo": text})
            assert (response.status_code, list(orjson.loads(response.content))) == (400, ["assignedTo"])

    def test_personal_switches_and_sharing(self, issues: IssueWorld):
        on = {"hasSeen": True, "isBookmarked": True, "isSubscribed": True, "isPublic": True}
        body = issues.api.send("PUT", issues.of(issues.first), on)
        assert all(body[name] for name in on)
        assert len(body["shareId"]) == 32
        body = issues.api.send("PUT", issues.of(issues.first), dict.fromkeys(on, False))
        assert not any(body[name] for name in on)

    def test_nothing_is_changed_when_one_part_is_refused(self, issues: IssueWorld):
        refused = {"status": "resolved", "priority": "urgent"}
        assert issues.api("PUT", issues.of(issues.first), refused).status_code == 400
        assert Issue.objects.get(pk=issues.first.pk).status == "unresolved"
        for body in ({"status": "gone"}, {"status": "ignored", "statusDetails": {"ignoreCount": "x"}}):
            assert issues.api("PUT", issues.of(issues.first), body).status_code == 400

    def test_deleting_is_asynchronous_and_needs_event_admin(
        self, issues: IssueWorld, enqueued: list[Any], django_capture_on_commit_callbacks: Any
    ):
        weak = api_of(issues.world.owner, ("event:write", "org:read"))
        assert weak("DELETE", issues.of(issues.first)).status_code == 403
        assert weak("PUT", issues.of(issues.first), {"discard": True}).status_code == 403
        with django_capture_on_commit_callbacks(execute=True):
            assert issues.api("DELETE", issues.of(issues.first)).status_code == 202
        assert ("delete_issues", ([issues.first.pk],)) in enqueued
        assert issues.api("GET", issues.of(issues.first)).status_code == 404
        assert issues.api("PUT", issues.of(issues.second), {"discard": True}).status_code == 204
        tombstones = issues.api.get(f"{issues.project}/tombstones/")
        assert [body["title"] for body in tombstones] == ["KeyError: id"]
        assert issues.api("DELETE", f"{issues.project}/tombstones/{tombstones[0]['id']}/").status_code == 204
        assert not IssueHash.objects.filter(is_discarded=True).exists()


class TestBulk:
    def test_by_ids(self, issues: IssueWorld):
        ids = f"id={issues.first.pk}&id={issues.second.pk}"
        body = issues.api.send("PUT", f"{issues.organization}/issues/?{ids}", {"status": "resolved"})
        assert body["status"] == "resolved"
        assert set(Issue.objects.values_list("status", flat=True)) == {"resolved"}

    def test_by_query_and_by_status(self, issues: IssueWorld):
        issues.api.send("PUT", f"{issues.organization}/issues/?query=level:fatal", {"status": "resolved"})
        assert Issue.objects.get(status="resolved") == issues.second
        issues.api.send("PUT", f"{issues.project}/issues/?status=resolved", {"status": "unresolved"})
        assert not Issue.objects.filter(status="resolved").exists()

    def test_nothing_matched_is_204(self, issues: IssueWorld):
        for query in ("id=999999", "id=x", "query=is:resolved"):
            for base in (issues.organization, issues.project):
                assert issues.api("PUT", f"{base}/issues/?{query}", {"status": "resolved"}).status_code == 204

    def test_ids_of_other_organizations_and_projects_match_nothing(self, issues: IssueWorld):
        foreign = factories.make_issue(factories.make_project(factories.make_organization()))
        other = factories.make_issue(factories.make_project(issues.world.organization))
        for path, issue in ((f"{issues.organization}/issues/", foreign), (f"{issues.project}/issues/", other)):
            assert issues.api("PUT", f"{path}?id={issue.pk}", {"status": "resolved"}).status_code == 204
            assert issues.api("DELETE", f"{path}?id={issue.pk}").status_code == 204
            issue.refresh_from_db()
            assert (issue.status, issue.is_pending_deletion) == ("unresolved", False)

    def test_merging(self, issues: IssueWorld):
        ids = f"id={issues.first.pk}&id={issues.second.pk}"
        body = issues.api.send("PUT", f"{issues.organization}/issues/?{ids}", {"merge": 1})
        assert body == {"merge": {"parent": str(issues.first.pk), "children": [str(issues.second.pk)]}}
        one = issues.api("PUT", f"{issues.organization}/issues/?id={issues.first.pk}", {"merge": 1})
        assert (one.status_code, orjson.loads(one.content)["detail"]) == (400, "Merging needs at least two issues.")

    def test_deleting_needs_a_choice(self, issues: IssueWorld):
        assert issues.api("DELETE", f"{issues.organization}/issues/").status_code == 400
        assert issues.api("DELETE", f"{issues.organization}/issues/?id={issues.first.pk}").status_code == 204
        assert issues.api("DELETE", f"{issues.project}/issues/?query=level:fatal").status_code == 204
        assert set(Issue.objects.values_list("is_pending_deletion", flat=True)) == {True}


class TestParts:
    def test_hashes_with_their_latest_event_and_unmerging(self, issues: IssueWorld):
        actions.merge(issues.world.owner, [issues.first, issues.second])
        found = issues.api.get(issues.of(issues.first, "hashes/"))
        latest = {body["id"]: body["latestEvent"] and body["latestEvent"]["id"] for body in found}
        assert len(found) == 2
        assert issues.event_id(2) in latest.values()
        second = IssueHash.objects.get(merged_from__isnull=False).hash
        response = issues.api("DELETE", issues.of(issues.first, f"hashes/?id={second}"))
        assert response.status_code == 202
        assert issues.api.get(issues.of(issues.second))["title"] == "KeyError: id"
        assert issues.api("DELETE", issues.of(issues.first, "hashes/")).status_code == 400
        assert issues.api("DELETE", issues.of(issues.first, "hashes/?id=nonsense")).status_code == 400

    def test_tags(self, issues: IssueWorld):
        browser = issues.api.get(issues.of(issues.first, "tags/browser/"))
        assert (browser["key"], browser["totalValues"], browser["uniqueValues"]) == ("browser", 3, 2)
        top = browser["topValues"][0]
        assert (top["value"], top["count"], top["query"]) == ("Firefox", 2, 'browser:"Firefox"')
        assert "browser" in {body["key"] for body in issues.api.get(issues.of(issues.first, "tags/"))}
        assert [body["key"] for body in issues.api.get(issues.of(issues.first, "tags/?key=browser"))] == ["browser"]
        values = issues.api.get(issues.of(issues.first, "tags/browser/values/?query=chr"))
        assert [body["value"] for body in values] == ["Chrome"]
        assert issues.api("GET", issues.of(issues.second, "tags/browser/")).status_code == 404

    def test_comments(self, issues: IssueWorld):
        path = issues.of(issues.first, "notes/")
        response = issues.api("POST", path, {"text": "look at this"})
        note = orjson.loads(response.content)
        assert (response.status_code, note["data"]["text"], note["type"]) == (201, "look at this", "note")
        assert note["user"]["id"] == str(issues.world.owner.pk)
        assert [body["id"] for body in issues.api.get(issues.of(issues.first, "comments/"))] == [note["id"]]
        assert issues.api.send("PUT", f"{path}{note['id']}/", {"text": "and that"})["data"]["text"] == "and that"
        member = api_of(issues.world.member)
        assert member("PUT", f"{path}{note['id']}/", {"text": "mine"}).status_code == 403
        assert issues.api("PUT", issues.of(issues.second, f"notes/{note['id']}/"), {"text": "x"}).status_code == 404
        hers = member.send("POST", path, {"text": "hers"})
        weak = api_of(issues.world.owner, ("event:write",))
        assert weak("PUT", f"{path}{hers['id']}/", {"text": "x"}).status_code == 403
        assert weak("DELETE", f"{path}{hers['id']}/").status_code == 403
        assert issues.api("DELETE", f"{path}{hers['id']}/").status_code == 204
        assert issues.api("DELETE", f"{path}{note['id']}/").status_code == 204
        assert issues.api.get(path) == []
        for text in ("", "   ", "x" * 20_000):
            assert issues.api("POST", path, {"text": text}).status_code == 400

    def test_history_feedback_and_links(self, issues: IssueWorld):
        actions.resolve(issues.world.owner, [issues.first])
        history = issues.api.get(issues.of(issues.first, "activities/"))["activity"]
        assert [(entry["type"], entry["user"]["email"]) for entry in history] == [
            ("set_resolved", issues.world.owner.email)
        ]
        UserReport.objects.create(
            project=issues.world.project, issue=issues.first, event_id=issues.event_id(0), name="Ann", comments="hm"
        )
        reports = issues.api.get(issues.of(issues.first, "user-reports/"))
        assert [(body["eventID"], body["comments"]) for body in reports] == [(issues.event_id(0), "hm")]
        assert issues.api.get(issues.of(issues.first, "external-issues/")) == []

    def test_saved_searches(self, issues: IssueWorld):
        path = f"{issues.organization}/searches/"
        mine = issues.api.send("POST", path, {"name": "Mine", "query": "is:unresolved level:fatal"})
        shared = issues.api.send("POST", path, {"name": "All", "query": "", "visibility": "organization"})
        assert {body["name"]: body["visibility"] for body in issues.api.get(path)} == {
            "Mine": "owner",
            "All": "organization",
        }
        member = api_of(issues.world.member)
        assert [body["name"] for body in member.get(path)] == ["All"]
        assert member("PUT", f"{path}{shared['id']}/", {"name": "Hers", "query": ""}).status_code == 403
        assert member("DELETE", f"{path}{mine['id']}/").status_code == 404
        assert member("POST", path, {"name": "x", "query": "", "visibility": "organization"}).status_code == 403
        renamed = issues.api.send("PUT", f"{path}{mine['id']}/", {"name": "Fatal", "query": "level:fatal"})
        assert renamed["name"] == "Fatal"
        assert issues.api("POST", path, {"name": "Bad", "query": "is:nonsense OR"}).status_code == 400
        assert issues.api("DELETE", f"{path}{mine['id']}/").status_code == 204


ROLES: list[tuple[tuple[str, ...], str, str, Any, int]] = [
    (("event:read",), "GET", "issue", None, 200),
    (("event:read",), "PUT", "issue", {"status": "resolved"}, 403),
    (("event:write",), "PUT", "issue", {"status": "resolved"}, 200),
    (("event:write",), "DELETE", "issue", None, 403),
    (("event:admin",), "DELETE", "issue", None, 202),
    (("event:read",), "GET", "list", None, 200),
    (("org:read",), "GET", "list", None, 403),
    (("event:read",), "PUT", "list", {"status": "resolved"}, 403),
    (("event:write",), "DELETE", "list", None, 403),
    (("event:read",), "POST", "notes", {"text": "x"}, 403),
    (("event:write",), "POST", "notes", {"text": "x"}, 201),
    (("event:read",), "DELETE", "hashes", None, 403),
    (("project:read",), "GET", "bare", None, 403),
    (("event:read",), "GET", "bare", None, 200),
]


@pytest.mark.parametrize(("scopes", "method", "target", "body", "status"), ROLES)
def test_scopes_decide(issues: IssueWorld, scopes: tuple[str, ...], method: str, target: str, body: Any, status: int):
    paths = {
        "issue": issues.of(issues.first),
        "list": f"{issues.organization}/issues/?id={issues.first.pk}",
        "notes": issues.of(issues.first, "notes/"),
        "hashes": issues.of(issues.first, "hashes/?id=x"),
        "bare": f"/issues/{issues.first.pk}/",
    }
    assert api_of(issues.world.owner, scopes)(method, paths[target], body).status_code == status


def test_members_without_the_right_to_delete(issues: IssueWorld, world: World):
    world.organization.options = {"events_member_admin": False}
    world.organization.save()
    member = api_of(world.member)
    assert member("DELETE", issues.of(issues.first)).status_code == 403
    assert member("PUT", issues.of(issues.first), {"status": "resolved"}).status_code == 200
