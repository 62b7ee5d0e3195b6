"""Event operations: shapes clients depend on, entries, attachments, feedback, tags; any payload is answered."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import orjson
import pytest
from hypothesis import given, settings

from dictamesh_sentry.api.responses import encode
from dictamesh_sentry.api.serializers_events import serialize_event
from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues import actions
from dictamesh_sentry.issues.event_queries import Event
from dictamesh_sentry.issues.models import Activity, EventAttachment
from dictamesh_sentry.projects.models import ProjectKey
from tests.api.conftest import Api, api_of
from tests.api.issue_world import NOW, IssueWorld, enqueued_fixture, issues_fixture, store_event  # noqa: F401 - fixtures
from tests.issues.payloads import interfaces, python_event
from tests.support import factories
from tests.support.events import insert_events


class TestOne:
    def test_the_detail_has_what_clients_require(self, issues: IssueWorld):
        body = issues.api.get(f"{issues.project}/events/{issues.event_id(1)}/")
        assert body["id"] == body["eventID"] == issues.event_id(1)
        assert (body["groupID"], body["projectID"]) == (str(issues.first.pk), str(issues.world.project.pk))
        assert (body["title"], body["type"], body["platform"]) == ("ValueError: bad", "error", "python")
        assert body["dateCreated"].endswith("Z")
        assert body["release"]["version"] == "shop@1.0.0"
        assert body["fingerprints"] == [issues.first.hashes.get().hash]
        assert body["sdk"] == {"name": "sentry.python", "version": "2.1"}
        assert body["packages"] == {"flask": "3.0", "Click": "8"}
        assert body["context"] == {"order": {"id": 1}}
        assert all(isinstance(value, dict) for value in body["contexts"].values())
        assert body["tags"] == [{"key": "browser", "value": "Firefox"}]
        assert body["user"]["email"] == "ann@example.com"
        assert body["errors"] == [
            {"type": "invalid_data", "message": "Discarded invalid value", "data": {"name": "user.id", "value": 3}}
        ]
        assert (body["previousEventID"], body["nextEventID"]) == (issues.event_id(0), issues.event_id(2))
        assert body["size"] == 99

    def test_entries_are_the_interfaces_in_camel_case(self, issues: IssueWorld):
        body = issues.api.get(issues.of(issues.first, "events/latest/"))
        entries = {entry["type"]: entry["data"] for entry in body["entries"]}
        assert list(entries) == ["exception", "breadcrumbs", "request"]
        raised = entries["exception"]["values"][1]
        assert (raised["type"], raised["mechanism"]["handled"], raised["threadId"]) == ("ValueError", False, None)
        assert raised["mechanism"]["exceptionId"] == 0
        assert entries["exception"]["hasSystemFrames"] is True
        frame = raised["stacktrace"]["frames"][-1]
        assert (frame["absPath"], frame["lineNo"], frame["inApp"]) == ("/srv/app/views.py", 10, True)
        assert frame["context"] == [
            [8, "def index():"],
            [9, "    before = 1"],
            [10, "    raise ValueError(before)"],
            [11, "    after = 2"],
        ]
        assert frame["vars"] == {"before": "1", "secret": "[Filtered]"}
        request = entries["request"]
        assert (request["method"], request["url"]) == ("POST", "https://shop.test/pay")
        assert request["query"] == [["a", "1"], ["b", "x y"]]
        assert entries["breadcrumbs"]["values"][0]["timestamp"].endswith("Z")
        note = body["_meta"]["entries"]["0"]["values"]["1"]["stacktrace"]["frames"]["2"]["vars"]["secret"][""]
        assert note["rem"] == [["@password:filter", "s", 0, 10]]

    def test_latest_oldest_recommended_and_by_id(self, issues: IssueWorld):
        latest, oldest = issues.event_id(2), issues.event_id(0)
        for which, wanted in (("latest", latest), ("oldest", oldest), (oldest, oldest), (oldest.upper(), oldest)):
            assert issues.api.get(issues.of(issues.first, f"events/{which}/"))["id"] == wanted
        assert issues.api.get(issues.of(issues.first, "events/recommended/"))["groupID"] == str(issues.first.pk)
        production = issues.api.get(issues.of(issues.first, "events/latest/?environment=production"))
        assert production["id"] == issues.event_id(1)
        for which in (issues.event_id(3), "0" * 32, "nonsense"):
            assert issues.api("GET", issues.of(issues.first, f"events/{which}/")).status_code == 404

    def test_an_event_is_found_by_its_id_alone(self, issues: IssueWorld):
        body = issues.api.get(f"{issues.organization}/eventids/{issues.event_id(3)}/")
        assert (body["projectSlug"], body["groupId"], body["event"]["id"]) == (
            "shop",
            str(issues.second.pk),
            issues.event_id(3),
        )
        assert issues.api("GET", f"{issues.organization}/eventids/{'0' * 32}/").status_code == 404

    def test_raw_json_and_markdown(self, issues: IssueWorld):
        response = issues.api("GET", f"{issues.project}/events/{issues.event_id(0)}/json/")
        assert orjson.loads(response.content) == python_event().data
        assert response.headers["Content-Disposition"] == f'attachment; filename="{issues.event_id(0)}.json"'
        markdown = issues.api.get(f"{issues.project}/events/{issues.event_id(0)}/markdown/")["markdown"]
        assert markdown.startswith("# ValueError: bad")
        assert f"/issues/{issues.first.pk}/events/{issues.event_id(0)}/" in markdown

    def test_events_of_other_projects_and_organizations_are_not_there(self, issues: IssueWorld, event_store: Any):
        foreign = factories.make_issue(factories.make_project(factories.make_organization()))
        sibling = factories.make_issue(factories.make_project(issues.world.organization))
        rows = [store_event(foreign, hours=1), store_event(sibling, hours=1)]
        insert_events(event_store, rows)
        for row in rows:
            for part in ("", "json/", "markdown/"):
                path = f"{issues.project}/events/{row.event_id.hex}/{part}"
                assert issues.api("GET", path).status_code == 404
        assert issues.api("GET", f"{issues.organization}/eventids/{rows[0].event_id.hex}/").status_code == 404
        assert issues.api("GET", f"{issues.organization}/eventids/{rows[1].event_id.hex}/").status_code == 200


class TestLists:
    def test_an_issues_events(self, issues: IssueWorld):
        found = issues.api.get(issues.of(issues.first, "events/"))
        assert [body["id"] for body in found] == [issues.event_id(2), issues.event_id(1), issues.event_id(0)]
        body = found[1]
        assert body["event.type"] == "error"
        assert body["user"]["email"] == "ann@example.com"
        assert body["tags"] == [{"key": "browser", "value": "Firefox"}]
        assert "entries" not in body
        full = issues.api.get(issues.of(issues.first, "events/?full=true"))
        assert full[0]["entries"][0]["type"] == "exception"
        chrome = issues.api.get(issues.of(issues.first, "events/?query=browser:Chrome"))
        assert [body["id"] for body in chrome] == [issues.event_id(2)]
        recent = issues.api.get(issues.of(issues.first, "events/?statsPeriod=24h"))
        assert len(recent) == 2

    def test_a_projects_events_page_by_page(self, issues: IssueWorld):
        path, seen = f"{issues.project}/events/?per_page=3", []
        for _ in range(3):
            response = issues.api("GET", path)
            seen += [body["id"] for body in orjson.loads(response.content)]
            previous, following = response.headers["Link"].split(", ")
            if 'results="true"' not in following:
                break
            path = following[following.index("/api/0") + 6 : following.index(">")]
        assert seen == [issues.event_id(position) for position in (3, 2, 1, 0)]
        assert 'results="true"' in previous
        for cursor in ("1:2", "x:y:0", "0:0:7", f"{10**18}:{10**38}:0"):
            assert issues.api("GET", f"{issues.project}/events/?cursor={cursor}").status_code == 400

    def test_wrong_searches_are_explained(self, issues: IssueWorld):
        response = issues.api("GET", f"{issues.project}/events/?query=level:error%20(")
        assert response.status_code == 400
        assert "position" in orjson.loads(response.content)


class TestTags:
    def test_organization_and_project_tags(self, issues: IssueWorld):
        for base in (issues.organization, issues.project):
            found = {body["key"]: body["totalValues"] for body in issues.api.get(f"{base}/tags/")}
            assert found["browser"] == 3
            values = issues.api.get(f"{base}/tags/browser/values/")
            assert [(body["value"], body["count"]) for body in values] == [("Firefox", 2), ("Chrome", 1)]
        assert issues.api.get(f"{issues.organization}/tags/?dataset=spans") == []
        assert issues.api.get(f"{issues.project}/tags/browser/")["uniqueValues"] == 2
        assert issues.api("GET", f"{issues.project}/tags/nothing/").status_code == 404


class TestAttachments:
    @pytest.fixture
    def attachment(self, issues: IssueWorld) -> EventAttachment:
        data = b"<script>alert(1)</script>"
        get_blob_store().put("attachments/test", data)
        return EventAttachment.objects.create(
            project=issues.world.project,
            issue=issues.first,
            event_id=issues.event_id(0),
            name='evil"\r\nX: y/é.html',
            mimetype="text/html; charset=utf-8",
            size=len(data),
            sha1=hashlib.sha1(data).hexdigest(),
            blob_key="attachments/test",
        )

    def test_list_download_delete(self, issues: IssueWorld, attachment: EventAttachment):
        path = f"{issues.project}/events/{issues.event_id(0)}/attachments/"
        [body] = issues.api.get(path)
        assert (body["mimetype"], body["sha1"], body["size"]) == (attachment.mimetype, attachment.sha1, 25)
        assert body["event_id"] == issues.event_id(0)
        assert issues.api.get(f"{path}{attachment.pk}/") == body
        response = issues.api("GET", f"{path}{attachment.pk}/?download")
        assert b"".join(response.streaming_content) == b"<script>alert(1)</script>"  # type: ignore[attr-defined]
        assert response.headers["Content-Type"] == "application/octet-stream"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "sandbox" in response.headers["Content-Security-Policy"]
        disposition = response.headers["Content-Disposition"]
        assert disposition.startswith("attachment; ")
        assert "\n" not in disposition
        assert "%C3%A9.html" in disposition
        assert issues.api("DELETE", f"{path}{attachment.pk}/").status_code == 204
        assert issues.api.get(path) == []
        assert Activity.objects.get(type="deleted_attachment").issue == issues.first

    def test_bytes_stay_while_another_attachment_uses_them(
        self, issues: IssueWorld, attachment: EventAttachment, django_capture_on_commit_callbacks: Any
    ):
        EventAttachment.objects.create(
            project=issues.world.project, event_id="1" * 32, name="x", size=1, sha1="x", blob_key=attachment.blob_key
        )
        with django_capture_on_commit_callbacks(execute=True):
            actions.delete_attachment(None, attachment)
        assert get_blob_store().exists("attachments/test")
        with django_capture_on_commit_callbacks(execute=True):
            actions.delete_attachment(None, EventAttachment.objects.get())
        assert not get_blob_store().exists("attachments/test")

    def test_the_organization_may_keep_them_from_members(self, issues: IssueWorld, attachment: EventAttachment):
        path = f"{issues.project}/events/{issues.event_id(0)}/attachments/"
        member = api_of(issues.world.member)
        assert len(member.get(path)) == 1
        issues.world.organization.options = {"attachments_role": "manager"}
        issues.world.organization.save()
        assert member("GET", path).status_code == 403
        assert member("GET", f"{path}{attachment.pk}/?download").status_code == 403
        assert len(issues.api.get(path)) == 1

    def test_other_events_and_projects_do_not_have_it(self, issues: IssueWorld, attachment: EventAttachment):
        other = f"{issues.project}/events/{issues.event_id(1)}/attachments/{attachment.pk}/"
        assert issues.api("GET", other).status_code == 404
        elsewhere = factories.make_project(issues.world.organization)
        path = f"/projects/acme/{elsewhere.slug}/events/{issues.event_id(0)}/attachments/{attachment.pk}/?download"
        assert issues.api("GET", path).status_code == 404


class TestFeedback:
    def _post(self, issues: IssueWorld, authorization: str | None, **changes: Any) -> Any:
        api = Api()
        body = {"event_id": issues.event_id(0), "name": "Ann", "email": "ann@example.com", "comments": "it broke"}
        headers = {"Authorization": authorization} if authorization else {}
        return api("POST", f"{issues.project}/user-feedback/", body | changes, **headers)

    def test_by_dsn_by_basic_and_by_token(self, issues: IssueWorld):
        public = issues.world.key.public_key
        dsn = f"DSN https://{public}@sentry.test/{issues.world.project.pk}"
        basic = "Basic " + base64.b64encode(f"{public}:".encode()).decode()
        for authorization in (dsn, basic, f"Bearer {issues.api.token}"):
            response = self._post(issues, authorization)
            assert response.status_code == 200, response.content
        report = UserReport.objects.get()
        assert (report.issue, report.comments) == (issues.first, "it broke")
        [body] = issues.api.get(f"{issues.project}/user-feedback/")
        assert (body["eventID"], body["issue"]["id"]) == (issues.event_id(0), str(issues.first.pk))
        assert issues.api.get(f"{issues.organization}/user-feedback/")[0]["email"] == "ann@example.com"

    def test_keys_of_other_projects_and_no_key_are_refused(self, issues: IssueWorld):
        other = ProjectKey.objects.create(project=factories.make_project(issues.world.organization))
        disabled = ProjectKey.objects.create(project=issues.world.project, is_active=False)
        for key in (other.public_key, disabled.public_key, "0" * 32, "x"):
            response = self._post(issues, f"DSN https://{key}@sentry.test/1")
            assert (response.status_code, orjson.loads(response.content)) == (401, {"detail": "Invalid token"})
        assert self._post(issues, None).status_code == 401
        assert not UserReport.objects.exists()

    def test_a_client_key_opens_nothing_else(self, issues: IssueWorld):
        dsn = f"DSN https://{issues.world.key.public_key}@sentry.test/1"
        for path in (f"{issues.project}/user-feedback/", f"{issues.project}/issues/", "/organizations/"):
            assert Api()("GET", path, Authorization=dsn).status_code == 401

    def test_bad_reports_name_the_field(self, issues: IssueWorld):
        dsn = f"DSN https://{issues.world.key.public_key}@sentry.test/1"
        for change in ({"email": "nobody"}, {"comments": " "}, {"event_id": "x"}, {"name": ""}):
            response = self._post(issues, dsn, **change)
            assert (response.status_code, list(orjson.loads(response.content))) == (400, list(change))


@settings(max_examples=120, deadline=None)
@given(data=interfaces)
def test_any_payload_can_be_answered(data: dict[str, Any]):
    event = Event(
        project_id=1, id="a" * 32, issue_id=1, timestamp=NOW, received=NOW, title="t", message="", culprit="",
        location="", level="error", type="error", platform="other", environment="", release="", dist="",
        transaction="", user="", user_fields={}, trace_id="", replay_id="", tags={"a": "b"}, size=1,
        payload=orjson.dumps(data, option=orjson.OPT_NON_STR_KEYS) if _fits(data) else None,
    )  # fmt: skip
    if event.payload is None:
        return
    body = serialize_event(event)
    assert orjson.loads(encode(body))["id"] == "a" * 32
    assert all(isinstance(tag["value"], str) for tag in body["tags"])
    assert all(isinstance(context, dict) for context in body["contexts"].values())


def _fits(data: dict[str, Any]) -> bool:
    """Whether the payload is JSON as it can be stored at all."""
    try:
        orjson.dumps(data)
    except TypeError:
        return False
    return True
