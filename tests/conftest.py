"""Every test process works in its own data folder; nothing outside it is touched."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

import django
import pytest

if TYPE_CHECKING:
    from dictamesh_sentry.eventstore.interface import EventStore

_data_dir = tempfile.mkdtemp(prefix="dictamesh-test-")
atexit.register(shutil.rmtree, _data_dir, ignore_errors=True)
for name in [name for name in os.environ if name.startswith("SENTRY_")]:
    del os.environ[name]
os.environ["SENTRY_DATA_DIR"] = _data_dir
# Set by tests/conformance/test_metadata.py, which runs this suite's tests of the metadata over PostgreSQL.
if _postgres := os.environ.get("DICTAMESH_TEST_POSTGRES"):
    os.environ["SENTRY_POSTGRES_HOST"] = "127.0.0.1"
    os.environ["SENTRY_POSTGRES_PORT"], os.environ["SENTRY_DB_PASSWORD"] = _postgres.split(":")
os.environ["SENTRY_MAIL_BACKEND"] = "dummy"
# Named here and not in pyproject.toml: there, pytest-django would load the settings before the folder is known.
os.environ["DJANGO_SETTINGS_MODULE"] = "dictamesh_sentry.config.django"
django.setup()


@pytest.fixture(scope="session")
def _event_store_process() -> Iterator[None]:
    """One embedded event store for the whole run."""
    from dictamesh_sentry.eventstore.embedded.launch import ensure_running
    from dictamesh_sentry.eventstore.migrate import migrate

    os.environ["DICTAMESH_STORE_SYNC"] = "0"
    with ensure_running():
        migrate()
        yield


@pytest.fixture
def event_store(_event_store_process: None) -> Iterator[EventStore]:
    """The event store, with its tables created and empty."""
    from dictamesh_sentry.eventstore.client import get_store

    store = get_store()
    for table in ("events", "spans", "logs", "profiles", "profile_functions"):
        store.command(f"TRUNCATE TABLE {table}")
    return store


@pytest.fixture(autouse=True)
def _mail_goes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mail that a worker would send is in ``mail.outbox`` as soon as it is queued."""
    from dictamesh_sentry.accounts import tasks

    monkeypatch.setattr(tasks, "deliver_mail", tasks.deliver_mail.run)
