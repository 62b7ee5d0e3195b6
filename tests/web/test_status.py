"""The system status page, with and without its dependencies."""

from __future__ import annotations

import json
import os

import pytest
from django.test import Client

from dictamesh_sentry.config.load import get_settings
from dictamesh_sentry.processing.models import DeadLetter
from dictamesh_sentry.streams.factory import get_consumer
from dictamesh_sentry.web.views import status_data
from tests.support.factories import make_user

pytestmark = [pytest.mark.django_db, pytest.mark.urls("dictamesh_sentry.web.urls")]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(status_data, "_sizes", (0.0, []))
    client = Client()
    client.force_login(make_user(is_superuser=True))
    return client


def letter(offset: int) -> DeadLetter:
    return DeadLetter.objects.create(
        topic="status-test", offset=offset, stage="normalize", reason=f"<b>broken {offset}</b>", payload=b"payload"
    )


def test_page_is_there_even_when_the_event_store_is_not(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from dictamesh_sentry.eventstore.interface import StoreUnavailableError

    def down() -> object:
        raise StoreUnavailableError("the store is down <now>")

    monkeypatch.setattr("dictamesh_sentry.ops.health.get_store", down)
    monkeypatch.setattr("dictamesh_sentry.web.views.status_data.get_store", down)
    page = client.get("/manage/status/").content.decode()
    assert "Not serving." in page
    assert "the store is down &lt;now&gt;" in page
    assert "ingest-events" in page
    assert "No dead letters" in page


@pytest.mark.server
def test_page_reports_the_real_store(client: Client, event_store: object) -> None:
    page = client.get("/manage/status/").content.decode()
    assert "Serving." in page
    assert "0 events" in page
    assert "ClickHouse engine" in page


def test_refresh_is_a_part_of_the_page(client: Client) -> None:
    part = client.get("/manage/status/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert "Stages" in part


def test_dead_letters_are_replayed_and_dropped(client: Client) -> None:
    first, second, third = letter(1), letter(2), letter(3)
    page = client.get("/manage/status/").content.decode()
    assert "&lt;b&gt;broken 1&lt;/b&gt;" in page
    consumer = get_consumer("status-test", "test")
    try:
        client.post("/manage/status/dead-letters/", {"do": "replay", "id": [first.pk]})
        assert [message.value for message in consumer.poll(10, 2)] == [b"payload"]
        client.post("/manage/status/dead-letters/", {"do": "drop", "id": [second.pk]})
        assert set(DeadLetter.objects.filter(date_replayed=None)) == {third}
        client.post("/manage/status/dead-letters/", {"do": "replay-all"})
        assert not DeadLetter.objects.filter(date_replayed=None).exists()
    finally:
        consumer.close()


@pytest.mark.parametrize("data", [{"do": "drop"}, {"do": "replay", "id": "x"}, {"do": "drop", "id": "9" * 30}, {}])
def test_nothing_chosen_changes_nothing(client: Client, data: dict[str, str]) -> None:
    letter(1)
    client.post("/manage/status/dead-letters/", data)
    assert DeadLetter.objects.filter(date_replayed=None).count() == 1


def test_warnings_name_the_fix(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_user(has_default_password=True)
    settings = get_settings().model_copy(
        update={"postgres_host": "db", "secret_key": "", "url_prefix": "http://sentry.example.test"}
    )
    monkeypatch.setattr(status_data, "get_settings", lambda: settings)
    found = {warning.text: warning.fix for warning in status_data.warnings()}
    assert any("first password" in text for text in found)
    assert any("SENTRY_SECRET_KEY" in fix for fix in found.values())
    assert any("unencrypted" in text for text in found)
    assert any("mail.backend" in fix for fix in found.values())
    safe = settings.model_copy(
        update={"secret_key": "x", "url_prefix": "https://sentry.example.test", "mail_backend": "smtp"}
    )
    monkeypatch.setattr(status_data, "get_settings", lambda: safe)
    assert [warning.text for warning in status_data.warnings()] == [
        "An account still has the well-known first password."
    ]


def test_roles_are_checked_by_their_process(monkeypatch: pytest.MonkeyPatch) -> None:
    run = get_settings().data_dir / "run"
    run.mkdir(parents=True, exist_ok=True)
    (run / "pids.json").write_text(json.dumps({"web": os.getpid(), "worker": 2**22 - 1}))
    try:
        assert {role.name: role.alive for role in status_data.roles()} == {"web": True, "worker": False}
    finally:
        (run / "pids.json").unlink()
    assert status_data.roles() == []


def test_folders_are_measured(tmp_path: object) -> None:
    folder = tmp_path / "blobs"  # type: ignore[operator]
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "x").write_bytes(b"12345")
    size = status_data._folder("Blobs", folder)
    assert (size.bytes, size.note, size.at_least) == (5, "1 file", False)
    assert status_data._folder("Blobs", folder / "absent").bytes == 0
