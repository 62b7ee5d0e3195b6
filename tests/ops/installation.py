"""Installations for the tests of operator commands, each with its own environment; and what is in them.

``python -m tests.ops.installation seed|state`` runs inside an installation's environment, so that one test process can
compare several.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.support.topology import clean_environment

UNDER_WAY = "under way"
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Installation:
    """A data folder, or servers, and the command run against it."""

    environment: dict[str, str]

    @classmethod
    def at(cls, folder: Path, **environment: str) -> Installation:
        """An installation that keeps in ``folder`` whatever no server keeps."""
        own = {
            "SENTRY_DATA_DIR": str(folder),
            "SENTRY_MAIL_BACKEND": "dummy",
            "SENTRY_LOG_LEVEL": "warning",
            "DICTAMESH_STORE_SYNC": "0",
        }
        return cls({**clean_environment(), **own, **environment})

    @property
    def folder(self) -> Path:
        return Path(self.environment["SENTRY_DATA_DIR"])

    def run(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[Any]:
        """Run one of the product's commands."""
        options.setdefault("text", True)
        return subprocess.run(
            [sys.executable, "-m", "dictamesh_sentry", *arguments],
            env=self.environment, capture_output=True, timeout=120, check=False, **options,
        )  # fmt: skip

    def json(self, *arguments: str, code: int = 0) -> Any:
        """Its ``--json`` output."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def _inside(self, what: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "tests.ops.installation", what],
            env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout

    def copy(self, folder: Path) -> Installation:
        """Another one with the same data, where data is files."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Installation({**self.environment, "SENTRY_DATA_DIR": str(folder)})

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Metadata, where that is SQLite."""
        with contextlib.closing(sqlite3.connect(self.folder / "metadata.sqlite3")) as connection:
            return connection.execute(sql).fetchall()

    def seed(self) -> None:
        """Fill it with rows of every kind, events over several weeks, and blobs."""
        self._inside("seed")

    def state(self) -> dict[str, Any]:
        """Every row of every table of both stores, and the hash of every blob."""
        return json.loads(self._inside("state"))


def _seed() -> None:
    import random

    from django.utils import timezone

    from dictamesh_sentry.blobs.factory import get_blob_store
    from dictamesh_sentry.eventstore.client import get_store
    from dictamesh_sentry.feedback.models import UserReport
    from dictamesh_sentry.issues.models import EventAttachment, IssueRedirect, SavedSearch
    from dictamesh_sentry.processing.models import DeadLetter, StreamOffset
    from dictamesh_sentry.profiling.ingest import store_profiles
    from dictamesh_sentry.quotas.models import OutcomeHour
    from tests.support import factories
    from tests.support.events import EventRow, insert_events
    from tests.support.profiles import profile_record
    from tests.support.spans import insert_spans

    organization = factories.make_organization()
    team = factories.make_team(organization)
    user = factories.make_member(organization, "owner", teams=(team,))
    project = factories.make_project(organization, teams=(team,), options={"a": [1, 2.5, None, "ü\u2028"], "b": {}})
    gone = factories.make_issue(project)
    issue = factories.make_issue(project, times_seen=240, assigned_user=user, title="tab\t, \"quote\", 'x', 🦊")
    IssueRedirect.objects.create(
        previous_id=gone.pk, project=project, previous_short_number=gone.short_number, issue=issue
    )
    factories.make_release(project, "app@1.0")
    SavedSearch.objects.create(organization=organization, name="mine", query="is:unresolved")
    UserReport.objects.create(project=project, issue=issue, event_id="a" * 32, comments="line\r\nline")
    OutcomeHour.objects.create(project=project, category=1, outcome=0, hour=timezone.now(), quantity=2**40)
    DeadLetter.objects.create(topic="ingest-events", offset=3, stage="decode", reason="bad", payload=bytes(range(256)))
    StreamOffset.objects.create(consumer_group="processing", topic="ingest-events", partition=0, next_offset=10**6)
    latest = factories.make_issue(project)
    latest.delete()  # its number must not be given again
    digits = random.Random(7)
    blobs = get_blob_store()
    for number, size in enumerate((0, 10, 9_000_000)):
        content = digits.randbytes(size)
        key = f"attachments/{project.pk}/{number:02x}/{hashlib.sha1(content).hexdigest()}"
        blobs.put(key, content)
        EventAttachment.objects.create(
            project=project, event_id="a" * 32, issue=issue, name=f"file {number}", size=size, sha1="", blob_key=key
        )
    hash_of = str(issue.hashes.values_list("hash", flat=True)[0])
    now = datetime.now(UTC).replace(microsecond=0)
    rows = []
    for number in range(240):
        when = now - timedelta(days=number % 40, minutes=number)
        row = EventRow(
            project_id=project.pk, issue_id=issue.pk, timestamp=when, received=when, title=f"event {number}\n\n\n",
            origin_offset=number, tags={"n": str(number), "": "\t"}, exception_types=["A", "B"], handled="no",
            user="id:1", payload=json.dumps({"n": number, "text": "x\n\n" * number}), size=number * 3,
        )  # fmt: skip
        row.primary_hash = UUID(hash_of)
        rows.append(row)
    # A batch under way: its rows are there, the transaction that counts them and moves the offset is not.
    rows.append(EventRow(project_id=project.pk, origin_offset=10**6 + 5, title=UNDER_WAY))
    insert_events(get_store(), rows)
    insert_spans(get_store(), [{"project_id": project.pk, "is_segment": 1, "transaction": "/"}, {"op": "db"}])
    get_store().insert("logs", ["project_id", "timestamp", "message"], [[project.pk, now, "a line"]])
    store_profiles([profile_record(project.pk, now - timedelta(days=1))], get_store(), blobs)


def _state() -> dict[str, Any]:
    from django.apps import apps
    from django.db import connection

    from dictamesh_sentry.blobs.factory import get_blob_store
    from dictamesh_sentry.eventstore.client import get_store
    from dictamesh_sentry.ops.backup.events import product_tables

    def plain(value: Any) -> Any:
        return bytes(value).hex() if isinstance(value, bytes | memoryview) else value

    tables = {}
    for model in apps.get_models(include_auto_created=True):
        names = [field.attname for field in model._meta.concrete_fields]
        rows = model._base_manager.order_by("pk").values_list(*names)
        tables[model._meta.db_table] = [[plain(value) for value in row] for row in rows]
    blobs = get_blob_store()
    return {
        "vendor": connection.vendor,
        "tables": tables,
        "events": {name: get_store().query(f"SELECT * FROM {name} ORDER BY ALL") for name in product_tables()},
        "blobs": {key: hashlib.sha256(blobs.read(key)).hexdigest() for key, _ in blobs.keys("")},
    }


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dictamesh_sentry.config.django")
    import django

    django.setup()
    from dictamesh_sentry.cli.setup import event_store

    output, sys.stdout = sys.stdout, sys.stderr
    with event_store():
        if sys.argv[1] == "seed":
            _seed()
        else:
            json.dump(_state(), output, default=str, sort_keys=True)


if __name__ == "__main__":
    main()
