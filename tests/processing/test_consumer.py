"""The batch consumer over the real stores: what is stored, and that it is stored exactly once."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues.models import Activity, EventAttachment, Issue, IssueEnvironment, IssueHash
from dictamesh_sentry.processing import consumer as consumer_module
from dictamesh_sentry.processing import event_record
from dictamesh_sentry.processing.models import DeadLetter, StreamOffset
from dictamesh_sentry.processing.offsets import OffsetConflictError
from dictamesh_sentry.processing.tasks import link_orphans
from dictamesh_sentry.projects.models import Project, ProjectEnvironment
from dictamesh_sentry.projects.queries import forget_configs
from dictamesh_sentry.protocol.categories import DataCategory, Outcome
from dictamesh_sentry.protocol.envelope import parse_envelope
from dictamesh_sentry.quotas.models import OutcomeHour
from dictamesh_sentry.releases.models import Release, ReleaseEnvironment, ReleaseProject
from tests.processing.performance import (
    LOGS,
    V2,
    container,
    log,
    span,
    transaction,
    transaction_envelope,
    v2_span,
)
from tests.processing.support import (
    envelope,
    error_event,
    event_envelope,
    exception,
    frame,
    ingest,
    messages,
    processor,
)
from tests.support.factories import make_organization, make_project

pytestmark = pytest.mark.django_db
FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"


@pytest.fixture
def project():
    forget_configs()
    return make_project(make_organization())


def outcomes() -> dict[tuple[str, str, str], int]:
    found: Counter[tuple[str, str, str]] = Counter()
    for row in OutcomeHour.objects.all():
        key = (Outcome(row.outcome).api_name, DataCategory(row.category).api_name, row.reason)
        found[key] += row.quantity
    return dict(found)


def rows(event_store, columns: str = "*") -> list[dict[str, Any]]:
    return event_store.query(f"SELECT {columns} FROM events ORDER BY timestamp, event_id")


def snapshot(event_store) -> dict[str, Any]:
    """Everything a replay must not change."""
    return {
        "rows": sorted(str(row["event_id"]) for row in rows(event_store)),
        "spans": sorted(event_store.rows("SELECT project_id, trace_id, span_id, sample_weight FROM spans")),
        "logs": sorted(str(row[0]) for row in event_store.rows("SELECT item_id FROM logs")),
        "issues": sorted(Issue.objects.values_list("project", "title", "times_seen", "status")),
        "hashes": sorted(IssueHash.objects.values_list("hash", "times_seen")),
        "activities": Activity.objects.count(),
        "outcomes": outcomes(),
        "releases": sorted(ReleaseProject.objects.values_list("release__version", "new_issues")),
        "attachments": EventAttachment.objects.count(),
        "reports": UserReport.objects.count(),
        "letters": DeadLetter.objects.count(),
        "offset": list(StreamOffset.objects.values_list("next_offset", flat=True)),
    }


def mixed_batch(project: Project) -> list:
    """Two issues, a duplicate, an attachment, a report, a client report, a broken envelope, a transaction that comes
    twice, spans and logs sent alone."""
    first = error_event(release="shop@1.0", environment="prod", user={"id": "1"})
    again = dict(first)
    other = error_event(exception("KeyError", "k", [frame("cart")]), release="shop@1.1", environment="dev")
    report = {"event_id": other["event_id"], "name": "Al", "email": "al@example.com", "comments": "it broke"}
    discarded = {"discarded_events": [{"reason": "queue_overflow", "category": "error", "quantity": 3}]}
    attachment = ({"type": "attachment", "filename": "log.txt"}, b"hello")
    now = time.time()
    slow = transaction(span(now - 0.5, now, "a" * 16), span_id="a" * 16, release="shop@1.0", environment="prod")
    return messages(
        ingest(project.pk, event_envelope(first, attachment)),
        ingest(project.pk, event_envelope(again)),
        ingest(project.pk, event_envelope(error_event(release="shop@1.0", environment="prod"))),
        ingest(project.pk, event_envelope(other, ({"type": "user_report"}, json.dumps(report).encode()))),
        ingest(project.pk, envelope(({"type": "client_report"}, json.dumps(discarded).encode()))),
        ingest(project.pk, b"no envelope"),
        ingest(project.pk, transaction_envelope(slow)),
        ingest(project.pk, transaction_envelope(slow)),
        ingest(project.pk, container("span", V2, v2_span(now - 1, now), v2_span(now - 1, now))),
        ingest(project.pk, container("log", LOGS, log("one"), log("two"))),
        b"\xc1 no message",
    )


EXPECTED_OUTCOMES = {
    ("accepted", "error", ""): 3,
    ("accepted", "attachment", ""): 5,
    ("accepted", "attachment_item", ""): 1,
    ("accepted", "feedback", ""): 1,
    ("invalid", "error", "duplicate"): 1,
    ("invalid", "default", "invalid_envelope"): 1,
    ("client_discard", "error", "queue_overflow"): 3,
    ("accepted", "transaction", ""): 1,
    ("accepted", "span", ""): 4,
    ("invalid", "transaction", "duplicate"): 1,
    ("invalid", "span", "duplicate"): 2,
    ("accepted", "log_item", ""): 2,
    ("accepted", "log_byte", ""): 6,
}


def test_a_batch_is_stored(project, event_store):
    worker = processor(event_store)
    worker.process(mixed_batch(project))
    assert sorted(Issue.objects.values_list("title", "times_seen")) == [
        ("KeyError: k", 1),
        ("ValueError: bad value", 2),
    ]
    found = rows(event_store)
    assert len(found) == 3
    assert {row["issue_id"] for row in found} == set(Issue.objects.values_list("pk", flat=True))
    assert outcomes() == EXPECTED_OUTCOMES
    issue = Issue.objects.get(title="ValueError: bad value")
    assert issue.short_number in (1, 2)
    assert issue.first_release.version == "shop@1.0"
    assert issue.substatus == "new"
    hash_row = IssueHash.objects.get(issue=issue)
    assert hash_row.times_seen == 2
    assert hash_row.explanation["variant"] == "stacktrace.app"
    assert [entry.type for entry in issue.activities.all()] == ["first_seen"]
    attachment = EventAttachment.objects.get()
    assert (attachment.issue, attachment.name, attachment.size) == (issue, "log.txt", 5)
    assert worker.stores.blobs.read(attachment.blob_key) == b"hello"
    assert UserReport.objects.get().issue.title == "KeyError: k"
    assert set(ProjectEnvironment.objects.values_list("environment__name", flat=True)) == {"prod", "dev", ""}
    assert IssueEnvironment.objects.get(issue=issue).environment.name == "prod"
    assert dict(ReleaseProject.objects.values_list("release__version", "new_issues")) == {"shop@1.0": 1, "shop@1.1": 1}
    assert ReleaseEnvironment.objects.count() == 2
    project.refresh_from_db()
    assert project.first_event is not None
    letter = DeadLetter.objects.get()
    assert (letter.stage, letter.offset, bytes(letter.payload)) == ("decode", 11, b"\xc1 no message")
    assert StreamOffset.objects.get().next_offset == 12
    announced = worker.stores.stream.stored_events()
    assert [message.is_new_issue for message in announced] == [True, True, True]
    assert announced[0].user == "id:1"


def test_row_has_what_search_needs(project, event_store):
    event = error_event(
        exception(
            "E",
            "two\n\nlines",
            [frame("f", abs_path="/srv/f.py")],
            mechanism={"type": "django", "handled": False},
        ),
        user={"id": "42", "email": "a@b.example", "ip_address": "10.0.0.7"},
        request={"method": "get", "url": "https://shop.example/pay?x=1", "headers": {"Referer": "https://r.example"}},
        tags={"shop": "nl"},
        contexts={
            "trace": {"trace_id": "ab" * 16, "span_id": "cd" * 8},
            "device": {"model": "X1", "charging": True},
            "flags": {"values": [{"flag": "new-cart", "result": True}]},
        },
        sdk={"name": "sentry.python", "version": "2.0"},
        environment="prod",
        release="shop@1.0",
        dist="7",
    )
    processor(event_store).process(messages(ingest(project.pk, event_envelope(event))))
    [row] = rows(event_store)
    assert str(row["event_id"]).replace("-", "") == event["event_id"]
    assert row["user"] == "id:42"
    assert (row["user_id"], row["user_email"], row["user_ip"]) == ("42", "a@b.example", "10.0.0.7")
    assert (row["http_method"], row["http_url"]) == ("GET", "https://shop.example/pay")
    assert row["http_referer"] == "https://r.example"
    assert (row["trace_id"], row["span_id"]) == ("ab" * 16, "cd" * 8)
    assert row["exception_values"] == ["two\n\nlines"]
    assert (row["handled"], row["exception_mechanisms"]) == ("no", ["django"])
    assert row["stack_functions"] == ["f"]
    assert row["stack_abs_paths"] == ["/srv/f.py"]
    assert row["tags"]["shop"] == "nl"
    assert row["contexts"]["device.model"] == "X1"
    assert row["contexts"]["device.charging"] == "true"
    assert row["flags"] == {"new-cart": "true"}
    assert (row["environment"], row["release"], row["dist"]) == ("prod", "shop@1.0", "7")
    payload = json.loads(row["payload"])
    assert payload["exception"]["values"][0]["value"] == "two\n\nlines"
    assert row["size"] == len(row["payload"].encode())


class Crash(BaseException):
    """The process dies here."""


def crash_points(worker, monkeypatch) -> dict[str, Any]:
    """Name of a step → how to die before or after it."""

    def before(owner: Any, name: str):
        def install():
            def die(*args: Any, **kwargs: Any) -> None:
                raise Crash(name)

            monkeypatch.setattr(owner, name, die)

        return install

    def after(owner: Any, name: str):
        def install():
            original = getattr(owner, name)

            def die(*args: Any, **kwargs: Any) -> None:
                original(*args, **kwargs)
                raise Crash(name)

            monkeypatch.setattr(owner, name, die)

        return install

    stores = worker.stores
    return {
        "before looking duplicates up": before(consumer_module, "find_stored"),
        "after creating releases": after(consumer_module, "ensure_known"),
        "before creating issues": before(consumer_module, "find_or_create"),
        "after creating issues": after(consumer_module, "find_or_create"),
        "after the first blob": after(stores.blobs, "put"),
        "before inserting rows": before(stores.events, "insert"),
        "after inserting rows": after(stores.events, "insert"),
        "before announcing": before(stores.stream, "append"),
        "after announcing": after(stores.stream, "append"),
        "in the transaction, after the offset": after(consumer_module, "advance"),
        "in the transaction, after the counters": after(consumer_module, "raise_counters"),
        "in the transaction, after the companions": after(consumer_module, "store_companions"),
        "in the transaction, at its end": after(consumer_module, "record_outcomes"),
    }


POINTS = tuple(
    crash_points(type("W", (), {"stores": type("S", (), {"blobs": None, "events": None, "stream": None})})(), None)
)


@pytest.mark.parametrize("point", POINTS)
def test_a_crash_anywhere_and_a_replay_count_once(project, event_store, point):
    reference = make_project(make_organization())
    processor(event_store).process(mixed_batch(reference))
    expected = outcomes()
    for model in (OutcomeHour, StreamOffset, DeadLetter, Issue, EventAttachment, UserReport, Release, Activity):
        model.objects.all().delete()
    event_store.command("TRUNCATE TABLE events")

    batch = mixed_batch(project)
    worker = processor(event_store)
    with pytest.MonkeyPatch.context() as patch:
        crash_points(worker, patch)[point]()
        with pytest.raises(Crash):
            worker.process(batch)
    assert not StreamOffset.objects.exists()
    assert not OutcomeHour.objects.exists()
    # A new process replays, perhaps in other batches.
    survivor = processor(event_store)
    survivor.process(batch[:2])
    survivor.process(batch[2:])
    assert outcomes() == expected
    assert len(rows(event_store)) == 3
    assert sorted(Issue.objects.values_list("times_seen", flat=True)) == [1, 2]
    assert sorted(IssueHash.objects.values_list("times_seen", flat=True)) == [1, 2]
    assert Activity.objects.filter(type="first_seen").count() == 2
    assert EventAttachment.objects.count() == UserReport.objects.count() == DeadLetter.objects.count() == 1
    assert dict(ReleaseProject.objects.values_list("release__version", "new_issues")) == {"shop@1.0": 1, "shop@1.1": 1}
    new = {message.issue_id for message in survivor.stores.stream.stored_events() if message.is_new_issue}
    assert new == set(Issue.objects.values_list("pk", flat=True))


def test_giving_a_finished_batch_again_changes_nothing(project, event_store):
    batch = mixed_batch(project)
    processor(event_store).process(batch)
    before = snapshot(event_store)
    with pytest.raises(OffsetConflictError):
        processor(event_store).process(batch)
    assert snapshot(event_store) == before


def test_the_same_event_sent_again_later_is_a_duplicate(project, event_store):
    event = error_event()
    worker = processor(event_store)
    worker.process(messages(ingest(project.pk, event_envelope(event)), first=1))
    worker.process(
        messages(ingest(project.pk, event_envelope(event, ({"type": "attachment", "filename": "x"}, b"1"))), first=2)
    )
    assert Issue.objects.get().times_seen == 1
    assert len(rows(event_store)) == 1
    assert outcomes()["invalid", "error", "duplicate"] == 1
    assert outcomes()["invalid", "attachment", "duplicate"] == 1
    assert not EventAttachment.objects.exists()


def test_the_same_event_id_in_two_projects_is_two_events(project, event_store):
    other = make_project(make_organization())
    event = error_event()
    body = event_envelope(event)
    processor(event_store).process(messages(ingest(project.pk, body), ingest(other.pk, body)))
    assert len(rows(event_store)) == 2
    assert Issue.objects.count() == 2


def test_poison_goes_to_the_dead_letters_and_disturbs_nobody(project, event_store, monkeypatch):
    original = event_record.group_event

    def group(event, config):
        if "poison" in json.dumps(event):
            raise ZeroDivisionError("a defect")
        return original(event, config)

    monkeypatch.setattr(event_record, "group_event", group)
    poison = error_event(exception("poison"))
    batch = messages(
        ingest(project.pk, event_envelope(error_event())),
        ingest(project.pk, event_envelope(poison)),
        ingest(project.pk, event_envelope(error_event())),
    )
    processor(event_store).process(batch)
    letter = DeadLetter.objects.get()
    assert (letter.stage, letter.reason, letter.project_id) == ("group", "ZeroDivisionError: a defect", project.pk)
    assert bytes(letter.payload) == batch[1].value
    assert Issue.objects.get().times_seen == 2
    # The defect is mended and the letter replayed: a new message with the same payload.
    monkeypatch.undo()
    processor(event_store).process(messages(bytes(letter.payload), first=10))
    assert sum(Issue.objects.values_list("times_seen", flat=True)) == 3


def test_bodies_in_the_blob_store_are_read_and_then_removed(project, event_store):
    worker = processor(event_store)
    message = ingest(project.pk, event_envelope(error_event()), blob_key="ingest/1")
    worker.stores.blobs.put("ingest/1", message.body)
    message.body = b""
    missing = ingest(project.pk, b"", blob_key="ingest/2")
    worker.process(messages(message, missing))
    assert len(rows(event_store)) == 1
    assert not worker.stores.blobs.exists("ingest/1")
    assert DeadLetter.objects.get().stage == "decode"


def test_a_failed_message_keeps_its_body_for_the_replay(project, event_store, monkeypatch):
    monkeypatch.setattr(event_record, "group_event", lambda event, config: 1 / 0)
    worker = processor(event_store)
    message = ingest(project.pk, event_envelope(error_event()), blob_key="ingest/1")
    worker.stores.blobs.put("ingest/1", message.body)
    worker.process(messages(message))
    assert DeadLetter.objects.exists()
    assert worker.stores.blobs.exists("ingest/1")


def test_messages_of_a_deleted_project_vanish(project, event_store):
    batch = messages(ingest(999_999, event_envelope(error_event())), ingest(project.pk, event_envelope(error_event())))
    processor(event_store).process(batch)
    assert len(rows(event_store)) == 1
    assert StreamOffset.objects.get().next_offset == 3


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (({"type": "session"}, b"{}"), {("session", 1)}),
        (({"type": "check_in"}, b"{}"), {("monitor", 1)}),
        (({"type": "replay_recording"}, b"{}\nx"), {("replay", 1)}),
        (
            ({"type": "trace_metric", "item_count": 1}, b'{"items": [{}]}'),
            {("trace_metric", 1), ("trace_metric_byte", 1)},
        ),
    ],
)  # fmt: skip
def test_items_of_later_products_are_counted(project, event_store, item, expected):
    processor(event_store).process(messages(ingest(project.pk, envelope(item))))
    assert {(category, count) for (_, category, _), count in outcomes().items()} == expected
    assert {(outcome, reason) for outcome, _, reason in outcomes()} == {("invalid", "feature_disabled")}


def test_unknown_items_and_attachment_types_are_swallowed(project, event_store):
    body = event_envelope(
        error_event(),
        ({"type": "from_the_future"}, b"?"),
        ({"type": "statsd"}, b"?"),
        ({"type": "attachment", "attachment_type": "odd", "filename": "x"}, b"?"),
    )
    processor(event_store).process(messages(ingest(project.pk, body)))
    assert outcomes() == {("accepted", "error", ""): 1}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [(b"{", "invalid_json"), (b"[]", "invalid_json"), (b"", "invalid_json")],
)
def test_bad_json_is_counted_with_what_came_along(project, event_store, payload, reason):
    items = (({"type": "event"}, payload), ({"type": "attachment", "filename": "x"}, b"abc"))
    processor(event_store).process(messages(ingest(project.pk, envelope(*items, event_id=uuid.uuid4().hex))))
    assert outcomes() == {
        ("invalid", "error", reason): 1,
        ("invalid", "attachment", reason): 3,
        ("invalid", "attachment_item", reason): 1,
    }
    assert not EventAttachment.objects.exists()


@pytest.mark.parametrize("text", [b'{"extra": {"a": NaN}}', b'{"message": "\\ud83d cut"}', b'{"message": "a\xff"}'])
def test_almost_json_of_old_clients_is_an_event(project, event_store, text):
    processor(event_store).process(messages(ingest(project.pk, envelope(({"type": "event"}, text)))))
    assert len(rows(event_store)) == 1


def test_deep_nesting_is_survived(project, event_store):
    deep = b'{"extra": ' + b'{"a":' * 5000 + b"1" + b"}" * 5001
    processor(event_store).process(
        messages(
            ingest(project.pk, envelope(({"type": "event"}, deep))), ingest(project.pk, event_envelope(error_event()))
        )
    )
    assert not DeadLetter.objects.exists()
    assert Issue.objects.count() >= 1


def test_ids_made_up_for_events_without_one_are_stable(project, event_store, monkeypatch):
    batch = messages(ingest(project.pk, envelope(({"type": "event"}, b'{"message": "no id"}'))))
    worker = processor(event_store)
    with monkeypatch.context() as patch:
        crash_points(worker, patch)["after inserting rows"]()
        with pytest.raises(Crash):
            worker.process(batch)
    processor(event_store).process(batch)
    assert len(rows(event_store)) == 1
    assert outcomes() == {("accepted", "error", ""): 1}


def test_filtered_events_take_their_attachments_with_them(project, event_store):
    project.options = {"filters": {"error_messages": ["*bad value*"]}}
    project.save()
    forget_configs()
    body = event_envelope(error_event(), ({"type": "attachment", "filename": "x"}, b"abc"))
    processor(event_store).process(messages(ingest(project.pk, body)))
    assert outcomes() == {
        ("filtered", "error", "error-message"): 1,
        ("filtered", "attachment", "error-message"): 3,
        ("filtered", "attachment_item", "error-message"): 1,
    }
    assert not Issue.objects.exists()


def test_discarded_fingerprints_are_filtered(project, event_store):
    worker = processor(event_store)
    worker.process(messages(ingest(project.pk, event_envelope(error_event()))))
    IssueHash.objects.update(is_discarded=True, issue=None)
    worker.process(messages(ingest(project.pk, event_envelope(error_event())), first=2))
    assert outcomes()["filtered", "error", "discarded-hash"] == 1
    assert len(rows(event_store)) == 1


def test_an_issue_on_its_way_out_gets_no_new_events(project, event_store):
    worker = processor(event_store)
    worker.process(messages(ingest(project.pk, event_envelope(error_event()))))
    old = Issue.objects.get()
    Issue.objects.update(is_pending_deletion=True)
    worker.process(messages(ingest(project.pk, event_envelope(error_event())), first=2))
    new = Issue.objects.get(is_pending_deletion=False)
    assert new.pk != old.pk
    assert (new.times_seen, new.short_number) == (1, 2)


def test_events_follow_a_merge_that_happens_under_way(project, event_store):
    worker = processor(event_store)
    worker.process(messages(ingest(project.pk, event_envelope(error_event()))))
    source = Issue.objects.get()
    target = Issue.objects.create(
        project=project, short_number=99, title="t", first_seen=timezone.now(), last_seen=timezone.now(), times_seen=5
    )
    batch = worker.prepare(messages(ingest(project.pk, event_envelope(error_event())), first=2))
    original = worker.stores.stream.append

    def merge_now(topic, values):
        IssueHash.objects.filter(issue=source).update(issue=target)
        source.delete()
        original(topic, values)

    worker.stores.stream.append = merge_now
    worker.store(batch)
    target.refresh_from_db()
    assert target.times_seen == 6


class TestFeedbackAndFiles:
    def test_feedback_is_an_issue_of_its_own(self, project, event_store):
        item = {
            "event_id": uuid.uuid4().hex,
            "contexts": {"feedback": {"message": "cannot pay", "contact_email": "al@example.com", "name": "Al"}},
        }
        body = envelope(({"type": "feedback"}, json.dumps(item).encode()), event_id=item["event_id"])
        processor(event_store).process(messages(ingest(project.pk, body)))
        issue = Issue.objects.get()
        assert (issue.category, issue.title) == ("feedback", "User Feedback: cannot pay")
        report = UserReport.objects.get()
        assert (report.issue, report.comments, report.email) == (issue, "cannot pay", "al@example.com")
        assert outcomes() == {("accepted", "feedback", ""): 1}
        [row] = rows(event_store)
        assert row["type"] == "feedback"

    def test_feedback_without_words_is_invalid(self, project, event_store):
        body = envelope(({"type": "feedback"}, b'{"contexts": {"feedback": {"message": " "}}}'))
        processor(event_store).process(messages(ingest(project.pk, body)))
        assert outcomes() == {("invalid", "feedback", "no_data"): 1}

    @pytest.mark.parametrize("report_first", [True, False])
    def test_a_report_finds_its_event_in_either_order(self, project, event_store, report_first):
        event = error_event()
        report = {"event_id": event["event_id"], "name": "Al", "email": "a@b.example", "comments": "broken"}
        one = ingest(project.pk, envelope(({"type": "user_report"}, json.dumps(report).encode())))
        two = ingest(project.pk, event_envelope(event))
        worker = processor(event_store)
        for position, message in enumerate([one, two] if report_first else [two, one], start=1):
            worker.process(messages(message, first=position))
        assert UserReport.objects.get().issue == Issue.objects.get()

    @pytest.mark.parametrize("file_first", [True, False])
    def test_an_attachment_finds_its_event_in_either_order(self, project, event_store, file_first):
        event = error_event()
        one = ingest(
            project.pk, envelope(({"type": "attachment", "filename": "a.txt"}, b"a"), event_id=event["event_id"])
        )
        two = ingest(project.pk, event_envelope(event))
        worker = processor(event_store)
        for position, message in enumerate([one, two] if file_first else [two, one], start=1):
            worker.process(messages(message, first=position))
        assert EventAttachment.objects.get().issue == Issue.objects.get()

    def test_what_crossed_with_its_event_is_linked_later(self, project, event_store):
        worker = processor(event_store)
        event = error_event()
        worker.process(
            messages(ingest(project.pk, event_envelope(event, ({"type": "attachment", "filename": "a"}, b"a"))))
        )
        EventAttachment.objects.update(issue=None)
        link_orphans.run()
        assert EventAttachment.objects.get().issue == Issue.objects.get()

    def test_a_minidump_makes_an_event(self, project, event_store):
        event_id = uuid.uuid4().hex
        item = ({"type": "attachment", "attachment_type": "event.minidump", "filename": "c.dmp"}, b"MDMP....")
        processor(event_store).process(messages(ingest(project.pk, envelope(item, event_id=event_id))))
        [row] = rows(event_store)
        assert (row["level"], row["platform"], row["handled"]) == ("fatal", "native", "no")
        assert EventAttachment.objects.get().type == "event.minidump"
        assert outcomes()["accepted", "error", ""] == 1

    def test_a_security_report(self, project, event_store):
        report = {
            "csp-report": {
                "document-uri": "https://shop.example/",
                "effective-directive": "img-src",
                "violated-directive": "img-src 'self'",
                "blocked-uri": "https://evil.example/a.png",
            }
        }
        item = ({"type": "raw_security"}, json.dumps(report).encode())
        other = ({"type": "raw_security"}, b'{"expect-ct-report": {}}')
        processor(event_store).process(
            messages(ingest(project.pk, envelope(item)), ingest(project.pk, envelope(other)))
        )
        [row] = rows(event_store)
        assert row["type"] == "csp"
        assert outcomes() == {
            ("accepted", "security", ""): 1,
            ("invalid", "security", "security_report_type"): 1,
        }


def test_first_and_last_seen_do_not_depend_on_the_order(project, event_store):
    now = timezone.now()
    times = [now - timedelta(hours=hours) for hours in (1, 5, 3)]
    batch = messages(
        *(ingest(project.pk, event_envelope(error_event(timestamp=moment.timestamp()))) for moment in times)
    )
    worker = processor(event_store)
    worker.process(batch[:2])
    worker.process(batch[2:])
    issue = Issue.objects.get()
    assert abs((issue.first_seen - times[1]).total_seconds()) < 0.01
    assert abs((issue.last_seen - times[0]).total_seconds()) < 0.01
    project.refresh_from_db()
    assert project.first_event is not None
    assert abs((project.first_event - times[1]).total_seconds()) < 0.01


def test_a_problem_found_in_a_transaction_becomes_an_issue(project, event_store):
    now = time.time()
    queries = [span(now - 0.9, now - 0.89, "a" * 16, op="db", description="SELECT id FROM authors")]
    queries += [
        span(now - 0.8 + n * 0.02, now - 0.79 + n * 0.02, "a" * 16, op="db",
             description=f"SELECT * FROM books WHERE author_id = {n}")
        for n in range(12)
    ]  # fmt: skip
    slow = transaction(*queries, span_id="a" * 16, environment="prod", release="shop@1", user={"id": "9"})
    batch = messages(ingest(project.pk, transaction_envelope(slow)))
    processor(event_store).process(batch)
    issue = Issue.objects.get()
    assert (issue.category, issue.type, issue.title) == (
        "performance",
        "performance_n_plus_one_db_queries",
        "N+1 Query",
    )
    assert (issue.times_seen, issue.level, issue.culprit) == (1, "info", "/checkout")
    (row,) = rows(event_store)
    assert (row["type"], row["trace_id"], row["release"]) == (
        "transaction",
        slow["contexts"]["trace"]["trace_id"],
        "shop@1",
    )
    evidence = json.loads(row["payload"])["occurrence"]["evidenceData"]
    assert (evidence["offenderCount"], len(evidence["offenders"])) == (12, 12)
    assert outcomes() == {("accepted", "transaction", ""): 1, ("accepted", "span", ""): 14}
    processor(event_store).process(messages(ingest(project.pk, transaction_envelope(slow)), first=2))
    assert Issue.objects.get().times_seen == 1


def test_profiles_are_stored_with_their_samples(project, event_store):
    body = (FIXTURES / "profiles" / "python_v1.envelope").read_bytes()
    event = next(item for item in parse_envelope(body).items if item.type == "transaction")
    received = json.loads(event.payload)["timestamp"]
    received = datetime.fromisoformat(received).timestamp() if isinstance(received, str) else received
    batch = messages(ingest(project.pk, body, received=received + 1))
    worker = processor(event_store)
    worker.process(batch)
    ((profile_id, count, key),) = event_store.rows("SELECT profile_id, sample_count, blob_key FROM profiles")
    assert count > 10
    assert worker.stores.blobs.exists(key)
    assert event_store.rows("SELECT profile_id FROM spans WHERE is_segment = 1") == [(profile_id.hex,)]
    assert event_store.rows("SELECT count() FROM profile_functions")[0][0] > 3
    assert outcomes()["accepted", "profile", ""] == 1
    StreamOffset.objects.all().delete()
    worker.process(batch)
    assert event_store.rows("SELECT count() FROM profiles")[0][0] == 1


def test_a_profile_that_is_none_is_counted_by_its_reason(project, event_store):
    body = envelope(({"type": "profile"}, b"{}"), ({"type": "profile_chunk", "platform": "cocoa"}, b"{}"))
    processor(event_store).process(messages(ingest(project.pk, body)))
    found = {(outcome, category) for outcome, category, reason in outcomes() if reason.startswith("profile_")}
    assert found == {("invalid", "profile"), ("invalid", "profile_chunk_ui")}
