"""``doctor`` finds each kind of trouble, says what to do, and never a secret; it works when nothing else does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dictamesh_sentry.config.schema import Settings
from dictamesh_sentry.eventstore.interface import EventStore
from dictamesh_sentry.ops.doctor import configuration, flow, machine, stores
from dictamesh_sentry.ops.doctor.examine import every_check
from dictamesh_sentry.ops.doctor.findings import Check, Found, ok, run_checks, warning
from dictamesh_sentry.processing.models import DeadLetter, PeriodicRun
from tests.support.factories import make_user
from tests.support.postgres import running_postgres
from tests.support.redis import running_redis
from tests.support.topology import clean_environment

SECRET = "hunter2-is-no-good-password"
SCALED = {
    "postgres_host": "db",
    "db_password": SECRET,
    "kafka_hosts": "a:9092",
    "url_prefix": "http://localhost:9000",
    "filestore_location": "/shared",
    "secret_key": "k" * 50,
}


def statuses(found: Iterator[Found]) -> list[str]:
    return [status for status, _, _ in found]


def run_doctor(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dictamesh_sentry", "doctor", *arguments],
        env={**clean_environment(), "SENTRY_DATA_DIR": str(folder), **environment},
        capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip


# The whole command


def test_when_every_store_is_down_all_else_is_still_examined(tmp_path: Path) -> None:
    done = run_doctor(
        tmp_path, "--json",
        SENTRY_POSTGRES_HOST="127.0.0.1", SENTRY_POSTGRES_PORT="9", SENTRY_DB_PASSWORD=SECRET,
        SENTRY_CLICKHOUSE_HOST="127.0.0.1", SENTRY_CLICKHOUSE_PORT="9", SENTRY_CLICKHOUSE_PASSWORD=SECRET,
        SENTRY_KAFKA_HOSTS="127.0.0.1:9", SENTRY_REDIS_HOST="127.0.0.1", SENTRY_REDIS_PORT="9",
        SENTRY_REDIS_PASSWORD=SECRET, SENTRY_SECRET_KEY=SECRET,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert SECRET not in done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert set(report) == {"version", "ok", "failures", "warnings", "checks"}
    assert report["ok"] is False
    by_name: dict[str, list[dict[str, Any]]] = {}
    for check in report["checks"]:
        assert set(check) == {"name", "status", "found", "advice", "milliseconds"}
        assert check["status"] in ("ok", "warning", "failure", "skipped")
        assert check["advice"] or check["status"] in ("ok", "skipped"), check
        by_name.setdefault(check["name"], []).append(check)
    assert list(by_name) == [check.name for check in every_check()]
    for name in ("metadata", "event store", "redis", "stream"):
        assert [check["status"] for check in by_name[name]] == ["failure"], by_name[name]
    assert "refused" in by_name["metadata"][0]["found"]
    for name in ("metadata schema", "event schema", "lag", "dead letters", "cron", "first password"):
        assert [check["status"] for check in by_name[name]] == ["skipped"], by_name[name]
    for name in ("software", "disk", "memory", "blobs"):
        assert [check["status"] for check in by_name[name]] == ["ok"], by_name[name]
    assert report["failures"] == 4


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"SENTRY_PORT": "nine"}, "SENTRY_PORT"),
        ({"SENTRY_POSTGRES_HOST": "db"}, "SENTRY_DB_PASSWORD is empty"),
    ],
)
def test_a_configuration_that_is_refused_is_the_first_finding(
    tmp_path: Path, environment: dict[str, str], expected: str
) -> None:
    done = run_doctor(tmp_path, **environment)
    assert done.returncode == 2
    first = done.stdout.splitlines()[0]
    assert first.startswith("failure  configuration")
    assert expected in first
    assert "software" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_broken_hook_is_named(tmp_path: Path) -> None:
    (tmp_path / "sentry.conf.py").write_text("1 / 0\n")
    done = run_doctor(tmp_path / "data", SENTRY_CONF=str(tmp_path))
    assert done.returncode == 2
    assert "ZeroDivisionError" in done.stdout
    assert "sentry.conf.py" in done.stdout


def test_warnings_count_only_when_strict(tmp_path: Path) -> None:
    prepared = subprocess.run(
        [sys.executable, "-m", "dictamesh_sentry", "init"],
        env={**clean_environment(), "SENTRY_DATA_DIR": str(tmp_path)}, capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    assert prepared.returncode == 0
    # The address that is being served, not the one it was prepared for.
    (tmp_path / "run" / "port.json").write_text(json.dumps({"supervisor": os.getpid(), "port": 9777}))
    relaxed = run_doctor(tmp_path)
    assert relaxed.returncode == 0, relaxed.stdout
    assert "first password" in relaxed.stdout
    assert "→ Sign in at http://localhost:9777" in relaxed.stdout
    assert run_doctor(tmp_path, "--strict").returncode == 1


@pytest.mark.django_db
def test_a_healthy_installation_has_nothing_to_do(event_store: EventStore) -> None:
    PeriodicRun.objects.create(name="x", last_enqueued=datetime.now(UTC))
    settings = Settings(data_dir=Path(os.environ["SENTRY_DATA_DIR"]))
    for check in every_check():
        found = list(check.ask(settings))
        assert found, check.name
        assert not [line for line in found if line[0] in ("warning", "failure")], (check.name, found)


# How checks are run


def test_a_check_that_hangs_or_breaks_stops_no_other() -> None:
    def hanging(_: Settings) -> Iterator[Found]:
        time.sleep(5)
        yield ok("late")

    def breaking(_: Settings) -> Iterator[Found]:
        yield warning("before", "do")
        raise RuntimeError(f"cannot log in with {SECRET}")

    def fine(_: Settings) -> Iterator[Found]:
        yield ok("fine")

    checks = [
        Check("hanging", hanging, advice="wait"),
        Check("after", fine, needs=("hanging",)),
        Check("breaking", breaking),
        Check("fine", fine),
    ]
    began = time.monotonic()
    findings = run_checks(checks, Settings(db_password=SECRET), seconds=0.5)
    assert time.monotonic() - began < 3
    assert [(finding.name, finding.status) for finding in findings] == [
        ("hanging", "failure"), ("after", "skipped"), ("breaking", "warning"), ("breaking", "failure"), ("fine", "ok"),
    ]  # fmt: skip
    assert findings[0].advice == "wait"
    assert findings[3].found == "cannot log in with ********"


# Configuration


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"secret_key": ""}, "SENTRY_SECRET_KEY is empty"),
        ({"secret_key": "short"}, "only 5 characters"),
        ({"postgres_host": "", "db_password": ""}, "metadata is SQLite"),
        ({"filestore_location": ""}, "attachments are kept in the data folder of each role"),
        ({"kafka_hosts": "a:9092,b:9092"}, "SENTRY_KAFKA_REPLICATION_FACTOR is 1"),
        ({"url_prefix": "http://sentry.example.com", "mail_backend": "smtp"}, "unencrypted"),
        ({"url_prefix": "https://sentry.example.com", "mail_backend": "smtp"}, "SENTRY_TRUSTED_PROXIES is 0"),
        ({"url_prefix": "https://sentry.example.com", "trusted_proxies": 1}, "mail.backend is console"),
        ({"url_prefix": ""}, "SENTRY_URL_PREFIX is empty"),
    ],
)
def test_unwise_settings_are_warnings(changes: dict[str, Any], expected: str) -> None:
    assert statuses(configuration.configuration(Settings(**SCALED))) == ["ok"]
    [(status, found, advice)] = configuration.configuration(Settings(**{**SCALED, **changes}))
    assert status == "warning"
    assert expected in found
    assert advice


@pytest.mark.parametrize(
    ("host", "public"),
    [("localhost", False), ("sentry", False), ("10.0.0.1", False), ("sentry.local", False), ("8.8.8.8", True), ("a.io", True)],
)  # fmt: skip
def test_which_hosts_are_public(host: str, public: bool) -> None:
    assert configuration._is_public(host) is public


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "find_spec", lambda name: None if name == "confluent_kafka" else True)
    [(status, found, advice)] = configuration.software(Settings(**SCALED))
    assert (status, "confluent_kafka" in found, "scaled" in advice) == ("failure", True, True)


# The machine


def test_a_full_disk_fails_and_a_filling_one_warns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    settings = Settings(data_dir=tmp_path)
    for free, expected in ((100 << 20, "failure"), (1 << 30, "warning"), (50 << 30, "ok")):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: usage(100 << 30, 0, free))
        assert statuses(machine.disk(settings))[0] == expected


def test_little_memory_and_few_files_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses(machine.memory(Settings())) == ["ok"]
    monkeypatch.setattr(machine, "machine_memory", lambda: 256 << 20)
    assert statuses(machine.memory(Settings())) == ["warning"]
    monkeypatch.setattr(machine.resource, "getrlimit", lambda _: (256, 4096))
    assert statuses(machine.open_files(Settings())) == ["warning"]


def test_secrets_that_everybody_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path)
    key = tmp_path / "secret_key"
    key.write_text("x")
    key.chmod(0o600)
    assert statuses(machine.secret_files(settings)) == ["ok"]
    key.chmod(0o644)
    [(status, found, advice)] = machine.secret_files(settings)
    assert (status, "secret_key" in found, advice) == ("warning", True, f"chmod 600 {key}")
    key.chmod(0o600)
    conf = tmp_path / "config.yml"
    conf.write_text("# mail.password: none here\nmail.host: x\n")
    conf.chmod(0o644)
    monkeypatch.setenv("SENTRY_CONF", str(tmp_path))
    assert statuses(machine.secret_files(settings)) == ["ok"]
    conf.write_text("mail.password: here\n")
    assert statuses(machine.secret_files(settings)) == ["warning"]


def test_a_data_folder_of_somebody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses(machine.data_folder(Settings(data_dir=tmp_path / "none"))) == ["warning"]
    monkeypatch.setattr("os.access", lambda path, _mode: path != tmp_path)
    [(status, found, _)] = machine.data_folder(Settings(data_dir=tmp_path))
    assert (status, "not writable" in found) == ("failure", True)


# Stores


@pytest.mark.parametrize(("skew", "expected"), [(0.0, []), (5.0, ["warning"]), (-90.0, ["failure"])])
def test_clocks_that_differ(skew: float, expected: list[str]) -> None:
    assert statuses(stores._clock("PostgreSQL", lambda: time.time() + skew)) == expected


def test_a_slow_store_is_a_warning() -> None:
    assert [stores._answers("x", seconds)[0] for seconds in (0.01, 2.0)] == ["ok", "warning"]


def test_schemas_older_and_newer_than_the_code(
    db: None, event_store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db.migrations.recorder import MigrationRecorder

    assert statuses(stores.metadata_schema(Settings())) == ["ok"]
    assert statuses(stores.event_schema(Settings())) == ["ok"]
    recorder = MigrationRecorder.Migration
    recorder.objects.create(app="issues", name="9999_future")
    assert statuses(stores.metadata_schema(Settings())) == ["failure"]
    recorder.objects.filter(name="9999_future").delete()
    latest = recorder.objects.filter(app="ops" if recorder.objects.filter(app="ops") else "issues").latest("id")
    latest.delete()
    [(status, _, advice)] = stores.metadata_schema(Settings())
    assert (status, "upgrade" in advice) == ("failure", True)
    monkeypatch.setattr(stores, "pending", lambda: ["0002_more"])
    assert statuses(stores.event_schema(Settings())) == ["failure"]
    monkeypatch.setattr(stores, "pending", list)
    monkeypatch.setattr(stores, "known_migrations", list)
    assert statuses(stores.event_schema(Settings())) == ["failure"]


@pytest.mark.parametrize(("policy", "expected"), [("noeviction", ["ok"]), ("allkeys-lru", ["ok", "warning"])])
def test_redis_that_may_drop_tasks(tmp_path: Path, policy: str, expected: list[str]) -> None:
    with running_redis(tmp_path, "--maxmemory", "100mb", "--maxmemory-policy", policy) as server:
        settings = Settings(
            redis_host="127.0.0.1", redis_port=server.port, redis_password=server.environment["SENTRY_REDIS_PASSWORD"]
        )
        assert statuses(stores.redis(settings)) == expected
        wrong = Settings(redis_host="127.0.0.1", redis_port=server.port, redis_password=SECRET)
        [finding] = run_checks([Check("redis", stores.redis, advice="x")], wrong)
        assert finding.status == "failure"
        assert SECRET not in finding.found


def test_blobs_that_come_back_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert statuses(stores.blobs(Settings())) == ["ok"]
    store = stores.get_blob_store()
    assert not list(store.keys("doctor/"))
    monkeypatch.setattr(type(store), "read", lambda self, key: b"other")
    [finding] = run_checks([Check("blobs", stores.blobs, advice="x")], Settings())
    assert finding.status == "failure"


def test_postgresql_answers_and_wants_its_schema(tmp_path: Path) -> None:
    with running_postgres() as server:
        (tmp_path / "cli").mkdir()
        report = json.loads(
            run_doctor(tmp_path / "cli", "--json", SENTRY_DB_SSLMODE="disable", **server.environment).stdout
        )
        wrong = run_doctor(
            tmp_path / "cli", SENTRY_DB_SSLMODE="disable", **server.environment | {"SENTRY_DB_PASSWORD": SECRET}
        )
    found = {check["name"]: check for check in report["checks"]}
    assert found["metadata"]["status"] == "ok"
    assert found["metadata"]["found"].startswith("PostgreSQL ")
    assert found["metadata schema"]["status"] == "failure"
    assert "upgrade" in found["metadata schema"]["advice"]
    assert "password authentication failed" in wrong.stdout


# What flows


def _lags(seconds: float) -> Callable[[str], dict[str, tuple[int, float]]]:
    return lambda topic: {"processing": (7, seconds)} if topic == "ingest-events" else {}


@pytest.mark.parametrize(("seconds", "expected"), [(1.0, "ok"), (120.0, "warning"), (3600.0, "failure")])
def test_a_stage_that_falls_behind(seconds: float, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "stream_lags", _lags(seconds))
    [(status, found, _)] = flow.lag(Settings())
    assert status == expected
    assert "7 messages" in found


@pytest.mark.django_db
def test_dead_letters_cron_and_the_first_password() -> None:
    running = Settings(postgres_host="db", db_password="x")
    assert statuses(flow.dead_letters(Settings())) == ["ok"]
    DeadLetter.objects.create(topic="ingest-events", offset=1, stage="x", reason="", payload=b"")
    [(status, _, advice)] = flow.dead_letters(Settings())
    assert (status, "dlq list" in advice) == ("warning", True)
    assert statuses(flow.cron(running)) == ["failure"]
    run = PeriodicRun.objects.create(name="x", last_enqueued=datetime.now(UTC) - timedelta(hours=1))
    assert statuses(flow.cron(running)) == ["failure"]
    assert statuses(flow.cron(Settings(data_dir=Path("/nowhere")))) == ["skipped"]
    PeriodicRun.objects.filter(pk=run.pk).update(last_enqueued=datetime.now(UTC))
    assert statuses(flow.cron(running)) == ["ok"]
    assert statuses(flow.first_password(Settings())) == ["ok"]
    make_user(email="a@example.com", has_default_password=True)
    [(status, found, _)] = flow.first_password(Settings())
    assert (status, "a@example.com" in found) == ("warning", True)
