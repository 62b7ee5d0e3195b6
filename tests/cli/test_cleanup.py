"""``cleanup`` removes what is past its retention, and nothing else, and tells true numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from django.contrib.sessions.models import Session
from typer.testing import CliRunner

from dictamesh_sentry.blobs.factory import get_blob_store
from dictamesh_sentry.cli.main import app
from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.feedback.models import UserReport
from dictamesh_sentry.issues.models import EventAttachment, Issue
from dictamesh_sentry.ops.retention import cleanup
from dictamesh_sentry.processing.models import DeadLetter
from dictamesh_sentry.profiling.ingest import store_profiles
from dictamesh_sentry.quotas.models import OutcomeHour
from tests.support.events import EventRow, insert_events
from tests.support.factories import make_issue, make_organization, make_project
from tests.support.profiles import profile_record

pytestmark = pytest.mark.django_db


def ago(days: float) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)


@pytest.fixture
def world(event_store: EventStore) -> Callable[[], dict[str, int]]:
    """Something old and something young of each kind; counts what is there. Merges would expire rows by themselves."""
    for table in ("events", "spans", "logs", "profiles", "profile_functions"):
        event_store.command(f"SYSTEM STOP TTL MERGES {table}")
    project = make_project(make_organization())
    old, young = make_issue(project, last_seen=ago(60)), make_issue(project, last_seen=ago(1))
    payload = "payload that compresses badly: " + "".join(chr(33 + (n * n) % 90) for n in range(5000))
    insert_events(
        event_store,
        [
            *(EventRow(project_id=project.pk, issue_id=old.pk, timestamp=ago(60), payload=payload) for _ in range(300)),
            *(EventRow(project_id=project.pk, issue_id=young.pk, timestamp=ago(1)) for _ in range(5)),
            *(EventRow(project_id=project.pk, issue_id=young.pk, timestamp=ago(3), retention_days=2) for _ in range(2)),
        ],
    )
    blobs = get_blob_store()
    shared = f"attachments/{project.pk}/shared"
    for key, issue, when in (
        (f"attachments/{project.pk}/old", old, ago(60)),
        (shared, old, ago(60)),
        (shared, young, ago(1)),
    ):
        blobs.put(key, b"x" * 1000)
        EventAttachment.objects.create(
            project=project, issue=issue, event_id="a" * 32, name=str(when), size=1000, sha1="", blob_key=key,
            date_created=when,
        )  # fmt: skip
    for day in (40, 0):
        blobs.put(f"ingest/{project.pk}/{ago(day):%Y%m%d%H}/body", b"y" * 10)
        DeadLetter.objects.create(
            topic="ingest-events", offset=day, stage="x", reason="", payload=b"", date_created=ago(day)
        )
        UserReport.objects.create(project=project, event_id="a" * 32, comments=str(day), date_created=ago(day))
        Session.objects.create(session_key=f"s{day}", session_data="", expire_date=ago(day - 1))
    for key, _ in list(blobs.keys("profiles/")):
        blobs.delete(key)
    # The row of the second one is past 30 days, its day is not.
    times = (ago(60), ago(30).replace(hour=0, minute=0, second=1, microsecond=0), ago(1))
    store_profiles([profile_record(project.pk, when) for when in times], event_store, blobs)
    for day in (401, 60):
        OutcomeHour.objects.create(project=project, category=1, outcome=0, hour=ago(day), quantity=1)

    def count() -> dict[str, int]:
        return {
            **{
                table: event_store.rows(f"SELECT count() FROM {table}")[0][0]
                for table in ("events", "spans", "logs", "profiles", "profile_functions")
            },
            "profile_samples": len(list(blobs.keys(f"profiles/{project.pk}/"))),
            "attachments": EventAttachment.objects.count(),
            "issues": Issue.objects.count(),
            "user_reports": UserReport.objects.count(),
            "outcomes": OutcomeHour.objects.count(),
            "dead_letters": DeadLetter.objects.count(),
            "sessions": Session.objects.count(),
            "request_bodies": len(list(blobs.keys(f"ingest/{project.pk}/"))),
            "blobs": len(list(blobs.keys(f"attachments/{project.pk}/"))),
        }

    return count


def test_old_things_go_young_ones_stay(world: Callable[[], dict[str, int]], event_store: EventStore) -> None:
    before = world()
    on_disk = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'events'"
    size = event_store.rows(on_disk)[0][0]
    freed = cleanup(days=30)
    assert {name: kind.rows for name, kind in freed.kinds.items() if name != "metadata"} == {
        "events": 302, "spans": 0, "logs": 0, "profiles": 2, "profile_functions": 6, "profile_samples": 1,
        "attachments": 2, "issues": 1, "user_reports": 1, "outcomes": 1, "dead_letters": 1, "sessions": 1,
        "request_bodies": 1,
    }  # fmt: skip
    after = world()
    for name, kind in freed.kinds.items():
        if name != "metadata":
            assert after[name] == before[name] - kind.rows, name
    assert freed.kinds["events"].bytes == size - event_store.rows(on_disk)[0][0] > 0
    assert freed.kinds["attachments"].bytes == 1000  # the shared one stays
    assert (before["blobs"], after["blobs"]) == (2, 1)
    assert freed.kinds["request_bodies"].bytes == 10
    again = cleanup(days=30)
    assert again.bytes == 0
    assert not any(kind.rows for kind in again.kinds.values())


def test_a_dry_run_tells_the_same_and_touches_nothing(world: Callable[[], dict[str, int]]) -> None:
    before = world()
    told = cleanup(days=30, dry_run=True)
    assert world() == before
    done = cleanup(days=30)
    for name, kind in told.kinds.items():
        assert kind.rows == done.kinds[name].rows, name
        if name not in ("events", "profiles", "profile_functions"):
            assert kind.bytes == done.kinds[name].bytes, name
    assert told.kinds["events"].bytes == pytest.approx(done.kinds["events"].bytes, rel=0.5)


def test_the_setting_is_the_default_and_rows_keep_their_own(world: Callable[[], dict[str, int]]) -> None:
    assert get_settings().event_retention_days == 90
    freed = cleanup()
    assert freed.kinds["events"].rows == 2  # whose own retention was two days
    assert freed.kinds["issues"].rows == 0


def test_whole_weeks_are_dropped_without_rewriting(
    world: Callable[[], dict[str, int]], event_store: EventStore
) -> None:
    from dictamesh_sentry.eventstore.client import log_queries

    event_store.command("ALTER TABLE events DELETE WHERE retention_days = 2 SETTINGS mutations_sync = 2")
    with log_queries() as queries:
        cleanup(days=30)
    assert any("DROP PARTITION" in sql for sql in queries.statements)
    assert not any("ALTER TABLE events DELETE WHERE (timestamp" in sql for sql in queries.statements)


def test_the_command_prints_what_it_freed(world: Callable[[], dict[str, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dictamesh_sentry.cli.cleanup.calm_logging", lambda _: None)
    with structlog.testing.capture_logs():
        _check_output()


def _check_output() -> None:
    dry = CliRunner().invoke(app, ["cleanup", "--days", "30", "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "Would remove" in dry.stdout
    printed: dict[str, Any] = json.loads(CliRunner().invoke(app, ["cleanup", "--days", "30", "--json"]).stdout)
    assert set(printed) == {"dry_run", "days", "kinds", "notes", "bytes"}
    assert printed["kinds"]["events"]["rows"] == 302
    assert printed["bytes"] == sum(kind["bytes"] or 0 for kind in printed["kinds"].values())
    assert CliRunner().invoke(app, ["cleanup", "--days", "0"]).exit_code == 2
